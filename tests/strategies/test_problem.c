/* SPDX-License-Identifier: Apache-2.0 */
/* Problems of models that are distilled or make videos: defaults, refusals. */
#include "strategies/plan.h"

#include <criterion/criterion.h>
#include <string.h>

static struct dit_config tiny(void)
{
    struct dit_config config;
    char folder[8];
    cr_assert_eq(dit_config_load("pixart-tiny", &config, folder, sizeof folder), ST_OK, "%s",
                 status_message());
    return config;
}

static enum status check(const struct dit_config *config, int frames, int *out)
{
    struct problem p = {.kind = &kind_transformer, .config = config, .frames = frames};
    enum status st = problem_check(&p);
    *out = p.frames;
    return st;
}

Test(problem, images_are_one_frame)
{
    struct dit_config config = tiny();
    int frames;
    cr_assert(check(&config, 0, &frames) == ST_OK && frames == 1);
    cr_assert(check(&config, 1, &frames) == ST_OK && frames == 1);
    cr_assert_eq(check(&config, 2, &frames), ST_INVALID);
    cr_assert(strstr(status_message(), "--frames 2: pixart-tiny makes single images"), "%s",
              status_message());
}

Test(problem, videos_have_the_models_frames_or_one)
{
    static const int bad[] = {-1, 2, 15, 17, 1000};
    struct dit_config config = tiny();
    int frames;
    config.frames = 16;
    cr_assert(check(&config, 0, &frames) == ST_OK && frames == 16);
    cr_assert(check(&config, 1, &frames) == ST_OK && frames == 1);
    cr_assert(check(&config, 16, &frames) == ST_OK && frames == 16);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(check(&config, bad[i], &frames), ST_INVALID, "%d", bad[i]);
        cr_assert(strstr(status_message(), "legal: 1, 16"), "%s", status_message());
    }
}

Test(problem, distilled_models_have_one_branch)
{
    struct dit_config config = tiny();
    cr_assert(problem_guides(&config, 4.5) && !problem_guides(&config, 1));
    config.distilled = true;
    cr_assert(!problem_guides(&config, 4.5));
}

static void expect_cfg_refused(const struct dit_config *config, const char *text, int ranks,
                               const char *reason)
{
    struct problem p = {
        .kind = &kind_transformer, .config = config, .text_tokens = config->text_tokens};
    struct spec spec;
    struct plan *plan = NULL;
    cr_assert_eq(spec_parse(text, &spec), ST_OK);
    cr_assert_eq(plan_build(&p, &spec, ranks, 0, &plan), ST_UNSUPPORTED);
    cr_assert_null(plan);
    cr_assert(strstr(status_message(), reason), "%s", status_message());
}

Test(problem, cfg_is_refused_where_the_model_is_distilled)
{
    struct dit_config config = tiny();
    config.distilled = true;
    expect_cfg_refused(&config, "cfg=2", 2,
                       "cfg=2: pixart-tiny is distilled: guidance is not two branches, and the "
                       "model is told none; legal degree: 1");
    config.guidance_in = true;
    expect_cfg_refused(&config, "cfg=2,ring=2", 4, "but a number that the model is told");
    expect_cfg_refused(&config, "cfg=3", 3, "legal degree: 1");
}
