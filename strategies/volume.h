/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that a rank sends: one line for each (axis, operation, kind of step). From a plan's closed
 * forms here; from what was really posted by run_volume. Neither looks at the other. */
#ifndef STRATEGIES_VOLUME_H
#define STRATEGIES_VOLUME_H

#include "strategies/plan.h"

enum { VOLUME_MAX = MESH_MAX_AXES * COMM_OPS * COMM_WHENS };

struct volume_line {
    int axis;
    enum comm_op op;
    enum comm_when when;
    uint64_t calls; /* in a step of that kind, or in a loop for COMM_ONCE */
    uint64_t api_bytes;
    uint64_t wire_bytes;
};

struct volume {
    int n;
    struct volume_line line[VOLUME_MAX];
};

/* What this rank sends in a step of each kind (interface: wire bytes under the ring algorithm). */
enum status volume_predict(const struct plan *plan, struct volume *out);

/* The same times the steps of each kind: what run_volume counts over a loop and its gather. */
enum status volume_predict_loop(const struct plan *plan, struct volume *out);

/* The line of that axis, operation and kind of step, or NULL. */
const struct volume_line *volume_find(const struct volume *volume, const struct volume_line *like);

/* ---- for strategies ---- */

/* A line of an (axis, operation, kind) that is there already adds to it. */
void volume_add(struct volume *volume, const struct volume_line *line);

/* What a pass through the blocks over one patch sends, against a pass over the whole sequence: its
 * rows' share, so that a step's bytes are the same for any number of patches; or as much again
 * (keys that come from a store, which is whole for every patch). */
enum volume_pass { VOLUME_BY_ROWS, VOLUME_BY_PASS };

/* A line for each kind of step that the loop has, but the last one where that differs. `whole` is
 * what a pass over the whole sequence sends (its `when` is not read): a warm-up step is one such
 * pass, a steady step has a pass for each patch. */
void volume_add_steps(struct volume *volume, const struct plan *plan,
                      const struct volume_line *whole, enum volume_pass pass);

/* Bytes of [grids, rows, heads, D] in the model's dtype. */
uint64_t volume_heads_bytes(const struct plan *plan, int64_t rows, int64_t heads);

#endif
