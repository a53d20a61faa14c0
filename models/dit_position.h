/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a token is, as numbers that the model adds or turns with: one row for one token, on the
 * host. Pure functions of the config and of the grid of tokens, `rows` x `columns` patches of an
 * image or of one frame of a video; image tokens are numbered row by row from 0 on. No device, no
 * ranks, no state.
 *
 * 1-D sin-cos embedding of a position p into n features (Vaswani et al. 2017, section 3.5, halves
 * instead of pairs): sin(p w_k) at k and cos(p w_k) at n/2 + k, w_k = 10000^(-k / (n/2)). Computed
 * in double, stored as fp32. The 2-D one (He et al. 2021, MAE) is the column's over the first half
 * of the channels and the row's over the second; C must be a multiple of 4.
 */
#ifndef MODELS_DIT_POSITION_H
#define MODELS_DIT_POSITION_H

#include "kernels/base/status.h"
#include "models/dit_config.h"

/* DIT_POSITION_SINCOS (Peebles & Xie 2023, section 3.2; other sizes as Xie et al. 2023, DiffFit,
 * and PixArt-alpha): the 2-D embedding of an image token. The grid is stretched over the one that
 * the model was trained on, each direction by a factor of its own: index i of n is at i / (n /
 * base) / pos_scale with base = sample_size / patch, a whole number. out: [C], C = dit_channels(c).
 */
void dit_position_row(const struct dit_config *c, int rows, int columns, int token, float *out);

/* DIT_POSITION_TABLE (Esser et al. 2024, section 5.3.2): the grid takes the middle of the table;
 * token (y, x) has its row (*top + y) * table_side + *left + x. What is left over and odd leaves
 * the larger margin below and on the right. ST_INVALID where the grid is larger than the table. */
enum status dit_position_crop(const struct dit_config *c, int rows, int columns, int *top,
                              int *left);

/* DIT_POSITION_TABLE: row `index`, 0 <= index < table_side^2, of the table that training begins
 * with, for weights that are not read from a file: the 2-D embedding on a grid of table_side a
 * side, index i of which is at i / (table_side / base). out: [C]. */
void dit_position_table_row(const struct dit_config *c, int index, float *out);

/*
 * DIT_POSITION_ROPE (Su et al. 2021, RoFormer, equation 34): by what queries and keys of a token
 * turn. out: [D], cos of pair i at 2i and its sine at 2i + 1; a head's elements (2i, 2i + 1) become
 * (x0 cos - x1 sin, x1 cos + x0 sin). Tokens from rows * columns on are text and do not turn: 1, 0.
 *
 * With rope_axes (FLUX.1) the elements of a head belong to the axes in turn, and an axis of n of
 * them has the frequencies 10000^(-2k/n), k < n/2: the first at 0 for images, then the row, then
 * the column. In double. Their sum must be D.
 *
 * Without (HunyuanDiT, Li et al. 2024, section 2.1, centralized interpolative positions) the first
 * half of a head turns with the column, the second with the row, over the trained grid: the image
 * is resized into it, its longer side whole, and put in its middle, in whole numbers with halves to
 * even. In single precision, as the published model computes. D must be a multiple of 4.
 */
void dit_rope_row(const struct dit_config *c, int rows, int columns, int token, float *out);

/* Frame `frame` of a video, from 0 on: the 1-D embedding over all channels (Ma et al. 2024, Latte,
 * section 3.3). out: [C]. */
void dit_frame_row(const struct dit_config *c, int frame, float *out);

#endif
