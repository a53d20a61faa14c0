/* SPDX-License-Identifier: Apache-2.0 */
/* Bars, one row for each strategy under a heading for each rank count: bytes on the wire, memory.
 * All in MB (1e6 bytes), and the number at a bar is its length. */
#include "harness/plot/chart.h"

#include "harness/base/text.h"
#include "harness/plot/gnuplot.h"
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

/* The next bar's cell; NULL: no further one. */
static const struct plot_cell *bars_next(struct bars *b)
{
    while (++b->place < b->group->n && b->n < MOST_BARS) {
        const struct plot_cell *c = &b->group->cell[b->place];
        if (!c->row || c->asked->ranks < b->min_ranks)
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
        snprintf(label, sizeof label, "%s%s", c->asked->strategy, plot_group_way(c->asked, way));
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
        more += b.group->cell[i].row && b.group->cell[i].asked->ranks >= b.min_ranks;
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
    double longest = 0, libraries = 0;
    fputs("# place, weights, activations, key store, buffers, libraries, total, predicted\n", out);
    fputs("$memory << EOD\n", out);
    for (const struct plot_cell *c; (c = bars_next(&again));) {
        struct memory_share m = memory_fullest(&c->row->record->memory_bytes);
        const double part[] = {m.weights, m.activations, m.kv_store, m.buffers,
                               m.library, m.total,       m.predicted};
        fprintf(out, "%g", again.y);
        for (int i = 0; i < 7; i++)
            fprintf(out, " %.9g", isnan(part[i]) ? 0 : part[i] * MB);
        fputc('\n', out);
        longest = fmax(longest, fmax(m.total, m.predicted) * MB);
        libraries = fmax(libraries, m.library * MB);
    }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "x_high", longest * 1.02);
    plot_gnuplot_number(out, "libraries", libraries);
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
