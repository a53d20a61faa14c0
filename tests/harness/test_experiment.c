/* SPDX-License-Identifier: Apache-2.0 */
/* Experiment files: what is accepted, what is refused and with which line, and the order of the
 * cells. */
#include "harness/sweep/experiment.h"
#include "harness/sweep/experiment_file.h"
#include "harness/sweep/experiment_text.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "name: t\nmodels: [pixart-tiny]\nstrategies: [serial]\n"

static enum status open_text(const char *text, struct experiment **out)
{
    return experiment_open_memory("t.yaml", text, strlen(text), out);
}

/* Opening or expanding fails, and the message begins with `begin` and holds `word`. */
static void refused(const char *text, const char *begin, const char *word)
{
    struct experiment *e = NULL;
    struct cell *cells = NULL;
    int n;
    enum status st = open_text(text, &e);
    if (st == ST_OK)
        st = experiment_expand(e, &n, &cells);
    cr_assert_eq(st, ST_INVALID, "accepted:\n%s", text);
    cr_assert(strncmp(status_message(), begin, strlen(begin)) == 0, "%s: not at the start of: %s",
              begin, status_message());
    cr_assert(strstr(status_message(), word), "%s: not in: %s", word, status_message());
    free(cells);
    experiment_close(e);
}

static int expand(const char *text, struct cell **cells)
{
    struct experiment *e;
    int n;
    cr_assert_eq(open_text(text, &e), ST_OK, "%s", status_message());
    cr_assert_eq(experiment_expand(e, &n, cells), ST_OK, "%s", status_message());
    experiment_close(e);
    return n;
}

static int count(const char *text)
{
    struct cell *cells;
    int n = expand(text, &cells);
    free(cells);
    return n;
}

Test(experiment, names_the_line_of_an_unknown_key)
{
    refused("name: t\nmodels: [pixart-tiny]\n\n# note\nfoo: 1\nstrategies: [serial]\n",
            "t.yaml:5: foo:", "unknown key");
    refused("foo: 1\n" HEAD, "t.yaml:1: foo:", "unknown key");
    refused(HEAD "step: [3]\n", "t.yaml:4: step:", "steps");
    refused("{name: t,\n models: [pixart-tiny],\n strategies: [serial],\n bar: 2}\n",
            "t.yaml:4: bar:", "unknown key");
    refused("name: t # foo: 1\ndescription: \"foo: 2\"\n'foo': 3\n" HEAD,
            "t.yaml:3: foo:", "unknown key");
}

Test(experiment, names_the_line_of_a_wrong_type)
{
    refused("name: t\nmodels: pixart-tiny\nstrategies: [serial]\n",
            "t.yaml:2: models:", "wanted a list: models: [pixart-tiny]");
    refused(HEAD "steps: 20\n", "t.yaml:4: steps:", "wanted a list: steps: [20]");
    refused(HEAD "steps: 10, 20\n", "t.yaml:4: steps:", "wanted a list: steps: [10, 20]");
    refused("name: t\nmodels: [x]\nstrategies: cfg=2,ring=2 # both\n",
            "t.yaml:3: strategies:", "wanted a list: strategies: [\"cfg=2,ring=2\"]");
    refused(HEAD "steps:\n  - 20\n  - [1]\n", "t.yaml:4: steps:", "");
    refused(HEAD "steps:\n  - {a: 1}\n", "t.yaml:4: steps:", "");
    refused(HEAD "seed: [1]\n", "t.yaml:4: seed:", "found a list, wanted one value");
    refused(HEAD "seed:\n", "t.yaml:4: seed:", "nothing behind the key");
    refused("name: {a: b}\nmodels: [pixart-tiny]\nstrategies: [serial]\n", "t.yaml:1: name:", "");
}

Test(experiment, names_the_line_of_a_wrong_value)
{
    refused(HEAD "steps: [two]\n", "t.yaml:4: steps:", "'two'");
    refused(HEAD "steps: [1.5]\n", "t.yaml:4: steps:", "'1.5'");
    refused(HEAD "ranks: [1, 0x10]\n", "t.yaml:4: ranks:", "'0x10'");
    refused(HEAD "ranks: [99999999999999999999]\n", "t.yaml:4: ranks:", "99999999999999999999");
    refused(HEAD "guidance: .nan\n", "t.yaml:4: guidance:", ".nan");
    refused(HEAD "threads: -1\n", "t.yaml:4: threads:", "-1");
    refused(HEAD "timeout_s: 0\n", "t.yaml:4: timeout_s:", "'0'");
    refused(HEAD "sizes: [\"250\"]\n", "t.yaml:4: sizes:", "256");
    refused(HEAD "sizes: [big]\n", "t.yaml:4: sizes:", "big");
    refused(HEAD "dtypes: [fp64]\n", "t.yaml:4: dtypes:", "fp32");
    refused(HEAD "backend: tpu\n", "t.yaml:4: backend:", "cuda");
    refused(HEAD "requests: [100001]\n", "t.yaml:4: requests:", "100001");
    refused(HEAD "exclude: [\"colour=red\"]\n", "t.yaml:4: exclude:", "colour=red");
    refused("name: t\nmodels: [nobody]\nstrategies: [serial]\n", "t.yaml:2: models:", "nobody");
    refused("name: t\nmodels: [pixart-tiny]\nstrategies: [\"ulyses=2\"]\n",
            "t.yaml:3: strategies:", "position 1");
    refused("name: a/b\nmodels: [pixart-tiny]\nstrategies: [serial]\n", "t.yaml:1: name:", "a/b");
    refused("name: ..\nmodels: [pixart-tiny]\nstrategies: [serial]\n", "t.yaml:1: name:", "..");
}

#define RANKS "name: t\nmodels: [pixart-tiny]\nranks: [1, 4]\nstrategies: "

Test(experiment, says_that_a_cut_hybrid_wants_quotes)
{
    refused(RANKS "[serial, cfg=2,ulysses=2]\n", "t.yaml:4: strategies: 'cfg=2' makes no cell",
            "quote them as one, \"cfg=2,ulysses=2\"");
    refused("name: t\nmodels: [pixart-tiny]\nranks: [8]\nstrategies: [cfg=2, ring=2, ulysses=2]\n",
            "t.yaml:4: strategies:", "quote them as one, \"cfg=2,ring=2,ulysses=2\"");
    refused(RANKS "[serial, cfg=2]\n", "t.yaml:4: strategies: 'cfg=2' makes no cell",
            "add 2 to ranks");
    refused("name: t\nmodels: [pixart-tiny]\nranks: [2]\nstrategies: [serial, \"ring={ranks}\"]\n",
            "t.yaml:4: strategies: 'serial' makes no cell", "add 1 to ranks");
    cr_assert_eq(count(RANKS "[serial, \"cfg=2,ulysses=2\"]\n"), 2);
    /* what is excluded is meant to be */
    cr_assert_eq(count(RANKS "[serial, ring=4]\nexclude: [strategy=ring]\n"), 1);
}

static void notes(const char *strategies, const char *word)
{
    char text[300];
    char note[800];
    struct experiment *e;
    snprintf(text, sizeof text, "name: t\nmodels: [pixart-tiny]\nstrategies: %s\n", strategies);
    cr_assert_eq(open_text(text, &e), ST_OK, "%s", status_message());
    experiment_note(e, note, sizeof note);
    cr_assert(word ? strstr(note, word) != NULL : note[0] == '\0', "%s: %s", strategies, note);
    experiment_close(e);
}

Test(experiment, notes_a_hybrid_without_quotes)
{
    notes("[serial, cfg=2,ulysses=2]", "t.yaml:3: strategies: cfg=2,ulysses=2 without quotes");
    notes("[serial, cfg=2, ulysses=2]", NULL);
    notes("[serial,cfg=2]", NULL);
    notes("[serial, \"cfg=2,ulysses=2\"]", NULL);
    notes("[cfg=2, ulysses=2, \"cfg=2,ulysses=2\"] # cfg=2,ulysses=2", NULL);
    notes("\n  - cfg=2\n  - ulysses=2\n  - cfg=2,ulysses=2", NULL);
}

Test(experiment, wants_ranks_for_its_hole)
{
    refused("name: t\nmodels: [pixart-tiny]\nstrategies: [\"ring={ranks}\"]\n",
            "t.yaml:3: strategies: 'ring={ranks}'", "ranks: [1, 2, 4]");
    refused(RANKS "[serial, ring={ranks}]\n",
            "t.yaml:4: strategies:", "must be quoted: \"ring={ranks}\"");
    refused(RANKS "[cfg=2,ring={ranks}, serial]\n",
            "t.yaml:4: strategies:", "must be quoted: \"cfg=2,ring={ranks}\"");
    cr_assert_eq(count(RANKS "\n  - ring={ranks}\n"), 2);
}

Test(experiment, says_what_yaml_was_meant)
{
    refused(HEAD "steps:\n\t- 1\n", "t.yaml:5: not YAML: a tab in the indentation", "blanks");
    refused(HEAD "\tseed: 1\n", "t.yaml:4: not YAML: a tab in the indentation", "blanks");
    refused(HEAD "description: a: b\n", "t.yaml:4: not YAML", "must be quoted");
    refused(HEAD "seed:1\n", "t.yaml:3: not YAML", "a blank behind it");
    refused(HEAD "steps: - 1\n", "t.yaml:4: not YAML", "lines of their own");
    refused(HEAD "step: [3]\n", "t.yaml:4: step: unknown key", "did you mean 'steps'");
    refused(HEAD "warmup-loops: 3\n", "t.yaml:4: warmup-loops: unknown key",
            "did you mean 'warmup_loops'");
    refused(HEAD "graph: true\n", "t.yaml:4: graph: found 'true'", "off, on");
    refused(HEAD "turns: 2\n", "t.yaml:4: turns: unknown key", "legal: name");
}

Test(experiment, refuses_empty_lists_and_missing_keys)
{
    refused(HEAD "ranks: []\n", "t.yaml:4: ranks:", "");
    refused("name: t\nmodels:\n  []\nstrategies: [serial]\n", "t.yaml:2: models:", "");
    refused("models: [pixart-tiny]\nstrategies: [serial]\n", "t.yaml: name:", "missing");
    refused("", "t.yaml:", "empty");
    refused("# nothing\n", "t.yaml:", "empty");
    refused("[1, 2]\n", "t.yaml:", "mapping");
    refused("just words\n", "t.yaml:", "mapping");
}

Test(experiment, refuses_keys_given_twice)
{
    refused("name: t\nname: u\nmodels: [pixart-tiny]\nstrategies: [serial]\n",
            "t.yaml:2: name:", "twice");
    refused(HEAD "steps: [1]\nseed: 2\nsteps: [2]\n", "t.yaml:6: steps:", "twice");
}

Test(experiment, refuses_a_second_document)
{
    refused(HEAD "---\n" HEAD, "t.yaml:4: ---:", "second YAML document");
    refused("---\n" HEAD "...\n---\nname: u\n", "t.yaml:5: ---:", "second YAML document");
    cr_assert_eq(count("---\n" HEAD "...\n"), 1);
}

Test(experiment, refuses_aliases_before_they_grow)
{
    refused("name: t\nmodels: &m [pixart-tiny]\nstrategies: *m\n",
            "t.yaml:3: strategies:", "alias");
    refused("name: &a lol\nmodels: [*a,*a,*a,*a,*a,*a,*a,*a]\nstrategies: [serial]\n",
            "t.yaml:2: models:", "alias");
}

Test(experiment, refuses_what_is_no_text)
{
    struct experiment *e;
    static const char zero[] = "name: t\0t\n";
    cr_assert_eq(experiment_open_memory("t.yaml", zero, sizeof zero - 1, &e), ST_INVALID);
    refused("name: \"a\\0b\"\nmodels: [pixart-tiny]\nstrategies: [serial]\n",
            "t.yaml:", "zero byte");
    refused("name: t\n\tmodels: [x]\n", "t.yaml:", "not YAML");
    refused("name: t\nmodels: [x\n", "t.yaml:", "not YAML");
    refused("name: \xff\xfe\n", "t.yaml:", "not YAML");
    char *large = malloc(EXPERIMENT_MAX_BYTES + 1);
    memset(large, '#', EXPERIMENT_MAX_BYTES + 1);
    cr_assert_eq(experiment_open_memory("t.yaml", large, EXPERIMENT_MAX_BYTES + 1, &e), ST_INVALID);
    memset(large, '[', 100000);
    cr_assert_eq(experiment_open_memory("t.yaml", large, 100000, &e), ST_INVALID);
    free(large);
    cr_assert_eq(experiment_open("/no/such/file.yaml", &e), ST_IO);
    cr_assert_eq(experiment_open("/dev/zero", &e), ST_INVALID);
}

Test(experiment, expands_the_last_axis_fastest)
{
    struct cell *c;
    int n = expand(
        "name: t\nmodels: [pixart-tiny, dit-tiny]\nsizes: [\"128\", \"128x256\"]\nranks: [1, 2]\n"
        "strategies: [serial, \"ulysses={ranks}\", \"ring=2\"]\nsteps: [3, 4]\nrequests: [1, 2]\n",
        &c);
    /* at one rank: serial, ulysses=1; at two: ulysses=2, ring=2 */
    cr_assert_eq(n, 2 * 2 * 4 * 4);
    cr_assert(strcmp(c[0].model, "pixart-tiny") == 0 && c[0].steps == 3 && c[0].requests == 1);
    cr_assert(c[1].requests == 2 && c[1].steps == 3);
    cr_assert(c[2].requests == 1 && c[2].steps == 4);
    cr_assert_str_eq(c[4].strategy, "ulysses=1");
    cr_assert(strcmp(c[8].strategy, "ulysses=2") == 0 && c[8].ranks == 2);
    cr_assert_str_eq(c[12].strategy, "ring=2");
    cr_assert(c[16].width == 128 && c[16].height == 256);
    cr_assert_str_eq(c[32].model, "dit-tiny");
    free(c);
}

Test(experiment, leaves_defaults_to_the_model)
{
    struct cell *c;
    cr_assert_eq(expand(HEAD, &c), 1);
    cr_assert(c[0].width == 0 && c[0].steps == 0 && c[0].ranks == 0 && c[0].repeats == 5 &&
              c[0].warmup_loops == 1);
    cr_assert_eq(c[0].timeout_s, EXPERIMENT_TIMEOUT_S);
    free(c);
    cr_assert_eq(
        expand(HEAD
               "guidance: 1\nseed: 7\nwarmup_loops: 0\nrepeats: 2\nthreads: 3\ntimeout_s: 1.5\n"
               "backend: cpu\ntransport: mpi\nexchange: lsa\ngraph: off\n",
               &c),
        1);
    cr_assert(c[0].guidance == 1 && c[0].seed == 7 && c[0].warmup_loops == 0 && c[0].repeats == 2 &&
              c[0].threads == 3 && c[0].timeout_s == 1.5);
    cr_assert_str_eq(c[0].transport, "mpi");
    cr_assert_str_eq(c[0].exchange, "lsa");
    cr_assert(!c[0].graph);
    free(c);
}

Test(experiment, takes_a_rule_for_its_loops)
{
    struct cell *c;
    cr_assert_eq(expand(HEAD "repeats: auto\nmin_loops: 20\nmax_seconds: 9\n", &c), 1);
    cr_assert(c[0].repeats == CELL_AUTO && c[0].min_loops == 20 && c[0].max_seconds == 9);
    free(c);
    refused(HEAD "repeats: 3\nmax_noise: 2\n",
            "t.yaml:5: max-noise 2: ", "only repeats auto looks at it");
    refused(HEAD "min_seconds: 2\n", "t.yaml:4: min-seconds 2: ", "leave one of them out");
    refused(HEAD "repeats: ever\n", "t.yaml:4: repeats: ", "wanted auto or a whole number");
}

#define GRID                                                                                       \
    "name: t\nmodels: [pixart-tiny, dit-tiny]\nranks: [1, 2, 4]\nstrategies: [serial, \"cfg=2\", " \
    "\"cfg=2,ring=2\", "                                                                           \
    "\"ring={ranks}\"]\n"

Test(experiment, excludes_by_prefix)
{
    /* each model: serial; cfg=2; cfg=2,ring=2; ring=1, 2, 4 */
    cr_assert_eq(count(GRID), 12);
    cr_assert_eq(count(GRID "exclude: [\"model=dit\"]\n"), 6);
    cr_assert_eq(count(GRID "exclude: [\"strategy=cfg\"]\n"), 8);
    cr_assert_eq(count(GRID "exclude: [\"strategy=cfg=2,ring\"]\n"), 10);
    cr_assert_eq(count(GRID "exclude: [\"strategy=ring,ranks=4\"]\n"), 10);
    cr_assert_eq(count(GRID "exclude: [\"model=dit,strategy=cfg=2,ring=2,ranks=4\"]\n"), 11);
    cr_assert_eq(count(GRID "exclude: [\"model=dit\", \"ranks=4\"]\n"), 4);
    cr_assert_eq(count(GRID "exclude: [\"steps=3\"]\n"), 12);
    cr_assert_eq(count(GRID "exclude: [\"model=\"]\n"), 0);
}

Test(experiment, bounds_the_number_of_cells)
{
    char text[40000] = HEAD "steps: [";
    for (int i = 0; i < 200; i++)
        strcat(text, "1, ");
    strcat(text, "1]\nrequests: [");
    for (int i = 0; i < 200; i++)
        strcat(text, "1, ");
    strcat(text, "1]\n");
    refused(text, "t.yaml:", "more than 20000 cells");
}

Test(experiment, finds_lines_of_keys)
{
    cr_assert_eq(experiment_text_line("a: 1\nb: 2\n", 0, "b"), 2);
    cr_assert_eq(experiment_text_line("a: 1\nb: 2\n", 0, "c"), 0);
    cr_assert_eq(experiment_text_line("a: 'b: 1'\n\"b\" : 2\n", 0, "b"), 2);
    cr_assert_eq(experiment_text_line("a: it's\nb: 2\n", 0, "b"), 2);
    cr_assert_eq(experiment_text_line("{a: 1, b: 2}\n", 0, "b"), 1);
    cr_assert_eq(experiment_text_line("ab: 1\n# b: 2\nb: 3\n", 0, "b"), 3);
    cr_assert_eq(experiment_text_line("b: 1\nb: 2\n", 1, "b"), 2);
    cr_assert_eq(experiment_text_line("a: \"unfinished\nb: 2\n", 0, "b"), 0);
}

Test(experiment, the_files_of_the_tree_expand)
{
    glob_t files;
    cr_assert_eq(glob(DITBENCH_SOURCE_DIR "/experiments/*.yaml", 0, NULL, &files), 0);
    cr_assert_gt(files.gl_pathc, 15);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *path = files.gl_pathv[i], *name = strrchr(path, '/') + 1;
        struct experiment *e;
        struct cell *cells;
        int n;
        cr_assert_eq(experiment_open(path, &e), ST_OK, "%s", status_message());
        const char *found = experiment_name(e);
        cr_assert_eq(strlen(found) + strlen(".yaml"), strlen(name), "%s: %s", name, found);
        cr_assert_eq(strncmp(found, name, strlen(found)), 0, "%s: %s", name, found);
        cr_assert_eq(experiment_expand(e, &n, &cells), ST_OK, "%s", status_message());
        cr_assert_geq(n, 8, "%s: %d cells", name, n);
        free(cells);
        experiment_close(e);
    }
    globfree(&files);
}
