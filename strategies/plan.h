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
#include "strategies/spec.h"

enum { PLAN_MAX_PATCHES = 64, PLAN_MAX_LANES = 256 };

/* What is computed, whatever the strategy. */
struct problem {
    const struct dit_config *config; /* borrowed */
    int width, height;               /* pixels; multiples of vae_scale * patch */
    int steps;
    int requests;
    bool guided;     /* two branches for each request: 0 negative, 1 positive */
    int text_tokens; /* rows of the text embeddings; 0: no text */
    enum dtype dtype;
    bool all_channels; /* the head gives all out_channels (a bare forward), not only the latent's */
};

static inline int problem_branches(const struct problem *p)
{
    return p->guided ? 2 : 1;
}
struct latent_geometry problem_geometry(const struct problem *p);
int problem_tokens(const struct problem *p);        /* image tokens, S */
int problem_token_columns(const struct problem *p); /* tokens of one row of the grid */

/* Fills the defaults of the model for what is 0 in width/height/steps/requests, and checks the
 * rest. ST_INVALID: a size that is not a multiple of vae_scale * patch, with the nearest legal
 * ones. */
enum status problem_check(struct problem *p);

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

/* ---- predictions ---- */
enum { VOLUME_MAX = 64 };

struct volume_line {
    int axis;
    enum comm_op op;
    enum comm_when when;
    uint64_t calls; /* per step of that kind, or per loop for COMM_ONCE */
    uint64_t api_bytes;
    uint64_t wire_bytes;
};

struct volume {
    int n;
    struct volume_line line[VOLUME_MAX];
};

/* Closed forms of what this rank sends (interface: wire bytes under the ring algorithm). */
enum status plan_volume(const struct plan *plan, struct volume *out);
void volume_add(struct volume *volume, int axis, enum comm_op op, enum comm_when when,
                uint64_t calls, uint64_t api_bytes, uint64_t wire_bytes);

/* Lines for every kind of step that has one: `calls`, and the bytes, are those of one pass through
 * the blocks; a steady step has one pass for each patch. scaled: a pass over one patch moves as
 * many bytes as a pass over all of them (a store in rotation); otherwise a step's bytes do not
 * depend on the number of patches. */
void volume_add_steps(struct volume *volume, const struct plan *plan, int axis, enum comm_op op,
                      uint64_t calls, uint64_t api_bytes, uint64_t wire_bytes, bool scaled);

/* Bytes of [lanes, rows, heads, D] in the model's dtype; blocks on this rank. */
uint64_t plan_heads_bytes(const struct plan *plan, int64_t rows, int64_t heads);
int plan_layers(const struct plan *plan);

/* Steps of a kind in one loop, for an axis (COMM_ONCE: 1). */
int plan_steps_of(const struct plan *plan, int axis, enum comm_when when);
enum comm_when plan_when(const struct plan *plan, int axis, int step);

/* Arena bytes of this rank, by running its initialisation over measuring arenas. */
enum status plan_memory(const struct plan *plan, size_t bytes[ARENA_KINDS]);

#endif
