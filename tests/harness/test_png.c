/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files, read back by libpng: levels worked out by hand, texts, and what is refused. */
#include "harness/image/png.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MOST = 4096, TEXTS = 8 };

/* A file as libpng reads it, nothing converted. */
struct got {
    int channels, height, width, depth;
    unsigned char bytes[MOST]; /* [height, width, channels] */
    int n_texts;
    char key[TEXTS][80], value[TEXTS][200];
    bool utf8[TEXTS];
};

static void read_back(const char *path, struct got *got)
{
    FILE *from = fopen(path, "rbe");
    cr_assert_not_null(from, "%s", path);
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_textp text;
    if (setjmp(png_jmpbuf(png)) != 0)
        cr_assert_fail("%s: libpng cannot read it", path);
    png_init_io(png, from);
    png_read_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    got->channels = png_get_channels(png, info);
    got->height = (int)png_get_image_height(png, info);
    got->width = (int)png_get_image_width(png, info);
    got->depth = png_get_bit_depth(png, info);
    size_t row = png_get_rowbytes(png, info);
    cr_assert_leq(row * (size_t)got->height, MOST);
    for (int y = 0; y < got->height; y++)
        memcpy(got->bytes + (size_t)y * row, png_get_rows(png, info)[y], row);
    png_get_text(png, info, &text, &got->n_texts);
    cr_assert_leq(got->n_texts, TEXTS);
    for (int i = 0; i < got->n_texts; i++) {
        snprintf(got->key[i], sizeof got->key[i], "%s", text[i].key);
        snprintf(got->value[i], sizeof got->value[i], "%s", text[i].text);
        got->utf8[i] = text[i].compression == PNG_ITXT_COMPRESSION_NONE;
    }
    cr_assert_eq(png_get_valid(png, info, PNG_INFO_tIME), 0);
    png_destroy_read_struct(&png, &info, NULL);
    fclose(from);
}

static struct got written(const char *name, const struct png_picture *picture)
{
    struct got got = {0};
    cr_assert_eq(png_write(program_file(name), picture), ST_OK, "%s", status_message());
    read_back(program_file(name), &got);
    cr_assert(got.channels == picture->channels && got.height == picture->height &&
              got.width == picture->width && got.depth == 8);
    return got;
}

static void expect_levels(const char *name, int n, const float *values, const int *levels)
{
    struct png_picture grey = {.channels = 1, .height = 1, .width = n, .pixels = values};
    struct got got = written(name, &grey);
    for (int i = 0; i < n; i++)
        cr_expect_eq(got.bytes[i], levels[i], "%a: level %d, wanted %d", (double)values[i],
                     got.bytes[i], levels[i]);
}

/* Files in the test's folder whose names hold `part`. */
static int files_like(const char *part)
{
    int n = 0;
    DIR *dir = opendir(program_folder());
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += strstr(e->d_name, part) != NULL;
    closedir(dir);
    return n;
}

/* A whole file; *size of its bytes. */
static char *all_of(const char *path, size_t *size)
{
    FILE *from = fopen(path, "rbe");
    char *bytes = malloc(MOST);
    cr_assert_not_null(from);
    *size = fread(bytes, 1, MOST, from);
    fclose(from);
    return bytes;
}

Test(png, planes_become_channels_row_by_row)
{
    static const float pixels[] = {
        -1,    1,     0,     0.2f, -0.2f, 0.6f, /* red   0 255 128, 153 102 204 */
        -0.6f, 0.6f,  -1,    1,    0,     0.2f, /* green 51 204 0, 255 128 153 */
        0,     -0.2f, -0.6f, -1,   1,     -1,   /* blue  128 102 51, 0 255 0 */
    };
    static const unsigned char want[] = {
        0,   51,  128, 255, 204, 102, 128, 0,   51, //
        153, 255, 0,   102, 128, 255, 204, 153, 0,
    };
    struct png_picture rgb = {.channels = 3, .height = 2, .width = 3, .pixels = pixels};
    struct got got = written("rgb.png", &rgb);
    for (size_t i = 0; i < sizeof want; i++)
        cr_expect_eq(got.bytes[i], want[i], "byte %zu: %d, wanted %d", i, got.bytes[i], want[i]);
    cr_assert_eq(got.n_texts, 1);
    cr_assert_str_eq(got.key[0], "Software");
    cr_assert_str_eq(got.value[0], "ditbench");
}

Test(png, values_beyond_the_range_are_clamped)
{
    static const float values[] = {-1.001f, -3, -3e38f, 1.001f, 3, 3e38f, -0.0f, 1e-40f};
    static const int levels[] = {0, 0, 0, 255, 255, 255, 128, 128};
    expect_levels("clamped.png", 8, values, levels);
}

/* 127.5 (x + 1) is halfway at 0 alone; the next values lie beside n + 1/2 by less than fp32 tells.
 */
Test(png, the_nearest_level_is_that_of_the_exact_value)
{
    static const float values[] = {0, -0x1.11111p-3f, -0x1.0101p-3f, -0x1.fdfdfep-1f,
                                   -0x1.fdfdfcp-1f};
    static const int levels[] = {
        128, 111, /* 110.500001 */
        112,      /* 111.500001 */
        0,        /* 0.49999997 */
        1,        /* 0.50000757 */
    };
    expect_levels("halves.png", 5, values, levels);
}

/* What a picture of 8 bits becomes on its way into a tensor and back: itself. */
Test(png, each_level_comes_back)
{
    float values[256];
    int levels[256];
    for (int i = 0; i < 256; i++) {
        values[i] = 2.0f * ((float)i / 255.0f) - 1.0f;
        levels[i] = i;
    }
    expect_levels("levels.png", 256, values, levels);
}

Test(png, odd_sizes_and_single_pixels)
{
    static const int sizes[][3] = {{3, 1, 1}, {1, 1, 1}, {3, 7, 1}, {3, 1, 13}, {1, 5, 3}};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        float pixels[3 * 13];
        int channels = sizes[k][0], height = sizes[k][1], width = sizes[k][2];
        int n = channels * height * width;
        for (int i = 0; i < n; i++)
            pixels[i] = 2.0f * (float)i / 255.0f - 1.0f; /* level i */
        struct png_picture p = {channels, height, width, pixels, 0, NULL};
        struct got got = written("odd.png", &p);
        for (int i = 0; i < n; i++)
            cr_assert_eq(got.bytes[i], i % channels * height * width + i / channels);
    }
}

Test(png, texts_are_kept_in_the_chunk_that_can_hold_them)
{
    static const char *const texts[][2] = {{"Command", "ditbench decode --out \"a b.png\""},
                                           {"Model", NULL},
                                           {"Source", "gr\xc3\xbc\xc3\x9f"
                                                      "e.safetensors"},
                                           {"Comment", "not UTF-8: \xff"},
                                           {"Title", ""}};
    static const float black = -1;
    struct png_picture p = {1, 1, 1, &black, 5, texts};
    struct got got = written("texts.png", &p);
    cr_assert_eq(got.n_texts, 5);
    for (int i = 0, k = 1; i < 5; i++) {
        if (!texts[i][1])
            continue;
        cr_assert_str_eq(got.key[k], texts[i][0]);
        cr_assert_str_eq(got.value[k], texts[i][1]);
        cr_assert_eq(got.utf8[k], i == 2);
        k++;
    }
}

Test(png, made_again_it_is_the_same_bytes)
{
    static const char *const texts[][2] = {{"Command", "ditbench decode"}};
    static const float pixels[] = {-1, 0.5f, 0.25f, 1};
    struct png_picture p = {1, 2, 2, pixels, 1, texts};
    size_t n[2];
    cr_assert_eq(png_write(program_file("one.png"), &p), ST_OK);
    cr_assert_eq(png_write(program_file("two.png"), &p), ST_OK);
    char *one = all_of(program_file("one.png"), &n[0]),
         *two = all_of(program_file("two.png"), &n[1]);
    cr_assert(n[0] > 0 && n[0] == n[1] && memcmp(one, two, n[0]) == 0);
    free(one);
    free(two);
}

Test(png, values_that_are_no_numbers_are_refused_with_their_place)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    float pixels[3 * 2 * 4] = {0};
    struct png_picture p = {.channels = 3, .height = 2, .width = 4, .pixels = pixels};
    program_write(program_file("nan.png"), "as it was");
    for (int i = 0; i < 3; i++) {
        pixels[1 * 8 + 1 * 4 + 3] = bad[i]; /* channel 1, row 1, column 3 */
        pixels[2 * 8] = bad[i];
        cr_assert_eq(png_write(program_file("nan.png"), &p), ST_WRONG);
        cr_assert(strstr(status_message(), "nan.png: not written: 2 of the picture's 24 values are "
                                           "NaN or infinite, the first in channel 1, row 1, column "
                                           "3"),
                  "%s", status_message());
    }
    char *text = program_read(program_file("nan.png"));
    cr_assert_str_eq(text, "as it was");
    free(text);
    cr_assert_eq(files_like(".tmp"), 0);
}

Test(png, paths_that_cannot_be_written_are_named)
{
    static const float black = -1;
    struct png_picture p = {.channels = 1, .height = 1, .width = 1, .pixels = &black};
    cr_assert_eq(png_write(program_file("no/such/folder.png"), &p), ST_IO);
    cr_assert(strstr(status_message(), "no/such/folder.png"), "%s", status_message());
    cr_assert(strstr(status_message(), "No such file or directory"), "%s", status_message());
    cr_assert_eq(png_write(program_folder(), &p), ST_IO);
    cr_assert(strstr(status_message(), "directory"), "%s", status_message());
    cr_assert_eq(files_like(".tmp"), 0);
}

/* A limit on sizes of files stands for a full disk. Noise does not become smaller. */
Test(png, a_disk_that_is_full_leaves_the_old_file)
{
    enum { SIDE = 512 };
    static float pixels[SIDE * SIDE];
    unsigned state = 1;
    for (int i = 0; i < SIDE * SIDE; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (float)(state >> 24) / 127.5f - 1.0f;
    }
    struct png_picture p = {.channels = 1, .height = SIDE, .width = SIDE, .pixels = pixels};
    struct rlimit was, limit;
    program_write(program_file("full.png"), "as it was");
    getrlimit(RLIMIT_FSIZE, &was);
    limit = was;
    limit.rlim_cur = SIDE * SIDE / 2;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    enum status st = png_write(program_file("full.png"), &p);
    setrlimit(RLIMIT_FSIZE, &was);
    cr_assert_eq(st, ST_IO);
    cr_assert(strstr(status_message(), "full.png: cannot be written: File too large"), "%s",
              status_message());
    char *text = program_read(program_file("full.png"));
    cr_assert_str_eq(text, "as it was");
    free(text);
    cr_assert_eq(files_like(".tmp"), 0);
}
