/* SPDX-License-Identifier: Apache-2.0 */
/* `decode` as a program: its pictures against those of the golden files, cut over ranks, of videos;
 * and what is refused. */
#include "models/safetensors.h"
#include "tests/harness/checkpoint.h"
#include "tests/harness/png_pixels.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(decode, .init = program_limit);
TestSuite(decode_mpi, .init = program_limit);

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"
#define SD     GOLDEN "vae-sd"
#define SD_TOO GOLDEN "vae-sd.decode.safetensors"
#define CPU    "--backend=cpu", "--threads=2"

static struct program decode(const char *model, const char *latent, const char *out,
                             const char *strategy)
{
    return program_run("decode", "--model", model, "--latent", latent, "--out", out, "--strategy",
                       strategy, CPU, NULL);
}

static void decodes(const char *model, const char *latent, const char *out, const char *strategy)
{
    struct program p = decode(model, latent, out, strategy);
    cr_assert_eq(p.status, 0, "%s %s: %s%s", model, strategy, p.out, p.err);
    program_release(&p);
}

static void refuses(struct program p, int status, const char *reason)
{
    cr_assert(p.status == status && strstr(p.err, reason), "status %d: %s%s\n  wanted: %s",
              p.status, p.out, p.err, reason);
    program_release(&p);
}

/* "/tmp/.../NAME-1.png"; i < 0: without a number. */
static char *picture(const char *name, int i)
{
    char file[100];
    char number[20] = "";
    if (i >= 0)
        snprintf(number, sizeof number, "-%d", i);
    snprintf(file, sizeof file, "%s%s.png", name, number);
    return program_file(file);
}

/* Tensor `name` of a file, allocated. */
static float *tensor_of(const char *path, const char *name, struct safetensors_entry *entry)
{
    struct safetensors *file;
    int64_t count = 1;
    cr_assert_eq(safetensors_open(path, &file), ST_OK, "%s", status_message());
    *entry = *safetensors_find(file, name);
    for (int d = 0; d < entry->ndim; d++)
        count *= entry->dim[d];
    float *values = malloc((size_t)count * sizeof *values);
    cr_assert_eq(safetensors_floats(file, entry, 0, count, values), ST_OK);
    safetensors_close(file);
    return values;
}

static void write_latent(const char *path, int ndim, const int64_t *dim, const float *values)
{
    struct safetensors_item item = {.name = "latent", .ndim = ndim, .data = values};
    memcpy(item.dim, dim, (size_t)ndim * sizeof *dim);
    cr_assert_eq(safetensors_write(path, 1, &item, 0, NULL), ST_OK, "%s", status_message());
}

/* The file's levels are round(127.5 (x + 1)), clamped, of planes x [3, h, w], give or take one. */
static void is_picture_of(const char *path, int height, int width, const float *x)
{
    struct png_pixels got = png_pixels_read(path);
    cr_assert(got.height == height && got.width == width, "%s: %d x %d", path, got.width,
              got.height);
    for (int i = 0; i < 3 * height * width; i++) {
        int channel = i / (height * width), at = i % (height * width);
        double level = round(127.5 * ((double)x[i] + 1));
        double want = fmin(fmax(level, 0), 255);
        double found = got.level[3 * at + channel];
        cr_assert(fabs(found - want) <= 1, "%s: channel %d, pixel %d: %g, wanted %g", path, channel,
                  at, found, want);
    }
    free(got.level);
}

static void differ_by_a_level(const char *a, const char *b)
{
    struct png_pixels p = png_pixels_read(a), q = png_pixels_read(b);
    cr_assert(p.width == q.width && p.height == q.height);
    for (int i = 0; i < 3 * p.width * p.height; i++)
        cr_assert(abs(p.level[i] - q.level[i]) <= 1, "%s and %s: byte %d", a, b, i);
    free(p.level);
    free(q.level);
}

static void are_the_same_file(const char *a, const char *b)
{
    const char *argv[] = {"cmp", a, b, NULL};
    struct program p = program_command(argv);
    cr_assert_eq(p.status, 0, "%s%s", p.out, p.err);
    program_release(&p);
}

Test(decode, makes_the_pictures_of_diffusers)
{
    static const char *const names[] = {"vae-sd", "vae-flux", "vae-plain", "vae-wide", "vae-one"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        char model[500], file[500];
        struct safetensors_entry e;
        snprintf(model, sizeof model, GOLDEN "%s", names[k]);
        snprintf(file, sizeof file, GOLDEN "%s.decode.safetensors", names[k]);
        float *expected = tensor_of(file, "expected", &e);
        int n = (int)e.dim[0], height = (int)e.dim[2], width = (int)e.dim[3];
        decodes(model, file, picture(names[k], -1), "serial");
        for (int i = 0; i < n; i++)
            is_picture_of(picture(names[k], n > 1 ? i : -1), height, width,
                          expected + (size_t)i * 3 * (size_t)(height * width));
        cr_assert_neq(access(picture(names[k], n), F_OK), 0, "%s: one too many", names[k]);
        cr_assert_eq(access(picture(names[k], -1), F_OK) == 0, n == 1);
        free(expected);
    }
}

Test(decode, tells_each_picture)
{
    char line[1000];
    struct program p = decode(SD, SD_TOO, picture("told", -1), "serial");
    const char *second = strchr(p.out, '\n');
    cr_assert(p.status == 0 && second, "%s%s", p.out, p.err);
    snprintf(line, sizeof line, "%s: 56x40 px, all decoded in ", picture("told", 0));
    cr_assert_eq(strncmp(p.out, line, strlen(line)), 0, "%s", p.out);
    snprintf(line, sizeof line, "%s: 56x40 px, all decoded in ", picture("told", 1));
    cr_assert_eq(strncmp(second + 1, line, strlen(line)), 0, "%s", p.out);
    cr_assert_gt(atof(second + 1 + strlen(line)), 0);
    program_release(&p);
}

Test(decode, cut_over_ranks_it_is_the_same)
{
    decodes(SD, SD_TOO, picture("serial", -1), "serial");
    decodes(SD, SD_TOO, picture("rows", -1), "rows=2");
    decodes(SD, SD_TOO, picture("data", -1), "data=2");
    decodes(SD, SD_TOO, picture("both", -1), "data=2,rows=2");
    /* as many threads as a rank of data=2 has: then it is the same to the last bit */
    struct program p = program_run("decode", "--model", SD, "--latent", SD_TOO, "--out",
                                   picture("one", -1), "--backend=cpu", "--threads=1", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    for (int i = 0; i < 2; i++) {
        differ_by_a_level(picture("serial", i), picture("rows", i));
        differ_by_a_level(picture("serial", i), picture("both", i));
        differ_by_a_level(picture("serial", i), picture("data", i));
        are_the_same_file(picture("one", i), picture("data", i));
    }
}

/* [2, 4, 5, 7] as one video [1, 4, 2, 5, 7]: the pictures of its frames are those of the images. */
Test(decode, frames_are_pictures)
{
    static const int64_t video[] = {1, 4, 2, 5, 7};
    struct safetensors_entry e;
    enum { PLANE = 5 * 7, CHANNELS = 4, FRAMES = 2 };
    float *images = tensor_of(SD_TOO, "latent", &e);
    float frames[CHANNELS * FRAMES * PLANE];
    for (int f = 0; f < FRAMES; f++)
        for (int c = 0; c < CHANNELS; c++)
            memcpy(frames + (c * FRAMES + f) * PLANE, images + (f * CHANNELS + c) * PLANE,
                   PLANE * sizeof *images);
    char *file = program_file("video.safetensors");
    write_latent(file, 5, video, frames);
    decodes(SD, file, picture("video", -1), "serial");
    decodes(SD, SD_TOO, picture("image", -1), "serial");
    for (int f = 0; f < FRAMES; f++)
        are_the_same_file(picture("video", f), picture("image", f));
    free(images);
}

Test(decode, what_it_cannot_take_is_refused)
{
    char out[200];
    snprintf(out, sizeof out, "%s", picture("refused", -1));
    const char *flux = GOLDEN "vae-flux";
    refuses(decode(flux, SD_TOO, out, "serial"), 2, "latents of 16 channels");
    refuses(decode("vae-flux", SD_TOO, out, "serial"), 2, "latents of 16 channels");
    refuses(decode("pixart-tiny", SD_TOO, out, "serial"), 2, "is a transformer, and a decoder");
    refuses(decode(GOLDEN "dit", SD_TOO, out, "serial"), 2, "vae/config.json");
    refuses(decode(SD, "/no/such/file", out, "serial"), 2, "/no/such/file");
    refuses(decode(SD, SD_TOO, program_file("a.jpg"), "serial"), 2, "must end in .png");
    refuses(decode(SD, SD_TOO, "/no/such/folder/a.png", "serial"), 2, "/no/such/folder/a-0.png");
    refuses(decode(SD, SD_TOO, out, "data=3"), 3, "data=3");
    refuses(decode(SD, SD_TOO, out, "rows=6"), 3, "rows=6");
    refuses(decode(SD, SD_TOO, out, "ulysses=2"), 3, "ulysses");
    refuses(program_run("decode", "--model=x", "--out=x.png", NULL), 2, "--latent");
    refuses(program_run("decode", "--model=x", "--latent=x", NULL), 2, "--out");
    refuses(program_run("decode", "--latent=x", "--out=x.png", NULL), 2, "--model");
    refuses(program_run("decode", "--model", SD, "--latent", SD_TOO, "--out", out,
                        "--transport=mpi", CPU, NULL),
            2, "mpirun -n 1");
    cr_assert_neq(access(picture("refused", 0), F_OK), 0);
}

Test(decode, values_that_are_none_are_found)
{
    struct safetensors_entry e;
    float *latent = tensor_of(SD_TOO, "latent", &e);
    char *file = program_file("bad.safetensors");
    latent[4 * 5 * 7 + 7 + 3] = NAN;
    write_latent(file, 4, e.dim, latent);
    refuses(decode(SD, file, picture("bad", -1), "serial"), 2,
            "the first in picture 1, channel 0, row 1, column 3");
    cr_assert_neq(access(picture("bad", 0), F_OK), 0);
    /* Finite, and beyond fp32 once it is divided by the scaling factor. */
    latent[4 * 5 * 7 + 7 + 3] = 3e38f;
    write_latent(file, 4, e.dim, latent);
    refuses(decode(SD, file, picture("large", -1), "serial"), 1, "large-1.png: not written");
    refuses(decode(SD, file, picture("large", -1), "data=2"), 1, "values are NaN or infinite");
    cr_assert_neq(access(picture("large", 1), F_OK), 0);
    free(latent);
}

Test(decode, a_preset_decodes_too)
{
    static float latent[4 * 8 * 8];
    static const int64_t dim[] = {4, 8, 8};
    char *file = program_file("flat.safetensors");
    write_latent(file, 3, dim, latent);
    decodes("vae-tiny", file, picture("flat", -1), "serial");
    struct png_pixels got = png_pixels_read(picture("flat", -1));
    cr_assert(got.width % 8 == 0 && got.width == got.height && got.width > 8);
    free(got.level);
}

Test(decode_mpi, runs_under_mpirun)
{
    program_needs_mpi();
    const char *out = picture("mpi", -1);
    const char *good[] = {"mpirun", "-n",    "2", program_path(),      "decode",   "--model",
                          SD,       "--out", out, "--strategy=rows=2", "--latent", SD_TOO,
                          CPU,      NULL};
    struct program p = program_command(good);
    cr_assert_eq(p.status, 0, "%s%s", p.out, p.err);
    const char *once = strstr(p.out, "mpi-1.png: 56x40 px");
    cr_assert(once && !strstr(once + 1, "mpi-1.png"), "%s", p.out);
    program_release(&p);
    decodes(SD, SD_TOO, picture("threads", -1), "rows=2");
    are_the_same_file(picture("mpi", 0), picture("threads", 0));
    are_the_same_file(picture("mpi", 1), picture("threads", 1));
}
