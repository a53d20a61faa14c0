/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of a checkpoint's parameters, one table for each naming, and the order of rows where
 * namings differ in it. Which of them a model has is said by its configuration; NULL stands for
 * what no model of that naming has.
 *
 * A name is the prefix of a linear layer, "<name>.weight" [out, in] and "<name>.bias" [out]; or of
 * an MLP, the linear layers "<name>.linear_1" and "<name>.linear_2"; or, where the comment says
 * "whole", the parameter itself. C channels, D head dim, K and Kout features of a patch, E 256
 * features of a number, T and T2 rows of the two texts, Dx and D2 their widths, P the pooled
 * text's.
 */
#ifndef MODELS_DIT_NAMES_H
#define MODELS_DIT_NAMES_H

#include "models/dit_config.h"

enum { DIT_BLOCK_KINDS = DIT_TEMPORAL + 1, DIT_NAMES_INERT = 2 };

/* Of one attention, behind its own name and a dot. */
struct dit_attention_names {
    const char *name;       /* of the attention in its block; the others are behind it */
    const char *q, *k, *v;  /* linear, no bias without attn_bias; q [C, C]; k, v [C, C], of
                               cross-attention [C, width of its text rows] */
    const char *out;        /* linear [C, C], always with a bias */
    const char *q_norm;     /* of a head: weight [D], with qk_norm LAYER bias [D] too */
    const char *k_norm;     /* likewise */
    const char *add_q;      /* the text's own, as q; [C, C] */
    const char *add_k;      /* [C, C] */
    const char *add_v;      /* [C, C] */
    const char *add_out;    /* linear [C, C]; not where the text does not go on */
    const char *add_q_norm; /* weight [D] */
    const char *add_k_norm; /* weight [D] */
};

/* Of a block, behind its prefix and a dot. */
struct dit_block_names {
    const char *block; /* prefix of the block, a format of its index of its kind ("%d") */
    struct dit_attention_names attention; /* self- or joint attention */
    struct dit_attention_names second;    /* cross-attention on text, or a second one over the image
                                             alone; its own names, no text's */
    const char *mlp_in;                   /* linear [mlp, C] */
    const char *mlp_out;                  /* linear [C, mlp] */
    const char *text_mlp_in;              /* the text's own, [mlp, C] */
    const char *text_mlp_out;             /* [C, mlp] */
    const char *joined_out; /* DIT_PARALLEL: linear [C, C + mlp], attention's columns first, in
                               place of attention.out and mlp_out */
    const char *mod;        /* linear [6C, C] (DIT_PARALLEL [3C, C], dual [9C, C], DIT_ADALN_SHIFT
                               [C, C]) */
    const char *text_mod;  /* linear [6C, C]; [2C, C], scale first, where the text does not go on */
    const char *table;     /* whole: [6, C] */
    const char *time;      /* MLP [C, E], [C, C] of the block's own embedder */
    const char *labels;    /* whole: [classes + 1, C] */
    const char *norm_attn; /* affine LayerNorm: weight, bias [C]; before attention */
    const char *norm_cross; /* likewise, before cross-attention */
    const char *norm_mlp;   /* likewise, before the MLP */
    const char *skip_norm;  /* affine LayerNorm: weight, bias [2C]; the block's input first */
    const char *skip;       /* linear [C, 2C] */
};

struct dit_names {
    const char *embed;      /* weight [C, in, p, p], packed [C, K]; bias [C] */
    const char *positions;  /* whole: [1, side^2, C] */
    const char *time;       /* MLP [C, E], [C, C] */
    const char *guidance;   /* MLP [C, E], [C, C] */
    const char *pooled;     /* MLP [mid, P], [C, mid]; mid C, or 4C where pooling is by attention */
    const char *resolution; /* MLP [C/3, E], [C/3, C/3] */
    const char *aspect;     /* MLP [C/3, E], [C/3, C/3] */
    const char *mod;        /* linear [6C, C] of the model: what all blocks' tables are added to */
    const char *text;       /* linear [C, Dx] */
    const char *text_mlp;   /* MLP [C, Dx], [C, C] */
    const char *text2_mlp;  /* MLP [4*D2, D2], [Dx, 4*D2] */
    const char *text_padding; /* whole: [T + T2, Dx], what stands in masked rows */
    /* Pooling of the second text by attention, 8 heads. */
    const char *pool_positions;                 /* whole: [T2 + 1, D2] */
    const char *pool_q;                         /* linear [D2, D2] */
    const char *pool_k;                         /* linear [D2, D2] */
    const char *pool_v;                         /* linear [D2, D2] */
    const char *pool_out;                       /* linear [P, D2] */
    struct dit_block_names of[DIT_BLOCK_KINDS]; /* .block NULL: no block of that kind */
    const char *head;       /* linear [Kout, C]; rows (dy, dx, channel), packed (channel, dy,
                               dx) */
    const char *head_mod;   /* linear [2C, C] */
    bool head_scale_first;  /* head_mod's rows are scale, shift; else shift, scale */
    const char *head_table; /* whole: [2, C], shift first */
    /* Whole parameters that older checkpoints carry and no model reads: a table of positions, which
     * is computed, and an embedding for dropped captions, which only training uses. */
    const char *inert[DIT_NAMES_INERT];
};

/* Of one of the constants of enum dit_naming; never NULL. */
const struct dit_names *dit_names_of(enum dit_naming naming);

#endif
