/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one Diffusion Transformer. It obeys a shard and calls two hooks; it cannot name a rank, a
 * communicator or a strategy.
 *
 * Shape letters, project-wide: B lanes (request x guidance branch), F frames (1 for images), N rows
 * (tokens), S image tokens, T text rows, H heads, D head dim, C channels (H*D), L layers, K latent
 * features of a token (dit_features), P ranks, M patches. The latent lives as tokens [R*F, n, K]
 * with features ordered (c, dy, dx); only its start and its end are images. Hidden states are [B*F,
 * N, C]: rows of text that is part of the sequence come before those of the image.
 */
#ifndef MODELS_DIT_H
#define MODELS_DIT_H

#include "kernels/base/arena.h"
#include "kernels/device.h"
#include "models/dit_config.h"
#include "models/prompt.h"
#include "models/span.h"
#include "models/weights.h"

enum { PATCH_ALL = -1 };

/* What of the model this rank holds; obeyed, not understood. */
struct dit_shard {
    int layer_begin, layer_end; /* blocks */
    int part, parts;            /* of the heads and of the MLP's hidden width */
    bool embed, head;           /* holds the patch embedding; holds the output projection */
};

/* One self- or joint attention, handed to the attend hook. q, o [B*F, Nq, heads/parts, D] and k, v
 * [B*F, Nk, heads/parts, D] as the block made them (views), normed and rotated; o is the output.
 * Contract: o = softmax(q K^T / sqrt(D)) V over the keys of ALL tokens of the set `keys` for these
 * lanes and heads; with fresh == false the keys of tokens outside `span` may be those of the
 * previous step. */
struct attn_call {
    int site;                     /* global number; says both sets */
    enum token_set queries, keys; /* what the rows of q and o, and those of k and v, stand for */
    int step;
    int patch;               /* index, or PATCH_ALL */
    bool fresh;              /* every key must be of this step */
    const struct span *span; /* tokens of the rows of k and v */
    struct tensor q, k, v, o;
    struct tensor *lse; /* (optional) out fp32 [B*F, Nq, H] */
    float scale;
    struct queue *queue;
};

struct dit_hooks {
    /* The attention over the whole sequence. */
    enum status (*attend)(void *self, const struct attn_call *call);
    void *attend_self;
    /* y [B, N, C] = the sum over shards of x [B, N, I/parts] w [C, I/parts]^T, without bias. y is
     * dense; x may have any lane and row stride. */
    enum status (*row_linear)(void *self, struct tensor *y, const struct tensor *x,
                              const struct tensor *w, struct queue *q);
    void *row_linear_self;
};

extern const struct dit_hooks
    dit_hooks_serial; /* plain attention over the rows given, plain linear */

struct dit_call {
    int step;
    int patch;
    bool fresh;
    const struct span *span;    /* tokens of the rows of h, the text's first */
    const struct span *image;   /* those of the image among them */
    const struct tensor *skips; /* (optional) [layers] by producing block: where outputs that later
                                   blocks take lie, [B*F, N, C]; those without data, or all, lie
                                   in memory of the model's own */
    const struct dit_hooks *hooks;
    struct queue *queue;
};

/* What one rank's model is built for. */
struct dit_extent {
    int lanes;                      /* B */
    int frames;                     /* F */
    const struct span *all, *image; /* span and image of a PATCH_ALL call, the largest; every other
                                      call's are among them, its image rows neighbours. Their runs
                                      outlive the model */
    int text_tokens;                /* T */
    int steps;                      /* that dit_condition is given at once, at most */
    int width, height;              /* latent pixels */
    enum dtype dtype;               /* of weights and activations */
};

struct dit;

/* Every parameter of the checkpoint is one that the model uses: ST_INVALID names the first that is
 * not. A bias that nobody reads would make a wrong model silently. */
enum status dit_check_weights(const struct dit_config *config, const struct weights *weights);

/* Takes all memory from `weights_arena` and `activations`; reads its shard from `weights` (NULL
 * with measuring arenas). */
enum status dit_open(const struct dit_config *config, const struct dit_shard *shard,
                     const struct dit_extent *extent, struct weights *weights, struct queue *q,
                     struct arena *weights_arena, struct arena *activations, struct dit **out);
void dit_close(struct dit *dit);

/* Once: the lanes' conditions into device memory. row[b]: which row of the prompt is lane b. */
enum status dit_set_prompt(struct dit *dit, const struct prompt *prompt, const int *row,
                           struct queue *q);

/* Once per loop: what is made of them alone. The lanes' text through its projection, keys and
 * values of every cross-attention, embeddings of labels, pooled text, guidance, micro-conditions.
 * Work of the queue only. */
enum status dit_begin(struct dit *dit, struct queue *q);

/* Modulations of all layers in fp32 for the steps whose timesteps are the rows of fp32 [n, lanes]
 * on the device, n <= extent.steps: they depend on nothing else, and together they read the weights
 * that make them once. Work of the queue only. */
enum status dit_condition(struct dit *dit, const struct tensor *timesteps, struct queue *q);

/* The k-th of those steps, from 0, is the one at hand. */
enum status dit_step(struct dit *dit, int k, struct queue *q);

/* h [B*F, N, C] = the text's rows, then the patch embedding of x [B*F, n, K] (model dtype) plus
 * positions of the image's tokens. */
enum status dit_embed(struct dit *dit, const struct dit_call *call, const struct tensor *x,
                      struct tensor *h);

/* The shard's layers, in place on h [B*F, N, C], dense. */
enum status dit_blocks(struct dit *dit, const struct dit_call *call, struct tensor *h);

/* eps [B*F, n, Kout] of the image's rows of h; Kout = K * (channels asked for / in_channels): the
 * first in_channels, or all out_channels, features ordered (c, dy, dx), as eps' last dimension
 * says.
 */
enum status dit_head(struct dit *dit, const struct dit_call *call, const struct tensor *h,
                     struct tensor *eps);

#endif
