/* SPDX-License-Identifier: Apache-2.0 */
/* Bars, one row for each strategy under a heading for each rank count: bytes on the wire and memory
 * in MB (1e6 bytes), steps beside those of peers in ms. The number at a bar is its length. */
#include "harness/plot/chart.h"

#include "harness/base/text.h"
#include "harness/plot/gnuplot.h"
#include "harness/report/conditions.h"
#include "harness/report/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_COLUMNS = 56, MAX_AXES = 32, MOST_BARS = 100 };

static const double MB = 1e-6;

/* Walks the bars of a chart from top to bottom. */
struct bars {
    const struct plot_group *group;
    int min_ranks; /* cells with fewer ranks have none */
    bool own;      /* nor have those of peers */
    int place;     /* of the current cell */
    int n;         /* bars so far */
    int ranks;     /* of the current bar */
    double y;      /* its place; headings take one each, with half a place before them */
    bool heading;  /* the first bar of its rank count */
};

static struct bars bars_of(const struct plot_group *group, int min_ranks)
{
    return (struct bars){.group = group, .min_ranks = min_ranks, .place = -1};
}

static bool has_bar(const struct bars *b, const struct plot_cell *c)
{
    return c->row && c->asked->ranks >= b->min_ranks && !(b->own && c->peer);
}

/* The next bar's cell; NULL: no further one. */
static const struct plot_cell *bars_next(struct bars *b)
{
    while (++b->place < b->group->n && b->n < MOST_BARS) {
        const struct plot_cell *c = &b->group->cell[b->place];
        if (!has_bar(b, c))
            continue;
        b->heading = b->ranks != c->asked->ranks;
        b->y += 1 + (b->heading ? 1 : 0) + (b->heading && b->y > 0 ? 0.5 : 0);
        b->ranks = c->asked->ranks;
        b->n++;
        return c;
    }
    return NULL;
}

static int label_columns(const struct plot_options *options)
{
    double room = options->width_cm / 2.54 * 96 * 0.5 / 7.2;
    return options->width_cm > 0 ? (int)fmax(12, fmin(room, LABEL_COLUMNS)) : LABEL_COLUMNS;
}

/* What stands left of the bars: arrays bar[] (strategies) and heading[], with their places. */
static void put_rows(struct plot_chart *chart, struct bars b)
{
    char text[PLOT_TEXT], way[PLOT_WAY], label[2 * PLOT_TEXT];
    FILE *out = chart->out;
    int headings = 0, columns = 0;
    const char *const arrays[] = {"bar", "bar_y", "heading", "heading_y"};
    for (int i = 0; i < 4; i++)
        fprintf(out, "array %s[%d]\n", arrays[i], MOST_BARS);
    for (const struct plot_cell *c; (c = bars_next(&b));) {
        if (b.heading) {
            snprintf(text, sizeof text, "%d rank%s", b.ranks, b.ranks == 1 ? "" : "s");
            plot_gnuplot_element(out, "heading", ++headings, text);
            fprintf(out, "heading_y[%d] = %g\n", headings, b.y - 1);
        }
        const char *who = b.own ? "" : plot_group_program(b.group, c);
        snprintf(label, sizeof label, "%s%s%s%s", who, *who ? " " : "", c->asked->strategy,
                 plot_group_way(c->asked, way));
        text_shorten(label, label_columns(chart->job->options), sizeof text, text);
        plot_gnuplot_element(out, "bar", b.n, text);
        fprintf(out, "bar_y[%d] = %g\n", b.n, b.y);
        columns = text_columns(text) > columns ? text_columns(text) : columns;
    }
    plot_gnuplot_number(out, "bars", b.n);
    plot_gnuplot_number(out, "headings", headings);
    plot_gnuplot_number(out, "columns", columns);
    plot_gnuplot_number(out, "height_rows", b.y);
    plot_gnuplot_array(out, "amount", b.n);
}

static void note_rows(struct plot_chart *chart, struct bars b)
{
    int more = 0;
    for (int i = 0; i < b.group->n; i++)
        more += has_bar(&b, &b.group->cell[i]);
    while (bars_next(&b))
        more--;
    if (more > 0)
        plot_chart_note(chart, "%d further bars find no room; --strategies chooses others", more);
    plot_note_left_out(chart, b.group->begin, b.group->end, 0);
}

/* ---- bytes ---- */

static double comm_total(const struct record *r, const char *axis /* NULL: all */, bool predicted)
{
    double total = 0;
    for (int i = 0; i < r->comm.n; i++) {
        const struct record_comm *c = &r->comm.v[i];
        if (!axis || strcmp(c->axis, axis) == 0)
            total += (double)(predicted ? c->predicted_wire_bytes : c->wire_bytes);
    }
    return total * MB;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all axes with bytes, sorted; at most MAX_AXES. */
static int find_axes(struct bars b, const char *axes[MAX_AXES])
{
    int n = 0;
    for (const struct plot_cell *cell; (cell = bars_next(&b));) {
        const struct record_comms *comm = &cell->row->record->comm;
        for (int i = 0; i < comm->n && n < MAX_AXES; i++) {
            bool known = comm->v[i].wire_bytes == 0 && comm->v[i].predicted_wire_bytes == 0;
            for (int k = 0; k < n && !known; k++)
                known = strcmp(axes[k], comm->v[i].axis) == 0;
            if (!known)
                axes[n++] = comm->v[i].axis;
        }
    }
    qsort(axes, (size_t)n, sizeof *axes, compare_names);
    return n;
}

/* Segments of a bar: y, from, to, axis; one for each axis, counted or predicted. */
static void put_segments(FILE *out, struct bars b, int n, const char *const *axes, bool predicted)
{
    fprintf(out, "$%s << EOD\n", predicted ? "predicted" : "counted");
    for (const struct plot_cell *c; (c = bars_next(&b));) {
        double from = 0;
        for (int i = 0; i < n; i++) {
            double bytes = comm_total(c->row->record, axes[i], predicted);
            if (bytes > 0)
                fprintf(out, "%g %.9g %.9g %d\n", b.y, from, from + bytes, i + 1);
            from += bytes;
        }
    }
    fputs("EOD\n", out);
}

/* The numbers at the bars, and $totals: y, the longer of the two bars. */
static void put_totals(FILE *out, struct bars b)
{
    char counted[TEXT_NUMBER], predicted[TEXT_NUMBER], text[PLOT_TEXT];
    struct bars again = b;
    for (const struct plot_cell *c; (c = bars_next(&b));) {
        double is = comm_total(c->row->record, NULL, false);
        double wanted = comm_total(c->row->record, NULL, true);
        text_number(is, counted);
        text_number(wanted, predicted);
        if (is == wanted)
            snprintf(text, sizeof text, "%s MB", counted);
        else
            snprintf(text, sizeof text, "%s MB (closed form: %s)", counted, predicted);
        plot_gnuplot_element(out, "amount", b.n, text);
    }
    double longest = 0;
    fputs("$totals << EOD\n", out);
    for (const struct plot_cell *c; (c = bars_next(&again));) {
        double longer =
            fmax(comm_total(c->row->record, NULL, false), comm_total(c->row->record, NULL, true));
        fprintf(out, "%g %.9g\n", again.y, longer);
        longest = fmax(longest, longer);
    }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "x_high", longest * 1.02);
}

enum status plot_bars_bytes(struct plot_job *job, const struct plot_group *group)
{
    const char *axes[MAX_AXES];
    struct plot_chart chart;
    struct bars b = bars_of(group, 2);
    b.own = true; // peers count no bytes
    int n = find_axes(b, axes);
    if (n == 0)
        return ST_OK; // nothing was sent
    TRY(plot_chart_open(job, "bytes", "Bytes sent in one loop, all ranks", group->first, true,
                        &chart));
    put_rows(&chart, b);
    plot_gnuplot_number(chart.out, "axes", n);
    plot_gnuplot_array(chart.out, "axis", n);
    for (int i = 0; i < n; i++)
        plot_gnuplot_element(chart.out, "axis", i + 1, axes[i]);
    put_segments(chart.out, b, n, axes, false);
    put_segments(chart.out, b, n, axes, true);
    put_totals(chart.out, b);
    note_rows(&chart, b);
    return plot_chart_end(&chart, ST_OK);
}

/* ---- memory ---- */

static void put_memory(FILE *out, struct bars b)
{
    char number[TEXT_NUMBER], text[PLOT_TEXT];
    struct bars again = b;
    for (const struct plot_cell *c; (c = bars_next(&b));) {
        struct memory_share m = memory_fullest(&c->row->record->memory_bytes);
        snprintf(text, sizeof text, "%s MB", text_number(m.total * MB, number));
        plot_gnuplot_element(out, "amount", b.n, isnan(m.total) ? "not measured" : text);
    }
    double longest = 0, libraries = 0, undivided = 0;
    fputs("# place, weights, activations, key store, buffers, libraries, total, predicted", out);
    fputs(b.group->peers ? ", undivided\n" : "\n", out);
    fputs("$memory << EOD\n", out);
    for (const struct plot_cell *c; (c = bars_next(&again));) {
        struct memory_share m = memory_fullest(&c->row->record->memory_bytes);
        const double part[] = {m.weights, m.activations, m.kv_store, m.buffers,
                               m.library, m.total,       m.predicted};
        fprintf(out, "%g", again.y);
        for (int i = 0; i < 7; i++)
            fprintf(out, " %.9g", isnan(part[i]) ? 0 : part[i] * MB);
        double whole = c->peer && m.total > 0 ? m.total * MB : 0; // its parts are not known
        if (b.group->peers)
            fprintf(out, " %.9g", whole);
        fputc('\n', out);
        undivided = fmax(undivided, whole);
        longest = fmax(longest, fmax(m.total, m.predicted) * MB);
        libraries = fmax(libraries, m.library * MB);
    }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "x_high", longest * 1.02);
    plot_gnuplot_number(out, "libraries", libraries);
    if (b.group->peers)
        plot_gnuplot_number(out, "undivided", undivided);
}

enum status plot_bars_memory(struct plot_job *job, const struct plot_group *group)
{
    struct plot_chart chart;
    struct bars b = bars_of(group, 1);
    bool measured = false;
    for (int i = 0; i < group->n; i++)
        if (group->cell[i].row)
            measured |= memory_fullest(&group->cell[i].row->record->memory_bytes).total > 0;
    if (!measured)
        return ST_OK;
    TRY(plot_chart_open(job, "memory", "Memory of the fullest rank", group->first, true, &chart));
    put_rows(&chart, b);
    put_memory(chart.out, b);
    note_rows(&chart, b);
    return plot_chart_end(&chart, ST_OK);
}

/* ---- peers ---- */

enum { MOST_PROGRAMS = 16 };

/* The programs that have bars, in the order in which they have them. */
static int find_programs(struct bars b, const char *programs[MOST_PROGRAMS])
{
    int n = 0;
    for (const struct plot_cell *c; (c = bars_next(&b)) && n < MOST_PROGRAMS;) {
        int i = 0;
        while (i < n && strcmp(programs[i], plot_group_program(b.group, c)) != 0)
            i++;
        if (i == n)
            programs[n++] = plot_group_program(b.group, c);
    }
    return n;
}

static int place_among(int n, const char *const *programs, const char *program)
{
    int i = 0;
    while (i < n - 1 && strcmp(programs[i], program) != 0)
        i++;
    return i + 1;
}

/* Ours of the same strategy and ranks as a peer's; NULL: none is drawn. */
static const struct record *ours_of(const struct plot_group *group, const struct plot_cell *peer)
{
    for (int i = 0; i < group->n; i++) {
        const struct plot_cell *c = &group->cell[i];
        if (c->row && !c->peer && c->asked->ranks == peer->asked->ranks &&
            strcmp(c->asked->strategy, peer->asked->strategy) == 0)
            return c->row->record;
    }
    return NULL;
}

/* Bars in ms of a step: place, median, p10, p90, program. */
static void put_steps(FILE *out, struct bars b, int n, const char *const *programs)
{
    char number[TEXT_NUMBER], text[PLOT_TEXT];
    double longest = 0;
    struct bars again = b;
    for (const struct plot_cell *c; (c = bars_next(&b));) {
        const struct record *r = c->row->record, *ours = c->peer ? ours_of(b.group, c) : NULL;
        snprintf(text, sizeof text, "%s ms",
                 text_number(r->latency_ms.median / r->cell.steps, number));
        if (ours)
            snprintf(text + strlen(text), sizeof text - strlen(text), ", %.2f× ours",
                     r->latency_ms.median / ours->latency_ms.median);
        plot_gnuplot_element(out, "amount", b.n, text);
    }
    fputs("# place, ms of a step: median, p10, p90; program\n$steps << EOD\n", out);
    for (const struct plot_cell *c; (c = bars_next(&again));) {
        const struct record_latency *t = &c->row->record->latency_ms;
        double by = 1.0 / c->row->record->cell.steps;
        fprintf(out, "%g %.6g %.6g %.6g %d\n", again.y, t->median * by, t->p10 * by, t->p90 * by,
                place_among(n, programs, plot_group_program(again.group, c)));
        longest = fmax(longest, t->p90 * by);
    }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "x_high", longest * 1.02);
}

/* "xy: torch 2.11.0, diffusers 0.42.1" of each peer, by its first bar. */
static void note_programs(struct plot_chart *chart, struct bars b)
{
    const char *last = "";
    char text[PLOT_TEXT];
    for (const struct plot_cell *c; (c = bars_next(&b));) {
        const struct record_map *libraries = &c->row->record->env.libraries;
        if (!c->peer || strcmp(last, c->asked->backend) == 0 || libraries->n == 0)
            continue;
        last = c->asked->backend;
        text[0] = '\0';
        for (int i = 0; i < libraries->n; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s", i ? ", " : "",
                     libraries->v[i].name, libraries->v[i].value);
        plot_chart_note(chart, "%s: %s", last, text);
    }
}

enum status plot_bars_peers(struct plot_job *job, const struct plot_group *group)
{
    const char *programs[MOST_PROGRAMS];
    struct plot_chart chart;
    struct bars b = bars_of(group, 1);
    if (!group->peers)
        return ST_OK;
    int n = find_programs(b, programs);
    bool denoises = conditions_asked(&group->first->record->cell);
    TRY(plot_chart_open(job, "peers",
                        denoises ? "One denoising step beside other programs"
                                 : "One step beside other programs",
                        group->first, true, &chart));
    put_rows(&chart, b);
    plot_gnuplot_number(chart.out, "programs", n);
    plot_gnuplot_array(chart.out, "program", n);
    for (int i = 0; i < n; i++)
        plot_gnuplot_element(chart.out, "program", i + 1, programs[i]);
    put_steps(chart.out, b, n, programs);
    plot_chart_note(&chart, "latency of a loop / its steps: median and p10 to p90 of the loops");
    note_programs(&chart, b);
    note_rows(&chart, b);
    return plot_chart_end(&chart, ST_OK);
}
