/* SPDX-License-Identifier: Apache-2.0 */
/* What changes from step to step (timesteps, sampler coefficients, noise), in device memory, so
 * that a captured step can be launched again. Computes nothing of the model. */
#include "strategies/run_internal.h"

#include <stdlib.h>
#include <string.h>

enum status schedule_init(struct run *run)
{
    struct arena *arena = run->arena[ARENA_ACTIVATIONS];
    int64_t dim[2] = {run->plan.problem.steps, run->plan.n_lanes + ADVANCE_COEFS};
    TRY(arena_tensor(arena, DTYPE_F32, 2, dim, &run->schedule));
    return arena_tensor(arena, DTYPE_F32, 1, &dim[1], &run->now);
}

struct tensor schedule_timesteps(struct run *run)
{
    return tensor_slice(&run->now, 0, 0, run->plan.n_lanes);
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

enum status schedule_step(struct run *run, int i)
{
    struct tensor row = tensor_at(&run->schedule, i);
    TRY(op_copy(run->q, &run->now, &row));
    return latents_noise(run, i);
}
