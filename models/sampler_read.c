/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a scheduler_config.json. Every key that is understood is taken out of the object; what then
 * remains must be harmless. Not a schema of diffusers' classes: only keys that change a number have
 * a place in struct sampler_config.
 */
#include "models/sampler_internal.h"
#include "models/sampler_key.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What "-Infinity" is read as: JSON has no infinities, Python's json module writes them. */
#define NEGATIVE_INFINITY "-1.7e308"
#define POSITIVE_INFINITY "1.7e308"
static const double infinity = 1.7e308;

/* Keys that some class takes and another does not read; diffusers passes over them too. */
static const char *const ignored_keys[] = {
    "algorithm_type",
    "base_image_seq_len",
    "base_shift",
    "beta_end",
    "beta_schedule",
    "beta_start",
    "clip_sample",
    "clip_sample_range",
    "dynamic_thresholding_ratio",
    "euler_at_final",
    "final_sigmas_type",
    "flow_shift",
    "invert_sigmas",
    "lambda_min_clipped",
    "lower_order_final",
    "max_image_seq_len",
    "max_shift",
    "prediction_type",
    "rescale_betas_zero_snr",
    "sample_max_value",
    "set_alpha_to_one",
    "shift",
    "shift_terminal",
    "skip_prk_steps",
    "solver_order",
    "solver_type",
    "steps_offset",
    "stochastic_sampling",
    "thresholding",
    "time_shift_type",
    "timestep_spacing",
    "trained_betas",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
    "variance_type",
};

/* Keys of the three classes that have a noise table. */
static enum status read_table(json_t *object, struct sampler_config *c)
{
    static const struct sampler_choice betas[] = {{"linear", BETA_LINEAR},
                                                  {"scaled_linear", BETA_SCALED_LINEAR},
                                                  {"squaredcos_cap_v2", BETA_COSINE},
                                                  {NULL, 0}};
    static const struct sampler_choice spacings[] = {{"linspace", SPACING_LINSPACE},
                                                     {"leading", SPACING_LEADING},
                                                     {"trailing", SPACING_TRAILING},
                                                     {NULL, 0}};
    static const struct sampler_choice predictions[] = {{"epsilon", PREDICT_EPSILON},
                                                        {"sample", PREDICT_SAMPLE},
                                                        {"v_prediction", PREDICT_V},
                                                        {"flow_prediction", PREDICT_FLOW},
                                                        {NULL, 0}};
    /* Without the last one: only DPM-Solver++ knows flows. */
    static const struct sampler_choice diffusion_predictions[] = {{"epsilon", PREDICT_EPSILON},
                                                                  {"sample", PREDICT_SAMPLE},
                                                                  {"v_prediction", PREDICT_V},
                                                                  {NULL, 0}};
    int beta = c->beta;
    int spacing = c->spacing;
    int prediction = c->prediction;
    const json_t *trained = json_object_get(object, "trained_betas");

    if (trained && !json_is_null(trained))
        return json_key_refuse("trained_betas", trained,
                               "null: a table of betas is not implemented");
    TRY(sampler_key_number(object, "beta_start", 0, 1, &c->beta_start));
    TRY(sampler_key_number(object, "beta_end", 0, 1, &c->beta_end));
    TRY(sampler_key_choice(object, "beta_schedule", betas, &beta));
    TRY(sampler_key_choice(object, "timestep_spacing", spacings, &spacing));
    TRY(sampler_key_choice(object, "prediction_type",
                           c->kind == SAMPLER_DPMSOLVER_2M ? predictions : diffusion_predictions,
                           &prediction));
    TRY(sampler_key_int(object, "steps_offset", 0, 1000, &c->steps_offset));
    TRY(sampler_key_bool(object, "rescale_betas_zero_snr", &c->rescale_zero_snr));
    TRY(sampler_key_off(object, "thresholding"));
    c->beta = (enum sampler_beta)beta;
    c->spacing = (enum sampler_spacing)spacing;
    c->prediction = (enum sampler_prediction)prediction;
    return ST_OK;
}

/* Options of several classes that choose other noise levels. */
static enum status read_levels(json_t *object)
{
    TRY(sampler_key_off(object, "use_exponential_sigmas"));
    return sampler_key_off(object, "use_beta_sigmas");
}

static enum status read_dpmsolver(json_t *object, struct sampler_config *c)
{
    static const struct sampler_choice algorithms[] = {{"dpmsolver++", 0}, {NULL, 0}};
    /* diffusers reads the names that related solvers use as "midpoint". */
    static const struct sampler_choice solvers[] = {{"midpoint", 0}, {"heun", 1}, {"logrho", 0},
                                                    {"bh1", 0},      {"bh2", 0},  {NULL, 0}};
    static const struct sampler_choice finals[] = {{"zero", 1}, {"sigma_min", 0}, {NULL, 0}};
    const json_t *variance = json_object_get(object, "variance_type");
    int algorithm = 0;
    int heun = c->heun;
    int zero = c->final_sigma_zero;
    double lambda_min = c->lambda_min_clipped;

    TRY(read_table(object, c));
    TRY(read_levels(object));
    TRY(sampler_key_off(object, "use_lu_lambdas"));
    TRY(sampler_key_off(object, "use_dynamic_shifting"));
    if (json_is_string(variance) && strncmp(json_string_value(variance), "learned", 7) == 0)
        return json_key_refuse("variance_type", variance,
                               "null: the variance half of the model's output is not used");
    TRY(sampler_key_choice(object, "algorithm_type", algorithms, &algorithm));
    TRY(sampler_key_choice(object, "solver_type", solvers, &heun));
    TRY(sampler_key_choice(object, "final_sigmas_type", finals, &zero));
    TRY(sampler_key_int(object, "solver_order", 1, 2, &c->solver_order));
    TRY(sampler_key_bool(object, "lower_order_final", &c->lower_order_final));
    TRY(sampler_key_bool(object, "euler_at_final", &c->euler_at_final));
    TRY(sampler_key_bool(object, "use_karras_sigmas", &c->karras_sigmas));
    TRY(sampler_key_bool(object, "use_flow_sigmas", &c->flow_sigmas));
    if (c->karras_sigmas && c->flow_sigmas)
        return fail(
            ST_INVALID,
            "keys \"use_karras_sigmas\" and \"use_flow_sigmas\": found both true, wanted one");
    TRY(sampler_key_number(object, "lambda_min_clipped", -HUGE_VAL, 1000, &lambda_min));
    if (c->flow_sigmas)
        TRY(sampler_key_number(object, "flow_shift", 0, 1e6, &c->shift));
    c->lambda_min_clipped = lambda_min > -infinity ? lambda_min : -HUGE_VAL;
    c->heun = heun;
    c->final_sigma_zero = zero;
    return ST_OK;
}

static enum status read_clip(json_t *object, struct sampler_config *c)
{
    TRY(sampler_key_bool(object, "clip_sample", &c->clip_sample));
    if (c->clip_sample)
        TRY(sampler_key_number(object, "clip_sample_range", 0, 1e30, &c->clip_range));
    return ST_OK;
}

static enum status read_ddim(json_t *object, struct sampler_config *c)
{
    TRY(read_table(object, c));
    TRY(read_clip(object, c));
    return sampler_key_bool(object, "set_alpha_to_one", &c->set_alpha_to_one);
}

static enum status read_ddpm(json_t *object, struct sampler_config *c)
{
    /* The logarithm of fixed_small_log is undone where it is used. Learned variances have no place:
     * the model's variance half is dropped. */
    static const struct sampler_choice variances[] = {
        {"fixed_small", 0}, {"fixed_small_log", 0}, {"fixed_large", 1}, {NULL, 0}};
    int large = c->fixed_large_variance;

    TRY(read_table(object, c));
    TRY(read_clip(object, c));
    TRY(sampler_key_choice(object, "variance_type", variances, &large));
    c->fixed_large_variance = large;
    return ST_OK;
}

static enum status read_flow(json_t *object, struct sampler_config *c)
{
    static const struct sampler_choice shifts[] = {{"exponential", 0}, {NULL, 0}};
    const json_t *terminal = json_object_get(object, "shift_terminal");
    int type = 0;

    if (terminal && !json_is_null(terminal) &&
        !(json_is_number(terminal) && json_number_value(terminal) == 0))
        return json_key_refuse("shift_terminal", terminal, "null: this option is not implemented");
    TRY(read_levels(object));
    TRY(sampler_key_off(object, "use_karras_sigmas"));
    TRY(sampler_key_off(object, "invert_sigmas"));
    TRY(sampler_key_off(object, "stochastic_sampling"));
    TRY(sampler_key_off(object,
                        "use_flow_sigmas")); /* of another class, but FLUX's pipeline reads it */
    TRY(sampler_key_bool(object, "use_dynamic_shifting", &c->dynamic_shift));
    if (!c->dynamic_shift)
        return sampler_key_number(object, "shift", 0, 1e6, &c->shift);
    TRY(sampler_key_choice(object, "time_shift_type", shifts, &type));
    TRY(sampler_key_number(object, "base_shift", -100, 100, &c->base_shift));
    TRY(sampler_key_number(object, "max_shift", -100, 100, &c->max_shift));
    TRY(sampler_key_int(object, "base_image_seq_len", 0, 1 << 30, &c->base_tokens));
    TRY(sampler_key_int(object, "max_image_seq_len", 0, 1 << 30, &c->max_tokens));
    if (c->base_tokens == c->max_tokens)
        return fail(ST_INVALID,
                    "keys \"base_image_seq_len\" and \"max_image_seq_len\": found both %d, wanted "
                    "two numbers",
                    c->base_tokens);
    return ST_OK;
}

/* What no reader took: comments, keys of other classes, and switches of other versions of diffusers
 * that are off. */
static enum status refuse_unknown(json_t *object)
{
    const char *key;
    json_t *value;

    for (size_t i = 0; i < sizeof(ignored_keys) / sizeof(ignored_keys[0]); i++)
        json_object_del(object, ignored_keys[i]);
    json_object_foreach(object, key, value)
    {
        if (key[0] != '_' && !json_is_null(value) && !json_is_false(value))
            return json_key_refuse(
                key, value,
                "null or false: this key is not known, so its effect is not implemented");
    }
    return ST_OK;
}

static enum status read_object(json_t *object, struct sampler_config *out)
{
    static enum status (*const readers[SAMPLER_KINDS])(json_t *, struct sampler_config *) = {
        [SAMPLER_DPMSOLVER_2M] = read_dpmsolver,
        [SAMPLER_DDIM] = read_ddim,
        [SAMPLER_DDPM] = read_ddpm,
        [SAMPLER_FLOW_EULER] = read_flow,
    };
    struct sampler_choice classes[SAMPLER_KINDS + 1] = {{NULL, 0}};
    int kind = -1;

    for (int k = 0; k < SAMPLER_KINDS; k++)
        classes[k] = (struct sampler_choice){sampler_ops_of((enum sampler_kind)k)->class_name, k};
    TRY(sampler_key_choice(object, "_class_name", classes, &kind));
    if (kind < 0)
        return fail(
            ST_INVALID,
            "key \"_class_name\": found none, wanted the name of a scheduler class of diffusers");

    struct sampler_config config = sampler_config_default((enum sampler_kind)kind);

    TRY(sampler_key_int(object, "num_train_timesteps", 2, 100000, &config.train_timesteps));
    TRY(readers[kind](object, &config));
    TRY(refuse_unknown(object));
    *out = config;
    return ST_OK;
}

/* Replaces Python's infinities outside of strings by numbers of the same length. */
static void tame_infinities(char *text, size_t size)
{
    static const char *const word[][2] = {{"-Infinity", NEGATIVE_INFINITY " "},
                                          {"Infinity", POSITIVE_INFINITY " "}};
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        for (int w = 0; w < 2 && !quoted && i < size; w++) {
            size_t length = strlen(word[w][0]);

            if (size - i >= length && memcmp(text + i, word[w][0], length) == 0)
                memcpy(text + i, word[w][1], length);
        }
    }
}

enum status sampler_config_parse(const char *label, const char *text, size_t size,
                                 struct sampler_config *out)
{
    char *copy = malloc(size + 1);

    if (!copy)
        return fail(ST_OOM, "%s: %zu bytes", label, size);
    memcpy(copy, text, size);
    tame_infinities(copy, size);

    json_error_t error;
    json_t *object = json_loadb(copy, size, JSON_REJECT_DUPLICATES, &error);
    enum status st;

    free(copy);
    if (!object)
        return fail(
            ST_INVALID,
            "%s: line %d: %s; wanted the JSON object that diffusers' save_pretrained writes", label,
            error.line, error.text);
    if (json_is_object(object))
        st = read_object(object, out);
    else
        st = fail(ST_INVALID, "found a list, wanted an object");
    json_decref(object);
    return st ? fail_prefix(st, "%s", label) : ST_OK;
}
