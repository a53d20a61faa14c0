/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reference file of golden/ in fp32, serial and in parallel, by the code behind `ditbench
 * verify`: a family is tested by adding its files. How the program is called is test_verify.c's
 * business.
 */
#include "harness/check/verify.h"
#include "tests/harness/program.h"
#include "tests/support/cells.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(golden, .init = program_limit);

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"
#define ENDING ".safetensors"
enum { MOST_FILES = 256 };

/* NAME.KIND.safetensors, of the checkpoint folder NAME. */
struct reference {
    char model[200], file[300];
};

/* Strategies whose result is the serial one, the stale ones with warm-up in all steps. Of a sample
 * the first of them, of a forward all. */
static const struct {
    const char *spec;
    bool sample; /* tried where not everything is: on samples, and under a sanitizer */
} exact[] = {
    {"serial", true},
    {"ulysses=2", true},
    {"ring=2", false},
    {"allgather=2", false},
    {"tensor=2", true},
    {"cfg=2", true},
    {"data=2", false},
    {"pipefusion=2:patches=3:warmup=20", true},
    {"distrifusion=2:warmup=20", false},
    {"ulysses=3", false},
    {"ring=3", true},
    {"allgather=3", false},
    {"tensor=3", false},
    {"pipefusion=3:patches=2:warmup=20", false},
    {"distrifusion=3:warmup=20", true},
    {"usp=4:ulysses=2", true},
    {"ring=4", false},
    {"tensor=4", false},
    {"cfg=2,ulysses=2", false},
    {"cfg=2,ring=2", false},
    {"cfg=2,tensor=2", false},
    {"data=2,cfg=2", true},
    {"data=2,ring=2", false},
    {"ring=2,tensor=2", false},
    {"ulysses=2,tensor=2", true},
    {"cfg=2,pipefusion=2:patches=2:warmup=20", false},
    {"pipefusion=2:patches=2:warmup=20,ulysses=2", false},
    {"distrifusion=2:warmup=20,ring=2", false},
    {"ring=5", false},
    {"pipefusion=4:patches=4:warmup=20", false},
    {"usp=6:ulysses=2", false},
    {"allgather=7", false},
    {"cfg=2,usp=4:ulysses=2", false},
    {"cfg=2,pipefusion=2:patches=2:warmup=20,tensor=2", false},
    {"cfg=2,distrifusion=2:warmup=20,ulysses=2", false},
    {"data=2,cfg=2,ring=2", false},
    {"ring=2,ulysses=2,tensor=2", false},
    {"ring=8", false},
};

/* ---- what there is ---- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_reference(const char *name, struct reference *out)
{
    size_t length = strlen(name);
    size_t ending = strlen(ENDING);
    if (length <= ending || strcmp(name + length - ending, ENDING) != 0)
        return false;
    snprintf(out->model, sizeof out->model, GOLDEN "%.*s", (int)(length - ending), name);
    snprintf(out->file, sizeof out->file, GOLDEN "%s", name);
    char *kind = strrchr(out->model, '.');
    if (!kind || kind < out->model + strlen(GOLDEN))
        return false; /* tables of something else */
    *kind = '\0';
    return true;
}

static int by_file(const void *a, const void *b)
{
    return strcmp(((const struct reference *)a)->file, ((const struct reference *)b)->file);
}

static int find_references(struct reference out[MOST_FILES])
{
    int n = 0;
    DIR *listing = opendir(GOLDEN);
    for (struct dirent *entry; listing && (entry = readdir(listing)) != NULL && n < MOST_FILES;)
        n += is_reference(entry->d_name, &out[n]);
    if (listing)
        closedir(listing);
    qsort(out, (size_t)n, sizeof *out, by_file);
    return n;
}

/* ---- one file ---- */

struct opened {
    struct model model;
    struct verify_file file;
    struct cell cell;
    int done; /* comparisons */
};

static void open_reference(const struct reference *reference, struct opened *o)
{
    cell_init(&o->cell);
    o->done = 0;
    snprintf(o->cell.model, sizeof o->cell.model, "%s", reference->model);
    strcpy(o->cell.transport, "local");
    o->cell.threads = 1;
    cr_assert_eq(model_load(o->cell.model, NULL, &o->model), ST_OK, "%s", status_text());
    cr_assert_eq(verify_file_read(reference->file, &o->model, &o->file), ST_OK, "%s",
                 status_text());
}

/* What the model, or the kind of the file, does not have. */
static bool is_refused(const struct opened *o, const struct spec *spec)
{
    bool forward = o->file.kind == VERIFY_FORWARD;
    int parts = 1;

    for (int i = 0; i < spec->n; i++) {
        const struct spec_item *item = &spec->item[i];
        bool branches = forward ? o->file.rows == 2 : o->file.guidance > 1;
        if (item->ops == strategy_find("cfg") && (o->model.dit.distilled || !branches))
            return true;
        if (item->ops == strategy_find("data") && (forward || o->file.rows < item->degree))
            return true;
        if (item->ops == strategy_find("ulysses") || item->ops == strategy_find("tensor"))
            parts *= item->degree;
    }
    return parts > 1 && o->model.dit.heads % parts != 0;
}

/* Under a sanitizer, which sees the strategies elsewhere, two runs of a loop. */
static bool enough(const struct opened *o)
{
    return hybrid_sanitized() && o->file.kind != VERIFY_FORWARD && o->done >= 2;
}

static void check(struct opened *o, const char *text)
{
    struct verify verify = {.cell = &o->cell, .file = &o->file, .tolerance = NAN};
    struct spec raw;
    struct spec spec;
    int heads = o->model.dit.heads ? o->model.dit.heads : 1;
    cr_assert_eq(spec_parse(text, &raw), ST_OK, "%s: %s", text, status_text());
    cr_assert_eq(spec_expand(&raw, heads, &spec), ST_OK, "%s: %s", text, status_text());
    if (spec_ranks(&spec) > hybrid_most_ranks() || enough(o))
        return;
    snprintf(o->cell.strategy, sizeof o->cell.strategy, "%s", text);
    bool refused = is_refused(o, &spec);
    enum status st = verify_run(&verify);
    cr_expect_eq(st, refused ? ST_UNSUPPORTED : ST_OK, "%s, %s: relative L2 %g: %s",
                 safetensors_path(o->file.file), text, verify.rel_l2, status_text());
    cr_expect(refused || isfinite(verify.rel_l2), "%s, %s: nothing was compared",
              safetensors_path(o->file.file), text);
    status_clear();
    o->done += !refused;
}

static void check_decode(struct opened *o)
{
    static const char *const specs[] = {
        "serial",         "rows=2", "rows=3",         "rows=4",
        "rows=2:chunk=1", "data=2", "rows=1:chunk=3", "data=2,rows=3:chunk=2"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        check(o, specs[i]);
}

static void check_exact(struct opened *o)
{
    bool forward = o->file.kind == VERIFY_FORWARD;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        if (exact[i].sample || hybrid_all() || (forward && hybrid_most_ranks() > 3))
            check(o, exact[i].spec);
}

/* The run that the file names, and those on more ranks that must end there too: PipeFusion in any
 * number of stages, DistriFusion on as many ranks as there are patches. */
static void check_stale(struct opened *o)
{
    static const char *const stages[] = {"pipefusion=%d:patches=%d:warmup=%d",
                                         "pipefusion=%d:patches=%d:warmup=%d,ulysses=2",
                                         "pipefusion=%d:patches=%d:warmup=%d,ring=2",
                                         "cfg=2,pipefusion=%d:patches=%d:warmup=%d,tensor=2"};
    static const char *const parts[] = {"distrifusion=%d:patches=%d:warmup=%d",
                                        "distrifusion=%d:patches=%d:warmup=%d,ulysses=2",
                                        "cfg=2,distrifusion=%d:patches=%d:warmup=%d,ring=2"};
    struct spec spec;
    char text[SPEC_TEXT];
    cr_assert_eq(spec_parse(o->file.strategy, &spec), ST_OK, "%s", status_text());
    check(o, o->file.strategy);
    const struct spec_item *item = &spec.item[0];
    int patches = spec_option_value(item, "patches", 0);
    int warmup = spec_option_value(item, "warmup", 1);
    bool pipe = item->ops == strategy_find("pipefusion");
    cr_assert(pipe || item->ops == strategy_find("distrifusion"), "%s", o->file.strategy);
    for (int form = 0; form < (pipe ? 4 : 3); form++)
        for (int n = pipe ? 2 : patches; n <= (pipe ? 4 : patches); n++) {
            snprintf(text, sizeof text, pipe ? stages[form] : parts[form], n, patches, warmup);
            check(o, text);
        }
}

ParameterizedTestParameters(golden, every_reference_is_met)
{
    static struct reference found[MOST_FILES];
    int n = find_references(found);
    struct reference *shared = cr_malloc(sizeof *shared * (size_t)(n + 1));
    memcpy(shared, found, sizeof *shared * (size_t)n);
    return cr_make_param_array(struct reference, shared, (size_t)n);
}

ParameterizedTest(struct reference *reference, golden, every_reference_is_met)
{
    struct opened o;
    cr_assert(freopen("/dev/null", "w", stdout) != NULL); /* a line for each comparison */
    open_reference(reference, &o);
    if (o.file.strategy)
        check_stale(&o);
    else if (o.file.kind == VERIFY_DECODE)
        check_decode(&o);
    else
        check_exact(&o);
    cr_expect_geq(o.done, 2, "%s: only %d comparisons", reference->file, o.done);
    verify_file_release(&o.file);
}

/* A file without its model would never be looked at, nor a model without its files. */
Test(golden, files_and_checkpoints_belong_together)
{
    static struct reference found[MOST_FILES];
    int n = find_references(found);
    int folders = 0;
    int forwards = 0;
    cr_assert(n > 0 && n < MOST_FILES, "%d references in " GOLDEN, n);
    for (int i = 0; i < n; i++) {
        cr_expect(is_folder(found[i].model), "%s has no checkpoint", found[i].file);
        forwards += strstr(found[i].file, ".forward" ENDING) != NULL;
    }
    DIR *listing = opendir(GOLDEN);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        char path[1000];
        snprintf(path, sizeof path, GOLDEN "%s/model_index.json", entry->d_name);
        folders += access(path, R_OK) == 0;
    }
    closedir(listing);
    cr_expect_eq(folders, forwards, "%d checkpoints, %d forward references", folders, forwards);
}
