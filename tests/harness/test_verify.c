/* SPDX-License-Identifier: Apache-2.0 */
/* `verify` as a program on some of the golden files (all: test_golden.c), and on reference files
 * that lack, repeat or bend something. */
#include "models/safetensors.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(verify, .init = program_limit);
TestSuite(verify_mpi, .init = program_limit);

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"
enum { MAX_ITEMS = 12, MAX_META = 12 };

/* A reference file to be bent: the tensors and metadata of a golden one. */
struct bent {
    int n, n_meta;
    struct safetensors_item item[MAX_ITEMS];
    const char *meta[MAX_META][2];
    float *data[MAX_ITEMS];
    struct safetensors *file;
};

static const char *const meta_keys[] = {"format",   "kind",   "source", "tolerance", "steps",
                                        "guidance", "height", "width",  "frames",    "strategy"};

static struct bent open_golden(const char *name)
{
    struct bent b = {.n = 0};
    char path[1000];
    snprintf(path, sizeof path, GOLDEN "%s", name);
    cr_assert_eq(safetensors_open(path, &b.file), ST_OK, "%s", status_message());
    for (int i = 0; i < safetensors_count(b.file); i++) {
        const struct safetensors_entry *e = safetensors_at(b.file, i);
        int64_t count = 1;
        struct safetensors_item *item = &b.item[b.n];
        item->name = e->name;
        item->ndim = e->ndim;
        for (int d = 0; d < e->ndim; d++)
            count *= item->dim[d] = e->dim[d];
        b.data[b.n] = malloc((size_t)count * sizeof(float));
        cr_assert_eq(safetensors_floats(b.file, e, 0, count, b.data[b.n]), ST_OK);
        item->data = b.data[b.n++];
    }
    for (size_t k = 0; k < sizeof meta_keys / sizeof meta_keys[0]; k++)
        if (safetensors_meta(b.file, meta_keys[k])) {
            b.meta[b.n_meta][0] = meta_keys[k];
            b.meta[b.n_meta++][1] = safetensors_meta(b.file, meta_keys[k]);
        }
    return b;
}

static struct safetensors_item *item_of(struct bent *b, const char *name)
{
    for (int i = 0; i < b->n; i++)
        if (strcmp(b->item[i].name, name) == 0)
            return &b->item[i];
    cr_assert_fail("no tensor %s", name);
    return NULL;
}

static void drop(struct bent *b, const char *name)
{
    struct safetensors_item *item = item_of(b, name);
    *item = b->item[--b->n];
}

/* value NULL: without that key. */
static void set_meta(struct bent *b, const char *key, const char *value)
{
    int at = 0;
    while (at < b->n_meta && strcmp(b->meta[at][0], key) != 0)
        at++;
    if (!value && at < b->n_meta) {
        b->n_meta--;
        b->meta[at][0] = b->meta[b->n_meta][0];
        b->meta[at][1] = b->meta[b->n_meta][1];
        return;
    }
    b->meta[at][0] = key;
    b->meta[at][1] = value;
    b->n_meta += at == b->n_meta;
}

/* Writes it, verifies it, and releases it. */
static void ends(struct bent *b, const char *model, const char *strategy, int status,
                 const char *word)
{
    char *path = program_file("bent.safetensors");
    char folder[1000];
    snprintf(folder, sizeof folder, GOLDEN "%s", model);
    cr_assert_eq(safetensors_write(path, b->n, b->item, b->n_meta, b->meta), ST_OK, "%s",
                 status_message());
    struct program p = program_run("verify", "--model", folder, "--reference", path, "--threads=2",
                                   "--strategy", strategy, NULL);
    cr_assert_eq(p.status, status, "status %d: %s%s", p.status, p.out, p.err);
    cr_assert(strstr(p.err, word) || strstr(p.out, word), "%s: not in: %s%s", word, p.out, p.err);
    program_release(&p);
    for (int i = 0; i < MAX_ITEMS; i++)
        free(b->data[i]);
    safetensors_close(b->file);
}

static void passes(const char *model, const char *kind, const char *strategy)
{
    char folder[1000];
    char file[1000];
    snprintf(folder, sizeof folder, GOLDEN "%s", model);
    snprintf(file, sizeof file, GOLDEN "%s.%s.safetensors", model, kind);
    struct program p = program_run("verify", "--model", folder, "--reference", file, "--threads=2",
                                   "--strategy", strategy, NULL);
    cr_assert_eq(p.status, 0, "%s %s %s: %s%s", model, kind, strategy, p.out, p.err);
    cr_assert(strncmp(p.out, "expected: relative L2 ", 22) == 0, "%s", p.out);
    program_release(&p);
}

Test(verify, exact_strategies_do_the_same_in_parallel)
{
    static const char *const exact[] = {"ulysses=2", "ring=3", "tensor=2", "usp=4",
                                        "ring=2,tensor=2"};
    for (int s = 0; s < 5; s++) {
        passes("pixart-alpha-1024", "forward", exact[s]);
        passes("dit", "sample", exact[s]);
    }
    passes("dit", "sample", "cfg=2,ulysses=2");
    passes("dit", "sample", "data=2,ring=2");
    passes("dit-ddpm", "sample", "data=2");
    /* stale ones warm up in a forward, and here for all 20 steps */
    passes("pixart-sigma", "forward", "pipefusion=2:patches=3");
    passes("pixart-sigma", "forward", "distrifusion=3");
    passes("dit", "sample", "distrifusion=2:warmup=20");
}

Test(verify, a_forwards_rows_are_lanes)
{
    passes("dit", "forward", "cfg=2"); /* two rows: one for each rank */
    struct bent b = open_golden("dit.forward.safetensors");
    ends(&b, "dit", "data=2", 3, "lanes of one step");
    b = open_golden("dit-ddpm.forward.safetensors"); /* three rows */
    ends(&b, "dit-ddpm", "cfg=2", 3, "cfg=2");
}

Test(verify, a_wrong_number_is_found_and_placed)
{
    struct bent b = open_golden("pixart-alpha.forward.safetensors");
    struct safetensors_item *item = item_of(&b, "expected"); /* [2, 8, 14, 18] */
    ((float *)item->data)[((1 * 8 + 3) * 14 + 5) * 18 + 7] += 100;
    ends(&b, "pixart-alpha", "serial", 1, "at [1, 3, 5, 7]");
    b = open_golden("pixart-alpha.forward.safetensors");
    ((float *)item_of(&b, "expected")->data)[0] = NAN;
    ends(&b, "pixart-alpha", "serial", 1, "WRONG");
}

Test(verify, stale_steps_are_judged_all_the_same)
{
    struct bent b = open_golden("pixart-alpha.sample.safetensors");
    ends(&b, "pixart-alpha", "pipefusion=2:patches=3", 1, "WRONG");
    b = open_golden("pixart-alpha.sample.safetensors");
    ends(&b, "pixart-alpha", "pipefusion=2:patches=3", 1,
         "pipefusion=2:patches=3 cannot equal the reference");
    b = open_golden("pixart-alpha.sample.safetensors");
    ends(&b, "pixart-alpha", "pipefusion=2:patches=3", 1,
         "one-rank run, pipefusion=1:patches=3:warmup=1");
}

/* pixart-alpha.NAME.safetensors with what the command line adds, or NULL. */
static struct program verify_stale(const char *name, const char *more)
{
    char path[1000];
    snprintf(path, sizeof path, GOLDEN "pixart-alpha.%s.safetensors", name);
    return program_run("verify", "--model", GOLDEN "pixart-alpha", "--reference", path,
                       "--threads=2", more, NULL);
}

Test(verify, a_references_strategy_is_the_default)
{
    static const char *const names[] = {"pipefusion-2-1", "distrifusion-3-0"};
    for (int i = 0; i < 2; i++) {
        struct program p = verify_stale(names[i], NULL);
        cr_assert_eq(p.status, 0, "%s: %s%s", names[i], p.out, p.err);
        program_release(&p);
    }
    struct program p = verify_stale("pipefusion-3-0", "--strategy=pipefusion=2:patches=3:warmup=0");
    cr_assert_eq(p.status, 0, "%s%s", p.out, p.err);
    program_release(&p);
    p = verify_stale("pipefusion-3-0", "--strategy=serial");
    cr_assert_eq(p.status, 1, "%s%s", p.out, p.err);
    cr_assert(strstr(p.err, "is of a run with --strategy pipefusion=1:patches=3:warmup=0"), "%s",
              p.err);
    program_release(&p);
}

Test(verify, a_references_strategy_is_a_specification)
{
    struct bent b = open_golden("pixart-alpha.pipefusion-2-1.safetensors");
    set_meta(&b, "strategy", "pipefusoin=1");
    ends(&b, "pixart-alpha", "serial", 2, "bent.safetensors: metadata strategy: ");
}

Test(verify, the_command_lines_tolerance_wins)
{
    struct program p = program_run("verify", "--model", GOLDEN "dit", "--reference",
                                   GOLDEN "dit.forward.safetensors", "--tolerance=1e-12", NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    program_release(&p);
    p = program_run("verify", "--model", GOLDEN "dit", "--reference",
                    GOLDEN "dit.forward.safetensors", "--tolerance=nan", NULL);
    cr_assert_eq(p.status, 2);
    program_release(&p);
}

Test(verify, decoders_have_no_use_for_other_tensors)
{
    struct bent b = open_golden("vae-sd.decode.safetensors");
    static const float one[] = {1};
    b.item[b.n++] = (struct safetensors_item){"timestep", 1, {1}, one};
    ends(&b, "vae-sd", "rows=2", 2, "tensor \"timestep\"");
}

Test(verify, says_what_the_metadata_lacks)
{
    struct bent b = open_golden("dit.sample.safetensors");
    set_meta(&b, "format", "something-else");
    ends(&b, "dit", "serial", 2, "metadata format");
    b = open_golden("dit.sample.safetensors");
    set_meta(&b, "kind", "decode");
    ends(&b, "dit", "serial", 2, "is the reference of a decoder");
    b = open_golden("dit.sample.safetensors");
    set_meta(&b, "steps", NULL);
    ends(&b, "dit", "serial", 2, "metadata steps");
    b = open_golden("dit.sample.safetensors");
    set_meta(&b, "steps", "-3");
    ends(&b, "dit", "serial", 2, "metadata steps");
    b = open_golden("dit.sample.safetensors");
    set_meta(&b, "guidance", "4,5");
    ends(&b, "dit", "serial", 2, "metadata guidance");
    b = open_golden("dit.sample.safetensors");
    set_meta(&b, "height", "160");
    ends(&b, "dit", "serial", 2, "metadata height: found 160 pixels, and the latent has 144");
    b = open_golden("dit.sample.safetensors");
    set_meta(&b, "frames", "4");
    ends(&b, "dit", "serial", 2, "metadata frames");
    b = open_golden("dit.sample.safetensors");
    set_meta(&b, "tolerance", NULL);
    ends(&b, "dit", "serial", 2, "--tolerance");
}

Test(verify, names_the_tensor_that_does_not_fit)
{
    struct bent b = open_golden("pixart-alpha.forward.safetensors");
    drop(&b, "timestep");
    ends(&b, "pixart-alpha", "serial", 2, "\"timestep\": not in the file");
    b = open_golden("pixart-alpha.forward.safetensors");
    drop(&b, "text");
    ends(&b, "pixart-alpha", "serial", 2, "\"text\"");
    b = open_golden("pixart-alpha.forward.safetensors");
    drop(&b, "expected");
    ends(&b, "pixart-alpha", "serial", 2, "\"expected\": not in the file; wanted [2, 8, 14, 18]");
    b = open_golden("pixart-alpha.forward.safetensors");
    item_of(&b, "latent")->dim[1] = 8;
    item_of(&b, "latent")->dim[2] = 7;
    ends(&b, "pixart-alpha", "serial", 2,
         "\"latent\": found [2, 8, 7, 18], wanted [rows, 4, height, width]");
    b = open_golden("pixart-alpha.forward.safetensors");
    item_of(&b, "text_mask")->name = "pooled";
    ends(&b, "pixart-alpha", "serial", 2, "\"pooled\"");
    b = open_golden("dit.sample.safetensors");
    item_of(&b, "expected")->name = "expectd";
    ends(&b, "dit", "serial", 2, "\"expected\"");
}

/* One row of conditions an image is not a guided loop's: it would be computed without guidance. */
Test(verify, guided_conditions_have_two_rows_an_image)
{
    struct bent b = open_golden("pixart-flow.sample.safetensors"); /* two images, no guidance */
    set_meta(&b, "guidance", "4.5");
    ends(&b, "pixart-flow", "serial", 2, "\"text\": found shape [2, 8, 20], wanted [4, ");
    b = open_golden("latte.sample.safetensors");
    set_meta(&b, "guidance", "1");
    ends(&b, "latte", "serial", 2, "\"text\": found shape [4, 11, 24], wanted [2, ");
}

Test(verify, inputs_are_finite)
{
    static const char *const inputs[] = {"latent", "timestep", "text"};
    for (int i = 0; i < 3; i++) {
        struct bent b = open_golden("latte.forward.safetensors");
        ((float *)item_of(&b, inputs[i])->data)[1] = i ? INFINITY : NAN;
        ends(&b, "latte", "serial", 2, inputs[i]);
    }
}

Test(verify, step_noise_belongs_to_samplers_that_draw)
{
    struct bent b = open_golden("dit-ddpm.sample.safetensors");
    drop(&b, "step_noise");
    drop(&b, "class_labels"); /* integers, which this writer has not */
    ends(&b, "dit-ddpm", "serial", 2, "\"step_noise\": found 0 rows, wanted 19");
}

/* --text is the conditions of a sample, and nothing else. */
Test(verify, text_files_are_the_conditions_of_a_sample)
{
    struct bent b = open_golden("pixart-alpha.sample.safetensors");
    char *path = program_file("text.safetensors");
    const char *argv[] = {program_path(),
                          "run",
                          "--model",
                          GOLDEN "pixart-alpha",
                          "--text",
                          path,
                          "--size=112x144",
                          "--steps=2",
                          "--requests=2",
                          "--repeats=1",
                          "--threads=2",
                          "--strategy=cfg=2",
                          NULL};
    cr_assert_eq(safetensors_write(path, b.n, b.item, 0, NULL), ST_OK);
    struct program p = program_command(argv);
    cr_assert(p.status == 2 && strstr(p.err, "the model has no use for it"), "%d: %s", p.status,
              p.err);
    program_release(&p);
    drop(&b, "latent");
    drop(&b, "expected");
    cr_assert_eq(safetensors_write(path, b.n, b.item, 0, NULL), ST_OK);
    p = program_command(argv);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    for (int i = 0; i < MAX_ITEMS; i++)
        free(b.data[i]);
    safetensors_close(b.file);
}

Test(verify, unreadable_files_are_status_2)
{
    char *path = program_file("broken.safetensors");
    program_write(path, "not a safetensors file at all");
    struct program p = program_run("verify", "--model", GOLDEN "dit", "--reference", path, NULL);
    cr_assert(p.status == 2 && strstr(p.err, path), "%s", p.err);
    program_release(&p);
    p = program_run("verify", "--model", GOLDEN "dit", "--reference", "/no/such/file", NULL);
    cr_assert(p.status == 2 && strstr(p.err, "/no/such/file"), "%s", p.err);
    program_release(&p);
    p = program_run("verify", "--model", GOLDEN "nobody", "--reference", path, NULL);
    cr_assert_eq(p.status, 2);
    program_release(&p);
}

Test(verify_mpi, runs_under_mpirun)
{
    program_needs_mpi();
    const char *good[] = {"mpirun",
                          "-n",
                          "2",
                          program_path(),
                          "verify",
                          "--model",
                          GOLDEN "dit",
                          "--reference",
                          GOLDEN "dit.sample.safetensors",
                          "--strategy=ring=2",
                          NULL};
    struct program p = program_command(good);
    cr_assert(p.status == 0 && strstr(p.out, "ok"), "%s%s", p.out, p.err);
    program_release(&p);
    const char *wrong[] = {"mpirun",
                           "-n",
                           "2",
                           program_path(),
                           "verify",
                           "--model",
                           GOLDEN "dit",
                           "--reference",
                           GOLDEN "dit.sample.safetensors",
                           "--strategy=ring=2",
                           "--tolerance=1e-12",
                           NULL};
    p = program_command(wrong);
    cr_assert(p.status == 1 && strstr(p.out, "WRONG"), "%d %s%s", p.status, p.out, p.err);
    program_release(&p);
}
