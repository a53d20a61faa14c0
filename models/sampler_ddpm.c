/* SPDX-License-Identifier: Apache-2.0 */
/* DDPM's ancestral sampling (Ho et al. 2020) over any descending timesteps. Not the learned
 * variances of later models. */
#include "models/sampler_internal.h"

#include <math.h>

/* The least variance that a step of t > 0 draws with, where the posterior's is zero. */
static const double least_variance = 1e-20;

/*
 * One step from alpha_bar = abar to next, equations 6 and 7: with alpha = abar / next and beta = 1
 * - alpha, x' = (sqrt(next) beta x0 + sqrt(alpha) (1 - next) x) / (1 - abar) + sqrt(variance) z.
 */
static struct advance_coef ddpm_step(const struct sampler_config *config,
                                     const struct sampler_table *table, int steps, int i)
{
    float abar = table->alpha_bar[table->timestep[i]];
    float next = i + 1 < steps ? table->alpha_bar[table->timestep[i + 1]] : 1;
    struct sampler_split s = sampler_split_at(config, abar);
    /* Single precision once more, since beta is small where steps are many, and the rounding of
     * diffusers' is visible. */
    float alpha = abar / next;
    float beta = 1 - alpha;
    double posterior = (1 - next) / (1 - abar) * beta;
    double variance = config->fixed_large_variance ? beta : fmax(posterior, least_variance);

    return (struct advance_coef){
        .x0_x = (float)s.x0_x,
        .x0_m = (float)s.x0_m,
        .clip = config->clip_sample ? (float)config->clip_range : 0,
        .c_x = (float)(sqrt(alpha) * (1 - next) / (1 - abar)),
        .c_x0 = (float)(sqrt(next) * beta / (1 - abar)),
        .c_noise = table->timestep[i] > 0 ? (float)sqrt(variance) : 0,
    };
}

static enum status ddpm_fill(const struct sampler_config *config, int image_tokens,
                             struct sampler *out)
{
    (void)image_tokens;
    return sampler_table_fill(config, ddpm_step, out);
}

const struct sampler_ops sampler_ddpm = {
    .name = "ddpm",
    .summary = "DDPM, noise in every step but that of timestep 0",
    .class_name = "DDPMScheduler",
    .paper = "Ho et al., Denoising Diffusion Probabilistic Models, NeurIPS 2020",
    .defaults = {.kind = SAMPLER_DDPM,
                 .train_timesteps = 1000,
                 .beta_start = 0.0001,
                 .beta_end = 0.02,
                 .beta = BETA_LINEAR,
                 .prediction = PREDICT_EPSILON,
                 .spacing = SPACING_LEADING,
                 .clip_sample = true,
                 .clip_range = 1},
    .fill = ddpm_fill,
};
