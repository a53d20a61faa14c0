/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who does what: a pure function of (model, problem, specification, rank). Nothing is run and no
 * device is touched. Each strategy of the specification contributes: it splits requests, branches,
 * layers, weight parts or tokens, and may claim one slot of each kind. Two owners of a slot are a
 * conflict, and refused.
 *
 * Tokens: the sequence is cut into patches of whole token rows (pipefusion), then every split axis
 * cuts each run of every patch, outer axis first. distrifusion's split cuts whole token rows;
 * ring's and ulysses' cut tokens.
 */
#ifndef STRATEGIES_PLAN_H
#define STRATEGIES_PLAN_H

#include "kernels/base/arena.h"
#include "kernels/comm/mesh.h"
#include "models/dit.h"
#include "strategies/problem.h"
#include "strategies/spec.h"

enum { PLAN_MAX_PATCHES = 64, PLAN_MAX_LANES = 256 };

enum attn_level {
    ATTN_RESHARD,
    ATTN_STORE,
    ATTN_ROTATE,
    ATTN_LEVELS
}; /* outer to inner; then plain attention */

/* One (request, guidance branch). */
struct lane {
    int request, branch;
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
    int n_lanes;
    struct lane lane[PLAN_MAX_LANES]; /* branch-major: all lanes of branch 0 first */

    struct dit_shard shard;
    int heads; /* per rank, inside the attention chain */

    int n_patches; /* 1: the whole sequence */
    struct span patch[PLAN_MAX_PATCHES];
    int n_splits;
    int split[MESH_MAX_AXES];         /* axes that cut every run, outer first */
    bool split_rows[MESH_MAX_AXES];   /* by axis: cuts whole token rows */
    unsigned rejoined;                /* axes (bits) that the RESHARD level gathers back */
    unsigned stored;                  /* split axes (bits) whose keys the STORE level remembers */
    int request_axis;                 /* axis that splits requests, or -1 */
    int branch_axis;                  /* axis that splits guidance branches, or -1 */
    bool last_differs[MESH_MAX_AXES]; /* by axis: sends other bytes in the last step */

    int warmup; /* synchronous steps before stale ones; 0 where nothing is stale */
    bool stale; /* some step uses keys of the step before */
    bool exact; /* equal to the serial run */

    struct strategy *attend[ATTN_LEVELS], *row_linear, *guide,
        *schedule; /* owner of each slot, or NULL */
};

/* ST_UNSUPPORTED with the reason and the legal values; *out is NULL then. `spec` as parsed. */
enum status plan_build(const struct problem *problem, const struct spec *spec, int ranks, int rank,
                       struct plan **out);
void plan_close(struct plan *plan);

/* ---- tokens ---- */

/* Rows of the rank with coordinates `coord` (NULL: mine) in a patch (or PATCH_ALL: patch after
 * patch). */
void plan_span(const struct plan *plan, const int *coord, int patch, struct span *out);

/* The same once the RESHARD level has gathered its axes: rank after rank. */
void plan_span_wide(const struct plan *plan, const int *coord, int patch, struct span *out);

/* Keys that the ROTATE level and plain attention are given for a call on that patch: the whole
 * store (stored part by part, patch by patch) where a strategy owns ATTN_STORE, else
 * plan_span_wide. */
void plan_span_keys(const struct plan *plan, const int *coord, int patch, struct span *out);

/* Requests of the rank with coordinates `coord`, and the first of them. */
int plan_requests(const struct plan *plan, const int *coord, int *begin);

/* The final gather goes over the axes that split tokens or requests (branches: and guidance
 * branches, for a bare forward), from the inside out. Blocks lie in one buffer in the order of
 * those coordinates, outer axes slowest, so that each gather's parts are neighbours.
 * plan_gather_rows: lane-rows of all ranks that differ from `coord` on such axes from `axis`
 * inwards. */
bool plan_gathers(const struct plan *plan, int axis, bool branches);
int64_t plan_gather_rows(const struct plan *plan, const int *coord, int axis, bool branches);

/* Rank of the world that writes the result: it advances the last patch, all other coordinates 0. */
int plan_output_rank(const struct plan *plan);

/* ---- for strategies: contributions and refusals ---- */
enum status plan_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum status plan_claim(struct plan *plan, struct strategy **slot, const char *slot_name,
                       struct strategy *me);
enum status plan_split_tokens(struct plan *plan, int axis, bool rows);
enum status plan_cut_patches(struct plan *plan, int patches);

/* "1, 2, 3, 4, 6, 12": the divisors of n, for messages. */
const char *plan_divisors(int n, char *buffer, size_t size);

int plan_layers(const struct plan *plan); /* blocks on this rank */

/* ---- kinds of steps, by what they send ---- */

/* Steps of a kind in one loop, for an axis (COMM_ONCE: 1). */
int plan_steps_of(const struct plan *plan, int axis, enum comm_when when);
enum comm_when plan_when(const struct plan *plan, int axis, int step);

/* Arena bytes of this rank, by running its initialisation over measuring arenas. */
enum status plan_memory(const struct plan *plan, size_t bytes[ARENA_KINDS]);

#endif
