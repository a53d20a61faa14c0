/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPM-Solver++ (Lu et al. 2022), multistep, orders 1 and 2, deterministic. Not the third order and
 * not the SDE variants.
 *
 * Noise levels are kept as rho = sigma / alpha, so that a half log-SNR is lambda = -log(rho),
 * exp(-h) = rho' / rho, and a last level of 0 needs no special case.
 */
#include "models/sampler_internal.h"

#include <math.h>
#include <stdlib.h>

/* Noise levels sigma[steps + 1], the last one the end of the loop, in single precision as diffusers
 * keeps them. */
struct levels {
    const struct sampler_config *config;
    int steps;
    float *sigma;
};

static float table_sigma(const struct sampler_table *table, int t)
{
    float abar = table->alpha_bar[t < table->count ? t : table->count - 1];

    return sqrtf((1 - abar) / abar);
}

/* Timesteps whose lambda = log(alpha / sigma) is not below the clip: the cosine schedule's end has
 * no signal left. */
static int clipped_count(const struct sampler_config *config, const struct sampler_table *table)
{
    int count = table->count;

    while (count > 0 && -logf(table_sigma(table, count - 1)) < (float)config->lambda_min_clipped)
        count--;
    return count;
}

static enum status grid_of_timesteps(struct levels *levels, struct sampler_table *table,
                                     float *timestep)
{
    int last = clipped_count(levels->config, table);

    if (last == 0)
        return fail(ST_INVALID, "sampler dpmsolver++: lambda_min_clipped %g leaves no timestep",
                    levels->config->lambda_min_clipped);
    TRY(sampler_table_space(levels->config, last, 1, levels->steps, table));
    for (int i = 0; i < levels->steps; i++) {
        timestep[i] = (float)table->timestep[i];
        levels->sigma[i] = table_sigma(table, table->timestep[i]);
    }
    return ST_OK;
}

/* The timestep of a noise level, by linear interpolation of log sigma. *low: where the search
 * starts and ended, since levels come in descending order. */
static double timestep_of(const struct sampler_table *table, double sigma, int *low)
{
    double log_sigma = log(fmax(sigma, 1e-10));

    while (*low > 0 && logf(table_sigma(table, *low)) > log_sigma)
        --*low;

    double a = logf(table_sigma(table, *low));
    double b = logf(table_sigma(table, *low + 1));
    double w = fmin(fmax((a - log_sigma) / (a - b), 0), 1);

    return (1 - w) * *low + w * (*low + 1);
}

/* Karras et al. 2022, equation 5 with exponent 7. Timesteps may repeat; the levels do not. */
static void grid_of_karras(struct levels *levels, const struct sampler_table *table,
                           float *timestep)
{
    double most = pow(table_sigma(table, table->count - 1), 1.0 / 7);
    double least = pow(table_sigma(table, 0), 1.0 / 7);
    double stride = levels->steps > 1 ? 1.0 / (levels->steps - 1) : 0;
    int low = table->count - 2;

    for (int i = 0; i < levels->steps; i++) {
        double sigma = pow(most + i * stride * (least - most), 7);
        double t = timestep_of(table, sigma, &low);

        levels->sigma[i] = (float)sigma;
        timestep[i] = (float)(levels->config->beta == BETA_COSINE ? floor(t) : rint(t));
    }
}

/* Evenly spaced, then shifted as in sampler_flow.c; the model is asked at whole timesteps. */
static void grid_of_flow(struct levels *levels, float *timestep)
{
    int n = levels->config->train_timesteps;
    double shift = levels->config->shift;
    double stride = (1.0 / n - 1) / levels->steps;

    for (int i = 0; i < levels->steps; i++) {
        double sigma = 1 - (i == 0 ? 1.0 / n : 1 + (levels->steps - i) * stride);

        sigma = shift * sigma / (1 + (shift - 1) * sigma);
        levels->sigma[i] = (float)sigma;
        timestep[i] = (float)floor(sigma * n);
    }
}

/* alpha of a level and rho; sigma itself is the level for a flow and rho for a variance-preserving
 * process. */
static double alpha_of(const struct levels *levels, int i)
{
    double sigma = levels->sigma[i];

    return levels->config->flow_sigmas ? 1 - sigma : 1 / sqrt(sigma * sigma + 1);
}

static double rho_of(const struct levels *levels, int i)
{
    double sigma = levels->sigma[i];

    return levels->config->flow_sigmas ? sigma / (1 - sigma) : sigma;
}

/* Whether step i is solved to first order: no history yet, or the last step of a schedule that ends
 * carefully. */
static bool first_order(const struct levels *levels, int i)
{
    const struct sampler_config *config = levels->config;
    bool careful = config->euler_at_final || config->final_sigma_zero ||
                   (config->lower_order_final && levels->steps < 15);

    return config->solver_order == 1 || i == 0 || (i == levels->steps - 1 && careful);
}

/*
 * Step i: x' = (sigma'/sigma) x + a x0 + b D1, a = alpha' (1 - exp(-h)), D1 = (h/h0) (x0 - hist),
 * where h and h0 are the steps of lambda to come and before; b = a/2 (midpoint) or alpha' (1 - (1 -
 * exp(-h)) / h) (Heun). Algorithm 2 of the paper.
 */
static struct advance_coef dpmsolver_step(const struct levels *levels, int i)
{
    double alpha = alpha_of(levels, i);
    double alpha_next = alpha_of(levels, i + 1);
    double rho = rho_of(levels, i);
    double rho_next = rho_of(levels, i + 1);
    double gain = 1 - rho_next / rho; /* 1 - exp(-h) */
    double a = alpha_next * gain;
    double b = 0;

    if (!first_order(levels, i)) {
        double h = log(rho / rho_next);
        double h0 = log(rho_of(levels, i - 1) / rho);

        if (levels->config->heun)
            b = h > 0 ? alpha_next * (1 - gain / h)
                      : 0; /* its limit: the last two levels may be equal */
        else
            b = a / 2;
        b *= h / h0;
    }

    enum sampler_prediction prediction = levels->config->prediction;
    /* A flow prediction is per level, whatever the process. */
    double sigma = prediction == PREDICT_FLOW ? levels->sigma[i] : alpha * rho;
    struct sampler_split s = sampler_split_of(prediction, alpha, sigma);

    return (struct advance_coef){
        .x0_x = (float)s.x0_x,
        .x0_m = (float)s.x0_m,
        .c_x = (float)(alpha_next * rho_next / (alpha * rho)),
        .c_x0 = (float)(a + b),
        .c_hist = (float)-b,
    };
}

static enum status dpmsolver_steps(struct levels *levels, struct sampler_table *table,
                                   struct sampler *out)
{
    const struct sampler_config *config = levels->config;

    if (config->rescale_zero_snr)
        table->alpha_bar[table->count - 1] = 0x1p-24f; /* the first level must be finite */
    if (config->karras_sigmas)
        grid_of_karras(levels, table, out->timestep);
    else if (config->flow_sigmas)
        grid_of_flow(levels, out->timestep);
    else
        TRY(grid_of_timesteps(levels, table, out->timestep));
    levels->sigma[out->steps] = config->final_sigma_zero ? 0 : table_sigma(table, 0);
    for (int i = 0; i < out->steps; i++)
        out->coef[i] = dpmsolver_step(levels, i);
    return ST_OK;
}

static enum status dpmsolver_fill(const struct sampler_config *config, int image_tokens,
                                  struct sampler *out)
{
    struct levels levels = {.config = config, .steps = out->steps};
    struct sampler_table table;

    (void)image_tokens;
    TRY(sampler_table_init(config, out->steps, &table));

    enum status st = ST_OK;

    levels.sigma = calloc((size_t)out->steps + 1, sizeof(*levels.sigma));
    if (levels.sigma)
        st = dpmsolver_steps(&levels, &table, out);
    else
        st = fail(ST_OOM, "sampler dpmsolver++: %d noise levels", out->steps + 1);
    free(levels.sigma);
    sampler_table_release(&table);
    return st;
}

const struct sampler_ops sampler_dpmsolver = {
    .name = "dpmsolver++",
    .summary = "DPM-Solver++ 2M, deterministic",
    .class_name = "DPMSolverMultistepScheduler",
    .paper = "Lu et al., DPM-Solver++: Fast Solver for Guided Sampling, 2022",
    .defaults = {.kind = SAMPLER_DPMSOLVER_2M,
                 .train_timesteps = 1000,
                 .beta_start = 0.0001,
                 .beta_end = 0.02,
                 .beta = BETA_LINEAR,
                 .prediction = PREDICT_EPSILON,
                 .spacing = SPACING_LINSPACE,
                 .solver_order = 2,
                 .lower_order_final = true,
                 .final_sigma_zero = true,
                 .lambda_min_clipped = -HUGE_VAL,
                 .shift = 1},
    .fill = dpmsolver_fill,
};
