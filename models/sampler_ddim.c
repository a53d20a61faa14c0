/* SPDX-License-Identifier: Apache-2.0 */
/* DDIM (Song et al. 2020) without noise, eta = 0. */
#include "models/sampler_internal.h"

#include <math.h>

/* x' = alpha' x0 + sigma' eps (equation 12), where only x0 is clipped; abar, abar_next: alpha_bar
 * of x and of x'. */
static struct advance_coef ddim_step(const struct sampler_config *config, float abar,
                                     float abar_next)
{
    struct sampler_split s = sampler_split_at(config, abar);
    double sigma = sqrt(1 - abar_next);

    return (struct advance_coef){
        .x0_x = (float)s.x0_x,
        .x0_m = (float)s.x0_m,
        .clip = config->clip_sample ? (float)config->clip_range : 0,
        .c_x = (float)(sigma * s.eps_x),
        .c_m = (float)(sigma * s.eps_m),
        .c_x0 = (float)sqrt(abar_next),
    };
}

static enum status ddim_steps(const struct sampler_config *config, struct sampler_table *table,
                              struct sampler *out)
{
    /* By a fixed stride, whatever the spacing: with "linspace" and "trailing" x' is not always the
     * next step's x. */
    int stride = table->count / out->steps;
    float abar_final = config->set_alpha_to_one ? 1 : table->alpha_bar[0];

    TRY(sampler_table_space(config, table->count, 0, out->steps, table));
    for (int i = 0; i < out->steps; i++) {
        int t = table->timestep[i];

        if (t >= table->count)
            return fail(
                ST_INVALID,
                "sampler ddim: steps_offset %d puts step %d at timestep %d, wanted at most %d",
                config->steps_offset, i, t, table->count - 1);
        out->timestep[i] = (float)t;
        out->coef[i] = ddim_step(config, table->alpha_bar[t],
                                 t >= stride ? table->alpha_bar[t - stride] : abar_final);
    }
    return ST_OK;
}

static enum status ddim_fill(const struct sampler_config *config, int image_tokens,
                             struct sampler *out)
{
    struct sampler_table table;

    (void)image_tokens;
    TRY(sampler_table_init(config, out->steps, &table));

    enum status st = ddim_steps(config, &table, out);

    sampler_table_release(&table);
    return st;
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
