/* SPDX-License-Identifier: Apache-2.0 */
/* The section "What was asked": what each file's cells have in common, and where they differ. */
#include "harness/page/report_part.h"
#include "harness/plot/text.h"
#include "harness/report/conditions.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LIST = 2048, VALUES = 64, VALUE = 200 };

/* Different values in the order in which they come. */
struct values {
    int n;
    bool more;
    char v[VALUES][VALUE];
};

static void __attribute__((format(printf, 2, 3)))
add(struct values *values, const char *format, ...)
{
    char text[VALUE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int i = 0; i < values->n; i++)
        if (strcmp(values->v[i], text) == 0)
            return;
    if (values->n == VALUES)
        values->more = true;
    else
        strcpy(values->v[values->n++], text);
}

/* "loops": how often a cell is measured. */
static void add_loops(struct values *values, const struct record_cell *c)
{
    if (c->repeats >= 0)
        add(values, "%d loop%s after %d to warm up", c->repeats, report_plural(c->repeats),
            c->warmup_loops);
    else
        add(values,
            "until the median is known to %g\u00a0%% (at least %d loops or %g s, at most %g s), "
            "after %d to warm up",
            c->stop.max_noise, c->stop.min_loops, c->stop.min_seconds, c->stop.max_seconds,
            c->warmup_loops);
}

enum part { MODEL, SIZE, RANKS, STRATEGY, STEPS, WEIGHTS, TYPE, TRANSPORT, LOOPS, PARTS };
static const char *const part_name[PARTS] = {"models",
                                             "sizes",
                                             "ranks",
                                             "strategies",
                                             "steps, guidance, requests",
                                             "weights",
                                             "type, backend",
                                             "transport, exchange, graphs",
                                             "measured"};

static void add_part(struct values *values, enum part part, const struct record_cell *c)
{
    char text[REPORT_TEXT];
    switch (part) {
    case MODEL:
        add(values, "%s", report_model(c, text));
        break;
    case SIZE:
        add(values, "%s", report_size(c, text));
        break;
    case RANKS:
        add(values, "%d", c->ranks);
        break;
    case STRATEGY:
        add(values, "`%.190s`", c->strategy);
        break;
    case STEPS:
        add(values, "%d step%s, %s%d request%s", c->steps, report_plural(c->steps),
            conditions_text(c, text), c->requests, report_plural(c->requests));
        break;
    case WEIGHTS:
        add(values, "%s", c->weights);
        break;
    case TYPE:
        add(values, "%s on %s", c->dtype, c->backend);
        break;
    case TRANSPORT:
        add(values, "%s, exchange %s, graphs %s", c->transport, c->exchange,
            c->graph == RECORD_NO ? "off" : "on where they can be");
        break;
    case LOOPS:
        add_loops(values, c);
        break;
    case PARTS:
        break;
    }
}

static void put_part(struct report *report, enum part part, const struct record_rounds *rows)
{
    struct values values = {0};
    char text[LIST] = "";
    size_t length = 0;
    for (int i = 0; i < rows->n; i++)
        add_part(&values, part, &rows->v[i]->cell);
    for (int i = 0; i < values.n && length < LIST; i++)
        length += (size_t)snprintf(text + length, LIST - length, "%s%s",
                                   i ? part >= STEPS ? "; " : ", " : "", values.v[i]);
    doc_cell(report->doc, "%s", part_name[part]);
    doc_cell(report->doc, "%s%s", text, values.more || length >= LIST ? ", and others" : "");
}

void report_asked(struct report *report)
{
    static const enum doc_align align[] = {DOC_LEFT, DOC_LEFT};
    const struct files *files = report->files;
    char path[REPORT_TEXT], name[REPORT_TEXT];
    doc_heading(report->doc, 2, "What was asked");
    for (int f = 0; f < files->n; f++) {
        const struct record_rounds *rows = &files->rounds[f];
        if (rows->n == 0)
            continue;
        doc_table(report->doc, 2, align);
        const char *experiment = rows->v[0]->experiment;
        doc_caption(report->doc, "`%s`: experiment %s, %d row%s",
                    report_plain(report->paths[f], path),
                    report_plain(experiment ? experiment : "unknown", name), rows->n,
                    report_plural(rows->n));
        doc_cell(report->doc, "what");
        doc_cell(report->doc, "values in these rows");
        for (int part = 0; part < PARTS; part++)
            put_part(report, (enum part)part, rows);
    }
}
