/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: one rank's part of a denoising loop, built from a plan. It owns the arenas, the
 * model, the latents and the mesh, and offers the building blocks from which a strategy with an own
 * schedule makes its step.
 */
#ifndef STRATEGIES_RUN_H
#define STRATEGIES_RUN_H

#include "models/prompt.h"
#include "models/sampler.h"
#include "strategies/volume.h"

/* What a loop computes on; all borrowed for the run's life. Host data. */
struct run_inputs {
    struct weights *weights;
    const struct prompt *prompt; /* rows: requests x branches of the problem, negative ones first */
    const struct sampler *sampler; /* steps as the problem's; NULL for a forward */
    float guidance;
    const float *latent; /* [requests, C, F, h, w] initial latents, or NULL: drawn from the seed */
    const float *step_noise; /* [draws, requests, C, F, h, w], or NULL: drawn from the seed */
    uint64_t seed;
    bool graph; /* steps are captured and launched again, where backend and transport can */
    void (*on_step)(void *self, int step); /* (optional) after each step of this rank; host side */
    void *on_step_self;
};

struct run;

/* Collective over `world` (size = the plan's ranks). Statuses are agreed: either every rank gets
 * its run, or all fail with the same message. */
enum status run_open(const struct plan *plan, const struct run_inputs *inputs, struct device *dev,
                     struct comm *world, struct run **out);
void run_close(struct run *run);

/* One loop: resets latents and stores, barrier, steps, drains. loop_ms: from the barrier to the end
 * on this rank. step_end_ms [steps]: end of each step on this rank since the barrier. A failing
 * rank aborts its peers. */
enum status run_loop(struct run *run, double *loop_ms, double *step_end_ms);

/* Collective: latents [requests, C, F, h, w] (fp32, host) after a loop, on plan_output_rank
 * (elsewhere `out` may be NULL). */
enum status run_gather(struct run *run, float *out);

/* Collective: one bare transformer call on the problem's lanes; x [rows, C, F, h, w], timestep
 * [rows], rows = requests x branches; out [rows, out_channels, F, h, w] on plan_output_rank. Stale
 * strategies treat it as a warm-up step. */
enum status run_forward(struct run *run, const float *x, const float *timestep, float *out);

const struct plan *run_plan(const struct run *run);
size_t run_memory(const struct run *run, enum arena_kind kind); /* high-water mark, bytes */

/* Bytes of the last loop (with its run_gather, when called): lines counted on this rank, in the
 * order of the mesh. */
enum status run_volume(const struct run *run, struct volume *out);

#endif
