/* SPDX-License-Identifier: Apache-2.0 */
/* Latents out of files that the test writes: each shape that is legal, each refusal with its
 * reason, and what `run --output` leaves. */
#include "harness/image/latent.h"
#include "models/safetensors.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(latent, .init = program_limit);

enum { MOST = 256 };

/* 0, 1, 2, ... */
static const float *counted(void)
{
    static float values[MOST];
    for (int i = 0; i < MOST; i++)
        values[i] = (float)i;
    return values;
}

/* A file of one tensor of `ndim` dimensions that counts. */
static const char *one(const char *name, int ndim, ...)
{
    struct safetensors_item item = {.name = name, .ndim = ndim, .data = counted()};
    const char *path = program_file("one.safetensors");
    va_list dims;
    va_start(dims, ndim);
    for (int i = 0; i < ndim; i++)
        item.dim[i] = va_arg(dims, int);
    va_end(dims);
    cr_assert_eq(safetensors_write(path, 1, &item, 0, NULL), ST_OK, "%s", status_message());
    return path;
}

/* A file of one tensor "latent" of any type: header and bytes. */
static const char *raw(const char *type, const char *shape, size_t size, const void *bytes)
{
    char header[300];
    const char *path = program_file("raw.safetensors");
    snprintf(header, sizeof header,
             "{\"latent\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[0,%zu]}}", type, shape,
             size);
    unsigned char length[8] = {(unsigned char)strlen(header)};
    cr_assert_lt(strlen(header), 256);
    FILE *to = fopen(path, "wbe");
    cr_assert(fwrite(length, 1, 8, to) == 8 && fputs(header, to) >= 0);
    cr_assert_eq(fwrite(bytes, 1, size, to), size);
    cr_assert_eq(fclose(to), 0);
    return path;
}

static void expect(const char *path, int channels, struct latent want, const float *values)
{
    struct latent got;
    cr_assert_eq(latent_read(path, channels, &got), ST_OK, "%s", status_message());
    cr_assert(got.n == want.n && got.frames == want.frames && got.channels == channels &&
                  got.height == want.height && got.width == want.width,
              "n %d, frames %d, channels %d, %d x %d", got.n, got.frames, got.channels, got.height,
              got.width);
    for (int i = 0; i < got.n * got.channels * got.height * got.width; i++)
        cr_assert_eq(got.values[i], values[i], "element %d: %g, wanted %g", i,
                     (double)got.values[i], (double)values[i]);
    latent_release(&got);
    cr_assert(got.n == 0 && !got.values);
}

static void refuse(const char *path, int channels, const char *reason)
{
    struct latent got;
    cr_assert_eq(latent_read(path, channels, &got), ST_INVALID);
    cr_assert(got.n == 0 && !got.values);
    cr_assert(strstr(status_message(), path), "no file in: %s", status_message());
    cr_assert(strstr(status_message(), reason), "%s\n  wanted: %s", status_message(), reason);
}

Test(latent, images_stay_as_they_are)
{
    struct latent image = {.n = 1, .frames = 1, .height = 2, .width = 3};
    expect(one("latent", 3, 4, 2, 3), 4, image, counted());
    expect(one("latent", 4, 1, 4, 2, 3), 4, image, counted());
    image.n = 5;
    expect(one("latent", 4, 5, 4, 2, 3), 4, image, counted());
    image = (struct latent){.n = 2, .frames = 1, .height = 1, .width = 1};
    expect(one("latent", 4, 2, 16, 1, 1), 16, image, counted());
}

/* Of [C = 2, frames = 3, h = 1, w = 2] frame f is the planes f and 3 + f; a second video begins at
 * 12. */
static const float frames[] = {
    0,  1,  6,  7,  2,  3,  8,  9,  4,  5,  10, 11, //
    12, 13, 18, 19, 14, 15, 20, 21, 16, 17, 22, 23,
};

Test(latent, frames_of_videos_become_pictures)
{
    struct latent video = {.n = 3, .frames = 3, .height = 1, .width = 2};
    expect(one("latent", 5, 1, 2, 3, 1, 2), 2, video, frames);
    video.n = 6;
    expect(one("latent", 5, 2, 2, 3, 1, 2), 2, video, frames);
    video = (struct latent){.n = 4, .frames = 1, .height = 2, .width = 3};
    expect(one("latent", 5, 4, 3, 1, 2, 3), 3, video, counted());
}

/* The same from memory, and a copy: what it came from may go. */
Test(latent, of_a_loop)
{
    static const int64_t video[] = {2, 2, 3, 1, 2}, image[] = {3, 4, 1, 2};
    struct latent got;
    cr_assert_eq(latent_copy(5, video, counted(), &got), ST_OK);
    cr_assert(got.n == 6 && got.frames == 3 && got.channels == 2 && got.height == 1 &&
              got.width == 2);
    for (int i = 0; i < 24; i++)
        cr_assert_eq(got.values[i], frames[i], "element %d", i);
    latent_release(&got);
    cr_assert_eq(latent_copy(4, image, counted(), &got), ST_OK);
    cr_assert(got.n == 3 && got.frames == 1 && got.channels == 4 && got.values != counted());
    for (int i = 0; i < 24; i++)
        cr_assert_eq(got.values[i], (float)i, "element %d", i);
    latent_release(&got);
    cr_assert(got.n == 0 && !got.values);
}

/* Sixteen latents of four channels are no video of sixteen channels. */
Test(latent, the_second_axis_is_of_channels)
{
    struct latent images = {.n = 4, .frames = 1, .height = 1, .width = 2};
    expect(one("latent", 4, 4, 4, 1, 2), 4, images, counted());
    refuse(one("latent", 4, 4, 2, 1, 2), 4, "wanted [n, 4, h, w]");
}

Test(latent, other_names)
{
    struct latent image = {.n = 1, .frames = 1, .height = 2, .width = 2};
    expect(one("latents", 3, 4, 2, 2), 4, image, counted());
    expect(one("sample", 3, 4, 2, 2), 4, image, counted());
    refuse(one("x_0", 3, 4, 2, 2), 4, "is called \"latent\"");

    struct safetensors_item two[] = {{"expected", 2, {3, 5}, counted()},
                                     {"latent", 3, {4, 2, 2}, counted()}};
    const char *path = program_file("two.safetensors");
    cr_assert_eq(safetensors_write(path, 2, two, 0, NULL), ST_OK);
    expect(path, 4, image, counted());
    two[0].name = "sample";
    cr_assert_eq(safetensors_write(path, 2, two, 0, NULL), ST_OK);
    refuse(path, 4, "holds tensors \"latent\" and \"sample\"");
    two[0].name = "a";
    two[1].name = "b";
    cr_assert_eq(safetensors_write(path, 2, two, 0, NULL), ST_OK);
    refuse(path, 4, "none of its 2 tensors (\"a\", ...) is called \"latent\"");
    cr_assert_eq(safetensors_write(path, 0, two, 0, NULL), ST_OK);
    refuse(path, 4, "holds no tensor");
}

/* 1, -2, 0.5, 0 in both half types. */
Test(latent, halves_become_floats)
{
    static const uint16_t f16[] = {0x3c00, 0xc000, 0x3800, 0}, bf16[] = {0x3f80, 0xc000, 0x3f00, 0};
    static const float values[] = {1, -2, 0.5f, 0};
    struct latent image = {.n = 1, .frames = 1, .height = 1, .width = 2};
    expect(raw("F16", "[1,2,1,2]", sizeof f16, f16), 2, image, values);
    expect(raw("BF16", "[2,1,2]", sizeof bf16, bf16), 2, image, values);
    static const float by_frame[] = {1, 0.5f, -2, 0};
    struct latent video = {.n = 2, .frames = 2, .height = 1, .width = 1};
    expect(raw("BF16", "[1,2,2,1,1]", sizeof bf16, bf16), 2, video, by_frame);
}

Test(latent, other_types_are_refused)
{
    static const int64_t whole[4];
    refuse(raw("I64", "[2,1,2]", sizeof whole, whole), 2,
           "tensor \"latent\" is I64, wanted F32, F16 or BF16");
    refuse(raw("F64", "[2,1,2]", sizeof whole, whole), 2, "is F64");
    refuse(raw("U8", "[32,1,1]", sizeof whole, whole), 32, "is U8");
}

Test(latent, other_shapes_are_refused_with_the_one_found)
{
    refuse(one("latent", 4, 1, 16, 2, 3), 4,
           "tensor \"latent\" is [1, 16, 2, 3], wanted [n, 4, h, w], one image's [4, h, w], or of "
           "videos [n, 4, frames, h, w]");
    refuse(one("latents", 3, 2, 3, 4), 4, "tensor \"latents\" is [2, 3, 4]");
    refuse(one("latent", 5, 4, 1, 2, 2, 2), 4, "is [4, 1, 2, 2, 2]");
    refuse(one("latent", 2, 4, 4), 4, "is [4, 4]");
    refuse(one("latent", 0), 4, "is []");
    refuse(one("latent", 6, 1, 1, 4, 2, 2, 2), 4, "is [1, 1, 4, 2, 2, 2]");
    refuse(one("latent", 3, 4, 0, 8), 4, "is [4, 0, 8]");
    refuse(one("latent", 4, 0, 4, 8, 8), 4, "is [0, 4, 8, 8]");
    refuse(raw("F32", "[0,4,9223372036854775807,1,1]", 0, ""), 4,
           "is [0, 4, 9223372036854775807, 1, 1]");
}

Test(latent, values_that_are_no_numbers_are_refused_with_their_place)
{
    float values[2 * 2 * 2 * 3] = {0};
    struct safetensors_item item = {"latent", 4, {2, 2, 2, 3}, values};
    const char *path = program_file("nan.safetensors");
    values[12 + 6 + 3 + 2] = INFINITY; /* picture 1, channel 1, row 1, column 2 */
    cr_assert_eq(safetensors_write(path, 1, &item, 0, NULL), ST_OK);
    refuse(path, 2,
           "1 of its 24 values are NaN or infinite, the first in picture 1, channel 1, row 1, "
           "column 2");
    values[7] = NAN;
    cr_assert_eq(safetensors_write(path, 1, &item, 0, NULL), ST_OK);
    refuse(path, 2,
           "2 of its 24 values are NaN or infinite, the first in picture 0, channel 1, "
           "row 0, column 1");
}

Test(latent, files_that_are_none_are_named)
{
    struct latent got;
    cr_assert_eq(latent_read(program_file("none.safetensors"), 4, &got), ST_IO);
    cr_assert(strstr(status_message(), "none.safetensors"), "%s", status_message());
    program_write(program_file("text.safetensors"), "no safetensors at all");
    refuse(program_file("text.safetensors"), 4, "not a safetensors file");
}

static void output_of(const char *model, const char *path)
{
    struct program p =
        program_run("run", "--model", model, "--size", "64", "--steps", "1", "--warmup-loops", "0",
                    "--repeats", "1", "--requests", "2", "--check", "off", "--output", path, NULL);
    cr_assert_eq(p.status, 0, "%s%s", p.out, p.err);
    program_release(&p);
}

/* 64 pixels are 8 of the latent. */
Test(latent, what_a_run_leaves)
{
    struct latent got;
    const char *path = program_file("run.safetensors");
    output_of("pixart-tiny", path);
    cr_assert_eq(latent_read(path, 4, &got), ST_OK, "%s", status_message());
    cr_assert(got.n == 2 && got.frames == 1 && got.height == 8 && got.width == 8);
    latent_release(&got);
    output_of("latte-tiny", path);
    cr_assert_eq(latent_read(path, 4, &got), ST_OK, "%s", status_message());
    cr_assert(got.frames > 1 && got.n == 2 * got.frames && got.height == 8 && got.width == 8);
    latent_release(&got);
}
