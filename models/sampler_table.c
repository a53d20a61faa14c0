/* SPDX-License-Identifier: Apache-2.0 */
/* The noise schedule of a trained model and the grids of timesteps over it. Not a sampler. */
#include "models/sampler_internal.h"

#include <math.h>
#include <stdlib.h>

/* Point i of n evenly spaced ones from a to b, counted from the nearer end, in single precision. */
static float beta_point(float a, float b, int i, int n)
{
    float step = (b - a) / (float)(n - 1);

    return i < n / 2 ? a + step * (float)i : b - step * (float)(n - 1 - i);
}

/* Nichol & Dhariwal 2021, equation 17. */
static double cosine_alpha_bar(double t)
{
    double c = cos((t + 0.008) / 1.008 * M_PI / 2);

    return c * c;
}

static float beta_at(const struct sampler_config *config, int t)
{
    int n = config->train_timesteps;
    float root;

    switch (config->beta) {
    case BETA_LINEAR:
        return beta_point((float)config->beta_start, (float)config->beta_end, t, n);
    case BETA_SCALED_LINEAR:
        root = beta_point((float)sqrt(config->beta_start), (float)sqrt(config->beta_end), t, n);
        return root * root;
    case BETA_COSINE:
        return (float)fmin(
            1 - cosine_alpha_bar((double)(t + 1) / n) / cosine_alpha_bar((double)t / n), 0.999);
    }
    bug(__FILE__, __LINE__, "beta schedule %d", (int)config->beta);
}

/* alpha[t] = 1 - beta[t] so that the last alpha_bar is 0 and the first keeps its value (Lin et al.
 * 2024, algorithm 1). In place; alpha_bar is scratch of the same length. */
static void rescale_zero_snr(int n, float *alpha, float *alpha_bar)
{
    double product = 1;

    for (int t = 0; t < n; t++) {
        product *= alpha[t];
        alpha_bar[t] = sqrtf((float)product);
    }

    float first = alpha_bar[0];
    float last = alpha_bar[n - 1];
    float scale = first / (first - last);

    for (int t = 0; t < n; t++) {
        float root = (alpha_bar[t] - last) * scale;

        alpha_bar[t] = root * root;
        /* The subtraction from 1, twice, rounds as the schedule that checkpoints were trained with.
         */
        alpha[t] = 1.0f - (1.0f - (t == 0 ? alpha_bar[0] : alpha_bar[t] / alpha_bar[t - 1]));
    }
}

enum status sampler_table_init(const struct sampler_config *config, int steps,
                               struct sampler_table *out)
{
    int n = config->train_timesteps;
    float *alpha = calloc((size_t)n, sizeof(*alpha));
    double product = 1;

    BUG_ON(n < 2, "a noise schedule of %d timesteps", n);
    out->count = n;
    out->alpha_bar = calloc((size_t)n, sizeof(*out->alpha_bar));
    out->timestep = calloc((size_t)steps, sizeof(*out->timestep));
    if (!alpha || !out->alpha_bar || !out->timestep) {
        free(alpha);
        sampler_table_release(out);
        return fail(ST_OOM, "sampler: %d steps over %d trained timesteps", steps, n);
    }
    for (int t = 0; t < n; t++)
        alpha[t] = 1.0f - beta_at(config, t);
    if (config->rescale_zero_snr)
        rescale_zero_snr(n, alpha, out->alpha_bar);
    for (int t = 0; t < n; t++) {
        product *= alpha[t];
        out->alpha_bar[t] = (float)product;
    }
    free(alpha);
    return ST_OK;
}

void sampler_table_release(struct sampler_table *table)
{
    free(table->alpha_bar);
    free(table->timestep);
    *table = (struct sampler_table){.count = 0};
}

/* Timestep of step i; a wide type, since an offset may be any int. */
static int64_t grid_point(const struct sampler_config *config, int last, int beyond, int steps,
                          int i)
{
    int points = steps + beyond;
    int from_end = points - 1 - i; /* 0: the cleanest point */
    double stride;

    switch (config->spacing) {
    case SPACING_LINSPACE:
        if (points == 1)
            return 0;
        if (i == 0)
            return last - 1;
        stride = (double)(last - 1) / (points - 1);
        return (int64_t)rint(from_end * stride);
    case SPACING_LEADING:
        return (int64_t)from_end * (last / points) + config->steps_offset;
    case SPACING_TRAILING:
        /* The stride as the difference of two points, as numpy's arange has it: it decides ties of
         * rint. */
        stride = last - (last - (double)config->train_timesteps / steps);
        return (int64_t)rint(last - i * stride) - 1;
    }
    bug(__FILE__, __LINE__, "timestep spacing %d", (int)config->spacing);
}

enum status sampler_table_space(const struct sampler_config *config, int last, int beyond,
                                int steps, struct sampler_table *table)
{
    int *timestep = table->timestep;

    for (int i = 0; i < steps; i++) {
        int64_t t = grid_point(config, last, beyond, steps, i);

        if (t < 0 || t > INT32_MAX || (i > 0 && t >= timestep[i - 1]))
            return fail(ST_INVALID,
                        "sampler: %d steps do not fit into %d trained timesteps (step %d would be "
                        "at timestep %lld); "
                        "wanted fewer steps or another timestep_spacing",
                        steps, last, i, (long long)t);
        timestep[i] = (int)t;
    }
    return ST_OK;
}

static enum status table_steps(const struct sampler_config *config, sampler_step_fn *step,
                               struct sampler_table *table, struct sampler *out)
{
    TRY(sampler_table_space(config, table->count, 0, out->steps, table));
    for (int i = 0; i < out->steps; i++) {
        if (table->timestep[i] >= table->count)
            return fail(ST_INVALID,
                        "sampler: steps_offset %d puts step %d at timestep %d, wanted at most %d",
                        config->steps_offset, i, table->timestep[i], table->count - 1);
        out->timestep[i] = (float)table->timestep[i];
    }
    for (int i = 0; i < out->steps; i++)
        out->coef[i] = step(config, table, out->steps, i);
    return ST_OK;
}

enum status sampler_table_fill(const struct sampler_config *config, sampler_step_fn *step,
                               struct sampler *out)
{
    struct sampler_table table;
    TRY(sampler_table_init(config, out->steps, &table));
    enum status st = table_steps(config, step, &table, out);
    sampler_table_release(&table);
    return st;
}

struct sampler_split sampler_split_of(enum sampler_prediction prediction, double alpha,
                                      double sigma)
{
    switch (prediction) {
    case PREDICT_EPSILON:
        return (struct sampler_split){.x0_x = 1 / alpha, .x0_m = -sigma / alpha, .eps_m = 1};
    case PREDICT_SAMPLE:
        return (struct sampler_split){.x0_m = 1, .eps_x = 1 / sigma, .eps_m = -alpha / sigma};
    case PREDICT_V:
        return (struct sampler_split){
            .x0_x = alpha, .x0_m = -sigma, .eps_x = sigma, .eps_m = alpha};
    case PREDICT_FLOW:
        return (struct sampler_split){.x0_x = 1, .x0_m = -sigma, .eps_x = 1, .eps_m = 1 - sigma};
    }
    bug(__FILE__, __LINE__, "prediction type %d", (int)prediction);
}

struct sampler_split sampler_split_at(const struct sampler_config *config, float alpha_bar)
{
    /* Of pure noise (zero terminal SNR) a clipped x0 keeps its sign, which a large finite factor
     * gives. */
    double least_alpha = config->clip_sample ? 1e-30 : 0;

    return sampler_split_of(config->prediction, fmax(sqrt(alpha_bar), least_alpha),
                            sqrt(1 - alpha_bar));
}
