/* SPDX-License-Identifier: Apache-2.0 */
/* Packs of published figures: their form, and that each one here has a place for every value. */
#include "harness/paper/pack.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DITBENCH_SOURCE_DIR
#define DITBENCH_SOURCE_DIR "."
#endif

TestSuite(paper_pack, .init = program_limit);

#define CSV                                                                                        \
    "source,figure,model,task,hardware,interconnect,gpus,height,width,frames,steps,scheduler,"     \
    "strategy,config,metric,value,unit,method,uncertainty\n"                                       \
    "s,f,Px,t,A100,NVLink,1,64,64,,20,,serial,,latency,10,s,label,0.5\n"                           \
    "s,f,Px,t,A100,NVLink,4,64,64,,20,,ring,r4,latency,4,s,label,0.5\n"
#define HEAD                                                                                       \
    "name: t\ndescription: d\nclaim: ratio\nhardware: h\npublished_steps: \"20\"\n"                \
    "published_sampler: s\npublished_dtype: fp16\npublished_guidance: g\npublished_warmup: w\n"    \
    "published_timed: t\npublished_loops: \"1\"\n"
#define TAIL "models: [\"Px => pixart-tiny\"]\nsteps: 20\ndiffers: [nothing]\n"
#define GOOD "points:\n  - serial => serial\n  - ring r{gpus} => ring={gpus}\n"

/* The status; the message's place is relative to the file's name. */
static enum status open_text(const char *text, struct pack **out)
{
    program_write(program_file("t.csv"), CSV);
    program_write(program_file("t.yaml"), text);
    return pack_open(program_file("t.yaml"), out);
}

Test(paper_pack, a_mistake_is_told_with_its_line_and_key)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {HEAD "sources: [t.csv]\n" TAIL GOOD "pionts: [a]\n", "t.yaml:19: pionts: unknown key"},
        {HEAD "sources: [t.csv]\n" TAIL, "t.yaml: points: the key is missing"},
        {HEAD "sources: [t.csv]\n" TAIL GOOD "also: []\n", "t.yaml:19: also: the list is empty"},
        {HEAD "sources: [no.csv]\n" TAIL GOOD, "t.yaml:12: sources: no.csv is neither"},
        {HEAD "sources: [t.csv]\n" TAIL "points:\n  - serial => serial\n",
         "t.yaml:16: points: t.csv line 3, 'ring r4' on 4 GPUs at 64 px, is neither mapped nor"},
        {HEAD "sources: [t.csv]\n" TAIL GOOD "  - tensor => tensor={gpus}\n",
         "t.yaml:19: points: 'tensor' takes no row"},
        {HEAD "sources: [t.csv]\n" TAIL "points:\n  - serial = serial\n",
         "t.yaml:17: points: found 'serial = serial', wanted PATTERN => TEXT"},
        {HEAD "sources: [t.csv]\n" TAIL "points:\n  - serial => serial\n  - ring r4 => ring=2\n",
         "t.yaml:18: t.csv line 3 is of 4 GPUs, and 'ring=2' of 2 ranks"},
        {HEAD "sources: [t.csv]\n" TAIL "points:\n  - serial => serial\n  - ring r4 => rng=4\n",
         "t.yaml:18: 'rng=4'"},
        {HEAD "sources: [t.csv]\nmodels: [\"Px => pixart-tony\"]\nsteps: 20\ndiffers: [n]\n" GOOD,
         "t.yaml:13: models: "},
        {HEAD "sources: [t.csv]\n" TAIL GOOD "also: [\"pixart-tiny at 128px => serial\"]\n",
         "t.yaml:19: also: found 'pixart-tiny at 128px', wanted MODEL at SIZE => SPEC"},
        {HEAD "sources: [t.csv]\n" TAIL GOOD "also: [\"pixart-tiny at 4294967424 => serial\"]\n",
         "t.yaml:19: also: found 'pixart-tiny at 4294967424'"},
        {HEAD "sources: [t.csv]\n" TAIL GOOD "also:\n  - pixart-tony at 128 => serial\n",
         "t.yaml:20: also: "},
        {HEAD "sources: [t.csv]\n" TAIL GOOD "overrides:\n  - zzz => steps=3\n",
         "t.yaml:20: overrides: 'zzz' takes no row"},
        {HEAD "sources: [t.csv]\n" TAIL "points:\n  - serial => serial\nleft_out:\n"
              "  - ring* => no\noverrides:\n  - ring* => steps=3\n",
         "t.yaml:21: overrides: 'ring*' takes no row"},
        {HEAD "sources: [t.csv]\n" TAIL GOOD "metric: speed\n",
         "t.yaml:19: metric: found 'speed', wanted latency or memory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pack *pack;
        cr_expect_eq(open_text(cases[i].text, &pack), ST_INVALID, "%zu", i);
        cr_expect_null(pack);
        cr_expect_not_null(strstr(status_message(), cases[i].why), "%zu: %s", i, status_message());
    }
}

/* Keys of a smallest pack, each left out once: all of them, and no others, are those that the
 * README says must be given. */
Test(paper_pack, the_readme_names_the_keys_that_must_be_given)
{
    static const char *const line[] = {
        "name: t\n",
        "description: d\n",
        "claim: ratio\n",
        "hardware: h\n",
        "published_steps: \"20\"\n",
        "published_sampler: s\n",
        "published_dtype: fp16\n",
        "published_guidance: g\n",
        "published_warmup: w\n",
        "published_timed: t\n",
        "published_loops: \"1\"\n",
        "sources: [t.csv]\n",
        "models: [\"Px => pixart-tiny\"]\n",
        "points: [serial => serial, \"ring r{gpus} => ring={gpus}\"]\n",
        "differs: [n]\n",
        "steps: 20\n"};
    enum { KEYS = sizeof line / sizeof line[0] };
    char *readme = program_read(DITBENCH_SOURCE_DIR "/experiments/paper/README.md");
    cr_assert_not_null(readme);
    char *must = strstr(readme, "Must be given: ");
    cr_assert_not_null(must);
    *strchr(must, '.') = '\0';
    int named = 0;
    for (const char *at = must; (at = strchr(at, '`')); at++)
        named++;
    cr_expect_eq(named, 2 * KEYS, "%s", must);
    for (int left = 0; left <= KEYS; left++) {
        char text[2000] = "";
        char key[100] = "";
        struct pack *pack = NULL;
        for (int i = 0; i < KEYS; i++)
            if (i != left)
                strcat(text, line[i]);
        if (left == KEYS) {
            cr_expect_eq(open_text(text, &pack), ST_OK, "%s", status_text());
            pack_close(pack);
            continue;
        }
        cr_expect_eq(open_text(text, &pack), ST_INVALID, "without %s", line[left]);
        snprintf(key, sizeof key, "%.*s: the key is missing", (int)strcspn(line[left], ":"),
                 line[left]);
        cr_expect_not_null(strstr(status_message(), key), "%s", status_message());
        snprintf(key, sizeof key, "`%.*s`", (int)strcspn(line[left], ":"), line[left]);
        cr_expect_not_null(strstr(must, key), "%s", key);
    }
    free(readme);
}

Test(paper_pack, overrides_are_told_with_their_line)
{
    struct pack *pack;
    struct cell cell;
    bool bounded;
    cr_assert_eq(open_text(HEAD "sources: [t.csv]\n" TAIL GOOD
                                "overrides:\n  - ring* => steps=4 repeats=2\n  - ser* => stps=4\n",
                           &pack),
                 ST_OK, "%s", status_text());
    cr_assert_eq(pack_cell(pack, &pack->v[1], &cell, &bounded), ST_OK, "%s", status_text());
    cr_expect_eq(cell.steps, 4);
    cr_expect_eq(cell.repeats, 2);
    cr_expect(bounded);
    cr_expect_eq(pack_cell(pack, &pack->v[0], &cell, &bounded), ST_INVALID);
    cr_expect_not_null(
        strstr(status_message(), "t.yaml:21: key: found 'stps' (did you mean 'steps'?)"), "%s",
        status_message());
    pack_close(pack);
}

/* An option that packs do not have is not among the words that are told. */
Test(paper_pack, an_unknown_key_is_told_with_those_of_packs)
{
    static const char *const no_keys[] = {"hosts", "timeout,", "warmup-loops", "requests", "text"};
    struct pack *pack;
    struct cell cell;
    bool bounded;
    cr_assert_eq(
        open_text(HEAD "sources: [t.csv]\n" TAIL GOOD "overrides: [\"ring* => zzzzz=4\"]\n", &pack),
        ST_OK, "%s", status_text());
    cr_expect_eq(pack_cell(pack, &pack->v[1], &cell, &bounded), ST_INVALID);
    cr_expect_not_null(strstr(status_message(), "warmup_loops, "), "%s", status_message());
    cr_expect_not_null(strstr(status_message(), "timeout_s"), "%s", status_message());
    for (size_t i = 0; i < sizeof no_keys / sizeof no_keys[0]; i++)
        cr_expect_null(strstr(status_message(), no_keys[i]), "%s: %s", no_keys[i],
                       status_message());
    pack_close(pack);
}

Test(paper_pack, a_row_is_mapped_and_knows_its_single_gpu)
{
    struct pack *pack;
    char spec[SPEC_TEXT], label[200];
    cr_assert_eq(open_text(HEAD "sources: [t.csv]\n" TAIL GOOD
                                "also: [\"pixart-tiny at 128 => pipefusion=2\"]\n",
                           &pack),
                 ST_OK, "%s", status_text());
    cr_assert_eq(pack->n, 3);
    cr_assert_eq(pack_spec(&pack->v[1], 4, spec), ST_OK);
    cr_expect_str_eq(spec, "ring=4");
    cr_expect_eq(pack->v[1].one, 0);
    cr_expect_str_eq(pack_label(&pack->v[1], sizeof label, label), "Px ring r4, 4 GPUs, 64 px");
    cr_expect_str_eq(pack_name(&pack->v[0], sizeof label, label), "serial");
    cr_expect_null(pack->v[2].line, "nobody published it");
    cr_expect_str_eq(pack_name(&pack->v[2], sizeof label, label), "pipefusion=2");
    cr_expect_eq(pack->v[2].gpus, 2);
    cr_expect_eq(pack->v[2].height, 128);
    pack_close(pack);
}

Test(paper_pack, a_name_is_of_strategy_and_degrees)
{
    static const struct {
        const char *strategy, *config, *name;
        int gpus;
    } cases[] = {
        {"ulysses", "ulysses8", "ulysses8", 8},
        {"ring", "ulysses1 ring8", "ulysses1 ring8", 8},
        {"pipefusion", "pp8 warmup2 (legend) patches16", "pipefusion pp8 warmup2", 8},
        {"hybrid", "", "hybrid", 2},
        {"hybrid", "printed label is a stale copy and was not used", "hybrid", 2},
        {"hybrid", "cfg2 pp4 torch.compile", "hybrid cfg2 pp4 torch.compile", 8},
        {"hybrid", "cfg+pp", "hybrid cfg+pp", 8},
        {"cfg", "cfg2 pytorch", "cfg2 pytorch", 2},
        {"serial", "1 GPU; a remark", "serial", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct published_line line = {.number = 2};
        char name[200];
        line.field[PUBLISHED_STRATEGY] = (char *)cases[i].strategy;
        line.field[PUBLISHED_CONFIG] = (char *)cases[i].config;
        struct pack_point point = {.line = &line, .program = "", .gpus = cases[i].gpus};
        cr_expect_str_eq(pack_name(&point, sizeof name, name), cases[i].name);
    }
}

/* What is to be known of a value is its flag, not a part of what was run. */
Test(paper_pack, configurations_hold_no_remarks)
{
    static const char *const words[] = {"label", "script", "figure", "hidden", "axis", ";"};
    glob_t found;
    cr_assert_eq(glob(DITBENCH_SOURCE_DIR "/results/published/*.csv", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct published_file file = {.n = 0};
        cr_assert_eq(published_file_read(found.gl_pathv[i], &file), ST_OK, "%s", status_text());
        for (int k = 0; k < file.n; k++)
            for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
                cr_expect_null(strstr(file.v[k].field[PUBLISHED_CONFIG], words[w]), "%s line %d",
                               found.gl_pathv[i], file.v[k].number);
        published_file_release(&file);
    }
    globfree(&found);
}

/* pack_open refuses a row without a place and a rule without a row: opening is the test. */
Test(paper_pack, every_pack_places_every_value_of_its_figures)
{
    glob_t found;
    cr_assert_eq(glob(DITBENCH_SOURCE_DIR "/experiments/paper/*.yaml", 0, NULL, &found), 0);
    cr_expect_geq((int)found.gl_pathc, 12);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct pack *pack;
        const char *slash = strrchr(found.gl_pathv[i], '/');
        cr_assert_eq(pack_open(found.gl_pathv[i], &pack), ST_OK, "%s", status_text());
        cr_expect(strncmp(slash + 1, pack->values->name, strlen(pack->values->name)) == 0 &&
                      strcmp(slash + 1 + strlen(pack->values->name), ".yaml") == 0,
                  "%s is named %s", slash + 1, pack->values->name);
        cr_expect_gt((int)pack->values->differs.n, 2, "%s", slash);
        for (int k = 0; k < pack->n; k++)
            cr_expect(pack->v[k].left_out || pack->v[k].spec);
        pack_close(pack);
    }
    globfree(&found);
}

/* As the page writes it, in backquotes, or a pack, in quotes. */
static bool names_file(const char *text, const char *name)
{
    char quoted[2][300];
    snprintf(quoted[0], sizeof quoted[0], "`%s`", name);
    snprintf(quoted[1], sizeof quoted[1], "\"%s\"", name);
    return strstr(text, quoted[0]) || strstr(text, quoted[1]);
}

Test(paper_pack, every_published_file_is_in_a_pack_or_said_to_be_in_none)
{
    glob_t csv, yaml;
    char *readme = program_read(DITBENCH_SOURCE_DIR "/experiments/paper/README.md");
    cr_assert_not_null(readme);
    cr_assert_eq(glob(DITBENCH_SOURCE_DIR "/results/published/*.csv", 0, NULL, &csv), 0);
    cr_assert_eq(glob(DITBENCH_SOURCE_DIR "/experiments/paper/*.yaml", 0, NULL, &yaml), 0);
    for (size_t i = 0; i < csv.gl_pathc; i++) {
        const char *name = strrchr(csv.gl_pathv[i], '/') + 1;
        bool in_pack = false;
        for (size_t k = 0; k < yaml.gl_pathc && !in_pack; k++) {
            char *text = program_read(yaml.gl_pathv[k]);
            in_pack = names_file(text, name);
            free(text);
        }
        cr_expect_neq(in_pack, names_file(readme, name), "%s: %s", name,
                      in_pack ? "in a pack, and listed as in none" : "in no pack, and not listed");
    }
    globfree(&csv);
    globfree(&yaml);
    free(readme);
}

/* By file, strategy, height and value as they are printed. */
Test(paper_pack, known_traps_are_flagged)
{
    static const struct {
        const char *file, *strategy, *height, *value, *flag;
    } cases[] = {
        {"xdit_table_hunyuanvideo", "ulysses", "720", "3400.55", "suspect: "},
        {"xdit_table_hunyuanvideo", "ulysses", "960", "3400.55", "suspect: "},
        {"xdit_table_stepvideo_h20", "tensor", "", "57.61", "suspect unit: "},
        {"xdit_hunyuandit_a100_1k", "serial", "1024", "18.01", "disagrees: "},
        {"xdit_sd3_a100_scalability", "serial", "1024", "2.71", "disagrees: "},
        {"xdit_sd3_a100_1k", "serial", "1024", "3.09", "disagrees: "},
        {"xdit_flux_a100_scalability", "serial", "1024", "12.77", "printed twice: "},
        {"xdit_pixart_legacy_l20", "ulysses", "2048", "19.03",
         "revised: the plotting script of 2024-05 has 10.03 s"},
        {"xdit_pixart_legacy_l20", "ulysses", "4096", "116.88",
         "revised: the plotting script of 2024-05 has 93.43 s"},
        {"xdit_pixart_legacy_l20", "ring", "1024", "1.74",
         "revised: the plotting script of 2024-05 has 2.000 s"},
        {"xdit_pixart_legacy_l20", "ring", "2048", "6.62",
         "revised: the plotting script of 2024-05 has 6.941 s"},
        {"xdit_pixart_legacy_l20", "ring", "4096", "49.87",
         "revised: the plotting script of 2024-05 has 313.3 s"},
        {"xdit_pixart_legacy_a100_nvlink", "ring", "2048", "4.47",
         "revised: the plotting script of 2024-05 has 3.54 s"},
        {"xdit_pixart_legacy_a100_nvlink", "ulysses", "8192", "346.31",
         "revised: the plotting script of 2024-05 has out of memory"},
        {"xdit_pixart_legacy_a100_pcie", "ring", "8192", "797.66",
         "revised: the plotting script of 2024-05 has out of memory"},
        {"pipefusion_v1_l20", "ring", "4096", "313.3", "suspect: "},
        {"pipefusion_v1_l20_patches", "pipefusion", "2048", "6.34505", "W against W+1: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct published_file file = {.n = 0};
        char path[4096];
        int found = 0;
        snprintf(path, sizeof path, "%s/results/published/%s.csv", DITBENCH_SOURCE_DIR,
                 cases[i].file);
        cr_assert_eq(published_file_read(path, &file), ST_OK, "%s", status_text());
        for (int k = 0; k < file.n; k++) {
            const char *const *field = file.v[k].field;
            if (strcmp(field[PUBLISHED_STRATEGY], cases[i].strategy) != 0 ||
                strcmp(field[PUBLISHED_HEIGHT], cases[i].height) != 0 ||
                strcmp(field[PUBLISHED_VALUE], cases[i].value) != 0)
                continue;
            found++;
            cr_expect_eq(strncmp(field[PUBLISHED_FLAG], cases[i].flag, strlen(cases[i].flag)), 0,
                         "%s line %d: %s", path, file.v[k].number, field[PUBLISHED_FLAG]);
        }
        cr_expect_geq(found, 1, "%s: no %s %s", path, cases[i].strategy, cases[i].value);
        published_file_release(&file);
    }
}

/* Data that is to be handled with care says so beside the value. */
Test(paper_pack, flags_stand_beside_the_values)
{
    struct pack *pack;
    int flagged = 0;
    cr_assert_eq(
        pack_open(DITBENCH_SOURCE_DIR "/experiments/paper/flux-a100-scalability.yaml", &pack),
        ST_OK, "%s", status_text());
    for (int i = 0; i < pack->n; i++)
        flagged += strncmp(pack->v[i].line->field[PUBLISHED_FLAG], "mislabelled", 11) == 0;
    cr_expect_eq(flagged, 8, "%d", flagged);
    pack_close(pack);
}
