/* SPDX-License-Identifier: Apache-2.0 */
/* The lines below a picture that several charts have. */
#include "harness/plot/chart.h"
#include "harness/record/rounds.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* A list that grows up to its room; then it says how many more there are. */
struct list {
    char text[PLOT_TEXT];
    int more;
};

static void __attribute__((format(printf, 2, 3)))
list_add(struct list *list, const char *format, ...)
{
    char item[PLOT_TEXT];
    size_t length = strlen(list->text);
    va_list args;
    va_start(args, format);
    vsnprintf(item, sizeof item, format, args);
    va_end(args);
    if (list->more > 0 || length + strlen(item) + 3 > sizeof list->text)
        list->more++;
    else
        snprintf(list->text + length, sizeof list->text - length, "%s%s", length ? "; " : "", item);
}

static void list_end(struct plot_chart *chart, const char *what, const struct list *list)
{
    if (list->more > 0)
        plot_chart_note(chart, "%s: %s; and %d more", what, list->text, list->more);
    else if (list->text[0])
        plot_chart_note(chart, "%s: %s", what, list->text);
}

/* What rounds are joined in the points, and how far apart they were. */
static void note_rounds(struct plot_chart *chart, int n, const struct plot_point *points)
{
    int least = 0;
    int most = 0;
    double spread = 0;
    for (int i = 0; i < n; i++) {
        int rounds = points[i].record ? points[i].record->rounds.n : 0;
        if (rounds == 0)
            continue;
        least = least == 0 || rounds < least ? rounds : least;
        most = rounds > most ? rounds : most;
        spread = fmax(spread, record_rounds_spread(points[i].record));
    }
    if (most > 0 && least == most)
        plot_chart_note(chart, "%d rounds are joined; their medians lie within %.1f %%", most,
                        spread);
    else if (most > 0)
        plot_chart_note(chart, "%d to %d rounds are joined; their medians lie within %.1f %%",
                        least, most, spread);
}

void plot_note_loops(struct plot_chart *chart, int n, const struct plot_point *points,
                     const char *bars)
{
    int least = 0, most = 0;
    for (int i = 0; i < n; i++) {
        int loops = points[i].record ? points[i].record->latency_ms.samples.n : 0;
        if (loops > 0 && (least == 0 || loops < least))
            least = loops;
        most = loops > most ? loops : most;
    }
    if (least == most)
        plot_chart_note(chart, "points: median of n = %d loop%s; bars: %s", most,
                        most == 1 ? "" : "s", bars);
    else
        plot_chart_note(chart, "points: median of n = %d to %d loops; bars: %s", least, most, bars);
    note_rounds(chart, n, points);
}

void plot_note_places(struct plot_chart *chart, double places)
{
    fprintf(chart->out, "places = %g\n", places);
    if (places > 0)
        plot_chart_note(chart, "points that would cover each other stand side by side");
}

void plot_note_noisy(struct plot_chart *chart, int n, const struct plot_point *points,
                     bool with_size)
{
    char size[PLOT_NAME], name[PLOT_TEXT];
    int noisy = 0;
    bool wide = false;
    struct list list = {0};
    for (int i = 0; i < n; i++) {
        const struct record *r = points[i].record;
        if (!r || !record_has_flag(r, RECORD_NOISY))
            continue;
        noisy++;
        wide |= r->cell.stop.min_loops > 0;
        snprintf(name, sizeof name, "%s%s%s", sheet_peer(r) ? r->cell.backend : "",
                 sheet_peer(r) ? " " : "", r->cell.strategy);
        if (with_size)
            list_add(&list, "%s px %s", plot_text_size(&r->cell, size), name);
        else
            list_add(&list, "%s", name);
    }
    list_end(chart,
             wide
                 ? "ringed: noisy (p90 over 1.25 times p10, or a median not known well in its time)"
                 : "ringed: noisy (p90 over 1.25 times p10)",
             &list);
    fprintf(chart->out, "noisy = %d\n", noisy);
}

void plot_note_several(struct plot_chart *chart, int n, const struct plot_point *points,
                       bool by_ranks)
{
    for (int i = 0, end; i < n; i = end) {
        struct list list = {0};
        char size[PLOT_NAME], what[PLOT_TEXT];
        end = plot_points_end(n, points, i);
        if (!points[i].several)
            continue;
        for (int k = i; k < end; k++) {
            const struct record_cell *c = &points[k].record->cell;
            if (by_ranks)
                list_add(&list, "%d ranks %s", c->ranks, c->strategy);
            else
                list_add(&list, "%s px %s", plot_text_size(c, size), c->strategy);
        }
        snprintf(what, sizeof what, by_ranks ? "%s" : "%s of %d ranks", points[i].label,
                 points[i].record->cell.ranks);
        list_end(chart, what, &list);
    }
}

void plot_note_left_out(struct plot_chart *chart, int begin, int end, int slower)
{
    char text[PLOT_TEXT];
    sheet_left_out(end - begin, chart->job->sheet->sorted + begin, sizeof text, text);
    if (text[0])
        plot_chart_note(chart, "not drawn: %s (see table.md)", text);
    if (slower > 0)
        plot_chart_note(
            chart, "%d slower combination%s drawn as bars only; --strategies makes each a curve",
            slower, slower == 1 ? " is" : "s are");
}
