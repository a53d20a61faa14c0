/* SPDX-License-Identifier: Apache-2.0 */
/* Bars, one row for each strategy under a heading for each rank count: bytes on the wire, memory.
 */
#include "harness/plot/chart.h"
#include "harness/plot/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_COLUMNS = 56, MAX_AXES = 32 };

/* Walks the rows of a chart from top to bottom. */
struct bars {
    const struct plot_rows *rows;
    int begin, end;
    int min_ranks; /* rows with fewer ranks are not drawn */
    int row;       /* current one */
    double y;      /* its place; headings take one each, with half a place before them */
    bool heading;  /* the first row of its rank count */
};

/* Rows with the same text and ranks as the next one are older runs of it. */
static bool superseded(const struct bars *b, int row)
{
    const struct record_cell *c = &b->rows->v[row]->cell;
    return row + 1 < b->end && b->rows->v[row + 1]->cell.ranks == c->ranks &&
           strcmp(b->rows->v[row + 1]->cell.strategy, c->strategy) == 0;
}

static void bars_begin(struct bars *b, const struct plot_rows *rows, int begin, int end,
                       int min_ranks)
{
    *b = (struct bars){
        .rows = rows, .begin = begin, .end = end, .min_ranks = min_ranks, .row = begin - 1};
}

static const struct record *bars_next(struct bars *b)
{
    int before = b->row;
    while (++b->row < b->end) {
        const struct record *r = b->rows->v[b->row];
        if (r->cell.ranks < b->min_ranks || superseded(b, b->row))
            continue;
        b->heading = b->y == 0 || b->rows->v[before]->cell.ranks != r->cell.ranks;
        b->y += 1 + (b->heading ? 1 : 0) + (b->heading && b->y > 0 ? 0.5 : 0);
        return r;
    }
    return NULL;
}

/* What stands left of the bars: arrays bar[] (strategies) and heading[], with their places. */
static void put_rows(FILE *out, struct bars b)
{
    char text[PLOT_TITLE];
    int bars = 0, headings = 0, columns = 0, room = b.end - b.begin;
    const char *const arrays[] = {"bar", "bar_y", "heading", "heading_y"};
    for (int i = 0; i < 4; i++)
        fprintf(out, "array %s[%d]\n", arrays[i], room);
    for (const struct record *r; (r = bars_next(&b));) {
        if (b.heading) {
            snprintf(text, sizeof text, "%d rank%s", r->cell.ranks, r->cell.ranks == 1 ? "" : "s");
            plot_gnuplot_element(out, "heading", ++headings, text);
            fprintf(out, "heading_y[%d] = %g\n", headings, b.y - 1);
        }
        plot_short_text(r->cell.strategy, LABEL_COLUMNS, text);
        plot_gnuplot_element(out, "bar", ++bars, text);
        fprintf(out, "bar_y[%d] = %g\n", bars, b.y);
        columns = (int)strlen(text) > columns ? (int)strlen(text) : columns;
    }
    plot_gnuplot_number(out, "bars", bars);
    plot_gnuplot_number(out, "headings", headings);
    plot_gnuplot_number(out, "columns", columns);
    plot_gnuplot_number(out, "height_rows", b.y);
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
    return total;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all axes with bytes, sorted; at most MAX_AXES. */
static int find_axes(struct bars b, const char *axes[MAX_AXES])
{
    int n = 0;
    for (const struct record *r; (r = bars_next(&b));) {
        for (int i = 0; i < r->comm.n && n < MAX_AXES; i++) {
            bool known = r->comm.v[i].wire_bytes == 0 && r->comm.v[i].predicted_wire_bytes == 0;
            for (int k = 0; k < n && !known; k++)
                known = strcmp(axes[k], r->comm.v[i].axis) == 0;
            if (!known)
                axes[n++] = r->comm.v[i].axis;
        }
    }
    qsort(axes, (size_t)n, sizeof *axes, compare_names);
    return n;
}

/* Segments of a bar: y, from, to, axis; one for each axis, counted or predicted. */
static void put_segments(FILE *out, struct bars b, int n, const char *const *axes, bool predicted,
                         double scale)
{
    fprintf(out, "$%s << EOD\n", predicted ? "predicted" : "counted");
    for (const struct record *r; (r = bars_next(&b));) {
        double from = 0;
        for (int i = 0; i < n; i++) {
            double bytes = comm_total(r, axes[i], predicted) * scale;
            if (bytes > 0)
                fprintf(out, "%g %.9g %.9g %d\n", b.y, from, from + bytes, i + 1);
            from += bytes;
        }
    }
    fputs("EOD\n", out);
}

enum status plot_bars_bytes(struct plot_job *job, int begin, int end)
{
    const char *axes[MAX_AXES];
    struct plot_chart chart;
    struct bars b;
    double largest = 0;
    bars_begin(&b, &job->rows, begin, end, 2);
    int n = find_axes(b, axes);
    if (n == 0)
        return ST_OK; // nothing was sent
    TRY(plot_chart_open(job, "bytes", "Bytes sent in one loop, all ranks", begin, end, true,
                        &chart));
    put_rows(chart.out, b);
    for (struct bars all = b; bars_next(&all);)
        largest = fmax(largest, comm_total(job->rows.v[all.row], NULL, false));
    struct plot_unit unit = plot_unit_bytes(largest);
    plot_gnuplot_text(chart.out, "unit", unit.name);
    plot_gnuplot_number(chart.out, "axes", n);
    plot_gnuplot_array(chart.out, "axis", n);
    for (int i = 0; i < n; i++)
        plot_gnuplot_element(chart.out, "axis", i + 1, axes[i]);
    put_segments(chart.out, b, n, axes, false, unit.scale);
    put_segments(chart.out, b, n, axes, true, unit.scale);
    fputs("$totals << EOD\n", chart.out);
    for (const struct record *r; (r = bars_next(&b));)
        fprintf(chart.out, "%g %.9g %.9g\n", b.y, comm_total(r, NULL, false) * unit.scale,
                comm_total(r, NULL, true) * unit.scale);
    fputs("EOD\n", chart.out);
    return plot_chart_draw(&chart);
}

/* ---- memory ---- */

static double at(const struct record_counts *list, int rank)
{
    return rank < list->n ? (double)list->v[rank] : 0;
}

/* The rank with the highest peak, the lowest of equal ones. */
static int fullest_rank(const struct record_memory *m)
{
    int fullest = 0;
    for (int i = 1; i < m->peak.n; i++)
        if (m->peak.v[i] > m->peak.v[fullest])
            fullest = i;
    return fullest;
}

enum status plot_bars_memory(struct plot_job *job, int begin, int end)
{
    struct plot_chart chart;
    struct bars b;
    double largest = 0;
    bars_begin(&b, &job->rows, begin, end, 1);
    for (struct bars all = b; bars_next(&all);) {
        const struct record_memory *m = &job->rows.v[all.row]->memory_bytes;
        largest = fmax(largest, at(&m->peak, fullest_rank(m)));
    }
    if (largest == 0)
        return ST_OK; // not measured
    TRY(plot_chart_open(job, "memory", "Memory of the fullest rank", begin, end, true, &chart));
    put_rows(chart.out, b);
    struct plot_unit unit = plot_unit_bytes(largest);
    plot_gnuplot_text(chart.out, "unit", unit.name);
    fputs("# place, weights, activations, key store, buffers, library, peak, predicted\n",
          chart.out);
    fputs("$memory << EOD\n", chart.out);
    for (const struct record *r; (r = bars_next(&b));) {
        const struct record_memory *m = &r->memory_bytes;
        const struct record_counts *part[] = {&m->weights,  &m->activations, &m->kv_store,
                                              &m->buffers,  &m->library,     &m->peak,
                                              &m->predicted};
        fprintf(chart.out, "%g", b.y);
        for (int i = 0; i < 7; i++)
            fprintf(chart.out, " %.9g", at(part[i], fullest_rank(m)) * unit.scale);
        fputc('\n', chart.out);
    }
    fputs("EOD\n", chart.out);
    return plot_chart_draw(&chart);
}
