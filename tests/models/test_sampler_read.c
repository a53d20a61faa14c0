/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduler configurations: what is read, what is passed over, and what is refused. */
#include "kernels/base/file.h"
#include "models/sampler.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

static struct sampler_config parsed(const char *text)
{
    struct sampler_config config;
    enum status st = sampler_config_parse("config", text, strlen(text), &config);

    cr_assert_eq(st, ST_OK, "%s", status_message());
    return config;
}

#define FLOW "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", "
#define DPM  "{\"_class_name\": \"DPMSolverMultistepScheduler\", "
#define DDIM "{\"_class_name\": \"DDIMScheduler\", "
#define DDPM "{\"_class_name\": \"DDPMScheduler\", "

Test(sampler_read, missing_keys_take_the_defaults_of_the_class)
{
    struct sampler_config dpm = parsed("{\"_class_name\": \"DPMSolverMultistepScheduler\"}");
    struct sampler_config ddim = parsed("{\"_class_name\": \"DDIMScheduler\"}");
    struct sampler_config ddpm = parsed("{\"_class_name\": \"DDPMScheduler\"}");
    struct sampler_config flow = parsed("{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\"}");

    cr_assert_eq(dpm.kind, SAMPLER_DPMSOLVER_2M);
    cr_assert_eq(dpm.spacing, SPACING_LINSPACE);
    cr_assert(dpm.lower_order_final && dpm.final_sigma_zero && !dpm.euler_at_final && !dpm.heun);
    cr_assert_eq(dpm.solver_order, 2);
    cr_assert(isinf(dpm.lambda_min_clipped));
    cr_assert_eq(ddim.kind, SAMPLER_DDIM);
    cr_assert_eq(ddim.spacing, SPACING_LEADING);
    cr_assert(ddim.clip_sample && ddim.set_alpha_to_one);
    cr_assert_eq(ddim.clip_range, 1);
    cr_assert_eq(ddpm.kind, SAMPLER_DDPM);
    cr_assert(ddpm.clip_sample && !ddpm.fixed_large_variance);
    cr_assert_eq(flow.kind, SAMPLER_FLOW_EULER);
    cr_assert_eq(flow.shift, 1);
    cr_assert_eq(flow.max_tokens, 4096);
}

Test(sampler_read, keys_are_read)
{
    struct sampler_config c =
        parsed(DPM "\"num_train_timesteps\": 500, \"beta_start\": 0.001, \"beta_end\": 0.5, "
                   "\"beta_schedule\": "
                   "\"squaredcos_cap_v2\", \"prediction_type\": \"v_prediction\", "
                   "\"timestep_spacing\": \"trailing\", "
                   "\"steps_offset\": 1, \"solver_order\": 1, \"solver_type\": \"heun\", "
                   "\"lower_order_final\": false, "
                   "\"euler_at_final\": true, \"final_sigmas_type\": \"sigma_min\", "
                   "\"use_karras_sigmas\": true, "
                   "\"lambda_min_clipped\": -5.1, \"rescale_betas_zero_snr\": true}");

    cr_assert_eq(c.train_timesteps, 500);
    cr_assert_eq(c.beta_start, 0.001);
    cr_assert_eq(c.beta_end, 0.5);
    cr_assert_eq(c.beta, BETA_COSINE);
    cr_assert_eq(c.prediction, PREDICT_V);
    cr_assert_eq(c.spacing, SPACING_TRAILING);
    cr_assert_eq(c.steps_offset, 1);
    cr_assert_eq(c.solver_order, 1);
    cr_assert(c.heun && !c.lower_order_final && c.euler_at_final && !c.final_sigma_zero &&
              c.karras_sigmas);
    cr_assert_eq(c.lambda_min_clipped, -5.1);
    cr_assert(c.rescale_zero_snr);
    c = parsed(FLOW "\"use_dynamic_shifting\": true, \"base_shift\": 0.25, \"max_shift\": 2, "
                    "\"base_image_seq_len\": 64, "
                    "\"max_image_seq_len\": 128}");
    cr_assert(c.dynamic_shift);
    cr_assert(c.base_shift == 0.25 && c.max_shift == 2 && c.base_tokens == 64 &&
              c.max_tokens == 128);
    c = parsed(DDPM "\"variance_type\": \"fixed_large\", \"clip_sample_range\": 4}");
    cr_assert(c.fixed_large_variance);
    cr_assert_eq(c.clip_range, 4);
    c = parsed(DDIM "\"clip_sample\": null, \"set_alpha_to_one\": false}");
    cr_assert(!c.clip_sample && !c.set_alpha_to_one);
}

Test(sampler_read, what_cannot_change_a_number_is_accepted)
{
    struct sampler_config c;

    c = parsed(DPM "\"lambda_min_clipped\": -Infinity, \"_note\": \"\\\"-Infinity, Infinity\", "
                   "\"trained_betas\": null}");
    cr_assert(isinf(c.lambda_min_clipped));
    /* of other classes, of another version and switched off, and what only another switch would use
     */
    parsed(DDIM "\"solver_order\": 3, \"skip_prk_steps\": true, \"use_karras_sigmas\": true, "
                "\"a_new_switch\": false, "
                "\"another\": null, \"sample_max_value\": 1.0, \"clip_sample\": false, "
                "\"clip_sample_range\": -1}");
    c = parsed(FLOW "\"prediction_type\": \"epsilon\", \"base_shift\": null, \"shift_terminal\": "
                    "0, \"shift\": 3}");
    cr_assert_eq(c.prediction, PREDICT_FLOW);
    cr_assert_eq(c.shift, 3);
    parsed(DDPM "\"variance_type\": \"fixed_small_log\"}");
}

Test(sampler_read, refuses_what_it_does_not_implement)
{
    static const char *const cases[][2] = {
        {"", "config: line"},
        {"[1]", "wanted an object"},
        {"{\"_class_name\": \"DDIMScheduler\"", "config: line 1"},
        {"{}", "_class_name"},
        {"{\"_class_name\": \"PNDMScheduler\"}", "\"DDIMScheduler\""},
        {"{\"_class_name\": 3}", "found 3"},
        {DDIM "\"thresholding\": true}", "thresholding"},
        {DDIM "\"thresholding\": false, \"thresholding\": false}", "duplicate"},
        {DDIM "\"trained_betas\": [0.1, 0.2]}", "trained_betas"},
        {DDIM "\"beta_schedule\": \"sigmoid\"}", "\"scaled_linear\""},
        {DDIM "\"beta_start\": 0}", "beta_start"},
        {DDIM "\"beta_end\": NaN}", "config: line 1"},
        {DDIM "\"beta_end\": Infinity}", "below 1"},
        {DDIM "\"num_train_timesteps\": 1}", "2 to 100000"},
        {DDIM "\"num_train_timesteps\": 1e3}", "an integer"},
        {DDIM "\"steps_offset\": -1}", "steps_offset"},
        {DDIM "\"prediction_type\": \"flow_prediction\"}", "\"v_prediction\""},
        {DDIM "\"timestep_spacing\": {}}", "an object or a list"},
        {DDIM "\"set_alpha_to_one\": 1}", "true or false"},
        {DDIM "\"clip_sample_range\": 0}", "clip_sample_range"},
        {DDIM "\"a_new_switch\": true}", "a_new_switch"},
        {DDPM "\"variance_type\": \"learned_range\"}", "\"fixed_large\""},
        {DDPM "\"variance_type\": \"fixed_large_log\"}", "variance_type"},
        {DPM "\"variance_type\": \"learned\"}", "variance_type"},
        {DPM "\"solver_order\": 3}", "1 to 2"},
        {DPM "\"algorithm_type\": \"sde-dpmsolver++\"}", "\"dpmsolver++\""},
        {DPM "\"solver_type\": \"rk\"}", "\"heun\""},
        {DPM "\"final_sigmas_type\": null}", "\"sigma_min\""},
        {DPM "\"use_lu_lambdas\": true}", "use_lu_lambdas"},
        {DPM "\"use_exponential_sigmas\": true}", "use_exponential_sigmas"},
        {DPM "\"use_beta_sigmas\": true}", "use_beta_sigmas"},
        {DPM "\"use_dynamic_shifting\": true}", "use_dynamic_shifting"},
        {DPM "\"use_karras_sigmas\": true, \"use_flow_sigmas\": true}", "both true"},
        {DPM "\"lambda_min_clipped\": \"-5\"}", "lambda_min_clipped"},
        {FLOW "\"shift\": 0}", "shift"},
        {FLOW "\"shift_terminal\": 0.02}", "shift_terminal"},
        {FLOW "\"invert_sigmas\": true}", "invert_sigmas"},
        {FLOW "\"stochastic_sampling\": true}", "stochastic_sampling"},
        {FLOW "\"use_exponential_sigmas\": true}", "use_exponential_sigmas"},
        {FLOW "\"use_beta_sigmas\": true}", "use_beta_sigmas"},
        {FLOW "\"use_flow_sigmas\": true}", "use_flow_sigmas"},
        {FLOW "\"a_new_switch\": 1}", "a_new_switch"},
        {FLOW "\"use_karras_sigmas\": true}", "use_karras_sigmas"},
        {FLOW "\"use_dynamic_shifting\": true, \"time_shift_type\": \"linear\"}",
         "time_shift_type"},
        {FLOW "\"use_dynamic_shifting\": true, \"max_image_seq_len\": 256}", "both 256"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sampler_config config;
        enum status st = sampler_config_parse("config", cases[i][0], strlen(cases[i][0]), &config);

        cr_expect_eq(st, ST_INVALID, "accepted: %s", cases[i][0]);
        cr_expect_not_null(strstr(status_message(), cases[i][1]), "%s: %s", cases[i][0],
                           status_message());
        cr_expect_eq(strncmp(status_message(), "config: ", 8), 0, "%s", status_message());
    }
}

Test(sampler_read, reads_what_diffusers_wrote)
{
    struct sampler_config config;
    char *text;
    size_t size;

    cr_assert_eq(
        file_read_text(GOLDEN "dit/scheduler/scheduler_config.json", 1 << 20, &text, &size, NULL),
        ST_OK, "%s", status_message());
    cr_assert_eq(sampler_config_parse("config", text, size, &config), ST_OK, "%s",
                 status_message());
    cr_assert_eq(config.kind, SAMPLER_DDIM);
    cr_assert_not(config.clip_sample);
    free(text);
}

/* The scheduler_config.json of models as they were published. */
Test(sampler_read, published_flows_are_read)
{
    struct sampler_config sd3 =
        parsed(FLOW "\"_diffusers_version\": \"0.29.0.dev0\", \"num_train_timesteps\": 1000, "
                    "\"shift\": 3.0}");
    struct sampler_config sd35 =
        parsed(FLOW "\"_diffusers_version\": \"0.31.0.dev0\", \"base_image_seq_len\": 256, "
                    "\"base_shift\": 0.5, \"invert_sigmas\": false, \"max_image_seq_len\": 4096, "
                    "\"max_shift\": 1.15, \"num_train_timesteps\": 1000, \"shift\": 3.0, "
                    "\"shift_terminal\": null, \"use_beta_sigmas\": false, "
                    "\"use_dynamic_shifting\": false, \"use_exponential_sigmas\": false, "
                    "\"use_karras_sigmas\": false}");
    struct sampler_config dev =
        parsed(FLOW "\"_diffusers_version\": \"0.30.0.dev0\", \"base_image_seq_len\": 256, "
                    "\"base_shift\": 0.5, \"max_image_seq_len\": 4096, \"max_shift\": 1.15, "
                    "\"num_train_timesteps\": 1000, \"shift\": 3.0, \"use_dynamic_shifting\": "
                    "true}");
    struct sampler_config schnell =
        parsed(FLOW "\"_diffusers_version\": \"0.30.0.dev0\", \"base_image_seq_len\": 256, "
                    "\"base_shift\": 0.5, \"max_image_seq_len\": 4096, \"max_shift\": 1.15, "
                    "\"num_train_timesteps\": 1000, \"shift\": 1.0, \"use_dynamic_shifting\": "
                    "false}");

    cr_assert(sd3.shift == 3 && !sd3.dynamic_shift);
    cr_assert(sd35.shift == 3 && !sd35.dynamic_shift);
    cr_assert(dev.dynamic_shift && dev.base_shift == 0.5 && dev.max_shift == 1.15);
    cr_assert(dev.base_tokens == 256 && dev.max_tokens == 4096);
    cr_assert(schnell.shift == 1 && !schnell.dynamic_shift);
    /* the file cannot say whose grid it is */
    cr_assert(!sd3.unit_grid && !sd35.unit_grid && !dev.unit_grid && !schnell.unit_grid);
}

#define TABLE                                                                                      \
    "\"dynamic_thresholding_ratio\": 0.995, \"num_train_timesteps\": 1000, "                       \
    "\"rescale_betas_zero_snr\": false, \"sample_max_value\": 1.0, \"thresholding\": false, "      \
    "\"timestep_spacing\": \"leading\", \"trained_betas\": null, \"clip_sample\": false, "         \
    "\"clip_sample_range\": 1.0, "

Test(sampler_read, published_noise_tables_are_read)
{
    struct sampler_config hunyuan = parsed(
        DDPM TABLE "\"beta_end\": 0.018, \"beta_schedule\": \"scaled_linear\", \"beta_start\": "
                   "0.00085, \"prediction_type\": \"v_prediction\", \"steps_offset\": 1, "
                   "\"variance_type\": \"fixed_small\"}");
    struct sampler_config latte =
        parsed(DDIM TABLE "\"beta_end\": 0.02, \"beta_schedule\": \"linear\", \"beta_start\": "
                          "0.0001, \"prediction_type\": \"epsilon\", \"set_alpha_to_one\": true, "
                          "\"steps_offset\": 0, \"variance_type\": \"learned_range\"}");

    cr_assert_eq(hunyuan.prediction, PREDICT_V);
    cr_assert_eq(hunyuan.beta, BETA_SCALED_LINEAR);
    cr_assert(hunyuan.beta_start == 0.00085 && hunyuan.beta_end == 0.018);
    cr_assert(hunyuan.steps_offset == 1 && !hunyuan.clip_sample && !hunyuan.fixed_large_variance);
    cr_assert_eq(latte.prediction, PREDICT_EPSILON);
    cr_assert(latte.steps_offset == 0 && latte.set_alpha_to_one && !latte.clip_sample);
}
