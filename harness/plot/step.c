/* SPDX-License-Identifier: Apache-2.0 */
/* Means of steps, and bars of them. How they look: plots/step.gp. */
#include "harness/plot/step.h"

#include "harness/base/text.h"
#include "harness/plot/gnuplot.h"
#include "harness/plot/step_file.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Characters of a bar's name, and pixels that a picture has at least, where no width is wanted. */
enum { NAME_COLUMNS = 48, NAME_BYTES = 256, NATURAL_PX = 900, NARROW_PX = 450 };

/* ---- means ---- */

struct step_mean step_mean_of(int rows, const struct breakdown_row *row, int rank, int first)
{
    struct step_mean mean = {.rank = rank};
    for (int i = 0; i < rows; i++) {
        if (row[i].rank != rank || row[i].step < first)
            continue;
        mean.steps++;
        mean.total_ms += row[i].total_ms;
        for (int s = 0; s < SHARES; s++)
            mean.ms[s] += row[i].ms[s];
    }
    for (int s = 0; s < SHARES && mean.steps > 0; s++)
        mean.ms[s] /= mean.steps;
    mean.total_ms = mean.steps > 0 ? mean.total_ms / mean.steps : 0;
    return mean;
}

static int rank_after(int rows, const struct breakdown_row *row, int rank)
{
    int next = INT_MAX;
    for (int i = 0; i < rows; i++)
        if (row[i].rank > rank && row[i].rank < next)
            next = row[i].rank;
    return next;
}

struct step_mean step_slowest(int rows, const struct breakdown_row *row, int first)
{
    struct step_mean slowest = {.rank = -1};
    for (int r = -1; (r = rank_after(rows, row, r)) != INT_MAX;) {
        struct step_mean mean = step_mean_of(rows, row, r, first);
        if (mean.steps > 0 && (slowest.steps == 0 || mean.total_ms > slowest.total_ms))
            slowest = mean;
    }
    return slowest;
}

/* ---- bars ---- */

struct bar {
    char name[NAME_BYTES];
    struct step_mean mean;
};

/* Names stand left of the bars, or above them in a picture that is too narrow for that. */
static int name_columns(const struct picture_options *options)
{
    double px = plot_gnuplot_pixels(options->width_cm);
    double room = px < NARROW_PX ? (px - 40) / 6.5 : px * 0.4 / 7.2;
    return px > 0 ? (int)fmax(12, fmin(room, NAME_COLUMNS)) : NAME_COLUMNS;
}

/* The arrays that bar_layout of plots/style.gp wants. */
static void put_names(struct picture *picture, int n, const struct bar *bar)
{
    char text[NAME_BYTES], number[TEXT_NUMBER];
    FILE *out = picture->out;
    int columns = 0;
    plot_gnuplot_number(out, "bars", n);
    plot_gnuplot_number(out, "height_rows", n);
    const char *const arrays[] = {"bar", "bar_y", "amount"};
    for (int i = 0; i < 3; i++)
        plot_gnuplot_array(out, arrays[i], n);
    for (int i = 0; i < n; i++) {
        text_shorten(bar[i].name, name_columns(picture->options), sizeof text, text);
        plot_gnuplot_element(out, "bar", i + 1, text);
        fprintf(out, "bar_y[%d] = %d\n", i + 1, i + 1);
        columns = text_columns(text) > columns ? text_columns(text) : columns;
        snprintf(text, sizeof text, "%s ms", text_number(bar[i].mean.total_ms, number));
        plot_gnuplot_element(out, "amount", i + 1, text);
    }
    plot_gnuplot_number(out, "columns", columns);
}

static void put_bars(struct picture *picture, int n, const struct bar *bar)
{
    FILE *out = picture->out;
    double longest = 0, sum[SHARES] = {0};
    put_names(picture, n, bar);
    fputs("# place, compute, exposed communication, bubble, wait, gaps, other (ms)\n"
          "$step << EOD\n",
          out);
    for (int i = 0; i < n; i++) {
        double length = 0;
        fprintf(out, "%d", i + 1);
        for (int s = 0; s < SHARES; s++) {
            fprintf(out, " %.6g", bar[i].mean.ms[s]);
            length += bar[i].mean.ms[s];
            sum[s] += bar[i].mean.ms[s];
        }
        fputc('\n', out);
        longest = fmax(longest, length);
    }
    fputs("EOD\n", out);
    fprintf(out, "array present[%d]\n", SHARES);
    for (int s = 0; s < SHARES; s++)
        fprintf(out, "present[%d] = %d\n", s + 1, sum[s] > 0);
    plot_gnuplot_number(out, "x_high", longest > 0 ? longest * 1.02 : 1);
}

static enum status draw(int n, const struct bar *bar, const char *what,
                        const struct step_options *options, const char *note, bool *missing)
{
    char title[PICTURE_TEXT];
    struct picture picture;
    const char *given = options->picture.title;
    snprintf(title, sizeof title, "%s%s%s", what, given && *given ? ": " : "", given ? given : "");
    *missing = false;
    TRY(picture_open(&options->picture, "step", title, NATURAL_PX, &picture));
    put_bars(&picture, n, bar);
    picture_note(&picture, "%s", note);
    if (options->note && *options->note)
        picture_note(&picture, "%s", options->note);
    return picture_close(&picture, ST_OK, missing);
}

/* ---- what is drawn ---- */

static enum status no_steps(const char *whose, int first)
{
    return fail(ST_INVALID, "step: %s has no step from %d on; warm-up leaves none to draw", whose,
                first);
}

enum status step_draw(const struct breakdown *breakdown, const struct step_options *options,
                      bool *missing)
{
    char note[PICTURE_TEXT];
    int n = 0, ranks = 0, steps = 0;
    struct bar *bar = calloc(STEP_BARS, sizeof *bar);
    *missing = false;
    if (!bar)
        return fail(ST_OOM, "step: no host memory for %d bars", STEP_BARS);
    for (int r = -1; (r = rank_after(breakdown->rows, breakdown->row, r)) != INT_MAX; ranks++) {
        struct step_mean mean = step_mean_of(breakdown->rows, breakdown->row, r, options->first);
        if (mean.steps == 0 || n == STEP_BARS)
            continue;
        snprintf(bar[n].name, sizeof bar[n].name, "rank %d", r);
        bar[n++].mean = mean;
        steps = mean.steps > steps ? mean.steps : steps;
    }
    snprintf(note, sizeof note, "mean of %d step%s from step %d on%s", steps, steps == 1 ? "" : "s",
             options->first + 1, n < ranks ? "; further ranks find no room or have no step" : "");
    enum status st = n == 0 ? no_steps("the profile", options->first)
                            : draw(n, bar, "Time of a step", options, note, missing);
    free(bar);
    return st;
}

static enum status read_bar(const struct step_profile *profile, struct bar *bar)
{
    char path[PATH_MAX];
    int rows;
    struct breakdown_row *row;
    snprintf(path, sizeof path, "%s/breakdown.csv", profile->folder);
    TRY(step_file_read(path, &rows, &row));
    snprintf(bar->name, sizeof bar->name, "%s", profile->label);
    bar->mean = step_slowest(rows, row, profile->first);
    free(row);
    return bar->mean.steps > 0 ? ST_OK : no_steps(path, profile->first);
}

enum status step_compare(int n, const struct step_profile *profile,
                         const struct step_options *options, bool *missing)
{
    enum status st = ST_OK;
    *missing = false;
    if (n < 1 || n > STEP_BARS)
        return fail(ST_INVALID, "step: %d profiles to compare, wanted 1 to %d", n, STEP_BARS);
    struct bar *bar = calloc((size_t)n, sizeof *bar);
    if (!bar)
        return fail(ST_OOM, "step: no host memory for %d bars", n);
    for (int i = 0; i < n && !st; i++)
        st = read_bar(&profile[i], &bar[i]);
    if (!st)
        st = draw(n, bar, "Time of a step, slowest rank", options,
                  "mean over the steps behind the warm-up, of the rank whose steps take longest",
                  missing);
    free(bar);
    return st;
}
