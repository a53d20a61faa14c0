/* SPDX-License-Identifier: Apache-2.0 */
/* Weights: any slice is the same numbers as the whole has there, from a formula or from files, and
 * bad files are named. */
#include "kernels/backend.h"
#include "models/safetensors.h"
#include "models/weights.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

/* Host floats of a slice; for free(). */
static float *read_slice(struct weights *w, const char *name, int ndim, const int64_t *shape,
                         struct weights_slice slice)
{
    int64_t dim[2] = {slice.rows, slice.cols};
    float *data = calloc((size_t)(slice.rows * slice.cols) + 1, sizeof(*data));
    struct tensor out = tensor_of(data, NULL, DTYPE_F32, 2, dim);

    cr_assert_eq(weights_fill(w, name, ndim, shape, &slice, NULL, &out), ST_OK, "%s",
                 status_text());
    return data;
}

static const char *identity(struct weights *w)
{
    const char *text;

    cr_assert_eq(weights_identity(w, &text), ST_OK, "%s", status_text());
    return text;
}

static bool has(const struct weights *w, const char *name)
{
    for (int i = 0; weights_name_at(w, i); i++) {
        if (strcmp(weights_name_at(w, i), name) == 0)
            return true;
    }
    return false;
}

/* Every rectangle of a [rows, cols] parameter against the whole. */
static void slices_agree(struct weights *w, const char *name, int ndim, const int64_t *shape,
                         int64_t rows, int64_t cols)
{
    float *whole = read_slice(w, name, ndim, shape, (struct weights_slice){0, rows, 0, cols});

    for (int64_t r = 0; r < rows; r += 1 + rows / 5) {
        for (int64_t c = 0; c < cols; c += 1 + cols / 7) {
            struct weights_slice slice = {r, (rows - r + 1) / 2, c, (cols - c + 2) / 3};
            float *part = read_slice(w, name, ndim, shape, slice);

            for (int64_t i = 0; i < slice.rows; i++)
                cr_assert_eq(memcmp(part + i * slice.cols, whole + (r + i) * cols + c,
                                    sizeof(float) * (size_t)slice.cols),
                             0, "%s, row %lld, columns from %lld", name, (long long)(r + i),
                             (long long)c);
            free(part);
        }
    }
    free(whole);
}

static double deviation(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum / (double)n);
}

Test(weights, synthetic_slices_are_the_whole_bit_for_bit)
{
    static const int64_t matrix[2] = {37, 53};
    static const int64_t convolution[4] = {12, 4, 2, 2};
    static const int64_t vector[1] = {101};
    struct weights *w;

    cr_assert_eq(weights_open_synthetic(9, &w), ST_OK);
    slices_agree(w, "transformer_blocks.0.attn1.to_q.weight", 2, matrix, 37, 53);
    slices_agree(w, "pos_embed.proj.weight", 4, convolution, 12, 16);
    slices_agree(w, "proj_out.bias", 1, vector, 1, 101);
    cr_assert_null(weights_name_at(w, 0), "every name has values, so none is listed");
    cr_assert_str_eq(identity(w), "synthetic");
    weights_close(w);
}

Test(weights, synthetic_values_depend_on_seed_and_name_and_have_their_size)
{
    static const int64_t shape[2] = {300, 400};
    static const int64_t table[2] = {6, 1152};
    static const int64_t bias[1] = {4096};
    static const int64_t convolution[4] = {1152, 4, 2, 2};
    struct weights_slice whole = {0, 300, 0, 400};
    struct weights *one;
    struct weights *two;

    cr_assert_eq(weights_open_synthetic(1, &one), ST_OK);
    cr_assert_eq(weights_open_synthetic(2, &two), ST_OK);
    float *a = read_slice(one, "a.weight", 2, shape, whole);
    float *again = read_slice(one, "a.weight", 2, shape, whole);
    float *b = read_slice(one, "b.weight", 2, shape, whole);
    float *c = read_slice(two, "a.weight", 2, shape, whole);
    double ab = 0;
    double ac = 0;
    for (int i = 0; i < 120000; i++) {
        ab += (double)a[i] * (double)b[i];
        ac += (double)a[i] * (double)c[i];
    }
    cr_assert_eq(memcmp(a, again, sizeof(*a) * 120000), 0);
    /* Of 120000 products with variance 1/400^2 the mean is below 5 deviations, 5 / 346 / 400. */
    cr_assert_lt(fabs(ab) / 120000, 3.7e-5);
    cr_assert_lt(fabs(ac) / 120000, 3.7e-5);
    cr_assert_float_eq(deviation(a, 120000) * 20, 1, 0.02);
    float *t = read_slice(one, "transformer_blocks.3.scale_shift_table", 2, table,
                          (struct weights_slice){0, 6, 0, 1152});
    float *v = read_slice(one, "proj_out.bias", 1, bias, (struct weights_slice){0, 1, 0, 4096});
    float *p = read_slice(one, "pos_embed.proj.weight", 4, convolution,
                          (struct weights_slice){0, 1152, 0, 16});
    cr_assert_float_eq(deviation(t, 6912) * sqrt(1152), 1, 0.05);
    cr_assert_float_eq(deviation(v, 4096) * 50, 1, 0.05);
    cr_assert_float_eq(deviation(p, 18432) * 4, 1, 0.05);
    float *all[] = {a, again, b, c, t, v, p};
    for (int i = 0; i < 7; i++)
        free(all[i]);
    weights_close(one);
    weights_close(two);
}

/* A tensor with a row stride gets the numbers of its rows and nothing between them. */
/* Else queries and keys that are normed would have no length, and softmax would see nothing. */
Test(weights, synthetic_weights_of_norms_lie_around_one)
{
    enum { N = 3000 };
    static const int64_t vector[1] = {N};
    struct weights *w;
    cr_assert_eq(weights_open_synthetic(3, &w), ST_OK);
    float *norm = read_slice(w, "transformer_blocks.0.attn.norm_q.weight", 1, vector,
                             (struct weights_slice){0, 1, 0, N});
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += norm[i];
    for (int i = 0; i < N; i++)
        norm[i] -= 1;
    cr_assert_float_eq(sum / N, 1, 0.02);
    cr_assert_float_eq(deviation(norm, N) * 5, 1, 0.05);
    free(norm);
    slices_agree(w, "transformer_blocks.0.attn.norm_q.weight", 1, vector, 1, N);
    weights_close(w);
}

Test(weights, strided_targets_keep_what_is_between_their_rows)
{
    static const int64_t shape[2] = {5, 8};
    struct weights_slice slice = {1, 3, 2, 4};
    float data[3 * 6] = {0};
    struct weights *w;

    cr_assert_eq(weights_open_synthetic(4, &w), ST_OK);
    for (int i = 0; i < 18; i++)
        data[i] = 99;
    int64_t dim[2] = {3, 6};
    struct tensor wide = tensor_of(data, NULL, DTYPE_F32, 2, dim);
    struct tensor out = tensor_slice(&wide, 1, 1, 4);
    cr_assert_eq(weights_fill(w, "x.weight", 2, shape, &slice, NULL, &out), ST_OK);
    float *want = read_slice(w, "x.weight", 2, shape, slice);
    for (int r = 0; r < 3; r++) {
        cr_assert_eq(memcmp(data + 6 * r + 1, want + 4 * r, 4 * sizeof(float)), 0);
        cr_assert(data[6 * r] == 99 && data[6 * r + 5] == 99);
    }
    free(want);
    weights_close(w);
}

/* bf16 of the staged pieces equals bf16 of the whole, also where rows and parts of rows go in
 * several pieces. */
Test(weights, other_types_are_converted_once_in_pieces)
{
    static const int64_t shapes[2][2] = {{3, 1500000}, {2100, 1000}};
    const struct device_options options = {.threads = 1};
    struct device *dev;
    struct queue *q;
    struct weights *w;

    cr_assert_eq(device_open(backend_find("cpu"), &options, &dev), ST_OK, "%s", status_text());
    cr_assert_eq(queue_open(dev, &q), ST_OK);
    cr_assert_eq(weights_open_synthetic(4, &w), ST_OK);
    for (int k = 0; k < 2; k++) {
        const int64_t *shape = shapes[k];
        int64_t n = shape[0] * shape[1];
        struct weights_slice slice = {0, shape[0], 0, shape[1]};
        uint16_t *halves = calloc((size_t)n, sizeof(*halves));
        struct tensor out = tensor_of(halves, NULL, DTYPE_BF16, 2, shape);
        float *want = read_slice(w, "x.weight", 2, shape, slice);

        cr_assert_eq(weights_fill(w, "x.weight", 2, shape, &slice, q, &out), ST_OK, "%s",
                     status_text());
        for (int64_t i = 0; i < n; i++) {
            uint32_t bits;
            memcpy(&bits, &want[i], sizeof(bits));
            bits += 0x7fff + (bits >> 16 & 1); // to nearest, ties to even
            cr_assert_eq(halves[i], bits >> 16, "element %lld", (long long)i);
        }
        free(halves);
        free(want);
    }
    weights_close(w);
    queue_close(q);
    device_close(dev);
}

/* ---- a device's tensor against a host read and a copy ---- */

static void fills_agree(struct queue *q, struct weights *w, const char *name, int ndim,
                        const int64_t *shape, struct weights_slice slice)
{
    int64_t wide[2] = {slice.rows, slice.cols + 5};
    int64_t dense[2] = {slice.rows, slice.cols};
    size_t room = (size_t)(wide[0] * wide[1]) * sizeof(float);
    float *values = read_slice(w, name, ndim, shape, slice);
    struct tensor from = tensor_of(values, NULL, DTYPE_F32, 2, dense);
    for (int i = 0; i < 2 * DTYPE_COUNT; i++) { // half of them with gaps between the rows
        unsigned char *got = malloc(room);
        unsigned char *want = malloc(room);
        memset(got, 0xee, room);
        memset(want, 0xee, room);
        struct tensor a = tensor_of(got, q->dev, (enum dtype)(i / 2), 2, i % 2 ? wide : dense);
        struct tensor b = a;
        b.data = want;
        a = tensor_slice(&a, 1, i % 2 ? 3 : 0, slice.cols);
        b = tensor_slice(&b, 1, i % 2 ? 3 : 0, slice.cols);
        cr_assert_eq(op_copy(q, &b, &from), ST_OK);
        cr_assert_eq(weights_fill(w, name, ndim, shape, &slice, q, &a), ST_OK, "%s", status_text());
        cr_assert_eq(memcmp(got, want, room), 0, "%s in %s", name, dtype_name(a.dtype));
        free(got);
        free(want);
    }
    free(values);
}

Test(weights, fills_of_a_device_are_reads_and_copies)
{
    static const char *const folders[] = {NULL, "pixart-alpha", "pixart-sigma", "dit-ddpm"};
    static const int64_t convolution[4] = {48, 4, 2, 2};
    const struct device_options options = {.threads = 2};
    struct device *dev;
    struct queue *q;
    cr_assert_eq(device_open(backend_find("cpu"), &options, &dev), ST_OK, "%s", status_text());
    cr_assert_eq(queue_open(dev, &q), ST_OK);
    for (int i = 0; i < 4; i++) {
        char folder[512];
        struct weights *w;
        int64_t C = i == 2 ? 96 : 48;
        int64_t matrix[2] = {4 * C, C};
        int64_t vector[1] = {4 * C};
        if (!folders[i]) {
            cr_assert_eq(weights_open_synthetic(5, &w), ST_OK);
        } else {
            snprintf(folder, sizeof(folder), "%s%s/transformer", GOLDEN, folders[i]);
            cr_assert_eq(weights_open_safetensors(folder, &w), ST_OK, "%s", status_text());
        }
        const char *name = "transformer_blocks.1.ff.net.0.proj.weight";
        fills_agree(q, w, name, 2, matrix, (struct weights_slice){0, 4 * C, 0, C});
        fills_agree(q, w, name, 2, matrix, (struct weights_slice){C, C + 3, 0, C});
        fills_agree(q, w, name, 2, matrix, (struct weights_slice){3, 5, 7, C / 2 + 1});
        fills_agree(q, w, name, 2, matrix, (struct weights_slice){3, 0, 7, 4});
        fills_agree(q, w, "transformer_blocks.1.ff.net.0.proj.bias", 1, vector,
                    (struct weights_slice){0, 1, 5, C});
        if (i < 2)
            fills_agree(q, w, "pos_embed.proj.weight", 4, convolution,
                        (struct weights_slice){40, 8, 3, 10});
        weights_close(w);
    }
    queue_close(q);
    device_close(dev);
}

Test(weights, checkpoints_of_every_layout_give_their_slices)
{
    static const struct {
        const char *family;
        int64_t channels;
    } cases[] = {{"pixart-alpha", 48}, {"pixart-sigma", 96}, {"pixart-flow", 48}, {"dit-ddpm", 48}};

    for (int i = 0; i < 4; i++) {
        char folder[512];
        struct weights *w;
        int64_t C = cases[i].channels;
        int64_t shape[2] = {4 * C, C};
        int64_t bias[1] = {4 * C};

        snprintf(folder, sizeof(folder), "%s%s/transformer", GOLDEN, cases[i].family);
        cr_assert_eq(weights_open_safetensors(folder, &w), ST_OK, "%s", status_text());
        slices_agree(w, "transformer_blocks.1.ff.net.0.proj.weight", 2, shape, 4 * C, C);
        slices_agree(w, "transformer_blocks.3.ff.net.0.proj.bias", 1, bias, 1, 4 * C);
        cr_assert(has(w, "pos_embed.proj.weight"));
        cr_assert_not(has(w, "pos_embed.proj"));
        cr_assert_eq(strlen(identity(w)), 16);
        weights_close(w);
    }
}

/* Elements by position, against the file itself. */
Test(weights, a_slice_is_what_the_file_holds_there)
{
    int64_t shape[4] = {48, 4, 2, 2};
    struct weights *w;
    struct safetensors *file;
    float row[16];

    cr_assert_eq(weights_open_safetensors(GOLDEN "pixart-alpha/transformer", &w), ST_OK);
    cr_assert_eq(safetensors_open(
                     GOLDEN "pixart-alpha/transformer/diffusion_pytorch_model.safetensors", &file),
                 ST_OK);
    const struct safetensors_entry *entry = safetensors_find(file, "pos_embed.proj.weight");
    float *part =
        read_slice(w, "pos_embed.proj.weight", 4, shape, (struct weights_slice){40, 8, 3, 10});
    for (int r = 0; r < 8; r++) {
        cr_assert_eq(safetensors_floats(file, entry, (40 + r) * 16, 16, row), ST_OK);
        cr_assert_eq(memcmp(row + 3, part + 10 * r, 10 * sizeof(float)), 0);
    }
    free(part);
    safetensors_close(file);
    weights_close(w);
}

Test(weights, tensors_that_do_not_fit_are_named)
{
    int64_t shape[2] = {48, 49};
    float data[49 * 48];
    struct weights_slice slice = {0, 48, 0, 49};
    struct tensor out = tensor_of(data, NULL, DTYPE_F32, 2, shape);
    struct weights *w;

    cr_assert_eq(weights_open_safetensors(GOLDEN "pixart-alpha/transformer", &w), ST_OK);
    cr_assert_eq(
        weights_fill(w, "transformer_blocks.0.attn1.to_q.weight", 2, shape, &slice, NULL, &out),
        ST_INVALID);
    cr_assert(strstr(status_message(), "diffusion_pytorch_model.safetensors: tensor "
                                       "\"transformer_blocks.0.attn1.to_q.weight\" is [48, 48]"),
              "%s", status_message());
    cr_assert(strstr(status_message(), "wants [48, 49]"), "%s", status_message());
    cr_assert_eq(weights_fill(w, "transformer_blocks.9.x", 2, shape, &slice, NULL, &out),
                 ST_INVALID);
    cr_assert(strstr(status_message(), "\"transformer_blocks.9.x\" [48, 49] is missing"), "%s",
              status_message());
    weights_close(w);
}
