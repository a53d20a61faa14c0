/* SPDX-License-Identifier: Apache-2.0 */
/* From points, plans and records to verdicts. */
#include "harness/paper/verdicts.h"

#include "harness/base/csv_out.h"
#include "harness/host/env.h"
#include "harness/paper/ours.h"
#include "harness/report/sheet.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- published ---- */

static void take_published(struct paper_row *row)
{
    const struct published_line *line = row->point->line;
    if (!line || !(line->value > 0))
        return;
    row->published.value = line->value;
    row->published.low = line->value - line->uncertainty;
    row->published.high = line->value + line->uncertainty;
}

/* ---- ratios ---- */

/* The single-GPU row of the smallest size that the figure has of this model; program and figure
 * are those of the row, or with `any_source` the figure is any of the pack. */
static int smallest(const struct pack *pack, int at, bool any_source)
{
    const struct pack_point *mine = &pack->v[at];
    int best = -1;
    for (int i = 0; i < pack->n; i++) {
        const struct pack_point *p = &pack->v[i];
        bool single = p->line && p->spec && p->gpus == 1 && p->one == i && p->model && mine->model;
        if (single && strcmp(p->model, mine->model) == 0 &&
            (any_source || strcmp(p->source, mine->source) == 0) &&
            strcmp(p->program, mine->program) == 0 &&
            (best < 0 || p->height < pack->v[best].height))
            best = i;
    }
    return best;
}

/* The row that another is measured by; -1: none. */
static int base_of(const struct pack *pack, int at)
{
    const struct pack_point *p = &pack->v[at];
    if (!p->line)
        return -1;
    if (p->gpus > 1)
        return p->one;
    int best = smallest(pack, at, false);
    int any = best == at ? smallest(pack, at, true) : best;
    return any >= 0 && pack->v[any].height < p->height ? any : best;
}

static double ratio(const struct pack *pack, const struct pack_point *point, double value,
                    double base)
{
    return point->gpus > 1 && !pack->memory ? base / value : value / base;
}

/* Memory is the same wherever it is opened; times are not. */
static bool both_timed(const struct pack *pack, const struct paper_row *a,
                       const struct paper_row *b)
{
    return !pack->memory && a->record && b->record;
}

static bool across_devices(const struct pack *pack, const struct paper_row *a,
                           const struct paper_row *b)
{
    return both_timed(pack, a, b) && ours_other_device(a->record, b->record);
}

static void take_ratios(const struct pack *pack, struct paper_rows *rows)
{
    for (int i = 0; i < rows->n; i++) {
        struct paper_row *row = &rows->v[i];
        int base = base_of(pack, i);
        if (base < 0)
            continue;
        const struct paper_row *one = &rows->v[base];
        row->published.ratio = ratio(pack, row->point, row->published.value, one->published.value);
        if (!across_devices(pack, one, row))
            row->ours.ratio = ratio(pack, row->point, row->ours.value, one->ours.value);
    }
}

/* ---- verdicts ---- */

/* One reason more. */
__attribute__((format(printf, 2, 3))) static void say(struct paper_row *row, const char *format,
                                                      ...)
{
    size_t used = strlen(row->why);
    va_list args;
    va_start(args, format);
    if (used > 0 && used + 3 < sizeof row->why)
        used += (size_t)snprintf(row->why + used, sizeof row->why - used, "; ");
    vsnprintf(row->why + used, sizeof row->why - used, format, args);
    va_end(args);
}

/* Of a row that is not ok. */
static void say_ending(struct paper_row *row)
{
    const struct record *r = row->failed;
    if (r->status == ENDING_OK)
        say(row, "its row is ok, but %s", sheet_distrusts(r));
    else
        say(row, "its row is %s: %.200s", ending_name(r->status), r->reason ? r->reason : "");
}

/* The flag by which its published value is not to be compared with; NULL: it is. */
static const char *suspect(const struct paper_row *row)
{
    const char *flag = row->point->line ? row->point->line->field[PUBLISHED_FLAG] : "";
    return strncmp(flag, "suspect", 7) == 0 ? flag : NULL;
}

/* Why a row has no verdict of its own; false: it may have one. */
static bool excused(const struct paper_machine *machine, struct paper_row *row)
{
    const struct published_line *line = row->point->line;
    if (row->point->left_out)
        say(row, "%s", row->point->left_out);
    else if (!line)
        say(row, "nothing was published; ours alone");
    else if (suspect(row))
        say(row, "%s", suspect(row));
    else if (!isfinite(row->published.value) && machine->stand_in)
        say(row, "published: out of memory");
    else if (!isfinite(row->published.value) && isfinite(row->memory_gb))
        say(row, "published: out of memory; ours needs %.1f GB a rank", row->memory_gb);
    else if (!isfinite(row->published.value))
        say(row, "published: out of memory");
    else if (!machine->stand_in)
        return false;
    if (row->failed)
        say_ending(row);
    if (machine->stand_in && !row->point->left_out)
        say(row, "a stand-in for tests: a tiny model on the CPU");
    return true;
}

/* Why ours have nothing to judge. A row that is there says more than what this machine lacks. */
static void explain_missing(struct paper_row *row)
{
    if (row->why[0])
        return;
    if (row->failed)
        say_ending(row);
    else if (row->cell->fate != PAPER_RUNS)
        say(row, "%s", row->cell->text);
    else
        say(row, "our cell was not run");
}

/* Rows of one file may be of several runs: what else differs stands at the point. */
static void say_base(const struct paper_row *one, struct paper_row *row)
{
    enum { BUILD = 60 };
    char build[2][BUILD];
    const struct record *a = one->record;
    const struct record *b = row->record;
    if (ours_other_host(a, b))
        say(row, "measured by a row of another machine: %.60s, its own %.60s",
            a->env.cpu ? a->env.cpu : "unknown", b->env.cpu ? b->env.cpu : "unknown");
    if (ours_other_build(a, b))
        say(row, "measured by a row of another build: %s, its own %s",
            ours_build(a, BUILD, build[0]), ours_build(b, BUILD, build[1]));
}

static void judge_ratio(const struct pack *pack, const struct paper_rows *rows, int at)
{
    struct paper_row *row = &rows->v[at];
    int base = base_of(pack, at);
    bool timed = base >= 0 && both_timed(pack, &rows->v[base], row);
    if (base < 0)
        snprintf(row->why, sizeof row->why, "the figure has no single GPU to measure it by");
    else if (base == at)
        snprintf(row->why, sizeof row->why,
                 "the figure's smallest size on one GPU, by which larger ones are measured");
    else if (suspect(&rows->v[base]))
        snprintf(row->why, sizeof row->why,
                 "measured by %.100s, which is not to be compared with: %.200s",
                 rows->v[base].label, suspect(&rows->v[base]));
    else if (across_devices(pack, &rows->v[base], row))
        snprintf(row->why, sizeof row->why,
                 "%.100s was measured on another device: %.80s, not %.80s", rows->v[base].label,
                 ours_device(rows->v[base].record), ours_device(row->record));
    else if (!isfinite(row->ours.ratio))
        snprintf(row->why, sizeof row->why, "we have no value of %.200s to measure it by",
                 rows->v[base].label);
    else
        row->verdict = paper_judge_ratio(row->published.ratio, row->ours.ratio, row->why);
    if (timed && row->verdict != PAPER_NOT_COMPARABLE)
        say_base(&rows->v[base], row);
}

/* Of a latency: rows of equal size and number of GPUs; of memory a rank: of equal size. */
static bool one_group(const struct pack *pack, const struct paper_row *a, const struct paper_row *b)
{
    const struct pack_point *p = a->point;
    const struct pack_point *q = b->point;
    return p->line && q->line && p->model && q->model && strcmp(p->model, q->model) == 0 &&
           strcmp(p->source, q->source) == 0 && p->height == q->height && p->width == q->width &&
           (pack->memory || p->gpus == q->gpus);
}

static enum status judge_order(const struct pack *pack, const struct paper_rows *rows, int at)
{
    struct paper_row *row = &rows->v[at];
    double *published = calloc((size_t)rows->n, sizeof *published);
    double *ours = calloc((size_t)rows->n, sizeof *ours);
    const char **name = calloc((size_t)rows->n, sizeof *name);
    enum status st = published && ours && name ? ST_OK : fail(ST_OOM, "verdicts: no host memory");
    int n = 0;
    int mine = 0;
    int devices = 0;
    int builds = 0;
    for (int i = 0; i < rows->n && st == ST_OK; i++) {
        const struct paper_row *r = &rows->v[i];
        if (!one_group(pack, row, r))
            continue;
        mine = i == at ? n : mine;
        published[n] = suspect(r) ? NAN : r->published.value;
        bool other = across_devices(pack, row, r);
        devices += other;
        builds +=
            !other && both_timed(pack, row, r) &&
            (ours_other_build(row->record, r->record) || ours_other_host(row->record, r->record));
        ours[n] = other ? NAN : r->ours.value;
        name[n++] = r->name;
    }
    if (st == ST_OK)
        row->verdict = paper_judge_order(n, published, ours, name, mine, row->why);
    if (devices)
        say(row, "%d of another device left out", devices);
    if (builds)
        say(row, "%d of another build or machine", builds);
    free(published);
    free(ours);
    free(name);
    return st;
}

static enum status judge(const struct pack *pack, const struct paper_machine *machine,
                         struct paper_rows *rows)
{
    for (int i = 0; i < rows->n; i++) {
        struct paper_row *row = &rows->v[i];
        row->verdict = PAPER_NOT_COMPARABLE;
        if (excused(machine, row))
            continue;
        if (row->failed || !isfinite(row->ours.value))
            explain_missing(row);
        else if (pack->order)
            TRY(judge_order(pack, rows, i));
        else
            judge_ratio(pack, rows, i);
    }
    return ST_OK;
}

/* ---- all of it ---- */

enum status paper_rows_make(const struct pack *pack, const struct paper_machine *machine,
                            const struct paper_cells *cells, const struct record_list *records,
                            struct paper_rows *out)
{
    static const struct paper_value none = {NAN, NAN, NAN, NAN};
    *out = (struct paper_rows){.v = calloc((size_t)pack->n + 1, sizeof *out->v)};
    if (!out->v)
        return fail(ST_OOM, "%s: no host memory", pack->path);
    out->n = pack->n;
    out->stand_in = machine->stand_in;
    for (int i = 0; i < out->n; i++) {
        struct paper_row *row = &out->v[i];
        row->point = &pack->v[i];
        row->cell = cells->of[i] < 0 ? NULL : &cells->v[cells->of[i]];
        row->published = row->ours = none;
        row->memory_gb = row->wire_mb = NAN;
        pack_name(row->point, sizeof row->name, row->name);
        pack_label(row->point, sizeof row->label, row->label);
        take_published(row);
        ours_take(pack, records, row);
    }
    take_ratios(pack, out);
    TRY(judge(pack, machine, out));
    for (int i = 0; i < out->n; i++)
        out->count[out->v[i].verdict]++;
    return ST_OK;
}

const struct paper_cell *paper_rows_cell(const struct paper_rows *rows)
{
    for (int i = 0; i < rows->n; i++)
        if (rows->v[i].cell)
            return rows->v[i].cell;
    return NULL;
}

char *paper_rows_hardware(const struct paper_rows *rows, size_t size, char *text)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < rows->n; i++) {
        const struct record *record = rows->v[i].record;
        char one[200];
        if (!record || strstr(text, env_hardware(&record->env, one, sizeof one)))
            continue;
        int n = snprintf(text + used, size - used, "%s%s", used ? "; " : "", one);
        used = used + (size_t)n < size ? used + (size_t)n : size - 1;
    }
    if (used == 0)
        snprintf(text, size, "no machine yet");
    return text;
}

void paper_rows_release(struct paper_rows *rows)
{
    free(rows->v);
    *rows = (struct paper_rows){0};
}

/* ---- as a file ---- */

static void put_number(FILE *out, double value)
{
    fputc(',', out);
    if (isfinite(value))
        fprintf(out, "%.6g", value);
}

static void put_text(FILE *out, const char *text)
{
    fputc(',', out);
    csv_out_text(out, text);
}

static void put_row(FILE *out, const struct paper_row *row)
{
    const struct published_line *line = row->point->line;
    csv_out_text(out, row->label);
    put_text(out, row->point->source);
    fprintf(out, ",%d", line ? line->number : 0);
    put_text(out, row->cell ? row->cell->cell.strategy : "");
    put_number(out, row->point->gpus);
    put_number(out, row->published.value);
    put_number(out, row->published.ratio);
    put_number(out, row->ours.value);
    put_number(out, row->ours.low);
    put_number(out, row->ours.high);
    put_number(out, row->ours.ratio);
    put_text(out, row->source);
    put_number(out, row->memory_gb);
    put_number(out, row->wire_mb);
    put_text(out, row->memory_source);
    put_text(out, paper_verdict_name(row->verdict));
    put_text(out, row->why);
    put_text(out, row->point->assumed ? "assumed" : "");
    put_text(out, line ? line->field[PUBLISHED_FLAG] : "");
    fputc('\n', out);
}

enum status paper_rows_write(const struct paper_rows *rows, const char *path)
{
    FILE *out;
    TRY(csv_out_open(path,
                     "point,source,line,strategy,gpus,published,published_ratio,ours,ours_low,"
                     "ours_high,ours_ratio,ours_from,memory_gb,sent_mb,memory_from,verdict,why,"
                     "degrees,flag",
                     &out));
    for (int i = 0; i < rows->n; i++)
        put_row(out, &rows->v[i]);
    return csv_out_close(out, path);
}
