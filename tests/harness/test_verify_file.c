/* SPDX-License-Identifier: Apache-2.0 */
/* Reference files of videos and of models that are told a guidance, as they are read. */
#include "harness/check/verify_file.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

static const struct dit_config video = {
    .in_channels = 4, .out_channels = 8, .patch = 2, .vae_scale = 8, .text_dim = 24, .frames = 5};
static const struct dit_config told = {.in_channels = 4,
                                       .out_channels = 4,
                                       .patch = 2,
                                       .vae_scale = 8,
                                       .text_dim = 40,
                                       .joint = true,
                                       .packed = true,
                                       .distilled = true,
                                       .guidance_in = true};

static enum status read_file(const char *path, const struct dit_config *config,
                             struct verify_file *out)
{
    struct model model = {.kind = &kind_transformer, .dit = *config};
    return verify_file_read(path, &model, out);
}

static struct verify_file read_golden(const char *name, const struct dit_config *config)
{
    struct verify_file file;
    char path[1000];
    snprintf(path, sizeof path, GOLDEN "%s.safetensors", name);
    cr_assert_eq(read_file(path, config, &file), ST_OK, "%s", status_message());
    return file;
}

static void expect_last(const struct verify_file *file, const char *tensor, const float *values)
{
    const struct safetensors_entry *e = safetensors_find(file->file, tensor);
    int64_t count = 1;
    float last;
    for (int d = 0; d < e->ndim; d++)
        count *= e->dim[d];
    cr_assert_eq(safetensors_floats(file->file, e, count - 1, 1, &last), ST_OK);
    cr_assert_eq(values[count - 1], last, "%s", tensor);
}

Test(verify_file, videos_have_frames)
{
    struct verify_file f = read_golden("latte.forward", &video);
    cr_assert(f.rows == 2 && f.frames == 5 && f.height == 64 && f.width == 112);
    cr_assert_eq(f.dim[1], 8);
    expect_last(&f, "latent", f.latent);
    expect_last(&f, "expected", f.expected);
    expect_last(&f, "timestep", f.timestep);
    verify_file_release(&f);
    f = read_golden("latte.sample", &video);
    cr_assert(f.rows == 2 && f.frames == 5 && f.dim[1] == 4 && f.guidance == 7.5);
    cr_assert_null(f.strategy);
    verify_file_release(&f);
}

Test(verify_file, packed_models_give_a_thousandth_of_the_timestep)
{
    struct verify_file f = read_golden("flux-dev.forward", &told);
    float given[3];
    cr_assert_eq(safetensors_floats(f.file, safetensors_find(f.file, "timestep"), 0, 3, given),
                 ST_OK);
    cr_assert(f.rows == 3 && f.frames == 1);
    for (int r = 0; r < 3; r++) {
        cr_assert(given[r] > 0 && given[r] <= 1);
        cr_assert_eq(f.timestep[r], given[r] * 1000);
    }
    verify_file_release(&f);
}

Test(verify_file, stale_references_name_their_strategy)
{
    struct verify_file f = read_golden("flux-dev.distrifusion-3-2", &told);
    cr_assert_str_eq(f.strategy, "distrifusion=1:patches=3:warmup=2");
    cr_assert_eq(f.guidance, 3.5);
    verify_file_release(&f);
}

/* ---- bent ones ---- */

struct bent {
    const char *kind;
    const char *key, *value; /* one more of the metadata, or NULL */
    int latent, expected;    /* dimensions */
    int64_t dim[5];          /* of both */
};

static void expect_refused(const struct bent *b, const struct dit_config *config, const char *why)
{
    static const float data[4096];
    char *path = program_file("reference.safetensors");
    struct verify_file file;
    struct safetensors_item item[2] = {{.name = "latent", .ndim = b->latent, .data = data},
                                       {.name = "expected", .ndim = b->expected, .data = data}};
    const char *meta[][2] = {
        {"format", "ditbench-reference-1"}, {"kind", b->kind}, {"steps", "3"}, {b->key, b->value}};
    for (int i = 0; i < 2; i++)
        memcpy(item[i].dim, b->dim, sizeof b->dim);
    cr_assert_eq(safetensors_write(path, 2, item, b->key ? 4 : 3, meta), ST_OK, "%s",
                 status_message());
    cr_assert_eq(read_file(path, config, &file), ST_INVALID, "%s", why);
    cr_assert(strstr(status_message(), why), "'%s' lacks '%s'", status_message(), why);
    cr_assert(strstr(status_message(), path), "%s", status_message());
    verify_file_release(&file);
}

Test(verify_file, refuses_frames_that_do_not_fit)
{
    expect_refused(
        &(struct bent){.kind = "sample", .latent = 4, .expected = 4, .dim = {1, 4, 6, 6}}, &video,
        "\"latent\": found [1, 4, 6, 6], wanted [rows, 4, 1 or 5 frames, height");
    expect_refused(
        &(struct bent){.kind = "sample", .latent = 5, .expected = 5, .dim = {1, 4, 3, 6, 6}},
        &video, "\"latent\": found [1, 4, 3, 6, 6], wanted [rows, 4, 1 or 5 frames, height");
    expect_refused(
        &(struct bent){.kind = "sample", .latent = 5, .expected = 5, .dim = {1, 4, 1, 6, 6}}, &told,
        "\"latent\": found [1, 4, 1, 6, 6], wanted [rows, 4, height");
    expect_refused(&(struct bent){.kind = "sample",
                                  .key = "frames",
                                  .value = "5",
                                  .latent = 5,
                                  .expected = 5,
                                  .dim = {1, 4, 1, 6, 6}},
                   &video, "metadata frames: found 5, and the latent has 1");
    expect_refused(
        &(struct bent){.kind = "forward", .latent = 5, .expected = 5, .dim = {1, 4, 5, 6, 6}},
        &video, "\"timestep\": not in the file; wanted [1]");
    expect_refused(
        &(struct bent){.kind = "sample", .latent = 5, .expected = 4, .dim = {1, 4, 5, 6, 6}},
        &video, "\"expected\": found shape [1, 4, 5, 6], wanted [1, 4, 5, 6, 6]");
}

Test(verify_file, a_told_guidance_is_in_the_metadata_of_a_sample)
{
    expect_refused(
        &(struct bent){.kind = "sample", .latent = 4, .expected = 4, .dim = {1, 4, 6, 6}}, &told,
        "metadata guidance: not in the file");
}
