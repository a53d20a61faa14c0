/* SPDX-License-Identifier: Apache-2.0 */
/* Words for clocks, temperature, power, throttling and errors. */
#include "harness/report/machine.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PLACE = 120 };

/* Text that is added to as long as there is room. */
struct words {
    char *text;
    size_t size;
};

static void __attribute__((format(printf, 2, 3))) say(struct words *w, const char *format, ...)
{
    size_t used = strlen(w->text);
    va_list args;
    va_start(args, format);
    vsnprintf(w->text + used, w->size - used, format, args);
    va_end(args);
}

/* Begins another part of the text. */
static void part(struct words *w, const char *mark)
{
    say(w, "%s", w->text[0] ? mark : "");
}

static void say_course(struct words *w, const char *what, const struct record_course *c,
                       const char *unit)
{
    if (isnan(c->median))
        return;
    part(w, ", ");
    say(w, "%s%.0f %s", what, c->median, unit);
    if (isfinite(c->min) && isfinite(c->max) && round(c->min) != round(c->max))
        say(w, " (%.0f to %.0f)", c->min, c->max);
}

/* ---- throttling ---- */

/* Reasons worth a word: those of at least a twentieth of the time, or the largest. The slowdown of
 * the hardware has a reason of its own, on GPUs that tell it. */
static void say_reasons(struct words *w, const struct record_throttle *t)
{
    const struct record_reasons *r = &t->reasons;
    double heat = fmax(r->sw_thermal_slowdown, r->hw_thermal_slowdown);
    bool known = r->hw_thermal_slowdown > 0 || r->hw_power_brake_slowdown > 0;
    const struct {
        double share;
        const char *word;
    } all[] = {{r->sw_power_cap, "power limit"},
               {heat, "heat"},
               {r->hw_power_brake_slowdown, "power brake"},
               {known ? 0 : r->hw_slowdown, "slowdown of the hardware"}};
    const char *mark = " (";
    double most = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        most = fmax(most, all[i].share);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!(all[i].share > 0) || all[i].share < fmin(0.05, most))
            continue;
        say(w, "%s%s", mark, all[i].word);
        mark = ", ";
    }
    if (mark[0] == ',')
        say(w, ")");
}

char *machine_throttle_text(const struct record *record, size_t size, char *text)
{
    const struct record_machine_gpu *gpu = record_throttled_gpu(record);
    struct words w = {text, size};
    text[0] = '\0';
    if (!gpu)
        return text;
    double percent = 100 * gpu->throttle.share;
    say(&w, "throttled: %.*f%% of the measured time", percent < 10, percent);
    say_reasons(&w, &gpu->throttle);
    return text;
}

/* ---- a GPU ---- */

static uint64_t more_than_before(const struct record_counts *pair)
{
    return pair->n == 2 && pair->v[1] > pair->v[0] ? pair->v[1] - pair->v[0] : 0;
}

static void say_errors(struct words *w, const struct record_machine_gpu *gpu)
{
    const struct {
        uint64_t n;
        const char *what;
    } errors[] = {{more_than_before(&gpu->ecc.uncorrected), "uncorrected ECC"},
                  {more_than_before(&gpu->ecc.corrected), "corrected ECC"},
                  {more_than_before(&gpu->nvlink.errors), "NVLink"}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].n == 0)
            continue;
        part(w, "; ");
        say(w, "%" PRIu64 " %s error%s meanwhile", errors[i].n, errors[i].what,
            errors[i].n == 1 ? "" : "s");
    }
    if (gpu->nvlink.active < gpu->nvlink.total) {
        part(w, "; ");
        say(w, "%d of %d NVLinks active", gpu->nvlink.active, gpu->nvlink.total);
    }
}

/* The one throttled most, else the slowest; *why: which of several it is. */
static const struct record_machine_gpu *worst_gpu(const struct record *record, const char **why)
{
    const struct record_machine_gpus *gpus = &record->machine.gpus;
    const struct record_machine_gpu *worst = record_throttled_gpu(record);
    *why = "throttled most";
    if (worst)
        return worst;
    *why = "the slowest";
    worst = &gpus->v[0];
    for (int i = 1; i < gpus->n; i++)
        if (!(gpus->v[i].sm_mhz.median >= worst->sm_mhz.median))
            worst = &gpus->v[i];
    return worst;
}

static void say_gpu(struct words *w, const struct record *record)
{
    const struct record_machine_gpus *gpus = &record->machine.gpus;
    const char *why;
    char throttled[PLACE];
    const struct record_machine_gpu *gpu = worst_gpu(record, &why);
    say_course(w, "SM clock ", &gpu->sm_mhz, "MHz");
    say_course(w, "memory ", &gpu->memory_mhz, "MHz");
    say_course(w, "", &gpu->temperature_c, "C");
    say_course(w, "", &gpu->power_w, "W");
    if (!isnan(gpu->power_w.median) && !isnan(gpu->power_limit_w))
        say(w, " of %.0f W", gpu->power_limit_w);
    if (w->text[0] && gpus->n > 1)
        say(w, " (GPU %d of %d, %s)", (int)(gpu - gpus->v) + 1, gpus->n, why);
    if (machine_throttle_text(record, sizeof throttled, throttled)[0]) {
        part(w, "; ");
        say(w, "%s", throttled);
    } else if (gpu->throttle.share == 0) {
        part(w, "; ");
        say(w, "not throttled");
    }
    for (int i = 0; i < gpus->n; i++)
        say_errors(w, &gpus->v[i]);
}

char *machine_text(const struct record *record, size_t size, char *text)
{
    const struct record_machine *m = &record->machine;
    struct words w = {text, size};
    text[0] = '\0';
    if (m->gpus.n > 0) {
        say_gpu(&w, record);
    } else {
        say_course(&w, "CPU clock ", &m->cpu.mhz, "MHz");
        if (w.text[0] && m->cpu.governor)
            say(&w, ", governor %s", m->cpu.governor);
    }
    return text;
}
