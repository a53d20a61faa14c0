/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h's second half: the launchers of a decoder's operations, with its rules. Read by both
 * compilers. Private to kernels/cuda.
 */
#ifndef KERNELS_CUDA_LAUNCH_IMAGE_H
#define KERNELS_CUDA_LAUNCH_IMAGE_H

#include "kernels/cuda/launch.h"

#ifdef __cplusplus
extern "C" {
#endif

#include "kernels/op_image.h"

/* ---- convolution ---- */

/* op_conv: y [images, out_rows, out_columns, out] of x [images, rows, columns, in]. Row i + u -
 * above of E is what place u of the kernel sees in row i, so that a part of y's rows is one too. */
struct cuda_conv {
    void *y;
    const void *x, *w, *bias, *add;      /* bias, add NULL: 0; add may be y */
    int64_t x_image, y_image, add_image; /* strides in elements */
    int images, rows, columns, in, out_rows, out_columns, out;
    int taps; /* of a kernel's row: 1 or 3, 2 where it is folded */
    int above;
    int upsample, folded;
    enum dtype dtype;
};

/* conv_plain.cu: fp32 arithmetic on plain cores, all that op_conv allows. */
enum status cuda_conv_plain(const struct cuda_target *at, const struct cuda_conv *c);

/* conv_colours.cu: kernels of 3 from up to 128 channels, a multiple of 8, to 3, in sixteen bits, on
 * tensor cores. */
bool cuda_conv_colours_takes(const struct cuda_conv *c);
enum status cuda_conv_colours(const struct cuda_target *at, const struct cuda_conv *c);

/* conv_narrow.cu: on plain cores, kernels of 3 from up to 128 channels, a multiple of 4, to 3. */
bool cuda_conv_narrow_takes(const struct cuda_conv *c);
enum status cuda_conv_narrow(const struct cuda_target *at, const struct cuda_conv *c);

/* conv_finish.cu: what y [out_rows] of one image lacks: z are sums of products of c's dtype, dense
 * rows of z_columns pixels, the first of which belongs to row z_first of x. Pixels are out channels
 * wide, or where c is folded 4 out, [2a + b, out], and z[i, j] sees rows i-1 and i of x. */
enum status cuda_conv_finish(const struct cuda_target *at, const struct cuda_conv *c, const void *z,
                             int z_columns, int z_first);
enum status cuda_conv_fold(struct queue *q, struct tensor *folded, const struct tensor *w);

/* ---- group_norm.cu ---- */

/* As op_group_sums; `work` holds cuda_group_work() bytes, from a multiple of sixteen on. */
size_t cuda_group_work(const struct tensor *sums, const struct tensor *x);
enum status cuda_group_sums_of(const struct cuda_target *at, const struct tensor *sums,
                               const struct tensor *x, void *work);
enum status cuda_group_centre(struct queue *q, struct tensor *sums,
                              const struct group_parts *parts);
enum status cuda_group_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                            const struct group_norm *norm);

/* ---- attention of wide heads ---- */

/* attention_tile.cu: what is not a product in an attention of wide heads (attention_wide.c), row by
 * row of a tile. */
struct cuda_attention_tile {
    float *scores;  /* [rows, stride] before scale */
    void *weights;  /* [rows, stride] of dtype; the same memory where that is fp32 */
    float *o;       /* [rows, width] so far */
    float *largest; /* [rows] so far, of scaled scores */
    float *sum;     /* [rows] of exp(score - largest) so far */
    int64_t stride; /* a multiple of 8 */
    int rows, keys; /* keys: of this tile, at most CUDA_TILE_KEYS */
    int width;
    float scale;
    int first; /* 1: nothing so far */
    enum dtype dtype;
};

enum { CUDA_TILE_KEYS = 16384 };

/* weights = exp(scale * scores - largest), and what there is so far for the new largest. */
enum status cuda_attention_soften(const struct cuda_target *at,
                                  const struct cuda_attention_tile *t);

/* to [rows, width] at a row stride := o / sum, lse at its row stride := largest + ln(sum), NULL:
 * not wanted; o = 0 and lse = -inf where the sum is 0. */
enum status cuda_attention_settle(const struct cuda_target *at, const struct cuda_attention_tile *t,
                                  void *to, int64_t to_row, float *lse, int64_t lse_row);

#ifdef __cplusplus
}
#endif
#endif
