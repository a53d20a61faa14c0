/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the DiT share: its weights and its scratch memory. For models/dit*.c only. */
#ifndef MODELS_DIT_INTERNAL_H
#define MODELS_DIT_INTERNAL_H

#include "kernels/base/trace.h"
#include "models/dit.h"

/* A linear layer [out, in]; b without data: none. */
struct dit_linear {
    struct tensor w, b;
};

/* A two-layer perceptron; biases always. */
struct dit_mlp {
    struct dit_linear in, out;
};

/* One embedder of time and label and the projection behind it; fp32. DiT has one in every block,
 * the others one of the model. */
struct dit_modulator {
    struct dit_mlp time;      /* DIT_TIME_FEATURES -> C -> C */
    struct tensor labels;     /* [classes + 1, C] */
    struct dit_linear linear; /* [6C, C], where it makes modulations by itself */
};

/* A norm of the blocks. What has no data is left out (struct norm, kernels/op.h). */
struct dit_norm {
    struct tensor weight, bias; /* fp32 [C] */
    struct tensor shift, scale; /* fp32 [B, C], of the step */
    float eps;
};

/* Norms of the heads of queries and keys, fp32 [D] each. */
struct dit_head_norm {
    struct tensor q, q_bias, k, k_bias;
};

/* p = shard.parts; `own` = H/p * D columns of this shard's heads. Model dtype but the norms'. */
struct dit_attention {
    struct dit_linear qkv; /* [3 own, C]: q, k, v one under the other */
    struct dit_linear out; /* [C, own]; bias [C] */
    struct dit_head_norm norm;
};

/* One stream of a block, the image's or the text's: weights, and the modulation of the step. */
struct dit_stream {
    struct dit_norm attn_norm, mlp_norm;
    struct dit_attention attn;
    struct dit_linear fc1, fc2;        /* [mlp/p, C]; [C, mlp/p], bias [C] */
    struct tensor attn_gate, mlp_gate; /* fp32 [B, C]; without data: 1 */
};

/* Attention on text that is no part of the sequence; replicated. */
struct dit_cross {
    struct dit_norm norm; /* weight without data: the rows are taken as they are */
    struct dit_linear q, kv, out;
    struct dit_head_norm head_norm;
    struct tensor text_kv; /* [B, T, 2C] of a loop */
};

struct dit_block {
    struct dit_layer layer;
    int site;                      /* the first of its attention sites */
    bool adds_frames;              /* the positions of frames, before anything else */
    bool starts;                   /* changes its rows first, so no block before it norms them */
    struct dit_stream image, text; /* DIT_PARALLEL: image is all, out is [C, own + mlp/p],
                                      attention's columns first */
    struct dit_norm second_norm;   /* of the second attention, over the image alone */
    struct dit_attention second;
    struct tensor second_gate;
    struct dit_cross cross;
    struct dit_norm skip_norm; /* weight, bias [2C] */
    struct dit_linear skip;    /* [C, 2C], replicated */
    struct tensor skip_out;    /* [B*F, N, C] what a later block of this shard takes */
};

/* Pooling of the second text by attention with its mean as the only query (fp32). */
struct dit_pool {
    struct tensor positions; /* [T2 + 1, D2] */
    struct dit_linear q, k, v, out;
    struct tensor given;              /* [B, T2 + 1, D2] the mean of the rows, then the rows */
    struct tensor rows, keys, values; /* [B, T2 + 1, D2] */
    struct tensor query, sum;         /* [B, 1, D2] */
    struct tensor pooled;             /* [B, P] */
};

struct dit {
    const struct dit_config *config;
    struct dit_shard shard;
    struct dit_extent extent;
    struct span all, image; /* extent's, their runs borrowed */
    int layers;             /* of the shard */
    int text_rows;          /* of `all`: text that is part of the sequence */

    struct dit_linear embed;       /* [C, K] */
    struct tensor positions;       /* fp32 [image rows, C]; without data: none are added */
    struct tensor rope;            /* fp32 [image rows, D]; without data: none turns */
    struct tensor frame_positions; /* fp32 [F, C], of videos */
    struct dit_block *block;       /* [layers] */
    struct dit_norm head_norm;
    struct dit_linear head; /* [Kout, C], rows ordered (c, dy, dx) */

    /* conditioning; fp32, but projections have weights in the model's dtype where each block has
     * its own */
    int modulators; /* 1, or one for each layer of the shard (and one for the head) */
    struct dit_modulator *modulator;   /* [modulators] */
    struct tensor table;               /* [layers, 6C] adaLN-single's learned part */
    struct tensor head_table;          /* [2, C] */
    struct dit_linear project;         /* [rows, C] all modulations of the shard */
    struct dit_linear head_project;    /* [2C, C] the head's, DIT_ADALN_ZERO */
    struct dit_mlp resolution, aspect; /* DIT_TIME_FEATURES -> C/3 -> C/3 */
    struct dit_mlp pooled, guidance;   /* P -> . -> C, DIT_TIME_FEATURES -> C -> C */
    struct dit_pool pool;
    int *label;                          /* [B] */
    struct tensor micro;                 /* [3B] resolutions [B, 2], then aspect ratios [B] */
    struct tensor told;                  /* [B] guidance, in the unit of timesteps */
    struct tensor pooled_in, pooled_mid; /* [B, P], [B, hidden] */
    struct tensor micro1, micro2;        /* [2B, C/3] */
    struct tensor fixed;                 /* [modulators, B, C]: what is constant in a loop */
    /* n = steps made at once */
    int made;                         /* n of the last dit_condition */
    struct tensor times;              /* [n*B] */
    struct tensor time_f;             /* [max(n, 2) * B, DIT_TIME_FEATURES] */
    struct tensor emb1, emb, emb_act; /* [n*B, C] */
    struct tensor single;             /* [n*B, 6C] */
    struct tensor mods;               /* flat: [layers, n*B, 6C], or [n*B, rows] of `project` */
    struct tensor head_mods;          /* flat: [2, n*B, C] or [n*B, 2C] */
    struct tensor mod;                /* of the step: [layers, B, 6C], or [B, rows] */
    struct tensor head_mod;           /* of the step: [2, B, C] or [B, 2C] */

    /* text of a loop, model dtype */
    struct dit_mlp text_mlp;           /* text_dim -> C -> C */
    struct dit_linear text;            /* [C, text_dim] of text that is part of the sequence */
    struct dit_mlp text2_mlp;          /* D2 -> 4 D2 -> text_dim */
    struct tensor text_padding;        /* [T + T2, text_dim] stands in masked rows */
    struct tensor text_in;             /* [B, T, text_dim] */
    struct tensor text2_in, text2_mid; /* [B, T2, D2], [B, T2, 4 D2] */
    struct tensor text_mid;            /* [B, T, C] */
    struct tensor text_out; /* [B, T, C]; in the sequence [B, text_rows, C]; with a second text [B,
                               T + T2, text_dim] */
    int *text_count;        /* [B] keys of cross-attention */
    bool *text_real;        /* [B, T + T2] with a second text */

    /* scratch of a call, flat; views are made for the rows at hand. N = B*F*rows */
    struct tensor scratch_a;    /* N*C: normed rows, attention's output */
    struct tensor scratch_wide; /* N*max(3 own, mlp/p, C, ...): qkv, the MLP's hidden rows, both
                                   side by side, cross-attention's queries */
    struct tensor scratch_y;    /* N*C: results on their way into h */
};

/* arena_tensor of three dimensions. */
enum status dit_alloc3(struct arena *arena, enum dtype dtype, int64_t a, int64_t b, int64_t c,
                       struct tensor *out);

/* A dense [B, rows, width] view of a flat scratch tensor, from element `begin` on. */
struct tensor dit_view(const struct dit *dit, const struct tensor *flat, int64_t begin,
                       int64_t rows, int64_t width);

/* Rows of a call: of a set of tokens, as [B, F*rows, C] tensors have them. */
int64_t dit_rows_of(const struct dit *dit, const struct dit_call *call, enum token_set set);

/* Those of x [B, F*N, ..]. */
struct tensor dit_rows(const struct dit *dit, const struct dit_call *call, const struct tensor *x,
                       enum token_set set);

/* models/dit_block.c: what block l of the shard, 0-based, is; before it is loaded. */
void dit_describe_block(struct dit *dit, int l);

/* models/dit_weights.c: allocates and, unless measuring, fills every parameter of the shard. */
enum status dit_load(struct dit *dit, struct weights *weights, struct queue *q,
                     struct arena *arena);

/* models/dit_cond.c: scratch of conditioning, and the blocks' views of it. */
enum status dit_cond_init(struct dit *dit, struct arena *activations);

/* Rows of `project` that are made for the shard's layers and its head. */
int64_t dit_modulation_rows(const struct dit *dit);

/* Vectors of C of a block's modulation, of the image's or the text's stream. */
int dit_modulation_parts(const struct dit *dit, int l, enum token_set stream);

/* models/dit_text.c: memory of the text, its rows, and what a loop makes of them. */
enum status dit_text_init(struct dit *dit, struct arena *activations);
enum status dit_set_text(struct dit *dit, const struct prompt *prompt, const int *row,
                         struct queue *q);
enum status dit_begin_text(struct dit *dit, struct queue *q);

/* pool.pooled := the second text, pooled. */
enum status dit_pool_text(struct dit *dit, struct queue *q);

/* out := act(x w1^T + b1) w2^T + b2; mid: scratch of the hidden rows. */
enum status dit_mlp_forward(struct queue *q, const struct dit_mlp *mlp, enum act act,
                            const struct tensor *x, struct tensor *mid, struct tensor *out);

/* The op's view of a norm, and of a linear layer's bias. Both point into what they are made of. */
struct norm dit_norm_of(const struct dit_norm *norm);
const struct tensor *dit_bias(const struct dit_linear *linear);

#endif
