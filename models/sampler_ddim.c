/* SPDX-License-Identifier: Apache-2.0 */
/* DDIM (Song et al. 2020) without noise, eta = 0. */
#include "models/sampler_internal.h"

#include <math.h>

/* x' = alpha' x0 + sigma' eps (equation 12), where only x0 is clipped; from t to t - stride,
 * whatever the spacing: with "linspace" and "trailing" that is not always the next step's t. */
static struct advance_coef ddim_step(const struct sampler_config *config,
                                     const struct sampler_table *table, int steps, int i)
{
    int t = table->timestep[i];
    int stride = table->count / steps;
    float last = config->set_alpha_to_one ? 1 : table->alpha_bar[0];
    float next = t >= stride ? table->alpha_bar[t - stride] : last;
    double sigma = sqrt(1 - next);
    struct sampler_split s = sampler_split_at(config, table->alpha_bar[t]);

    return (struct advance_coef){
        .x0_x = (float)s.x0_x,
        .x0_m = (float)s.x0_m,
        .clip = config->clip_sample ? (float)config->clip_range : 0,
        .c_x = (float)(sigma * s.eps_x),
        .c_m = (float)(sigma * s.eps_m),
        .c_x0 = (float)sqrt(next),
    };
}

static enum status ddim_fill(const struct sampler_config *config, int image_tokens,
                             struct sampler *out)
{
    (void)image_tokens;
    return sampler_table_fill(config, ddim_step, out);
}

const struct sampler_ops sampler_ddim = {
    .name = "ddim",
    .summary = "DDIM without noise",
    .class_name = "DDIMScheduler",
    .paper = "Song et al., Denoising Diffusion Implicit Models, ICLR 2021",
    .defaults = {.kind = SAMPLER_DDIM,
                 .train_timesteps = 1000,
                 .beta_start = 0.0001,
                 .beta_end = 0.02,
                 .beta = BETA_LINEAR,
                 .prediction = PREDICT_EPSILON,
                 .spacing = SPACING_LEADING,
                 .clip_sample = true,
                 .clip_range = 1,
                 .set_alpha_to_one = true},
    .fill = ddim_fill,
};
