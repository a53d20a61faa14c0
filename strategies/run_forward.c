/* SPDX-License-Identifier: Apache-2.0 */
/* A bare call of a transformer on given latents and time steps. */
#include "kernels/device.h"
#include "strategies/run_internal.h"

#include <stdlib.h>

/* x [B, C, F, h, w] on ranks that embed: each lane has its own latent. */
static enum status input_latents(struct run *run, const float *x)
{
    int frames = run->plan.problem.frames;
    int64_t K = problem_features(&run->plan.problem);
    int64_t rows = run_rows(run, TOKENS_IMAGE, PATCH_ALL);
    size_t one = (size_t)(frames * rows * K);
    if (!run->input.data)
        return ST_OK;
    float *host = malloc(one * sizeof *host + 1);
    if (!host)
        return fail(ST_OOM, "forward: %zu bytes of host memory", one * sizeof *host);
    enum status st = ST_OK;
    for (int b = 0; b < run->plan.n_lanes && st == ST_OK; b++) {
        int64_t dim[3] = {frames, rows, K};
        struct tensor lane = tensor_slice(&run->input, 0, (int64_t)b * frames, frames);
        struct tensor from = tensor_of(host, NULL, DTYPE_F32, 3, dim);
        latents_pack(run, x, run->plan.problem.config->in_channels, run->prompt_row[b], host);
        st = op_copy(run->q, &lane, &from);
        if (st == ST_OK)
            st = queue_sync(run->q);
    }
    free(host);
    return st;
}

/* timestep [rows]; each lane's into `now`. */
static enum status input_times(struct run *run, const float *timestep)
{
    for (int b = 0; b < run->plan.n_lanes; b++) {
        struct tensor to = tensor_slice(&run->now, 0, b, 1);
        struct tensor from = to;
        from.data = (void *)&timestep[run->prompt_row[b]];
        from.dev = NULL;
        TRY(op_copy(run->q, &to, &from));
    }
    return ST_OK;
}

static enum status default_forward(struct run *run)
{
    struct tensor h = run_hidden(run, PATCH_ALL);
    struct tensor eps = run_eps(run, PATCH_ALL);
    TRY(run_embed_input(run, &h));
    TRY(run_blocks(run, 0, PATCH_ALL, &h, NULL));
    return run_head(run, 0, PATCH_ALL, &h, &eps);
}

static enum status forward(struct run *run, const float *x, const float *timestep)
{
    struct strategy *schedule = run->plan.schedule;
    TRY(TRACED("schedule", input_latents(run, x)));
    TRY(run_begin(run));
    TRY(comm_barrier(mesh_world(run->mesh)));
    TRY(dit_begin(run->dit, run->q));
    TRY(TRACED("schedule", input_times(run, timestep)));
    TRY(schedule_forward(run));
    bool own = schedule && schedule->ops->forward;
    TRY(RUN_TRACED_PASS(PATCH_ALL,
                        own ? schedule->ops->forward(schedule, run) : default_forward(run)));
    return run_finish(run);
}

enum status run_forward(struct run *run, const float *x, const float *timestep, float *out)
{
    BUG_ON(!run->plan.problem.all_channels, "a forward on a run opened for a loop");
    enum status st = forward(run, x, timestep);
    if (st == ST_OK)
        st = gather_images(run, &run->eps, true, run->plan.problem.config->out_channels, out);
    if (st != ST_OK)
        comm_abort(mesh_world(run->mesh));
    return st;
}
