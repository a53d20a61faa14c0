/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the numbers of plots/figure.gp and plots/normalised.gp. */
#include "harness/paper/figure.h"

#include "harness/base/text.h"
#include "harness/plot/axis.h"
#include "harness/plot/gnuplot.h"
#include "harness/plot/picture.h"
#include "harness/plot/plot.h"

#include <math.h>
#include <string.h>

enum { MOST_BARS = 100, LABEL_COLUMNS = 68, NATURAL_PX = 900 };

static bool shown(const struct paper_row *row, bool normalised)
{
    double theirs = normalised ? row->published.ratio : row->published.value;
    double ours = normalised ? row->ours.ratio : row->ours.value;
    return !row->point->left_out && (theirs > 0 || ours > 0);
}

/* A row of one GPU is what others are measured by. */
static int pick(const struct paper_rows *rows, bool normalised,
                const struct paper_row *out[MOST_BARS], int *more)
{
    int n = 0;
    *more = 0;
    for (int i = 0; i < rows->n; i++) {
        const struct paper_row *row = &rows->v[i];
        if (!shown(row, normalised) || (normalised && row->point->gpus == 1))
            continue;
        if (n < MOST_BARS)
            out[n++] = row;
        else
            ++*more;
    }
    return n;
}

static void put_names(FILE *out, int n, const struct paper_row *const *row)
{
    char text[PAPER_LABEL];
    int columns = 0;
    plot_gnuplot_number(out, "bars", n);
    plot_gnuplot_number(out, "height_rows", n);
    plot_gnuplot_array(out, "bar", n);
    plot_gnuplot_array(out, "bar_y", n);
    for (int i = 0; i < n; i++) {
        const char *flag = row[i]->point->line ? row[i]->point->line->field[PUBLISHED_FLAG] : "";
        char name[PAPER_LABEL + 4];
        snprintf(name, sizeof name, "%s%s", row[i]->label, flag[0] ? " *" : "");
        text_shorten(name, LABEL_COLUMNS, sizeof text, text);
        plot_gnuplot_element(out, "bar", i + 1, text);
        fprintf(out, "bar_y[%d] = %d\n", i + 1, i + 1);
        columns = text_columns(text) > columns ? text_columns(text) : columns;
    }
    plot_gnuplot_number(out, "columns", columns);
}

/* "place value" of theirs and ours; the axis for both. */
static void put_values(FILE *out, int n, const struct paper_row *const *row, bool normalised)
{
    double low = INFINITY;
    double high = 0;
    for (int side = 0; side < 2; side++) {
        fprintf(out, "$%s << EOD\n", side ? "ours" : "published");
        for (int i = 0; i < n; i++) {
            const struct paper_value *v = side ? &row[i]->ours : &row[i]->published;
            double value = normalised ? v->ratio : v->value;
            if (!(value > 0)) {
                fprintf(out, "%d NaN NaN NaN\n", i + 1);
                continue;
            }
            if (normalised) // errors of ratios are not simply those of their parts
                fprintf(out, "%d %.9g %.9g %.9g\n", i + 1, value, value, value);
            else
                fprintf(out, "%d %.9g %.9g %.9g\n", i + 1, value, v->low, v->high);
            low = fmin(low, value);
            high = fmax(high, value);
        }
        fputs("EOD\n", out);
    }
    const struct plot_axis axis = plot_axis_values(low, high, PLOT_AXIS_LINEAR);
    plot_axis_put(out, "x", &axis);
}

/* Of what ran, not of what the pack asks for: a stand-in's steps are fewer. */
static void put_protocols(struct picture *picture, const struct pack *pack,
                          const struct paper_rows *rows)
{
    const struct pack_values *v = pack->values;
    const struct paper_cell *c = paper_rows_cell(rows);
    char machine[PAPER_HARDWARE];
    if (!c)
        return;
    picture_note(picture, "published: %s; steps: %s; %s", v->hardware, v->published_steps,
                 v->published_dtype);
    picture_note(picture, "ours: %s; steps: %.0f; %s",
                 rows->stand_in ? "a stand-in for tests, tiny models on the CPU"
                                : paper_rows_hardware(rows, sizeof machine, machine),
                 c->steps, c->cell.dtype);
}

static void put_notes(struct picture *picture, int n, const struct paper_row *const *row, int more)
{
    int flagged = 0;
    int assumed = 0;
    for (int i = 0; i < n; i++) {
        flagged += row[i]->point->line && row[i]->point->line->field[PUBLISHED_FLAG][0];
        assumed += row[i]->point->assumed;
    }
    if (flagged)
        picture_note(picture, "*: %d published value%s flagged; verdicts.csv says why", flagged,
                     flagged == 1 ? " is" : "s are");
    if (assumed)
        picture_note(picture, "%d rows: the figure does not state all degrees; ours are assumed",
                     assumed);
    if (more)
        picture_note(picture, "%d further rows find no room", more);
}

enum status figure_draw(const struct pack *pack, const struct paper_rows *rows, const char *folder,
                        bool normalised, double width_cm, bool *drawn)
{
    const struct paper_row *row[MOST_BARS];
    struct picture picture;
    bool missing = false;
    int more;
    int n = pick(rows, normalised, row, &more);
    *drawn = false;
    if (n == 0)
        return ST_OK;
    const struct picture_options options = {.folder = folder,
                                            .setting = pack->values->description,
                                            .quiet = true,
                                            .width_cm = width_cm,
                                            .formats = width_cm > 0 ? PLOT_SVG : 0};
    const char *title = normalised     ? (pack->memory ? "Memory of a rank over the single GPU's"
                                                       : "Speed-up over each one's own single GPU")
                        : pack->memory ? "Memory of the fullest rank, published and ours"
                                       : "Latency of a whole image or video, published and ours";
    TRY(picture_open(&options, normalised ? "normalised" : "figure", title, NATURAL_PX, &picture));
    put_names(picture.out, n, row);
    put_values(picture.out, n, row, normalised);
    plot_gnuplot_text(picture.out, "x_title",
                      normalised     ? (pack->memory ? "over one GPU" : "times faster")
                      : pack->memory ? "GB"
                                     : "seconds");
    put_protocols(&picture, pack, rows);
    put_notes(&picture, n, row, more);
    enum status st = picture_close(&picture, ST_OK, &missing);
    if (missing) {
        fprintf(stderr, "ditbench reproduce: %s\n", status_message());
        status_clear();
        return ST_OK;
    }
    *drawn = st == ST_OK;
    return st;
}
