/* SPDX-License-Identifier: Apache-2.0 */
/* The section "On what machine": hardware, system, libraries and build of the rows. How it
 * did meanwhile is in report_course.c. */
#include "harness/base/text.h"
#include "harness/host/env.h"
#include "harness/page/report_part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 4096, MACHINES = 20 };

static const char *known(const char *text)
{
    return text && *text ? text : "not recorded";
}

/* The same cards. */
static bool same_gpus(const struct record_gpus *a, const struct record_gpus *b)
{
    for (int i = 0; i < a->n && a->n == b->n; i++)
        if (!text_same(a->v[i].name, b->v[i].name) || !text_same(a->v[i].uuid, b->v[i].uuid) ||
            !text_same(a->v[i].driver, b->v[i].driver))
            return false;
    return a->n == b->n;
}

/* One machine, one build. Which libraries are loaded depends on the cell. */
static bool same_machine(const struct record *a, const struct record *b)
{
    const struct record_env *x = &a->env, *y = &b->env;
    return text_same(x->host, y->host) && text_same(x->os, y->os) && text_same(x->cpu, y->cpu) &&
           x->cores == y->cores && same_gpus(&x->gpus, &y->gpus) &&
           text_same(x->commit, y->commit) && x->dirty == y->dirty &&
           text_same(x->flags, y->flags) && text_same(x->compiler, y->compiler);
}

/* ---- what it is ---- */

static void put(struct doc *doc, const char *name, const char *value)
{
    doc_cell(doc, "%s", name);
    doc_cell(doc, "%s", value);
}

/* "name version; ..." or "NAME=value; ...": the pairs of all rows of a machine, each once. */
struct pairs {
    size_t n;
    char text[LONG];
};

static void add_pairs(struct pairs *pairs, const struct record_map *map, const char *joint)
{
    char pair[REPORT_TEXT];
    for (int i = 0; i < map->n; i++) {
        int length = snprintf(pair, sizeof pair, "%s%s%s; ", map->v[i].name, joint,
                              map->v[i].value ? map->v[i].value : "");
        if (length < (int)sizeof pair && pairs->n + (size_t)length < LONG &&
            !strstr(pairs->text, pair)) {
            strcpy(pairs->text + pairs->n, pair);
            pairs->n += (size_t)length;
        }
    }
}

static void put_pairs(struct report *report, const struct record *of, bool variables)
{
    struct pairs pairs = {0, ""};
    for (int i = 0; i < report->sheet->n; i++) {
        const struct record *r = report->sheet->v[i].record;
        if (same_machine(r, of))
            add_pairs(&pairs, variables ? &r->env.variables : &r->env.libraries,
                      variables ? "=" : " ");
    }
    pairs.text[pairs.n > 2 ? pairs.n - 2 : 0] = '\0';
    put(report->doc, variables ? "variables" : "libraries",
        pairs.n > 0 ? pairs.text : "none recorded");
}

static void put_gpus(struct doc *doc, const struct record_gpus *gpus)
{
    for (int i = 0; i < gpus->n; i++) {
        const struct record_gpu *g = &gpus->v[i];
        doc_cell(doc, "GPU %d", i);
        doc_cell(doc, "%s; driver %s; PCIe %s; NVLink %s; %s", known(g->name), known(g->driver),
                 known(g->pcie), g->nvlink ? g->nvlink : "none", known(g->uuid));
    }
}

/* The lowest and highest load of the rows of this machine. */
static void put_load(struct report *report, const struct record *of)
{
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < report->sheet->n; i++) {
        const struct record *r = report->sheet->v[i].record;
        for (int k = 0; k < r->env.load.n && same_machine(r, of); k++) {
            low = fmin(low, r->env.load.v[k]);
            high = fmax(high, r->env.load.v[k]);
        }
    }
    doc_cell(report->doc, "load");
    if (low <= high)
        doc_cell(report->doc, "%.2g to %.2g runnable threads, mean of a minute, around the cells",
                 low, high);
    else
        doc_cell(report->doc, "not recorded");
}

static void put_machine(struct report *report, const struct record *r, int rows)
{
    static const enum doc_align align[] = {DOC_LEFT, DOC_LEFT};
    const struct record_env *env = &r->env;
    char hardware[256], plain[REPORT_TEXT], host[REPORT_TEXT];
    struct doc *doc = report->doc;
    doc_table(doc, 2, align);
    doc_caption(doc, "%s, host %s: %d row%s",
                report_plain(env_hardware(env, hardware, sizeof hardware), plain),
                report_plain(known(env->host), host), rows, report_plural(rows));
    put(doc, "what", "value");
    put_gpus(doc, &env->gpus);
    doc_cell(doc, "CPU");
    doc_cell(doc, "%s, %d cores may be used", known(env->cpu), env->cores);
    put(doc, "system", known(env->os));
    put_load(report, r);
    put_pairs(report, r, false);
    put_pairs(report, r, true);
    doc_cell(doc, "build");
    doc_cell(doc, "commit %s%s; %s; %s", known(env->commit),
             env->dirty == RECORD_YES ? " with local changes" : "", known(env->compiler),
             known(env->flags));
}

/* ---- the section ---- */

enum status report_machine(struct report *report)
{
    const struct sheet *sheet = report->sheet;
    int machines = 0, others = 0;
    bool *said = calloc((size_t)sheet->n + 1, sizeof *said);
    if (!said)
        return fail(ST_OOM, "report: %d rows", sheet->n);
    doc_heading(report->doc, 2, "On what machine");
    for (int i = 0; i < sheet->n; i++) {
        int rows = 0;
        for (int k = i; k < sheet->n && !said[i]; k++)
            rows += !said[k] && same_machine(sheet->v[i].record, sheet->v[k].record);
        if (said[i])
            continue;
        for (int k = sheet->n - 1; k >= i; k--)
            said[k] = said[k] || same_machine(sheet->v[i].record, sheet->v[k].record);
        if (machines++ < MACHINES)
            put_machine(report, sheet->v[i].record, rows);
        else
            others++;
    }
    free(said);
    if (others > 0)
        doc_text(report->doc, "And %d further machines or builds.", others);
    report_course(report);
    return ST_OK;
}
