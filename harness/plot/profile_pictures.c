/* SPDX-License-Identifier: Apache-2.0 */
/* Which pictures a profile has, and what stands above them. */
#include "harness/plot/profile_pictures.h"

#include "harness/plot/gantt.h"
#include "harness/plot/roofline.h"
#include "harness/plot/step.h"

#include <stdio.h>
#include <unistd.h>

/* "pixart-tiny, 256 x 256 px, ulysses=2" */
static void say_title(const struct setup *setup, char *text, size_t size)
{
    const struct cell *cell = &setup->cell;
    char frames[40] = "";
    if (cell->frames > 1)
        snprintf(frames, sizeof frames, " x %d frames", cell->frames);
    snprintf(text, size, "%s, %d x %d px%s, %s", problem_facts(&setup->problem).name, cell->width,
             cell->height, frames, cell->strategy);
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

int profile_pictures_warmup(const struct setup *setup)
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

/* The last step that is whole. */
static int last_step(const struct profile *profile)
{
    return profile->first + profile->whole - 1;
}

/* A step in the middle of the work: the last but one of those that were looked at. Of a record that
 * breaks off the last whole one: it is the nearest to the end. */
static int steady_step(const struct profile *profile)
{
    int last = last_step(profile);
    return last == profile->last && last > profile->first ? last - 1 : last;
}

/* Steps of a warm-up are left out where there are others. */
static int first_step(const struct setup *setup, const struct profile *profile)
{
    int warmup = profile_pictures_warmup(setup);
    return warmup <= last_step(profile) ? warmup : 0;
}

/* What became of the pictures so far. */
struct drawn {
    enum status
        st; /* the first failure, and its sentence; the other pictures are drawn all the same */
    char why[2000];
    bool missing; /* gnuplot */
};

static void keep(struct drawn *drawn, enum status st, bool missing)
{
    drawn->missing = drawn->missing || missing;
    if (st == ST_OK || missing || drawn->st != ST_OK)
        return;
    drawn->st = st;
    snprintf(drawn->why, sizeof drawn->why, "%s", status_message());
}

static void draw(const struct setup *setup, const struct profile *profile,
                 const struct picture_options *picture, struct drawn *drawn)
{
    const struct gantt_options gantt = {.picture = *picture, .step = steady_step(profile)};
    const struct step_options step = {.picture = *picture, .first = first_step(setup, profile)};
    const struct roofline_options roofline = {.picture = *picture};
    const struct hot_device device = profile_device(setup, profile);
    bool missing = false;
    enum status st = ST_OK;
    if (profile->whole == 0)
        keep(drawn, fail(ST_INVALID, "gantt and step: no step was recorded to its end"), false);
    else
        st = gantt_draw(profile->recording, &profile->messages, &profile->breakdown, &gantt,
                        &missing);
    keep(drawn, st, missing);
    if (profile->whole > 0)
        st = step_draw(&profile->breakdown, &step, &missing);
    keep(drawn, st, missing);
    st = roofline_draw(&profile->hot, &device, &roofline, &missing);
    keep(drawn, st, missing);
}

void profile_pictures_remove(const char *folder)
{
    static const char *const name[] = {"gantt", "step", "roofline"};
    static const char *const ending[] = {"svg", "png", "pdf"};
    char path[PATH_MAX];
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%.4000s/%s.%s", folder, name[i], ending[k]);
            unlink(path);
        }
        snprintf(path, sizeof path, "%.4000s/data/%s.gp", folder, name[i]);
        unlink(path);
    }
}

enum status profile_pictures_draw(const struct setup *setup, const struct profile_options *options,
                                  const struct profile *profile, bool quiet, bool *missing)
{
    char title[PICTURE_TEXT];
    char setting[PICTURE_TEXT];
    struct drawn drawn = {.st = ST_OK};
    profile_pictures_remove(options->folder);
    say_title(setup, title, sizeof title);
    say_setting(setup, profile, setting, sizeof setting);
    const struct picture_options picture = {
        .folder = options->folder, .title = title, .setting = setting, .quiet = quiet};
    draw(setup, profile, &picture, &drawn);
    *missing = drawn.missing;
    if (drawn.st != ST_OK)
        return fail(drawn.st, "%s", drawn.why);
    if (drawn.missing)
        return fail(ST_IO,
                    "gnuplot is not installed, so the pictures' data alone were written to "
                    "%s/data; `apt-get install gnuplot-nox` or `make deps`; each file there says "
                    "how to draw it",
                    options->folder);
    return ST_OK;
}
