/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of heads wider than a kernel's registers hold, as the one head of a decoder's mid block
 * is: tiles of scores through cuBLASLt, in fp32, softmax online from tile to tile of keys, weights
 * in the model's dtype, their products with the values added up in fp32. No more than a tile of the
 * N x N scores exists at a time; each of the two products reads its keys or values once for every
 * tile of rows.
 */
#include "kernels/cuda/launch_image.h"
#include "kernels/cuda/linear_cublas.h"

#include <string.h>

enum {
    ROOM = 192 << 20, /* bytes of a tile; with those of the products 256 MiB */
    UNIT = 64,        /* rows and keys of a tile, but the last, are multiples of it */
};

/* One lane and head. */
struct head {
    const char *q, *k, *v;
    char *o;
    float *lse; /* NULL: not wanted */
    int keys;
};

static int64_t up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Of `whole` in as few parts of at most `most` as possible, all but the last of one size. */
static int even_part(int whole, int64_t most)
{
    int64_t parts = (whole + most - 1) / most;
    int64_t part = up((whole + parts - 1) / parts, UNIT);
    return (int)(part < whole ? part : whole);
}

/* A leading dimension must not be shorter than the row; that of a single row means nothing. */
static int64_t row_stride(const struct cuda_attention *a, int64_t stride, int rows)
{
    return rows > 1 ? stride : a->width;
}

static struct head head_of(const struct cuda_attention *a, int lane, int head)
{
    int64_t size = (int64_t)dtype_size(a->dtype);
    return (struct head){
        .q = (const char *)a->q + (lane * a->q_stride[0] + head * a->q_stride[2]) * size,
        .k = (const char *)a->k + (lane * a->k_stride[0] + head * a->k_stride[2]) * size,
        .v = (const char *)a->v + (lane * a->v_stride[0] + head * a->v_stride[2]) * size,
        .o = (char *)a->o + (lane * a->o_stride[0] + head * a->o_stride[2]) * size,
        .lse = a->lse ? a->lse + lane * a->lse_stride[0] + head * a->lse_stride[2] : NULL,
        .keys = a->keys[lane],
    };
}

static enum status multiply(struct queue *q, const struct cuda_attention *a,
                            const struct linear_shape *of, const struct linear_operands *operands)
{
    struct linear_shape s = *of;
    bool done = false;
    uintptr_t all = (uintptr_t)(s.x_row | s.w_row) * dtype_size(a->dtype) | (uintptr_t)operands->x |
                    (uintptr_t)operands->w | (uintptr_t)operands->y |
                    (uintptr_t)s.y_row * sizeof(float) | 16;
    s.lanes = 1;
    s.dtype = a->dtype;
    s.y_fp32 = 1;
    s.alignment = (int)(all & -all);
    TRY(cuda_blas_multiply(q, &s, operands, &done));
    if (!done)
        return fail(ST_UNSUPPORTED,
                    "attention with heads %d wide in %s: cuBLASLt has no product of %lld x %lld x "
                    "%lld with fp32 sums; heads of up to 256 need none",
                    a->width, dtype_name(a->dtype), (long long)s.rows, (long long)s.out,
                    (long long)s.in);
    return ST_OK;
}

/* The keys from `begin` on, as many as the tile has. */
static enum status add_keys(struct queue *q, const struct cuda_attention *a, const struct head *h,
                            int row, int begin, const struct cuda_attention_tile *t)
{
    int64_t size = (int64_t)dtype_size(a->dtype);
    struct cuda_target at = cuda_target(q);
    struct linear_shape scores, sums;
    memset(&scores, 0, sizeof(scores)); // compared byte by byte
    memset(&sums, 0, sizeof(sums));
    scores.rows = sums.rows = t->rows;
    scores.in = sums.out = a->width;
    scores.out = sums.in = t->keys;
    scores.x_row = row_stride(a, a->q_stride[1], t->rows);
    scores.w_row = row_stride(a, a->k_stride[1], t->keys);
    scores.y_row = sums.x_row = t->stride;
    sums.w_row = row_stride(a, a->v_stride[1], t->keys);
    sums.y_row = a->width;
    sums.w_across = 1;
    sums.add = !t->first;
    struct linear_operands first = {
        .y = t->scores,
        .x = h->q + row * a->q_stride[1] * size,
        .w = h->k + begin * a->k_stride[1] * size,
    };
    struct linear_operands second = {
        .y = t->o,
        .x = t->weights,
        .w = h->v + begin * a->v_stride[1] * size,
    };
    TRY(multiply(q, a, &scores, &first));
    TRY(cuda_attention_soften(&at, t));
    return multiply(q, a, &sums, &second);
}

static enum status attend_head(struct queue *q, const struct cuda_attention *a,
                               const struct head *h, int rows, int keys,
                               struct cuda_attention_tile *t)
{
    int64_t size = (int64_t)dtype_size(a->dtype);
    struct cuda_target at = cuda_target(q);
    for (int row = 0; row < a->rows; row += rows) {
        t->rows = a->rows - row < rows ? a->rows - row : rows;
        t->first = 1;
        for (int key = 0; key < h->keys; key += keys) {
            t->keys = h->keys - key < keys ? h->keys - key : keys;
            TRY(add_keys(q, a, h, row, key, t));
            t->first = 0;
        }
        TRY(cuda_attention_settle(&at, t, h->o + row * a->o_stride[1] * size, a->o_stride[1],
                                  h->lse ? h->lse + row * a->lse_stride[1] : NULL,
                                  a->lse ? a->lse_stride[1] : 0));
    }
    return ST_OK;
}

enum status cuda_attention_wide(struct queue *q, const struct cuda_attention *a)
{
    int most = 1;
    for (int lane = 0; lane < a->lanes; lane++)
        most = a->keys[lane] > most ? a->keys[lane] : most;
    int keys = even_part(most, CUDA_TILE_KEYS);
    int64_t stride = up(keys, 8), size = (int64_t)dtype_size(a->dtype);
    int64_t each = stride * ((int64_t)sizeof(float) + (size == 4 ? 0 : size)) +
                   (a->width + 2) * (int64_t)sizeof(float);
    int64_t fit = ROOM / each / UNIT * UNIT;
    int rows = even_part(a->rows, fit);
    int64_t held = up(rows, UNIT);
    void *workspace;
    TRY(cuda_workspace(q, CUDA_BLAS_WORKSPACE + (size_t)(held * each), &workspace));
    struct cuda_attention_tile t = {
        .scores = (float *)((char *)workspace + CUDA_BLAS_WORKSPACE),
        .stride = stride,
        .width = a->width,
        .scale = a->scale,
        .dtype = a->dtype,
    };
    float *after = t.scores + held * stride;
    t.weights = size == 4 ? t.scores : after;
    t.o = size == 4 ? after : (float *)((char *)after + held * stride * size);
    t.largest = t.o + held * a->width;
    t.sum = t.largest + held;
    for (int i = 0; i < a->lanes * a->heads; i++) {
        struct head h = head_of(a, i / a->heads, i % a->heads);
        TRY(attend_head(q, a, &h, rows, keys, &t));
    }
    return ST_OK;
}
