/* SPDX-License-Identifier: Apache-2.0 */
/* The section "Where the time goes": breakdowns of the rows that were profiled, and pictures of the
 * fastest of each size and rank count. Not there where no row was profiled. */
#include "harness/base/text.h"
#include "harness/page/part.h"
#include "harness/page/report_part.h"
#include "harness/page/svg.h"
#include "harness/profile/profile_find.h"
#include "harness/profile/profile_read.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 6 /* profiles that are shown with pictures at most */ };

static const char *const share[] = {"total_ms", "compute_ms", "exposed_comm_ms", "bubble_ms",
                                    "wait_ms",  "gaps_ms",    "other_ms"};
static const struct report_column columns[] = {
    {"a step, ms", DOC_RIGHT}, {"compute", DOC_RIGHT}, {"exposed communication", DOC_RIGHT},
    {"bubble", DOC_RIGHT},     {"wait", DOC_RIGHT},    {"gaps", DOC_RIGHT},
    {"other", DOC_RIGHT}};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

struct profiled {
    const struct sheet_row *row;
    char *folder;
    double mean[COLUMNS]; /* of its breakdown */
    char *wrong;          /* what is wrong with that; NULL: nothing */
};

/* In the sheet's order. */
struct profiles {
    int n;
    struct profiled *v;
};

/* The file that a row is of, or one of its rounds. */
static const char *path_of(const struct report *report, const struct sheet_row *row)
{
    for (int f = 0; f < report->files->n; f++)
        for (int i = 0; i < report->files->rounds[f].n; i++)
            if (report->files->rounds[f].v[i] == row->record)
                return report->paths[f];
    return NULL;
}

static enum status find_profiles(const struct report *report, struct profiles *out)
{
    char folder[PATH_MAX];
    out->v = calloc((size_t)report->sheet->n + 1, sizeof *out->v);
    if (!out->v)
        return fail(ST_OOM, "report: %d profiles", report->sheet->n);
    for (int i = 0; i < report->sheet->n; i++) {
        const struct sheet_row *row = report->sheet->sorted[i];
        const char *path = path_of(report, row);
        if (row->record->status != ENDING_OK || !path || !profile_find(path, row->record, folder))
            continue;
        out->v[out->n].row = row;
        if (!(out->v[out->n++].folder = strdup(folder)))
            return fail(ST_OOM, "report: the name of a profile");
    }
    return ST_OK;
}

static void release(struct profiles *p)
{
    for (int i = 0; i < p->n; i++) {
        free(p->v[i].folder);
        free(p->v[i].wrong);
    }
    free(p->v);
}

/* ---- the breakdown ---- */

static double mean_of(const struct profile_side *side, const char *name)
{
    for (int s = 0; s < SIDE_SHARES; s++)
        if (strcmp(profile_share(s), name) == 0)
            return side->mean[s];
    return NAN;
}

/* Its breakdown, or what is wrong with it: other profiles and the page lose nothing by that. */
static enum status read_breakdown(struct profiled *p)
{
    char path[PATH_MAX];
    struct profile_side side = {.steps = 0};
    snprintf(path, sizeof path, "%.4000s/breakdown.csv", p->folder);
    enum status st = profile_side_breakdown(path, &side);
    for (int i = 0; i < COLUMNS && st == ST_OK; i++)
        p->mean[i] = mean_of(&side, share[i]);
    profile_side_release(&side);
    if (st == ST_OK || st == ST_OOM)
        return st;
    fprintf(stderr, "report: a breakdown is left out: %s\n", status_message());
    p->wrong = strdup(status_message());
    status_clear();
    return p->wrong ? ST_OK : fail(ST_OOM, "report: the fault of a profile");
}

static void put_shares(struct report *report, const struct profiled *p)
{
    char number[TEXT_NUMBER];
    report_cell(report, p->row);
    for (int i = 0; i < COLUMNS; i++)
        doc_cell(report->doc, "%s", isfinite(p->mean[i]) ? text_number(p->mean[i], number) : "-");
}

static void put_wrong(struct report *report, const struct profiled *p)
{
    char strategy[REPORT_TEXT], size[REPORT_TEXT], ranks[REPORT_TEXT];
    doc_text(report->doc, "There is no breakdown of %s, %s, %s: %s",
             report_strategy(p->row->record, strategy), report_size(&p->row->record->cell, size),
             report_ranks(p->row->record->cell.ranks, ranks), p->wrong);
}

static enum status put_breakdown(struct report *report, const struct profiles *p)
{
    int good = 0;
    for (int i = 0; i < p->n; i++) {
        TRY(read_breakdown(&p->v[i]));
        good += !p->v[i].wrong;
    }
    if (good > REPORT_FOLD)
        doc_fold(report->doc, "Breakdown of all %d profiled rows", good);
    if (good > 0)
        report_table(report,
                     "Milliseconds of a step by what a rank does: mean of all ranks and steps. "
                     "The six parts add up to the step.",
                     COLUMNS, columns);
    for (int i = 0; i < p->n; i++)
        if (!p->v[i].wrong)
            put_shares(report, &p->v[i]);
    if (good > REPORT_FOLD)
        doc_unfold(report->doc);
    for (int i = 0; i < p->n; i++)
        if (p->v[i].wrong)
            put_wrong(report, &p->v[i]);
    return ST_OK;
}

/* ---- pictures ---- */

/* A picture beside the page, where its other charts are: a page that is sent on must not look for
 * the folder of the profile. */
static enum status copy_picture(const char *from, const char *to)
{
    FILE *in = fopen(from, "re");
    char *text = NULL;
    size_t size = 0;
    if (!in)
        return fail(ST_IO, "%s cannot be read: %s", from, strerror(errno));
    if (getdelim(&text, &size, '\0', in) < 0)
        size = 0;
    enum status st = ferror(in) ? fail(ST_IO, "%s cannot be read to its end", from) : ST_OK;
    fclose(in);
    if (st == ST_OK)
        st = doc_write_file(to, text ? text : "", text ? strlen(text) : 0);
    free(text);
    return st;
}

static void put_picture(struct report *report, const struct profiled *p, const char *name,
                        const char *alt, const char *caption)
{
    char from[PATH_MAX], path[PATH_MAX], strategy[REPORT_TEXT], whole[2 * REPORT_TEXT];
    snprintf(from, sizeof from, "%.4000s/%s.svg", p->folder, name);
    snprintf(path, sizeof path, "%.4000s/%s.%.16s.svg", report->charts, name, p->row->record->id);
    if (svg_check(from) != ST_OK || copy_picture(from, path) != ST_OK) {
        doc_text(report->doc, "There is no picture `%s`: %s", name, status_message());
        status_clear();
        return;
    }
    snprintf(whole, sizeof whole, "%s, %.500s", alt, report_strategy(p->row->record, strategy));
    doc_figure(report->doc, path, whole, caption);
}

static void put_pictures(struct report *report, const struct profiled *p)
{
    char strategy[REPORT_TEXT], size[REPORT_TEXT];
    const struct record_cell *c = &p->row->record->cell;
    doc_fold(report->doc, "Pictures of %s, %s, %d rank%s",
             report_strategy(p->row->record, strategy), report_size(c, size), c->ranks,
             report_plural(c->ranks));
    put_picture(report, p, "step", "Where the mean step of each rank goes", NULL);
    put_picture(report, p, "gantt", "Timeline of one step of all ranks", NULL);
    doc_unfold(report->doc);
}

/* The fastest that was profiled, of each size and rank count. */
static enum status put_fastest(struct report *report, const struct profiles *p)
{
    int shown = 0;
    const struct plot_selection *s = &report->selection;
    for (int i = 0; i < s->n; i++)
        for (int g = 0; g < s->setting[i].n; g++) {
            const struct plot_group *group = &s->setting[i].group[g];
            for (int ranks = report_rank_next(group, 1); ranks > 0;
                 ranks = report_rank_next(group, ranks)) {
                struct report_rank rank;
                enum status st = report_rank_open(group, ranks, &rank);
                for (int k = 0; k < p->n && st == ST_OK && shown < PICTURES; k++)
                    if (p->v[k].row == rank.v[0]) {
                        put_pictures(report, &p->v[k]);
                        shown++;
                    }
                report_rank_close(&rank);
                TRY(st);
            }
        }
    return ST_OK;
}

enum status report_profiles(struct report *report)
{
    struct profiles p = {0};
    enum status st = find_profiles(report, &p);
    if (st == ST_OK && p.n > 0) {
        doc_heading(report->doc, 2, "Where the time goes");
        doc_text(report->doc,
                 "From runs of their own, recorded after the ones that were measured (`sweep "
                 "--profile`): recording costs time, so these steps are longer, and are no "
                 "latency. Compute: an operation runs. Exposed communication: a message is under "
                 "way, and nothing is computed meanwhile. Bubble: a pipeline waits for its next "
                 "patch. Wait: for a rank that is not so far. Gaps: between operations.");
        st = put_breakdown(report, &p);
        if (st == ST_OK)
            st = put_fastest(report, &p);
    }
    release(&p);
    return st;
}
