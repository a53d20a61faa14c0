/* SPDX-License-Identifier: Apache-2.0 */
/* The first sentences of "In short": what is fastest and what it costs, what other programs took,
 * whether it is right, whether it is noise, what the clock was, what failed, how to repeat it. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"
#include "harness/report/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 4096, SETTINGS = 6 /* told one by one at most */, PROGRAMS = 8 };

static void __attribute__((format(printf, 2, 3))) say(char text[LONG], const char *format, ...)
{
    size_t n = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, LONG - n, format, args);
    va_end(args);
}

/* ---- the fastest ---- */

/* That of a size with most ranks; NULL: none has several. */
static const struct report_rank *widest(const struct report *report, const struct plot_group *group)
{
    const struct report_rank *most = NULL;
    for (int i = 0; i < report->ranks.n; i++) {
        const struct report_rank *rank = &report->ranks.v[i];
        if (rank->group == group && rank->ranks > (most ? most->ranks : 1))
            most = rank;
    }
    return most;
}

/* "at 1024 x 1024 px on 2 ranks `cfg=2`, 14.73 ms a step (1.96 times as fast as `serial`; its
 * fullest rank holds 4.454 GB and sends 131.1 kB a step)" */
static void say_fastest(char text[LONG], const struct report_rank *rank)
{
    char name[REPORT_TEXT], size[REPORT_TEXT], step[REPORT_TEXT], bytes[REPORT_TEXT];
    const struct sheet_row *row = rank->v[0];
    const struct record *r = row->record;
    double memory = memory_fullest(&r->memory_bytes).total, sent = report_sent(r);
    say(text, "at %s on %d\u00a0ranks %s, %s a step", report_size(&r->cell, size), rank->ranks,
        report_strategy(r, name), report_time(r->latency_ms.median / r->cell.steps, step));
    if (row->serial)
        say(text, ", %.2f times as fast as `serial`",
            row->serial->latency_ms.median / r->latency_ms.median);
    if (isfinite(memory))
        say(text,
            report_allocator(r) ? ", %s by the allocator of the fullest rank alone"
                                : ", %s on the fullest rank",
            report_bytes(memory, bytes));
    if (isfinite(sent))
        say(text, ", %s sent by a rank a step", report_bytes(sent, bytes));
    if (rank->tied > 0)
        say(text, " (%d more within noise of it)", rank->tied);
}

static void put_setting(struct report *report, const struct plot_setting *setting)
{
    char text[LONG] = "", model[REPORT_TEXT], threads[REPORT_TEXT], run[REPORT_TEXT];
    const struct record_cell *c = &setting->of->record->cell;
    for (int g = 0; g < setting->n; g++) {
        const struct report_rank *rank = widest(report, &setting->group[g]);
        if (rank && *text)
            say(text, "; ");
        if (rank)
            say_fastest(text, rank);
    }
    doc_item(report->doc, "Fastest, %s, %d step%s%s%s: %s.", report_model(c, model), c->steps,
             report_plural(c->steps), report_threads(report, setting->of, threads),
             report_run(report, setting->of, run), text);
}

static void put_fastest(struct report *report)
{
    const struct plot_selection *s = &report->selection;
    int told = 0;
    for (int i = 0; i < s->n; i++) {
        bool any = false;
        for (int g = 0; g < s->setting[i].n; g++)
            any |= widest(report, &s->setting[i].group[g]) != NULL;
        if (any && told++ < SETTINGS)
            put_setting(report, &s->setting[i]);
    }
    if (told > SETTINGS)
        doc_item(report->doc, "Of %d further models and settings the table below tells.",
                 told - SETTINGS);
    if (told == 0 && s->n > 0)
        doc_item(report->doc, "Fastest: on one rank there is `serial` alone; no row of several "
                              "ranks has a time that may be compared.");
}

/* ---- other programs ---- */

struct program {
    const char *name;
    int cells, noisy;
    double least, most;                      /* its time over ours, */
    const struct record *at_least, *at_most; /* and where */
    const struct record *other;              /* a row of another result; NULL: none */
};

static void add_program(struct program v[PROGRAMS], const struct record *r, double ratio)
{
    const char *name = r->cell.backend;
    int i = 0;
    while (i < PROGRAMS && v[i].name && strcmp(v[i].name, name) != 0)
        i++;
    if (i == PROGRAMS)
        return;
    if (!v[i].name)
        v[i] = (struct program){.name = name, .least = INFINITY, .most = -INFINITY};
    v[i].cells++;
    v[i].noisy += record_has_flag(r, RECORD_NOISY);
    if (ratio < v[i].least) {
        v[i].least = ratio;
        v[i].at_least = r;
    }
    if (ratio > v[i].most) {
        v[i].most = ratio;
        v[i].at_most = r;
    }
    v[i].other = report_deviates(r) ? r : v[i].other;
}

/* "1.08 to 2.12"; "1.08 (`flux.1-dev`) to 2.12 (`vae-flux`)"; "9.77" where both are that */
static const char *ratios(const struct program *p, char text[REPORT_TEXT])
{
    char most[64], model[2][REPORT_TEXT];
    snprintf(text, REPORT_TEXT, "%.2f", p->least);
    snprintf(most, sizeof most, "%.2f", p->most);
    if (strcmp(text, most) == 0)
        return text;
    report_model(&p->at_least->cell, model[0]);
    report_model(&p->at_most->cell, model[1]);
    if (strcmp(model[0], model[1]) == 0)
        snprintf(text, REPORT_TEXT, "%.2f to %s", p->least, most);
    else
        snprintf(text, REPORT_TEXT, "%.2f (%.200s) to %s (%.200s)", p->least, model[0], most,
                 model[1]);
    return text;
}

static void put_program(struct report *report, const struct program *p)
{
    char name[REPORT_TEXT], against[REPORT_TEXT], took[REPORT_TEXT], what[2 * REPORT_TEXT];
    char noisy[REPORT_TEXT] = "";
    if (p->noisy > 0)
        snprintf(noisy, sizeof noisy, ", %d of them noisy", p->noisy);
    if (p->other)
        snprintf(what, sizeof what,
                 "in the same run, for another result, %.2g (relative L2) off that of `%.200s`",
                 p->other->deviation.rel_l2, report_plain(p->other->deviation.against, against));
    else
        snprintf(what, sizeof what, "for the same work in the same run");
    doc_item(
        report->doc,
        "Another program, `%.200s`, took %s times as long as ditbench %s (%d cell%s%s, below).",
        report_plain(p->name, name), ratios(p, took), what, p->cells, report_plural(p->cells),
        noisy);
}

static void put_programs(struct report *report)
{
    struct program v[PROGRAMS] = {{0}};
    for (int i = 0; i < report->ranks.n; i++) {
        const struct report_rank *rank = &report->ranks.v[i];
        for (int k = rank->n; k < rank->n + rank->peers; k++)
            add_program(v, rank->v[k]->record,
                        rank->v[k]->record->latency_ms.median /
                            report_rank_beside(rank, k)->record->latency_ms.median);
    }
    for (int i = 0; i < PROGRAMS && v[i].name; i++)
        put_program(report, &v[i]);
}

/* ---- the rest ---- */

static void put_failed(struct report *report)
{
    int count[ENDINGS] = {0}, failed = 0;
    char text[LONG] = "";
    for (int i = 0; i < report->sheet->n; i++)
        count[report->sheet->v[i].record->status]++;
    for (int s = 0; s < ENDINGS; s++) {
        if (s == ENDING_OK || count[s] == 0)
            continue;
        say(text, "%s%d `%s`", failed ? ", " : "", count[s], ending_name((enum ending)s));
        failed += count[s];
    }
    int distrusted = report_distrusted(report->sheet);
    if (distrusted > 0)
        say(text, "%s%d with numbers that cannot be", failed ? ", " : "", distrusted);
    failed += distrusted;
    if (failed > 0)
        doc_item(report->doc, "Failed: %d of %d rows: %s. Reasons: \u201cWhat did not work\u201d.",
                 failed, report->sheet->n, text);
}

enum status report_answers(struct report *report)
{
    char text[REPORT_TEXT];
    if (report->sheet->n == 0)
        return ST_OK;
    put_fastest(report);
    put_programs(report);
    doc_item(report->doc, "Right: %s", report_right_words(report, text));
    doc_item(report->doc, "Noise: %s", report_noise_words(report, text));
    doc_item(report->doc, "Clock: %s", report_course_words(report, text));
    put_failed(report);
    doc_item(report->doc, "Repeat: build, sweep and `compare` of each file, and one command for "
                          "each cell, are under \u201cHow to repeat it\u201d.");
    return ST_OK;
}
