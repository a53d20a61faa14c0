/* SPDX-License-Identifier: Apache-2.0 */
/* Which pictures a profile has, and what stands above them. */
#include "harness/plot/profile_pictures.h"

#include "harness/plot/gantt.h"
#include "harness/plot/roofline.h"
#include "harness/plot/step.h"

#include <stdio.h>

/* "pixart-tiny, 256 x 256 px, ulysses=2" */
static void say_title(const struct setup *setup, char *text, size_t size)
{
    const struct cell *cell = &setup->cell;
    char frames[40] = "";
    if (cell->frames > 1)
        snprintf(frames, sizeof frames, " x %d frames", cell->frames);
    snprintf(text, size, "%s, %d x %d px%s, %s", setup->config.name, cell->width, cell->height,
             frames, cell->strategy);
}

/* "bf16, 2 ranks over local, NVIDIA H200" */
static void say_setting(const struct setup *setup, const struct profile *profile, char *text,
                        size_t size)
{
    const struct cell *cell = &setup->cell;
    const char *device = profile->recording->rank[0].device_name;
    snprintf(text, size, "%s, %d rank%s over %s, %s", cell->dtype, cell->ranks,
             cell->ranks == 1 ? "" : "s", setup_transport(setup),
             device[0]                     ? device
             : profile->recording->on_host ? "CPU"
                                           : "GPU");
}

static int warmup_of(const struct setup *setup)
{
    struct plan *plan;
    if (plan_build(&setup->problem, &setup->spec, setup->cell.ranks, 0, &plan) != ST_OK) {
        status_clear();
        return 0;
    }
    int warmup = plan->stale ? plan->warmup : 0;
    plan_close(plan);
    return warmup;
}

/* A step in the middle of the work: the last but one of those that were looked at. */
static int steady_step(const struct profile *profile)
{
    return profile->last > profile->first ? profile->last - 1 : profile->last;
}

/* Steps of a warm-up are left out where there are others. */
static int first_step(const struct setup *setup, const struct profile *profile)
{
    int warmup = warmup_of(setup);
    return warmup <= profile->last ? warmup : 0;
}

/* The first failure counts; the other pictures are drawn all the same. */
static void keep(enum status *first, enum status st)
{
    if (*first == ST_OK)
        *first = st;
}

enum status profile_pictures_draw(const struct setup *setup, const struct profile_options *options,
                                  const struct profile *profile, bool quiet)
{
    char title[PICTURE_TEXT];
    char setting[PICTURE_TEXT];
    bool missing = false;
    say_title(setup, title, sizeof title);
    say_setting(setup, profile, setting, sizeof setting);
    const struct picture_options picture = {
        .folder = options->folder, .title = title, .setting = setting, .quiet = quiet};
    const struct gantt_options gantt = {.picture = picture, .step = steady_step(profile)};
    const struct step_options step = {.picture = picture, .first = first_step(setup, profile)};
    const struct roofline_options roofline = {.picture = picture};
    const struct hot_device device = profile_device(setup, profile);
    enum status st =
        gantt_draw(profile->recording, &profile->messages, &profile->breakdown, &gantt, &missing);
    if (missing) /* the others would say the same */
        return st;
    keep(&st, step_draw(&profile->breakdown, &step, &missing));
    keep(&st, roofline_draw(&profile->hot, &device, &roofline, &missing));
    return st;
}
