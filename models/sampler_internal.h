/* SPDX-License-Identifier: Apache-2.0 */
/* What the samplers share: their ops table, the noise table of a trained model and the grids of
 * timesteps. For models/sampler*.c only. */
#ifndef MODELS_SAMPLER_INTERNAL_H
#define MODELS_SAMPLER_INTERNAL_H

#include "models/sampler.h"

/* One sampler. Coefficients are computed in double and stored once, as float. */
struct sampler_ops {
    const char *name;
    const char *summary;
    const char *class_name; /* of diffusers, as "_class_name" says it */
    const char *paper;
    struct sampler_config defaults;
    /* Fills timestep and coef (all zero before) of out->steps steps. ST_INVALID where there is no
     * such schedule. */
    enum status (*fill)(const struct sampler_config *config, int image_tokens, struct sampler *out);
};

extern const struct sampler_ops sampler_dpmsolver;
extern const struct sampler_ops sampler_ddim;
extern const struct sampler_ops sampler_ddpm;
extern const struct sampler_ops sampler_flow;

/* Borrowed; a kind out of range is a bug. */
const struct sampler_ops *sampler_ops_of(enum sampler_kind kind);

/*
 * alpha_bar[t] = product of (1 - beta) up to timestep t: the model's noise schedule. Single
 * precision is part of it: 1 - alpha_bar near t = 0 keeps four digits of the exact schedule, and
 * diffusers, hence every published result, works with the rounded one.
 */
struct sampler_table {
    int count;        /* train_timesteps */
    float *alpha_bar; /* [count] */
    int *timestep;    /* [steps] room for a grid */
};

enum status sampler_table_init(const struct sampler_config *config, int steps,
                               struct sampler_table *out);
void sampler_table_release(struct sampler_table *table);

/*
 * table->timestep := descending timesteps in 0..last-1 by config->spacing (Lin et al. 2024, table
 * 2), plus steps_offset where the spacing is leading. beyond: further points at the clean end that
 * the grid is laid out for and that are not taken (DPM-Solver++: 1). ST_INVALID where two steps
 * would share a timestep.
 */
enum status sampler_table_space(const struct sampler_config *config, int last, int beyond,
                                int steps, struct sampler_table *table);

/* Step i of `steps`, between two points of the table. */
typedef struct advance_coef sampler_step_fn(const struct sampler_config *config,
                                            const struct sampler_table *table, int steps, int i);

/* A whole schedule of such steps over the table's own timesteps: what `fill` is where there is no
 * other grid. ST_INVALID where the offset leads out of the table, too. */
enum status sampler_table_fill(const struct sampler_config *config, sampler_step_fn *step,
                               struct sampler *out);

/* x0 from x and the model's output m, and what remains as noise: x0 = x0_x * x + x0_m * m, eps =
 * eps_x * x + eps_m * m. */
struct sampler_split {
    double x0_x, x0_m;
    double eps_x, eps_m;
};

/* Of x = alpha * x0 + sigma * eps; PREDICT_FLOW: m = eps - x0 and alpha = 1 - sigma. */
struct sampler_split sampler_split_of(enum sampler_prediction prediction, double alpha,
                                      double sigma);

/* The same at a point of the noise table, for samplers that may clip x0. */
struct sampler_split sampler_split_at(const struct sampler_config *config, float alpha_bar);

#endif
