/* SPDX-License-Identifier: Apache-2.0 */
/* The part "Clocks, temperature and power while it was measured" of the section about the machine:
 * what rows tell of it. Rows of older builds, and of short loops, tell nothing. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/report/machine.h"

#include <math.h>
#include <stdio.h>

/* The lowest and the highest of something over many rows. */
struct span {
    double low, high;
};

static void extend(struct span *span, double low, double high)
{
    span->low = fmin(span->low, low); // NaN is none
    span->high = fmax(span->high, high);
}

static bool tells(const struct record *r)
{
    const struct record_machine *m = &r->machine;
    bool any = isfinite(m->cpu.mhz.median);
    for (int i = 0; i < m->gpus.n; i++)
        any |= isfinite(m->gpus.v[i].sm_mhz.median);
    return any && r->latency_ms.samples.n > 0;
}

/* ---- all rows ---- */

struct courses {
    int told, untold, throttled;
    int period_ms; /* from sample to sample in an untold row that was watched; 0: none was */
    bool judged;   /* some GPU told whether it was throttled */
    struct span sm, temperature, power, limit, cpu;
    const struct record *most; /* throttled; NULL: none is */
};

static struct courses courses_of(const struct sheet *sheet)
{
    const struct span none = {INFINITY, -INFINITY};
    struct courses c = {.sm = none, .temperature = none, .power = none, .limit = none, .cpu = none};
    for (int i = 0; i < sheet->n; i++) {
        const struct record *r = sheet->v[i].record;
        const struct record_machine *m = &r->machine;
        c.told += tells(r);
        c.untold += !tells(r) && r->latency_ms.samples.n > 0;
        c.period_ms = !tells(r) && m->period_ms > c.period_ms ? m->period_ms : c.period_ms;
        c.throttled += record_has_flag(r, RECORD_THROTTLED);
        if (record_throttled_share(r) > (c.most ? record_throttled_share(c.most) : 0))
            c.most = r;
        for (int k = 0; k < m->gpus.n; k++) {
            const struct record_machine_gpu *g = &m->gpus.v[k];
            c.judged |= isfinite(g->throttle.share);
            extend(&c.sm, g->sm_mhz.min, g->sm_mhz.max);
            extend(&c.temperature, g->temperature_c.min, g->temperature_c.max);
            extend(&c.power, g->power_w.min, g->power_w.max);
            extend(&c.limit, g->power_limit_w, g->power_limit_w);
        }
        if (m->gpus.n == 0)
            extend(&c.cpu, m->cpu.mhz.min, m->cpu.mhz.max);
    }
    return c;
}

/* Why no row tells anything. */
static char *say_untold(const struct courses *c, char text[REPORT_TEXT])
{
    if (c->period_ms > 0)
        snprintf(text, REPORT_TEXT, "Loops that were over within %d\u00a0ms had no sample.",
                 c->period_ms);
    else
        snprintf(text, REPORT_TEXT, "Builds before commit 5b8247fe9323 did not watch the machine.");
    return text;
}

static void put_span(struct doc *doc, const char *what, const char *unit, const struct span *span)
{
    if (span->low == span->high)
        doc_item(doc, "%s: %.0f\u00a0%s.", what, span->low, unit);
    else if (span->low < span->high)
        doc_item(doc, "%s: %.0f to %.0f\u00a0%s.", what, span->low, span->high, unit);
}

static void put_summary(struct report *report, const struct courses *c)
{
    char text[REPORT_TEXT], name[REPORT_TEXT], model[REPORT_TEXT], size[REPORT_TEXT];
    struct doc *doc = report->doc;
    doc_text(doc, "Sampled during the measured loops of %d row%s%s; the lowest and highest of all:",
             c->told, report_plural(c->told), c->untold > 0 ? ", others tell nothing" : "");
    put_span(doc, "GPU clock (SM)", "MHz", &c->sm);
    put_span(doc, "GPU temperature", "\u00b0C", &c->temperature);
    put_span(doc, "GPU power", "W", &c->power);
    put_span(doc, "Power limit of a GPU", "W", &c->limit);
    put_span(doc, "CPU clock, mean of the CPUs that may be used", "MHz", &c->cpu);
    if (c->most)
        doc_text(
            doc,
            "%d row%s flagged as throttled; worst is %s, %s at %s (%s). Such a time is that of the "
            "limit, not of the chip.",
            c->throttled, c->throttled == 1 ? " is" : "s are", report_strategy(c->most, name),
            report_model(&c->most->cell, model), report_size(&c->most->cell, size),
            machine_throttle_text(c->most, sizeof text, text));
    else if (c->judged)
        doc_text(doc, "No GPU was held back by power or heat in any sample.");
}

/* ---- row by row ---- */

static void put_number(struct doc *doc, double value)
{
    if (isfinite(value))
        doc_cell(doc, "%.0f", value);
    else
        doc_cell(doc, "-");
}

static void put_clock(struct doc *doc, const struct record_course *c)
{
    if (isfinite(c->median) && isfinite(c->min) && isfinite(c->max))
        doc_cell(doc, "%.0f (%.0f to %.0f)", c->median, c->min, c->max);
    else
        put_number(doc, c->median);
}

/* The GPU that was throttled most, else the first. */
static void put_gpu(struct doc *doc, const struct record *r)
{
    const struct record_machine_gpu *most = record_throttled_gpu(r);
    const struct record_machine_gpu *g = most ? most : &r->machine.gpus.v[0];
    put_clock(doc, &g->sm_mhz);
    put_number(doc, g->temperature_c.max);
    put_number(doc, g->power_w.median);
    put_number(doc, 100 * g->throttle.share);
}

static void put_rows(struct report *report, int n)
{
    static const struct report_column columns[] = {{"clock, MHz", DOC_RIGHT},
                                                   {"at most, \u00b0C", DOC_RIGHT},
                                                   {"power, W", DOC_RIGHT},
                                                   {"throttled, % of the time", DOC_RIGHT}};
    if (n > REPORT_FOLD)
        doc_fold(report->doc, "Clock, temperature and power of all %d rows", n);
    report_table(report,
                 "Medians of the samples, in brackets the lowest and highest; of several GPUs the "
                 "one that was throttled most",
                 4, columns);
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        const struct record *r = row->record;
        if (!tells(r))
            continue;
        report_cell(report, row);
        if (r->machine.gpus.n > 0) {
            put_gpu(report->doc, r);
            continue;
        }
        put_clock(report->doc, &r->machine.cpu.mhz);
        for (int k = 0; k < 3; k++)
            doc_cell(report->doc, "-");
    }
    if (n > REPORT_FOLD)
        doc_unfold(report->doc);
}

void report_course(struct report *report)
{
    char text[REPORT_TEXT];
    struct courses c = courses_of(report->sheet);
    doc_heading(report->doc, 3, "Clocks, temperature and power while it was measured");
    if (c.told == 0) {
        doc_text(report->doc,
                 "Not recorded in these rows: nothing can be said of the clock that the devices "
                 "ran at, nor of temperature, power and limits that held them back. %s",
                 say_untold(&c, text));
        return;
    }
    put_summary(report, &c);
    put_rows(report, c.told);
}

/* "GPU clock 1695 to 1965 MHz at 50 to 71 degrees; 1 row was throttled." */
char *report_course_words(const struct report *report, char *text)
{
    char why[REPORT_TEXT];
    struct courses c = courses_of(report->sheet);
    const struct span *clock = c.sm.low <= c.sm.high ? &c.sm : &c.cpu;
    if (c.told == 0 || clock->low > clock->high)
        snprintf(text, REPORT_TEXT, "not recorded. %.900s", say_untold(&c, why));
    else
        snprintf(text, REPORT_TEXT,
                 "%s %.0f to %.0f\u00a0MHz in the %d row%s that tell; %d %s throttled.",
                 clock == &c.sm ? "GPUs ran at" : "the CPU ran at", clock->low, clock->high, c.told,
                 c.told == 1 ? "" : "s", c.throttled, c.throttled == 1 ? "was" : "were");
    return text;
}
