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

/* A trained noise level, to which a fixed shift applies here, and again as to every point of the
 * grid. In fp32 like diffusers' table of them, whose first one a shift may move from 1 by a last
 * bit: a shift below 1 then magnifies it, and so does a model's embedding of the time. */
static double trained_level(const struct sampler_config *config, float level)
{
    float shift = (float)config->shift;
    float less = (float)(config->shift - 1) * level;

    return config->dynamic_shift ? level : shift * level / (1 + less);
}

/* The grid's ends, before it is shifted: 1 and 1/steps, or the greatest and the least trained
 * level. */
static double first_level(const struct sampler_config *config)
{
    return config->unit_grid ? 1 : trained_level(config, 1);
}

static double last_level(const struct sampler_config *config, int steps)
{
    if (config->unit_grid)
        return 1.0 / steps;
    return trained_level(config, 1.0f / (float)config->train_timesteps);
}

/* The noise level of step i, which is 0 behind the last step. */
static float level_of(const struct sampler_config *config, int image_tokens, int steps, int i)
{
    double shift = config->dynamic_shift ? dynamic_shift(config, image_tokens) : config->shift;
    double first = first_level(config);
    double stride = steps > 1 ? (last_level(config, steps) - first) / (steps - 1) : 0;
    double level = first + i * stride;

    if (i == steps)
        return 0;
    if (config->unit_grid)
        level = (float)level; /* as the pipeline hands it over */
    return (float)shift_sigma(shift, level);
}

static enum status flow_fill(const struct sampler_config *config, int image_tokens,
                             struct sampler *out)
{
    int n = config->train_timesteps;
    float sigma = level_of(config, image_tokens, out->steps, 0);

    for (int i = 0; i < out->steps; i++) {
        float next = level_of(config, image_tokens, out->steps, i + 1);

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
