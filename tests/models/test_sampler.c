/* SPDX-License-Identifier: Apache-2.0 */
/* Samplers: diffusers' trajectories, what the mathematics promises without it, and schedules that
 * do not exist. */
#include "models/safetensors.h"
#include "models/sampler.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

enum { MAX_ELEMENTS = 16 };

/* The formula of struct advance_coef on n elements; noise may be NULL where c_noise is 0. */
static void advance(const struct advance_coef *c, int n, const float *m, const float *noise,
                    float *x, float *hist)
{
    for (int i = 0; i < n; i++) {
        float x0 = c->x0_x * x[i] + c->x0_m * m[i];

        if (c->clip > 0)
            x0 = fminf(fmaxf(x0, -c->clip), c->clip);
        x[i] = c->c_x * x[i] + c->c_m * m[i] + c->c_x0 * x0 + c->c_hist * hist[i];
        if (c->c_noise != 0)
            x[i] += c->c_noise * noise[i];
        hist[i] = x0;
    }
}

static struct sampler_config parsed(const char *text)
{
    struct sampler_config config;
    enum status st = sampler_config_parse("config", text, strlen(text), &config);

    cr_assert_eq(st, ST_OK, "%s", status_message());
    return config;
}

static struct sampler *opened(const struct sampler_config *config, int steps, int image_tokens)
{
    struct sampler *sampler = NULL;
    enum status st = sampler_open(config, steps, image_tokens, &sampler);

    cr_assert_eq(st, ST_OK, "%s", status_message());
    cr_assert_eq(sampler->steps, steps);
    cr_assert_eq(sampler->init_scale, 1.0f);
    return sampler;
}

/* ---- against diffusers ---- */

/* "name/part" of the golden file, or NULL. */
static float *golden(const struct safetensors *file, const char *name, const char *part,
                     int64_t *rows)
{
    char key[128];
    const struct safetensors_entry *entry;
    float *out;

    snprintf(key, sizeof(key), "%s/%s", name, part);
    entry = safetensors_find(file, key);
    if (!entry)
        return NULL;
    *rows = entry->dim[0];

    int64_t count = 1;

    for (int i = 0; i < entry->ndim; i++)
        count *= entry->dim[i];
    out = calloc((size_t)count, sizeof(*out));
    cr_assert_eq(safetensors_floats(file, entry, 0, count, out), ST_OK);
    return out;
}

static void follow(const struct safetensors *file, const char *name, int n)
{
    int64_t steps = 0, rows = 0, draws = 0;
    float *m = golden(file, name, "m", &steps);
    float *t = golden(file, name, "timesteps", &steps);
    float *want = golden(file, name, "x", &rows);
    float *noise = golden(file, name, "noise", &draws);
    struct sampler_config config = parsed(safetensors_meta(file, name));
    char grid[128];

    snprintf(grid, sizeof(grid), "%s/grid", name);
    config.unit_grid = safetensors_meta(file, grid) != NULL;

    struct sampler *sampler =
        opened(&config, (int)steps, atoi(safetensors_meta(file, "image_tokens")));
    float x[MAX_ELEMENTS], hist[MAX_ELEMENTS] = {0};
    int drawn = 0;

    cr_assert_eq(rows, steps + 1);
    cr_assert_eq(sampler->n_draws, draws, "%s: %d draws, wanted %d", name, sampler->n_draws,
                 (int)draws);
    memcpy(x, want, (size_t)n * sizeof(*x));
    for (int i = 0; i < steps; i++) {
        char what[160];

        snprintf(what, sizeof(what), "%s, step %d", name, i);
        cr_assert(fabsf(sampler->timestep[i] - t[i]) <= 1e-6f * t[i], "%s: timestep %g, wanted %g",
                  what, (double)sampler->timestep[i], (double)t[i]);
        advance(&sampler->coef[i], n, m + i * n, noise + (noise ? drawn * n : 0), x, hist);
        drawn += sampler->draws[i];
        cr_assert(near_floats(what, x, want + (i + 1) * n, n, 1e-5));
    }
    sampler_close(sampler);
    free(m);
    free(t);
    free(want);
    free(noise);
}

Test(sampler, follows_diffusers)
{
    struct safetensors *file;
    int schedules = 0;

    cr_assert_eq(safetensors_open(GOLDEN "schedulers.safetensors", &file), ST_OK, "%s",
                 status_message());
    for (int i = 0; i < safetensors_count(file); i++) {
        const struct safetensors_entry *entry = safetensors_at(file, i);
        const char *slash = strchr(entry->name, '/');
        char name[128];

        if (!slash || strcmp(slash, "/x") != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(slash - entry->name), entry->name);
        cr_assert_leq(entry->dim[entry->ndim - 1], MAX_ELEMENTS);
        follow(file, name, (int)entry->dim[entry->ndim - 1]);
        schedules++;
    }
    cr_assert_geq(schedules, 35);
    safetensors_close(file);
}

/* ---- against the mathematics ---- */

/* alpha_bar of the linear schedule, from its definition. */
static double alpha_bar_at(int t)
{
    double product = 1;

    for (int i = 0; i <= t; i++)
        product *= 1 - (0.0001 + (0.02 - 0.0001) * i / 999);
    return product;
}

/* The perfect model for one data point: x = alpha x0 + sigma eps, whatever is predicted. */
static double perfect(enum sampler_prediction prediction, double alpha, double sigma, double x0,
                      double eps)
{
    switch (prediction) {
    case PREDICT_EPSILON:
        return eps;
    case PREDICT_SAMPLE:
        return x0;
    case PREDICT_V:
        return alpha * eps - sigma * x0;
    case PREDICT_FLOW:
        return eps - x0;
    }
    abort();
}

/* With a perfect model a deterministic sampler returns to the data point, in any number of steps.
 */
static void expect_return(const struct sampler_config *config, int steps)
{
    struct sampler *sampler = opened(config, steps, 256);
    const double x0 = 0.7, eps = -1.3;
    float x = 0, hist = 0;

    for (int i = 0; i < steps; i++) {
        double t = sampler->timestep[i];
        bool flow = config->kind == SAMPLER_FLOW_EULER;
        double alpha = flow ? 1 - t / 1000 : sqrt(alpha_bar_at((int)t));
        double sigma = flow ? t / 1000 : sqrt(1 - alpha_bar_at((int)t));
        float m = (float)perfect(config->prediction, alpha, sigma, x0, eps);

        if (i == 0)
            x = (float)(alpha * x0 + sigma * eps);
        cr_assert_float_eq(x, alpha * x0 + sigma * eps, 2e-5, "%s, step %d of %d",
                           sampler_kind_name(config->kind), i, steps);
        advance(&sampler->coef[i], 1, &m, NULL, &x, &hist);
        cr_assert_float_eq(hist, x0, 1e-3);
    }
    cr_assert_float_eq(x, x0, 2e-5);
    cr_assert_eq(sampler->n_draws, 0);
    sampler_close(sampler);
}

Test(sampler, perfect_model_leads_back_to_the_data)
{
    static const int steps[] = {1, 2, 4, 14, 15, 20, 50};
    static const enum sampler_prediction predictions[] = {PREDICT_EPSILON, PREDICT_SAMPLE,
                                                          PREDICT_V};

    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        for (int p = 0; p < 3; p++) {
            struct sampler_config ddim = sampler_config_default(SAMPLER_DDIM);
            struct sampler_config dpm = sampler_config_default(SAMPLER_DPMSOLVER_2M);

            ddim.prediction = dpm.prediction = predictions[p];
            if (1000 % steps[s] == 0) /* else the stride misses the timesteps */
                expect_return(&ddim, steps[s]);
            for (int spacing = SPACING_LINSPACE; spacing <= SPACING_TRAILING; spacing++) {
                dpm.spacing = (enum sampler_spacing)spacing;
                dpm.heun = !dpm.heun;
                expect_return(&dpm, steps[s]);
            }
        }

        struct sampler_config flow = sampler_config_default(SAMPLER_FLOW_EULER);

        expect_return(&flow, steps[s]);
        flow.shift = 3;
        expect_return(&flow, steps[s]);
        flow.dynamic_shift = true;
        expect_return(&flow, steps[s]);
        flow.unit_grid = true;
        expect_return(&flow, steps[s]);
        flow.dynamic_shift = false;
        expect_return(&flow, steps[s]);
    }
}

static void expect_sigma(const struct sampler *sampler, int i, double sigma)
{
    cr_assert_float_eq(sampler->timestep[i], 1000 * sigma, 1e-3, "step %d", i);
    cr_assert_float_eq(-sampler->coef[i].x0_m, sigma, 1e-6, "step %d", i);
}

/* The two grids of noise levels: from 1 to 1/steps, shifted once; from 1 to the least trained
 * level, which a fixed shift has moved before. */
Test(sampler, noise_levels_of_flows_are_on_the_grid_of_the_model)
{
    struct sampler_config config = sampler_config_default(SAMPLER_FLOW_EULER);
    const int n = 10;

    config.shift = 3;
    for (int unit = 0; unit < 2; unit++) {
        config.unit_grid = unit;

        struct sampler *sampler = opened(&config, n, 0);
        double last = unit ? 1.0 / n : 3e-3 / (1 + 2e-3);

        for (int i = 0; i < n; i++) {
            double level = 1 + (last - 1) * i / (n - 1);

            expect_sigma(sampler, i, 3 * level / (1 + 2 * level));
        }
        sampler_close(sampler);
    }
}

/* diffusers shifts its table in fp32, where the greatest level becomes 1 + 2^-23 with a shift of
 * 0.4, and every level once more: these are its timesteps. */
Test(sampler, a_shifted_grid_begins_where_fp32_puts_it)
{
    struct sampler_config config = sampler_config_default(SAMPLER_FLOW_EULER);

    config.shift = 0.4;

    struct sampler *sampler = opened(&config, 6, 0);

    cr_assert_eq(sampler->timestep[0], 1000.00037f);
    cr_assert_eq(-sampler->coef[0].x0_m, 1 + 0x1.8p-22f);
    cr_assert_eq(sampler->timestep[1], 615.503174f);
    sampler_close(sampler);
}

/* mu = base_shift at base_tokens, max_shift at max_tokens, on the same line beyond both: 0.5 +
 * 0.65 * (tokens - 256) / 3840 with the defaults. */
Test(sampler, a_shift_by_size_is_not_clamped)
{
    static const int tokens[] = {64, 256, 1024, 4096, 9216};
    struct sampler_config config = sampler_config_default(SAMPLER_FLOW_EULER);

    config.dynamic_shift = true;
    config.unit_grid = true;
    config.shift = 3; /* without effect */
    for (size_t k = 0; k < sizeof(tokens) / sizeof(tokens[0]); k++) {
        struct sampler *sampler = opened(&config, 4, tokens[k]);
        double s = exp(0.5 + 0.65 * (tokens[k] - 256) / 3840);

        for (int i = 0; i < 4; i++)
            expect_sigma(sampler, i, s / (s + 1 / (1 - i / 4.0) - 1));
        sampler_close(sampler);
    }
}

/* With steps_offset 1 no timestep is 0: every step draws, though the last one next to nothing. */
Test(sampler, ddpm_draws_in_every_step_where_timesteps_begin_at_one)
{
    struct sampler_config config = sampler_config_default(SAMPLER_DDPM);

    config.steps_offset = 1;

    struct sampler *sampler = opened(&config, 20, 0);

    cr_assert_eq(sampler->timestep[19], 1.0f);
    cr_assert_eq(sampler->n_draws, 20);
    cr_assert_float_eq(sampler->coef[19].c_noise, 1e-10, 1e-15);
    sampler_close(sampler);
}

/* A DDPM step keeps the marginals of the forward process: mean sqrt(a') x0, variance 1 - a'. */
Test(sampler, ddpm_keeps_mean_and_variance)
{
    struct sampler_config config = sampler_config_default(SAMPLER_DDPM);
    struct sampler *sampler = opened(&config, 25, 0);

    for (int i = 0; i < 25; i++) {
        const struct advance_coef *c = &sampler->coef[i];
        int t = (int)sampler->timestep[i];
        double a = alpha_bar_at(t);
        double next = t > 0 ? alpha_bar_at(t - 40) : 1;

        cr_assert_eq(t, 960 - 40 * i);
        cr_assert_eq(c->clip, 1.0f);
        cr_assert_float_eq(c->c_x * sqrt(a) + c->c_x0, sqrt(next), 1e-5);
        cr_assert_float_eq(c->c_x * c->c_x * (1 - a) + c->c_noise * c->c_noise, 1 - next, 1e-5);
        cr_assert_eq(sampler->draws[i], t > 0);
    }
    cr_assert_eq(sampler->n_draws, 24);
    sampler_close(sampler);
    config.fixed_large_variance = true;
    sampler = opened(&config, 25, 0);
    cr_assert_float_eq(sampler->coef[3].c_noise, sqrt(1 - alpha_bar_at(840) / alpha_bar_at(800)),
                       1e-6);
    sampler_close(sampler);
}

Test(sampler, first_step_has_no_history_and_few_steps_end_in_first_order)
{
    struct sampler_config config = sampler_config_default(SAMPLER_DPMSOLVER_2M);

    config.final_sigma_zero = false;
    for (int steps = 13; steps <= 16; steps++) {
        struct sampler *sampler = opened(&config, steps, 0);

        cr_assert_eq(sampler->coef[0].c_hist, 0.0f);
        for (int i = 1; i < steps - 1; i++)
            cr_assert_lt(sampler->coef[i].c_hist, 0.0f);
        cr_assert_eq(sampler->coef[steps - 1].c_hist == 0, steps < 15);
        sampler_close(sampler);
    }
}

Test(sampler, a_last_step_of_no_length_changes_nothing)
{
    struct sampler_config config = sampler_config_default(SAMPLER_DPMSOLVER_2M);

    config.final_sigma_zero = false;
    config.karras_sigmas = true;
    for (int heun = 0; heun < 2; heun++) {
        config.heun = heun;

        struct sampler *sampler = opened(&config, 20, 0);

        cr_assert_float_eq(sampler->coef[19].c_x, 1, 1e-6);
        cr_assert_float_eq(sampler->coef[19].c_x0, 0, 1e-6);
        cr_assert_float_eq(sampler->coef[19].c_hist, 0, 1e-6);
        sampler_close(sampler);
    }
}

Test(sampler, pure_noise_keeps_a_clipped_sign)
{
    struct sampler_config config = sampler_config_default(SAMPLER_DDIM);
    float x[2] = {0.5f, -2}, m[2] = {0.25f, 1}, hist[2];

    config.rescale_zero_snr = true;
    config.spacing = SPACING_TRAILING;
    config.clip_range = 1.5;

    struct sampler *sampler = opened(&config, 10, 0);

    advance(&sampler->coef[0], 2, m, NULL, x, hist);
    cr_assert_eq(hist[0], 1.5f);
    cr_assert_eq(hist[1], -1.5f);
    sampler_close(sampler);
}

/* A trailing grid has exactly as many steps as asked for, where the rounding of a stride would give
 * one more. */
Test(sampler, number_of_steps_is_what_was_asked_for)
{
    struct sampler_config config = sampler_config_default(SAMPLER_DDIM);

    config.spacing = SPACING_TRAILING;
    for (int steps = 1; steps <= 1000; steps += steps < 130 ? 1 : 29) {
        struct sampler *sampler = opened(&config, steps, 0);

        cr_assert_eq(sampler->timestep[0], 999.0f);
        cr_assert_geq(sampler->timestep[steps - 1], 0.0f);
        for (int i = 1; i < steps; i++)
            cr_assert_lt(sampler->timestep[i], sampler->timestep[i - 1]);
        sampler_close(sampler);
    }
}

/* ---- schedules that do not exist ---- */

static void expect_no_schedule(const struct sampler_config *config, int steps, const char *why)
{
    struct sampler *sampler = NULL;

    cr_assert_eq(sampler_open(config, steps, 0, &sampler), ST_INVALID, "%d steps", steps);
    cr_assert_null(sampler);
    cr_assert_not_null(strstr(status_message(), why), "%s", status_message());
}

Test(sampler, refuses_schedules_that_do_not_exist)
{
    struct sampler_config ddim = sampler_config_default(SAMPLER_DDIM);
    struct sampler_config dpm = sampler_config_default(SAMPLER_DPMSOLVER_2M);

    expect_no_schedule(&ddim, 0, "1 to 1000000");
    expect_no_schedule(&ddim, -3, "1 to 1000000");
    expect_no_schedule(&ddim, 1000001, "1 to 1000000");
    expect_no_schedule(&ddim, 1001, "fewer steps");
    expect_no_schedule(&dpm, 1000, "fewer steps");
    ddim.steps_offset = 7;
    expect_no_schedule(&ddim, 1000, "steps_offset 7");
    ddim.steps_offset = 0;
    ddim.clip_sample = false;
    ddim.rescale_zero_snr = true;
    ddim.spacing = SPACING_TRAILING;
    expect_no_schedule(&ddim, 20, "rescale_betas_zero_snr");
    dpm.lambda_min_clipped = 900;
    expect_no_schedule(&dpm, 20, "lambda_min_clipped");
}

Test(sampler, kinds_are_listed)
{
    for (int i = 0; i < SAMPLER_KINDS; i++) {
        enum sampler_kind kind = (enum sampler_kind)i;

        cr_assert_eq(sampler_config_default(kind).kind, kind);
        cr_assert_gt(strlen(sampler_kind_name(kind)), 0u);
        cr_assert_gt(strlen(sampler_kind_summary(kind)), 0u);
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(sampler_kind_name(kind), sampler_kind_name((enum sampler_kind)k));
    }
}
