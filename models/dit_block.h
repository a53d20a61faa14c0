/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of blocks share. A block expects its rows normed for its attention in scratch_a,
 * and leaves them so for its successor. For models/dit_block*.c only. */
#ifndef MODELS_DIT_BLOCK_H
#define MODELS_DIT_BLOCK_H

#include "models/dit_internal.h"

/* The kinds: h [B, F*N, C] in place. */
enum status dit_block_sequential(struct dit *dit, const struct dit_call *call, int l,
                                 struct tensor *h);
enum status dit_block_joint(struct dit *dit, const struct dit_call *call, int l, struct tensor *h);
enum status dit_block_parallel(struct dit *dit, const struct dit_call *call, int l,
                               struct tensor *h);
enum status dit_block_temporal(struct dit *dit, const struct dit_call *call, int l,
                               struct tensor *h);

/* What the rows of a stream are normed for behind block l: its successor's attention, or NULL where
 * the successor prepares them by itself, or there is none. */
const struct dit_norm *dit_next_norm(const struct dit *dit, int l, enum token_set stream);

/* h += gate (y + bias), gate without data: 1; then, with `next`, a := the rows of h normed for it.
 */
enum status dit_add(const struct dit_call *call, struct tensor *h, const struct tensor *y,
                    const struct dit_linear *linear, const struct tensor *gate, struct tensor *a,
                    const struct dit_norm *next);

/* Columns of this shard's heads: H/p * D. */
int64_t dit_own(const struct dit *dit);

/* [B, N, heads*D] columns from `column` on as [B, N, heads, D]. */
struct tensor dit_heads(const struct dit *dit, const struct tensor *rows, int64_t column,
                        int heads);

/* q, k [B, N, heads, D] (either may be NULL) normed and, where `image` says that their rows are the
 * call's image rows, turned by their positions. */
enum status dit_qk(struct dit *dit, const struct dit_call *call, const struct dit_head_norm *norm,
                   bool image, struct tensor *q, struct tensor *k);

/* o := attention at a site (its global number), through the hook. The tensors [B, F*N,
 * heads, D]. */
struct dit_qkvo {
    struct tensor q, k, v, o;
};
enum status dit_attend(struct dit *dit, const struct dit_call *call, int site,
                       const struct dit_qkvo *x);

/* y := the sum over shards of x w^T, through the hook; `name` for traces. */
enum status dit_row_linear(const struct dit_call *call, const char *name, struct tensor *y,
                           const struct tensor *x, const struct dit_linear *linear);

/* A stream's product of queries, keys and values; for traces as "qkv". */
enum status dit_qkv(const struct dit_call *call, struct tensor *qkv, const struct tensor *a,
                    const struct dit_linear *linear);

/* y [B, F*N, C] := attention of image rows among themselves, at a site, projected, without bias. Of
 * their normed rows, which stand in `flat` and are spent; scratch_wide is lost, too, and may be
 * where y is. */
enum status dit_self_attention(struct dit *dit, const struct dit_call *call,
                               const struct dit_attention *attn, int site,
                               const struct tensor *flat, struct tensor *y);

/* y := the MLP of a stream's normed rows a, without the second bias; `wide` is lost. */
enum status dit_mlp_rows(struct dit *dit, const struct dit_call *call,
                         const struct dit_stream *stream, const struct tensor *a, struct tensor *y);

#endif
