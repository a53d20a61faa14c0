/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mathematics of an image decoder on one device, beside op.h and with its rules: checked,
 * traced, asynchronous, sums in fp32, nothing allocated. Not attention: its mid block calls
 * op_attention with one head as wide as its channels.
 *
 * An image tensor is [B, H, W, C], channels last: rows, columns and channels are dense, the batch
 * stride is free, so that tensor_slice of some rows is one too. Shape letters: B images, H rows, W
 * columns, I/O in/out channels, C channels, G groups of C/G neighbouring channels.
 */
#ifndef KERNELS_OP_IMAGE_H
#define KERNELS_OP_IMAGE_H

#include "kernels/op.h"

/*
 * What is convolved, E, is x [B, H, W, I] or, where `upsample`, its nearest-neighbour enlargement:
 * E[b, i, j] = x[b, i/2, j/2], twice as high and wide. `above` and `below` say how E begins and
 * ends: 1: with a row of zeros put there, the border of an image; 0: as it is, with a row of the
 * neighbour's that only the kernel reads; -1 (`upsample` only): its first or last row is left out.
 * Then
 *   y[b, i, j, o] = bias[o] + add[b, i, j, o] + sum over u, v, c of
 *                   w[o, u, v, c] * E[b, i + u - above, j + v - (k-1)/2, c],
 * where E is zero outside, and y has height(E) + above + below - (k-1) rows and width(E) columns.
 *
 * A whole image takes 1 and 1. A rank or a chunk with the row of a neighbour in x takes 0 there, or
 * -1 where it upsamples: that row becomes two, of which its first output row needs the nearer one.
 */
struct conv {
    bool upsample;
    int above, below;          /* 0 where k is 1 */
    const struct tensor *bias; /* [O], NULL: 0 */
    const struct tensor *add;  /* as y, and may be y; NULL: 0 */
};

/*
 * x [B, H, W, I], y [B, Hy, Wy, O]; w dense, either [O, k, k, I] with k 1 or 3 or, where
 * `upsample`, what op_conv_fold made of [O, 3, 3, I]: the same numbers up to rounding for 4/9 of
 * the FLOPs. All of the model's dtype; y does not overlap x. Where a GPU has no better way, it
 * computes on its plain cores.
 */
enum status op_conv(struct queue *q, struct tensor *y, const struct tensor *x,
                    const struct tensor *w, const struct conv *conv);

/*
 * folded [4, O, 2, 2, I] := the kernels that w [O, 3, 3, I] amounts to on the four pixels that an
 * input pixel becomes, both dense. Pixel (2s + a, 2t + b) of E reads rows s-1+a and s+a, columns
 * t-1+b and t+b of x:
 *   folded[2a + b, o, u, v, c] = sum of w[o, u', v', c] over (u' + 1 - a) / 2 = u, likewise v'.
 * The sums are in fp32 and rounded once.
 */
enum status op_conv_fold(struct queue *q, struct tensor *folded, const struct tensor *w);

/*
 * sums fp32 [B, 2, G], dense := over the elements of each group of x [B, H, W, C], first the sum S,
 * then the sum M of squared distances from the mean of x itself, S over the number of them; C is a
 * multiple of G, G at most 1024. Elements are summed as distances from one that is near (the CPU)
 * or from the mean of a few pixels (GPUs), so that a large mean takes no digits from M. The order
 * is fixed by the shape, with double sums above short fp32 ones.
 */
enum status op_group_sums(struct queue *q, struct tensor *sums, const struct tensor *x);

/*
 * sums fp32 [B, 2, G], dense: S of all parts of an image, and M of one part, of which `own`
 * [B, 1, G] holds the S that op_group_sums gave. M becomes the part's sum of squared distances from
 * the mean of all,
 *   M += own_count * (own / own_count - S / count)^2,
 * so that the M of all parts add up (Chan, Golub & LeVeque 1983). The counts are those of a
 * group's elements, in the part and in all.
 */
struct group_parts {
    const struct tensor *own;
    int64_t own_count, count;
};

enum status op_group_centre(struct queue *q, struct tensor *sums, const struct group_parts *parts);

/* GroupNorm (Wu & He 2018) from sums that are complete. */
struct group_norm {
    const struct tensor *sums;          /* fp32 [B, 2, G], of op_group_sums, of all parts */
    const struct tensor *weight, *bias; /* fp32 [C]; NULL: 1, 0 */
    int64_t count;                      /* elements of a group that the sums are over, all parts */
    float eps;
    enum act act;
};

/*
 * y = act((x - mean) / sqrt(variance + eps) * weight + bias), x and y [B, H, W, C] of the model's
 * dtype; y may be x. mean = S / count and variance = M / count. Of a large mean it is its rounding
 * to fp32 that is lost: 2^-24 |mean| / deviation in each y, before the weight.
 */
enum status op_group_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                          const struct group_norm *norm);

#endif
