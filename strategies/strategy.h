/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table every strategy fills, and the building blocks it may call. A strategy is one file under
 * strategies/ and one line in registry.c; README.md has the steps.
 */
#ifndef STRATEGIES_STRATEGY_H
#define STRATEGIES_STRATEGY_H

#include "kernels/base/trace.h"
#include "models/vae.h"
#include "strategies/run.h"

/* A slot without "(optional)" must be filled. What owns a slot of the plan says what it does there;
 * an owner without the function leaves the default in place. */
struct strategy_ops {
    const char *name;
    const char *summary; /* one line: what is split, what is exchanged, when */
    const char *paper;   /* source */
    const char *seam;    /* where it acts, for listings */
    const char *bytes;   /* closed form of the bytes per rank and step, for listings: A of one
                            activation of the sequence, text and frames too, L attentions over it */
    const char *memory;  /* what it divides, for listings */
    const struct kind_ops *kind;       /* (optional) of the models that it splits; NULL: any */
    bool stale;                        /* may use keys of the previous step */
    bool reorders_sums;                /* exact up to the order of sums, not only a move of data */
    const struct spec_option *options; /* (optional) ended by a NULL name; NULL: none */
    const char *const *parts;          /* (optional) of a composite: the strategies it stands for,
                                          ended by NULL; NULL: a plain strategy */
    size_t state_size;                 /* bytes of strategy.state */

    /* (optional) of a composite: appends the items it stands for, and nothing below is needed, for
     * they take its place before there is a plan. NULL: a plain strategy */
    enum status (*expand)(const struct spec_item *item, int heads, struct spec *out);
    /* pure: split, claim slots, refuse */
    enum status (*plan)(struct strategy *me, struct plan *plan);
    /* (optional) pure: bytes this rank sends; not asked at degree 1. NULL: none */
    enum status (*volume)(const struct strategy *me, const struct plan *plan, struct volume *out);
    /* (optional) buffers from the run's arenas; runs over measuring arenas too (then there is no
     * mesh). NULL: nothing */
    enum status (*init)(struct strategy *me, struct run *run);
    /* (optional) start of a loop or of a bare forward. NULL: nothing */
    enum status (*begin)(struct strategy *me, struct run *run);
    /* (optional) seam A, asked of the owner of an attention level: calls attn_inner, never
     * op_attention. NULL: the call goes on inwards */
    enum status (*attend)(struct strategy *me, const struct attn_call *call);
    /* (optional) seam B, asked of the owner of row_linear. NULL: the plain product */
    enum status (*row_linear)(struct strategy *me, struct tensor *y, const struct tensor *x,
                              const struct tensor *w, struct queue *q);
    /* (optional) seam C, asked of the owner of guide: from my branch's eps [R*F, n, K] to both
     * branches'. NULL: both are lanes of this rank */
    enum status (*guide)(struct strategy *me, struct run *run, const struct tensor *mine,
                         struct tensor *eps_u, struct tensor *eps_c);
    /* (optional) seam D, asked of the owner of rows, of a decoder: the hooks of models/vae.h. NULL:
     * nothing, which only one rank may leave */
    enum status (*halo)(struct strategy *me, const struct vae_halo *halo);
    enum status (*halo_wait)(struct strategy *me, const struct vae_halo *halo);
    enum status (*sums)(struct strategy *me, struct tensor *sums, struct queue *q);
    /* (optional) step i of this rank, asked of the owner of the schedule. NULL: one pass over all
     * tokens, or after the warm-up one over each patch, then every strategy's settle; one graph */
    enum status (*step)(struct strategy *me, struct run *run, int i);
    /* (optional) before the first loop, of the owner of the schedule: what step i computes, without
     * transfers of its own. On a device that loads code and chooses algorithms on first use, the
     * first use may wait for all that is pending, and a receive posted ahead would never end. Its
     * results are lost. NULL: no receive is ever posted ahead */
    enum status (*rehearse)(struct strategy *me, struct run *run, int i);
    /* (optional) one whole synchronous pass of run_forward, of the owner of the schedule: the
     * lanes' latents come by run_embed_input, the result goes to run_eps. NULL: embed, blocks, head
     */
    enum status (*forward)(struct strategy *me, struct run *run);
    /* (optional) end of each step that the schedule's owner does not make itself, and part of its
     * graph: what the step posted is waited for. NULL: nothing is in flight then */
    enum status (*settle)(struct strategy *me, struct run *run);
    /* (optional) end of a loop or of a bare forward: nothing in flight remains. NULL: nothing is */
    enum status (*finish)(struct strategy *me, struct run *run);
};

/* ---- registry: canonical order, outer to inner ---- */
const struct strategy_ops *strategy_at(int index); /* NULL past the end */
const struct strategy_ops *strategy_find(const char *name);
int strategy_order(const struct strategy_ops *ops); /* place in the registry */

/* ---- attention chain ---- */

/* The next occupied level inside `me`, or plain attention. */
enum status attn_inner(struct strategy *me, const struct attn_call *call);

/* ---- building blocks of a step; rows are those of PLAN_OWN in the patch: of latents (x, eps) the
 * image's, n, of hidden states (h) the text's before them, too, N; the first dimension counts
 * grids, frame after frame of each request or lane ---- */

/* h [B*F, N, C] from the latent rows of the patch, every branch from the same latent, and the text.
 */
enum status run_embed(struct run *run, int i, int patch, struct tensor *h);

/* h [B*F, N, C] from the lanes' own latents of a bare forward. */
enum status run_embed_input(struct run *run, struct tensor *h);

/* skips: where the outputs of blocks that feed later ones lie, by producing block, [layers]; those
 * without data, and all where it is NULL, are the model's own business. */
enum status run_blocks(struct run *run, int i, int patch, struct tensor *h,
                       const struct tensor *skips);
enum status run_head(struct run *run, int i, int patch, const struct tensor *h, struct tensor *eps);

/* Guidance, then the sampler's step i on the latent rows of the patch: the one place where latents
 * change. */
enum status run_advance(struct run *run, int i, int patch, const struct tensor *eps);

/* The status of a pass over a patch (or PATCH_ALL), made inside a range of its own. */
#define RUN_TRACED_PASS(patch, call)                                                               \
    TRACE(TRACE_PASS, (patch) == PATCH_ALL ? "pass" : "patch", patch, call)

/* One pass of one patch (or PATCH_ALL) where this rank has all layers: embed, blocks, head,
 * advance.
 */
enum status run_pass(struct run *run, int i, int patch);

/*
 * Does body(self, run, i, patch): captured as a graph when it comes for the first time, launched
 * from then on, where the run captures at all. It is the same work for equal (body, kind of step,
 * patch, variant); the kind is what the plan says of step i (its bytes, fresh or stale, noise).
 * Everything the body posts, it waits for; addresses depend on (patch, variant) alone; its state on
 * the host is as before when it returns. A first time computes, then captures.
 */
typedef enum status run_body(void *self, struct run *run, int i, int patch);
enum status run_captured(struct run *run, run_body *body, void *self, int i, int patch,
                         int variant);

/* ---- what a strategy may read of its run ---- */
struct arena *run_arena(struct run *run, enum arena_kind kind);
struct comm *run_comm(struct run *run, int axis, int channel); /* NULL while measuring */
struct queue *run_queue(struct run *run);
bool run_fresh(const struct run *run, int i); /* step i must use keys of its own step only */

int run_rows(const struct run *run, enum token_set set,
             int patch); /* rows of a patch on this rank */

/* x rows, fp32 [R*F, n, K], strided; on ranks with the embedding or the head. */
struct tensor run_latent(struct run *run, int patch);

struct tensor run_hidden(struct run *run, int patch); /* scratch h [B*F, N, C], dense */
int64_t run_hidden_most(struct run *run);             /* elements of the largest patch's */

/* Scratch eps [B*F, n, Kout], dense; on ranks with the head. */
struct tensor run_eps(struct run *run, int patch);

/* Tensors in the model's dtype from one of the run's arenas. */
enum status run_tensor(struct run *run, enum arena_kind kind, int ndim, const int64_t *dim,
                       struct tensor *out);

#endif
