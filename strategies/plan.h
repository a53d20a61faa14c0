/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who does what: a pure function of (problem, specification, rank). Nothing is run and no device is
 * touched. Each strategy of the specification contributes: it splits requests, branches, layers,
 * weight parts or tokens, and may claim one slot of each kind. Two owners of a slot are a conflict,
 * and refused.
 *
 * Tokens: the image is cut into patches of whole token rows (pipefusion), then every split axis
 * cuts each patch, outer axis first, into whole token rows (distrifusion) or tokens. Text that is
 * part of the sequence is a run of its own: it goes with the first patch, or is cut with the
 * patches, and is split by tokens. Of a video, all frames are cut alike. Nothing is listed: what a
 * rank has of a patch is arithmetic, so ranks, patches and lanes have no limit of the plan's own.
 */
#ifndef STRATEGIES_PLAN_H
#define STRATEGIES_PLAN_H

#include "kernels/base/arena.h"
#include "kernels/comm/mesh.h"
#include "strategies/problem.h"
#include "strategies/spec.h"

/* Outer to inner; then plain attention. What each is given and hands on is in README.md. */
enum attn_level {
    ATTN_RESHARD, /* tokens become heads: all rows of some ranks, with a share of the heads */
    ATTN_STORE,   /* keys are completed from what is remembered of the step before */
    ATTN_COLLECT, /* keys that other ranks still have come by, or come together */
    ATTN_LEVELS
};

/* One member of the hybrid: its table, its item of the specification, its axis of the mesh, its
 * private state. */
struct strategy {
    const struct strategy_ops *ops;
    const struct spec_item *item;
    int axis;
    struct run *run; /* set by init */
    void *state;     /* ops->state_size bytes, zeroed */
};

struct plan {
    struct problem problem;
    struct spec spec; /* expanded */
    int rank;
    struct mesh_shape mesh;
    int coord[MESH_MAX_AXES];
    struct strategy strategy[MESH_MAX_AXES]; /* one for each axis */

    int request_begin, requests; /* requests whose latents this rank advances */
    int branch;                  /* the one branch computed here, or -1: all */
    int n_lanes;                 /* plan_lane */
    int n_grids;                 /* lanes x frames: the first dimension of tensors of tokens */

    struct dit_shard shard;
    int heads; /* per rank, inside the attention chain */

    int n_patches; /* 1: the whole sequence */
    bool
        text_in_patches; /* the text is cut into as many parts; else it goes with the first patch */
    int n_splits;
    int split[MESH_MAX_AXES];         /* axes that cut every patch, outer first */
    bool split_rows[MESH_MAX_AXES];   /* by axis: cuts whole token rows */
    unsigned rejoined;                /* axes (bits) that the RESHARD level gathers back */
    unsigned stored;                  /* split axes (bits) whose keys the STORE level remembers */
    int request_axis;                 /* axis that splits requests, or -1 */
    int branch_axis;                  /* axis that splits guidance branches, or -1 */
    bool last_differs[MESH_MAX_AXES]; /* by axis: sends other bytes in the last step */

    int warmup; /* synchronous steps before stale ones; 0 where nothing is stale */
    bool stale; /* some step uses keys of the step before */
    bool exact; /* equal to the serial run */

    int chunk; /* rows of output that a decoder's convolutions make at a time; 0: all */

    struct strategy *attend[ATTN_LEVELS], *row_linear, *guide, *schedule,
        *rows; /* owner of each slot, or NULL */
};

/* `spec` as parsed. ST_UNSUPPORTED with the reason and the legal values, the same on every rank;
 * ST_INVALID: no strategy could do this problem (a size, a number of ranks). *out is NULL then. */
enum status plan_build(const struct problem *problem, const struct spec *spec, int ranks, int rank,
                       struct plan **out);
void plan_close(struct plan *plan);

/* ---- lanes and layers ---- */

/* One (request, guidance branch). */
struct lane {
    int request, branch;
};

/* The i-th lane of this rank; all lanes of branch 0 come first. */
struct lane plan_lane(const struct plan *plan, int i);

/* Requests of the rank with coordinates `coord`, and the first of them. */
int plan_requests(const struct plan *plan, const int *coord, int *begin);

/* Attention sites of this rank's blocks: plan_sites(plan, &begin) from `begin` on. */
int plan_sites(const struct plan *plan, int *begin);

/* ---- tokens ---- */

/* Whose rows stand in a tensor. Of each rank the text's come first, then the image's; of several
 * patches, one after the other in both. */
enum plan_rows {
    PLAN_OWN,  /* this rank's: outside the attention chain, and as a call enters it */
    PLAN_WIDE, /* once the RESHARD level has gathered its axes: rank after rank */
    PLAN_KEYS, /* keys that the COLLECT level and plain attention are given: where a strategy owns
                  ATTN_STORE the whole store, part by part and in it patch by patch, whatever the
                  patch asked for; else as PLAN_WIDE */
};

/* Tokens of patch m of all ranks, of the image (a run of whole token rows) or of the text. */
struct token_run plan_patch(const struct plan *plan, enum token_set part, int m);

/* What the rank with coordinates `coord` (NULL: mine) has of them. */
struct token_run plan_share(const struct plan *plan, enum token_set part, const int *coord, int m);

/* Rows of a set of tokens for that rank in a patch, or in all (PATCH_ALL). */
int plan_rows(const struct plan *plan, enum token_set set, enum plan_rows of, const int *coord,
              int patch);

/* The same for the rank that differs from mine in its coordinate on `axis` only: `peer`. */
int plan_peer_rows(const struct plan *plan, enum token_set set, enum plan_rows of, int axis,
                   int peer, int patch);

/* begin [ranks of the axis + 1]: where the rows of each such rank begin among those of all, over
 * all patches. */
void plan_peer_begins(const struct plan *plan, enum token_set set, enum plan_rows of, int axis,
                      int *begin);

/* Tables by patch have an entry for all of them, too: PATCH_ALL's is the first. */
static inline int plan_slot(int patch)
{
    return patch == PATCH_ALL ? 0 : patch + 1;
}
static inline int plan_slots(const struct plan *plan)
{
    return plan->n_patches + 1;
}

/* The tokens of these rows; the runs lie in `arena`, a measuring one too. */
enum status plan_span(const struct plan *plan, enum token_set set, enum plan_rows of,
                      const int *coord, int patch, struct arena *arena, struct span *out);

/* The final gather goes over the axes that split tokens or requests (branches: and guidance
 * branches, for a bare forward), from the inside out. Blocks lie in one buffer in the order of
 * those coordinates, outer axes slowest, so that each gather's parts are neighbours.
 * plan_gather_rows: grid-rows of all ranks that differ from `coord` on such axes from `axis`
 * inwards. */
bool plan_gathers(const struct plan *plan, int axis, bool branches);
int64_t plan_gather_rows(const struct plan *plan, const int *coord, int axis, bool branches);

/* Rank of the world that writes the result: it advances the last patch, all other coordinates 0. */
int plan_output_rank(const struct plan *plan);

/* ---- for strategies: contributions and refusals ---- */

enum status plan_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum status plan_claim(struct plan *plan, struct strategy **slot, const char *slot_name,
                       struct strategy *me);
enum status plan_split_heads(struct plan *plan, int axis);
enum status plan_split_tokens(struct plan *plan, int axis, bool rows);
enum status plan_cut_patches(struct plan *plan, int patches, bool text);

/* "1, 2, 3, 4, 6, 12": the divisors of n, for messages. */
const char *plan_divisors(int n, char *buffer, size_t size);

/* ---- kinds of steps, by what they send ---- */

/* Steps of a kind in one loop, for an axis (COMM_ONCE: 1). */
int plan_steps_of(const struct plan *plan, int axis, enum comm_when when);
enum comm_when plan_when(const struct plan *plan, int axis, int step);

/* Arena bytes of this rank, by running its initialisation over measuring arenas. */
enum status plan_memory(const struct plan *plan, size_t bytes[ARENA_KINDS]);

#endif
