/* SPDX-License-Identifier: Apache-2.0 */
/* Euler steps along a rectified flow (Esser et al. 2024): x = (1 - sigma) x0 + sigma eps, the model
 * predicts eps - x0. */
#include "models/sampler_internal.h"

#include <math.h>

/* Moves noise levels towards 1 by `shift` (equation 23); exp(mu) in place of it where the shift
 * depends on the size. */
static double shift_sigma(double shift, double sigma)
{
    return shift * sigma / (1 + (shift - 1) * sigma);
}

/* exp(mu), mu linear in the number of image tokens, as SD3's and FLUX's pipelines have it. */
static double dynamic_shift(const struct sampler_config *config, int image_tokens)
{
    double slope =
        (config->max_shift - config->base_shift) / (config->max_tokens - config->base_tokens);

    return exp(config->base_shift + slope * (image_tokens - config->base_tokens));
}

/* The least noise level of the grid, before it is shifted: 1/steps, or the least trained one, to
 * which a fixed shift applies here, and again as to every point. */
static double least_level(const struct sampler_config *config, int steps)
{
    double trained = 1.0 / config->train_timesteps;

    if (config->unit_grid)
        return 1.0 / steps;
    return (float)(config->dynamic_shift ? trained : shift_sigma(config->shift, trained));
}

static enum status flow_fill(const struct sampler_config *config, int image_tokens,
                             struct sampler *out)
{
    int n = config->train_timesteps;
    double shift = config->dynamic_shift ? dynamic_shift(config, image_tokens) : config->shift;
    double stride = out->steps > 1 ? (least_level(config, out->steps) - 1) / (out->steps - 1) : 0;
    float sigma = 1;

    for (int i = 0; i < out->steps; i++) {
        double level = 1 + (i + 1) * stride;
        float next = 0;

        if (config->unit_grid)
            level = (float)level; /* as the pipeline hands it over */
        if (i + 1 < out->steps)
            next = (float)shift_sigma(shift, level);

        out->timestep[i] = sigma * (float)n;
        out->coef[i] =
            (struct advance_coef){.x0_x = 1, .x0_m = -sigma, .c_x = 1, .c_m = next - sigma};
        sigma = next;
    }
    return ST_OK;
}

const struct sampler_ops sampler_flow = {
    .name = "flow-euler",
    .summary = "Euler steps along a rectified flow",
    .class_name = "FlowMatchEulerDiscreteScheduler",
    .paper = "Esser et al., Scaling Rectified Flow Transformers, ICML 2024",
    .defaults = {.kind = SAMPLER_FLOW_EULER,
                 .train_timesteps = 1000,
                 .prediction = PREDICT_FLOW,
                 .shift = 1,
                 .base_shift = 0.5,
                 .max_shift = 1.15,
                 .base_tokens = 256,
                 .max_tokens = 4096},
    .fill = flow_fill,
};
