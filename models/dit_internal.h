/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the DiT share: its weights and its scratch memory. For models/dit*.c only. */
#ifndef MODELS_DIT_INTERNAL_H
#define MODELS_DIT_INTERNAL_H

#include "models/dit.h"

enum { DIT_TIME_FEATURES = 256 };

/* The six parts of a block's modulation, in the order of diffusers' chunks. */
enum {
    MOD_ATTN_SHIFT,
    MOD_ATTN_SCALE,
    MOD_ATTN_GATE,
    MOD_MLP_SHIFT,
    MOD_MLP_SCALE,
    MOD_MLP_GATE,
    MOD_PARTS
};

/* A two-layer perceptron; biases always. */
struct dit_mlp {
    struct tensor w1, b1, w2, b2;
};

/* One embedder of time and label and the projection behind it; all fp32. PixArt has one, DiT one in
 * every block. */
struct dit_modulator {
    struct dit_mlp time;  /* DIT_TIME_FEATURES -> C -> C */
    struct tensor labels; /* [classes + 1, C], DiT */
    struct tensor w, b;   /* [6C, C], [6C] */
};

/* p = shard.parts; H/p heads of D; F/p of the MLP's width. Model dtype. */
struct dit_block {
    struct tensor qkv_w, qkv_b; /* [3C/p, C], [3C/p] (b: only with attn_bias) */
    struct tensor out_w, out_b; /* [C, C/p], [C] */
    struct tensor fc1_w, fc1_b; /* [F/p, C], [F/p] */
    struct tensor fc2_w, fc2_b; /* [C, F/p], [C] */
    struct tensor cross_q_w, cross_q_b, cross_kv_w, cross_kv_b, cross_out_w,
        cross_out_b; /* replicated */
};

struct dit {
    const struct dit_config *config;
    struct dit_shard shard;
    struct dit_extent extent;
    struct span all; /* extent.all, its runs borrowed */
    int layers;      /* of the shard */

    struct tensor embed_w, embed_b; /* [C, K], [C] */
    struct tensor positions;        /* fp32 [rows of all, C] */
    struct dit_mlp text;            /* text_dim -> C -> C */
    struct dit_block *block;        /* [layers] */
    struct tensor head_w, head_b;   /* [Kout, C], [Kout], rows ordered (c, dy, dx) */

    /* conditioning, fp32 */
    int modulators; /* 1, or one for each layer of the shard (and one for the head) */
    struct dit_modulator *modulator;      /* [modulators] */
    struct tensor table;                  /* [layers, 6C] adaLN-single's learned part */
    struct tensor head_table;             /* [2, C] */
    struct tensor head_mod_w, head_mod_b; /* [2C, C], [2C], DiT */
    struct dit_mlp resolution, aspect;    /* DIT_TIME_FEATURES -> C/3 -> C/3 */
    struct tensor fixed;  /* [modulators, B, C]: labels or micro-conditions, constant in a loop */
    struct tensor time_f; /* [max(B, 2B), DIT_TIME_FEATURES] */
    struct tensor emb1, emb, emb_act; /* [B, C] */
    struct tensor micro1, micro2;     /* [2B, C/3] */
    float *micro_host;                /* [B, 2] resolutions, then [B] aspect ratios */
    struct tensor single;             /* [B, 6C] */
    struct tensor mod;                /* [layers, B, 6C] */
    struct tensor head_mod;           /* [2, B, C] or [B, 2C] */

    /* text of a loop, model dtype */
    struct tensor text_in;            /* [B, T, text_dim] */
    struct tensor text_mid, text_out; /* [B, T, C] */
    struct tensor text_kv;            /* [layers, B, T, 2C] */
    int *text_count;                  /* [B] */

    /* scratch of a call, flat; views are made for the rows at hand */
    struct tensor scratch_a; /* B*N*C: normed rows, attention's output, cross-attention's queries */
    struct tensor scratch_wide; /* B*N*max(3C/p, F/p, C): qkv, the MLP's hidden rows,
                                   cross-attention's output */
    struct tensor scratch_y;    /* B*N*C: results on their way into h */
};

/* A dense [B, rows, width] view of a flat scratch tensor. */
struct tensor dit_view(const struct dit *dit, const struct tensor *flat, int64_t rows,
                       int64_t width);

/* Part `which` of the modulation of the shard's layer `l` (0-based): fp32 [B, C]. */
struct tensor dit_mod(const struct dit *dit, int l, int which);

/* Rows (shift, scale) of the head's modulation: fp32 [B, C]. */
struct tensor dit_head_mod(const struct dit *dit, int which);

/* models/dit_weights.c: allocates and, unless measuring, fills every parameter of the shard. */
enum status dit_load(struct dit *dit, struct weights *weights, struct queue *q,
                     struct arena *arena);

/* models/dit_cond.c: scratch of conditioning and text. */
enum status dit_cond_init(struct dit *dit, struct arena *activations);

#endif
