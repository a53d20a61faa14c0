/* SPDX-License-Identifier: Apache-2.0 */
/* Front end and registry of the samplers. Not the mathematics: that is one file for each kind. */
#include "models/sampler.h"

#include "models/sampler_internal.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_STEPS = 1000000 }; /* means nothing else than that memory and time stay small */

const struct sampler_ops *sampler_ops_of(enum sampler_kind kind)
{
    static const struct sampler_ops *const table[SAMPLER_KINDS] = {
        [SAMPLER_DPMSOLVER_2M] = &sampler_dpmsolver,
        [SAMPLER_DDIM] = &sampler_ddim,
        [SAMPLER_DDPM] = &sampler_ddpm,
        [SAMPLER_FLOW_EULER] = &sampler_flow,
    };

    BUG_ON((unsigned)kind >= SAMPLER_KINDS, "sampler kind %d", (int)kind);
    return table[kind];
}

const char *sampler_kind_name(enum sampler_kind kind)
{
    return sampler_ops_of(kind)->name;
}

const char *sampler_kind_summary(enum sampler_kind kind)
{
    return sampler_ops_of(kind)->summary;
}

struct sampler_config sampler_config_default(enum sampler_kind kind)
{
    return sampler_ops_of(kind)->defaults;
}

static bool coef_finite(const struct advance_coef *c)
{
    return isfinite(c->x0_x) && isfinite(c->x0_m) && isfinite(c->clip) && isfinite(c->c_x) &&
           isfinite(c->c_m) && isfinite(c->c_x0) && isfinite(c->c_hist) && isfinite(c->c_noise);
}

/* Counts the draws, and refuses what is not a number: a model that predicts the noise says nothing
 * where there is only noise (zero terminal SNR), and a multistep solver cannot divide by a step of
 * no length. */
static enum status sampler_finish(const struct sampler_ops *ops, struct sampler *sampler)
{
    for (int i = 0; i < sampler->steps; i++) {
        if (!coef_finite(&sampler->coef[i]))
            return fail(ST_INVALID,
                        "sampler %s: step %d of %d (timestep %g) has no finite coefficients: "
                        "wanted a model that "
                        "predicts v or the sample if rescale_betas_zero_snr is true, else fewer "
                        "steps or another "
                        "timestep_spacing",
                        ops->name, i, sampler->steps, (double)sampler->timestep[i]);
        sampler->draws[i] = sampler->coef[i].c_noise != 0.0f;
        sampler->n_draws += sampler->draws[i];
    }
    return ST_OK;
}

static enum status sampler_build(const struct sampler_config *config, int image_tokens,
                                 struct sampler *sampler)
{
    const struct sampler_ops *ops = sampler_ops_of(config->kind);
    size_t steps = (size_t)sampler->steps;

    sampler->timestep = calloc(steps, sizeof(*sampler->timestep));
    sampler->coef = calloc(steps, sizeof(*sampler->coef));
    sampler->draws = calloc(steps, sizeof(*sampler->draws));
    if (!sampler->timestep || !sampler->coef || !sampler->draws)
        return fail(ST_OOM, "sampler %s: a schedule of %d steps", ops->name, sampler->steps);
    sampler->init_scale =
        1.0f; /* of all four; samplers whose noise starts at sigma_max have another */
    TRY(ops->fill(config, image_tokens, sampler));
    return sampler_finish(ops, sampler);
}

enum status sampler_open(const struct sampler_config *config, int steps, int image_tokens,
                         struct sampler **out)
{
    if (steps < 1 || steps > MAX_STEPS)
        return fail(ST_INVALID, "sampler %s: found %d steps, wanted 1 to %d",
                    sampler_kind_name(config->kind), steps, MAX_STEPS);

    struct sampler *sampler = calloc(1, sizeof(*sampler));

    if (!sampler)
        return fail(ST_OOM, "sampler: %zu bytes", sizeof(*sampler));
    sampler->steps = steps;

    enum status st = sampler_build(config, image_tokens, sampler);

    if (st) {
        sampler_close(sampler);
        return st;
    }
    *out = sampler;
    return ST_OK;
}

void sampler_close(struct sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->timestep);
    free(sampler->coef);
    free(sampler->draws);
    free(sampler);
}
