/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Denoising schedules as coefficients: every sampler here is struct advance_coef
 * (kernels/op.h) per step, computed once on the host in double. The multistep history is one
 * tensor of the latent's shape that belongs to the caller, so that any rows may be advanced alone
 * (patch by patch). Sources: DPM-Solver++ (Lu et al. 2022), DDIM (Song et al. 2020), DDPM (Ho et
 * al. 2020), rectified flow (Esser et al. 2024).
 */
#ifndef MODELS_SAMPLER_H
#define MODELS_SAMPLER_H

#include "kernels/op.h"

#include <stdbool.h>

enum sampler_kind {
    SAMPLER_DPMSOLVER_2M,
    SAMPLER_DDIM,
    SAMPLER_DDPM,
    SAMPLER_FLOW_EULER,
    SAMPLER_KINDS
};
enum sampler_beta { BETA_LINEAR, BETA_SCALED_LINEAR, BETA_COSINE };
enum sampler_prediction { PREDICT_EPSILON, PREDICT_SAMPLE, PREDICT_V, PREDICT_FLOW };
enum sampler_spacing { SPACING_LINSPACE, SPACING_LEADING, SPACING_TRAILING };

/* The keys of a scheduler_config.json that change a number. */
struct sampler_config {
    enum sampler_kind kind;
    int train_timesteps;
    double beta_start, beta_end;
    enum sampler_beta beta;
    enum sampler_prediction prediction;
    enum sampler_spacing spacing;
    int steps_offset;
    bool clip_sample;
    double clip_range;
    bool set_alpha_to_one; /* DDIM: final alpha 1 */
    bool rescale_zero_snr;
    bool fixed_large_variance; /* DDPM: fixed_large instead of fixed_small */
    int solver_order;          /* DPM-Solver++: 1 or 2 */
    bool heun;                 /* solver_type heun instead of midpoint */
    bool lower_order_final, euler_at_final;
    bool final_sigma_zero; /* final_sigmas_type zero instead of sigma_min */
    bool karras_sigmas;
    double lambda_min_clipped; /* DPM-Solver++: no timestep whose log(alpha/sigma) is below;
                                  -INFINITY: all */
    bool flow_sigmas;   /* DPM-Solver++ on rectified flow's noise levels, shifted by `shift` */
    bool unit_grid;     /* flow match: before the shift the noise levels are evenly spaced from 1 to
                           1/steps, as FLUX.1's pipeline asks for; false: from 1 to the least trained
                           one, as the scheduler has them by itself (SD3). A matter of the model, not
                           of the scheduler's file */
    double shift;       /* flow match: sigma to shift sigma / (1 + (shift - 1) sigma) */
    bool dynamic_shift; /* flow match: shift is exp(mu), mu on the line through base_shift at
                           base_tokens image tokens and max_shift at max_tokens, beyond them too */
    double base_shift, max_shift;
    int base_tokens, max_tokens;
};

const char *sampler_kind_name(
    enum sampler_kind kind); /* "dpmsolver++", "ddim", "ddpm", "flow-euler" */
const char *sampler_kind_summary(enum sampler_kind kind);

/* The defaults of diffusers' class of that kind; a model's published scheduler may differ (DiT does
 * not clip). */
struct sampler_config sampler_config_default(enum sampler_kind kind);

/* Reads the text of a scheduler_config.json as diffusers writes it. ST_INVALID names the file
 * (`label`), the key and the legal values; an option that would change the numbers and is not
 * implemented is refused, never ignored. */
enum status sampler_config_parse(const char *label, const char *text, size_t size,
                                 struct sampler_config *out);

/* A schedule of `steps` steps. */
struct sampler {
    int steps;
    float *timestep;           /* [steps] as the model takes it, 0..1000: a trained timestep, or
                                  1000 sigma of every rectified flow (train_timesteps sigma). Also
                                  FLUX.1's, whose module in diffusers takes sigma, as reference
                                  files have it, and multiplies by 1000 itself */
    struct advance_coef *coef; /* [steps]; guidance is 0 and set by the caller */
    bool *draws;               /* [steps] true where c_noise != 0: one row of step noise */
    int n_draws;
    float init_scale; /* the initial noise is multiplied by this */
};

/* image_tokens: for dynamic shifting. ST_INVALID when the schedule cannot have that many steps. */
enum status sampler_open(const struct sampler_config *config, int steps, int image_tokens,
                         struct sampler **out);
void sampler_close(struct sampler *sampler);

#endif
