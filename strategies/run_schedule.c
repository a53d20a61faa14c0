/* SPDX-License-Identifier: Apache-2.0 */
/* What changes from step to step (timesteps, sampler coefficients, noise), in device memory, so
 * that a captured step can be launched again. Computes nothing of the model. */
#include "strategies/run_internal.h"

#include <stdlib.h>
#include <string.h>

/* Steps whose modulations are made together: enough to read their weights seldom, and few enough to
 * keep. */
enum { MOST_AT_ONCE = 32 };

int schedule_at_once(const struct plan *plan)
{
    return plan->problem.steps < MOST_AT_ONCE ? plan->problem.steps : MOST_AT_ONCE;
}

enum status schedule_init(struct run *run)
{
    struct arena *arena = run->arena[ARENA_ACTIVATIONS];
    int64_t dim[2] = {run->plan.problem.steps, run->plan.n_lanes + ADVANCE_COEFS};
    TRY(arena_tensor(arena, DTYPE_F32, 2, dim, &run->schedule));
    return arena_tensor(arena, DTYPE_F32, 1, &dim[1], &run->now);
}

struct tensor schedule_coefs(struct run *run)
{
    return tensor_slice(&run->now, 0, run->plan.n_lanes, ADVANCE_COEFS);
}

enum status schedule_upload(struct run *run)
{
    const struct sampler *sampler = run->in.sampler;
    if (!sampler)
        return ST_OK;
    int lanes = run->plan.n_lanes;
    size_t bytes = tensor_bytes(&run->schedule);
    float *host = malloc(bytes);
    if (!host)
        return fail(ST_OOM, "schedule of %d steps: %zu bytes of host memory", sampler->steps,
                    bytes);
    float *row = host;
    for (int i = 0; i < sampler->steps; i++, row += lanes + ADVANCE_COEFS) {
        struct advance_coef coef = sampler->coef[i];
        coef.guidance = run->in.guidance;
        for (int b = 0; b < lanes; b++)
            row[b] = sampler->timestep[i];
        memcpy(row + lanes, &coef, sizeof coef);
    }
    struct tensor from = tensor_of(host, NULL, DTYPE_F32, 2, run->schedule.dim);
    enum status st = op_copy(run->q, &run->schedule, &from);
    if (st == ST_OK)
        st = queue_sync(run->q);
    free(host);
    return st;
}

/* Modulations of steps first .. end-1 from the schedule's rows. */
static enum status condition(struct run *run, int first, int end)
{
    struct tensor rows = tensor_slice(&run->schedule, 0, first, end - first);
    struct tensor times = tensor_slice(&rows, 1, 0, run->plan.n_lanes);
    return dit_condition(run->dit, &times, run->q);
}

static enum status take(struct run *run, int i)
{
    struct tensor row = tensor_at(&run->schedule, i);
    TRY(TRACED("schedule", op_copy(run->q, &run->now, &row)));
    return TRACED("noise", latents_noise(run, i));
}

enum status schedule_step(struct run *run, int i)
{
    int steps = run->plan.problem.steps;
    int at_once = schedule_at_once(&run->plan);
    int first = i / at_once * at_once;
    if (i == first)
        TRY(condition(run, i, i + at_once < steps ? i + at_once : steps));
    TRY(dit_step(run->dit, i - first, run->q));
    return take(run, i);
}

enum status schedule_try(struct run *run, int i)
{
    TRY(condition(run, i, i + 1));
    TRY(dit_step(run->dit, 0, run->q));
    return take(run, i);
}

enum status schedule_forward(struct run *run)
{
    int64_t dim[2] = {1, run->plan.n_lanes};
    struct tensor times = tensor_slice(&run->now, 0, 0, dim[1]);
    struct tensor row = tensor_reshape(&times, 2, dim);
    TRY(dit_condition(run->dit, &row, run->q));
    return dit_step(run->dit, 0, run->q);
}
