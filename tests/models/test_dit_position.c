/* SPDX-License-Identifier: Apache-2.0 */
/* Positions against what diffusers computes (golden/positions.py), and grids that do not fit. */
#include "models/dit_position.h"
#include "models/safetensors.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/positions.safetensors"

enum { MOST = 256 }; /* elements of a row, tokens of a case */

/* diffusers rounds the places of a grid to single precision before it takes sines: 4e-6 of the last
 * ones in a grid of 64, less of a row's length. */
#define ADDED 1e-6

typedef void row_fn(const struct dit_config *c, int rows, int columns, int token, float *out);

static struct safetensors *opened(void)
{
    struct safetensors *file;

    cr_assert_eq(safetensors_open(GOLDEN, &file), ST_OK, "%s", status_message());
    return file;
}

/* "name/part" as floats; its rows and what is in one. */
static float *part_of_case(const struct safetensors *file, const char *name, const char *part,
                           int *rows, int *width)
{
    char key[128];

    snprintf(key, sizeof(key), "%s/%s", name, part);

    const struct safetensors_entry *entry = safetensors_find(file, key);

    cr_assert_not_null(entry, "%s", key);
    *rows = (int)entry->dim[0];
    *width = entry->ndim > 1 ? (int)entry->dim[1] : 1;

    int64_t count = (int64_t)*rows * *width;
    float *out = calloc((size_t)count, sizeof(*out));

    cr_assert_eq(safetensors_floats(file, entry, 0, count, out), ST_OK, "%s", status_message());
    return out;
}

/* Each row of the case is what `row` computes of its token. */
static void expect_rows(const char *name, const struct dit_config *c, int rows, int columns,
                        row_fn *row, double tolerance)
{
    struct safetensors *file = opened();
    int n, width, one;
    float *tokens = part_of_case(file, name, "tokens", &n, &one);
    float *want = part_of_case(file, name, "rows", &n, &width);
    float got[MOST];

    cr_assert_leq(width, MOST);
    cr_assert_geq(n, 1);
    for (int i = 0; i < n; i++) {
        char what[160];
        int token = (int)tokens[i];

        snprintf(what, sizeof(what), "%s, token %d", name, token);
        memset(got, 0xff, sizeof(got)); /* NaN: every element is written */
        row(c, rows, columns, token, got);
        cr_expect(near_floats(what, got, want + i * width, width, tolerance));
    }
    free(tokens);
    free(want);
    safetensors_close(file);
}

/* ---- added to the patches ---- */

Test(dit_position, sincos_is_diffusers)
{
    static const struct {
        const char *name;
        int width, sample_size, patch;
        float scale;
        int rows, columns;
    } cases[] = {
        {"sincos-small", 16, 16, 2, 1, 10, 14}, {"sincos-scale", 24, 24, 2, 1.5f, 9, 13},
        {"sincos-odd-base", 8, 9, 2, 1, 7, 5},  {"sincos-trained", 96, 128, 2, 2, 64, 64},
        {"sincos-wide", 48, 64, 1, 1, 3, 40},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dit_config c = {.heads = cases[i].width / 4,
                               .head_dim = 4,
                               .position = DIT_POSITION_SINCOS,
                               .sample_size = cases[i].sample_size,
                               .patch = cases[i].patch,
                               .pos_scale = cases[i].scale};

        expect_rows(cases[i].name, &c, cases[i].rows, cases[i].columns, dit_position_row, ADDED);
    }
}

static void table_row(const struct dit_config *c, int rows, int columns, int token, float *out)
{
    (void)rows;
    (void)columns;
    dit_position_table_row(c, token, out);
}

/* The first and the last token of the grid have the rows of the table that diffusers gives them. */
static void expect_crop(const char *name, const struct dit_config *c, int rows, int columns)
{
    struct safetensors *file = opened();
    char part[32];
    int n, one, top = -1, left = -1;

    snprintf(part, sizeof(part), "crop-%dx%d", rows, columns);

    float *want = part_of_case(file, name, part, &n, &one);

    cr_assert_eq(n, 2);
    cr_assert_eq(dit_position_crop(c, rows, columns, &top, &left), ST_OK);
    cr_expect_eq(top * c->table_side + left, (int)want[0], "%s, %s", name, part);
    cr_expect_eq((top + rows - 1) * c->table_side + left + columns - 1, (int)want[1], "%s, %s",
                 name, part);
    free(want);
    safetensors_close(file);
}

Test(dit_position, table_and_its_middle_are_diffusers)
{
    static const struct {
        const char *name;
        int width, sample_size, side;
        int grids[5][2];
    } cases[] = {
        {"table-odd", 16, 16, 17, {{6, 17}, {11, 7}, {10, 16}, {17, 17}, {1, 1}}},
        {"table-even", 8, 24, 20, {{9, 13}, {20, 3}, {8, 15}}},
        {"table-wide", 96, 128, 192, {{64, 64}, {191, 1}}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dit_config c = {.heads = cases[i].width / 4,
                               .head_dim = 4,
                               .position = DIT_POSITION_TABLE,
                               .sample_size = cases[i].sample_size,
                               .table_side = cases[i].side,
                               .patch = 2};

        expect_rows(cases[i].name, &c, 1, 1, table_row, ADDED);
        for (int k = 0; k < 5 && cases[i].grids[k][0]; k++)
            expect_crop(cases[i].name, &c, cases[i].grids[k][0], cases[i].grids[k][1]);
    }
}

Test(dit_position, a_grid_larger_than_the_table_is_refused)
{
    static const int grids[][2] = {{18, 5}, {5, 18}, {40, 40}};
    const struct dit_config c = {.table_side = 17, .patch = 2, .vae_scale = 8};

    for (int i = 0; i < 3; i++) {
        char found[32];
        int top, left;

        snprintf(found, sizeof(found), "%d x %d tokens", grids[i][0], grids[i][1]);
        cr_assert_eq(dit_position_crop(&c, grids[i][0], grids[i][1], &top, &left), ST_INVALID);
        cr_expect_not_null(strstr(status_message(), found), "%s", status_message());
        cr_expect_not_null(strstr(status_message(), "17 x 17"), "%s", status_message());
        cr_expect_not_null(strstr(status_message(), "272 x 272 pixels"), "%s", status_message());
    }
}

static void frame_row(const struct dit_config *c, int rows, int columns, int token, float *out)
{
    (void)rows;
    (void)columns;
    dit_frame_row(c, token, out);
}

Test(dit_position, frames_are_diffusers)
{
    struct dit_config c = {.heads = 4, .head_dim = 4};

    expect_rows("frames", &c, 1, 1, frame_row, 1e-7);
    c.heads = 12;
    c.head_dim = 8;
    expect_rows("frames-wide", &c, 1, 1, frame_row, 1e-7);
}

/* ---- turning queries and keys ---- */

static struct dit_config rope_of(int head_dim, int patch)
{
    return (struct dit_config){
        .heads = 2, .head_dim = head_dim, .patch = patch, .position = DIT_POSITION_ROPE};
}

Test(dit_position, rope_of_three_axes_is_diffusers)
{
    static const struct {
        const char *name;
        int axes[DIT_ROPE_AXES];
        int rows, columns;
    } cases[] = {{"axes-equal", {2, 2, 2}, 9, 12},
                 {"axes-uneven", {4, 6, 10}, 3, 70},
                 {"axes-published", {16, 56, 56}, 5, 7}};

    for (int i = 0; i < 3; i++) {
        const int *axes = cases[i].axes;
        struct dit_config c = rope_of(axes[0] + axes[1] + axes[2], 2);

        memcpy(c.rope_axes, axes, sizeof(c.rope_axes));
        expect_rows(cases[i].name, &c, cases[i].rows, cases[i].columns, dit_rope_row, 1e-7);
    }
}

Test(dit_position, rope_of_a_resized_grid_is_diffusers)
{
    static const int grids[][2] = {{27, 32}, {25, 32}, {32, 27}, {32, 25}, {5, 32},
                                   {11, 13}, {13, 11}, {7, 9},   {64, 5},  {7, 64},
                                   {1, 5},   {5, 1},   {1, 1},   {32, 32}, {29, 64}};
    struct dit_config c = rope_of(8, 2);

    for (size_t i = 0; i < sizeof(grids) / sizeof(grids[0]); i++) {
        char name[64];

        snprintf(name, sizeof(name), "resized-%dx%d", grids[i][0], grids[i][1]);
        expect_rows(name, &c, grids[i][0], grids[i][1], dit_rope_row, 2e-7);
    }
    c = rope_of(12, 4);
    expect_rows("resized-patch-4", &c, 13, 16, dit_rope_row, 2e-7);
    c = rope_of(4, 1);
    expect_rows("resized-patch-1", &c, 9, 63, dit_rope_row, 2e-7);
    c = rope_of(88, 2);
    expect_rows("resized-published", &c, 64, 48, dit_rope_row, 2e-7);
}

Test(dit_position, text_does_not_turn)
{
    struct dit_config c = rope_of(8, 2);
    float row[8];

    for (int axes = 0; axes < 2; axes++) {
        for (int token = 15; token < 20; token++) {
            dit_rope_row(&c, 3, 5, token, row);
            for (int k = 0; k < 4; k++) {
                cr_expect_eq(row[2 * k], 1.0f);
                cr_expect_eq(row[2 * k + 1], 0.0f);
            }
        }
        dit_rope_row(&c, 3, 5, 14, row); /* the last of the image does */
        cr_expect_neq(row[7], 0.0f);
        memcpy(c.rope_axes, (int[]){2, 2, 4}, sizeof(c.rope_axes));
    }
}

Test(dit_position, axes_that_are_not_a_head_are_a_bug, .signal = SIGABRT)
{
    struct dit_config c = rope_of(8, 2);
    float row[8];

    c.rope_axes[1] = 4;
    dit_rope_row(&c, 3, 5, 0, row);
}
