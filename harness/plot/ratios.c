/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the numbers of plots/ratios.gp. */
#include "harness/plot/ratios.h"

#include "harness/base/text.h"
#include "harness/plot/gnuplot.h"

#include <math.h>

/* Columns of a name, of which about 7 pixels each stand left of the frame; pixels of all. */
enum { NAME_COLUMNS = 48, NATURAL_PX = 900, NARROW_PX = 450 };

/* Names stand left of the frame, or above their line in a picture that is too narrow for that. */
static int name_columns(const struct picture_options *options)
{
    double px = plot_gnuplot_pixels(options->width_cm);
    double room = px < NARROW_PX ? (px - 40) / 6.5 : px * 0.4 / 7.2;
    return px > 0 ? (int)fmax(12, fmin(room, NAME_COLUMNS)) : NAME_COLUMNS;
}

/* The arrays that bar_layout of plots/style.gp wants. */
static void put_names(struct picture *picture, const struct compare *compare, int n,
                      const struct compare_pair *const *pair)
{
    char name[COMPARE_NAME], text[COMPARE_NAME], number[TEXT_NUMBER];
    static const char *const arrays[] = {"bar", "bar_y", "amount"};
    FILE *out = picture->out;
    int columns = 0;
    plot_gnuplot_number(out, "bars", n);
    plot_gnuplot_number(out, "height_rows", n);
    for (int i = 0; i < 3; i++)
        plot_gnuplot_array(out, arrays[i], n);
    for (int i = 0; i < n; i++) {
        compare_name(compare, &pair[i]->side[0]->record->cell, name);
        text_shorten(name, name_columns(picture->options), sizeof text, text);
        plot_gnuplot_element(out, "bar", i + 1, text);
        fprintf(out, "bar_y[%d] = %d\n", i + 1, i + 1);
        columns = text_columns(text) > columns ? text_columns(text) : columns;
        plot_gnuplot_element(out, "amount", i + 1, text_number(pair[i]->ratio, number));
    }
    plot_gnuplot_number(out, "columns", columns);
}

/* The frame holds 1, the band and every interval, and a little more. */
static void put_ratios(struct picture *picture, const struct compare *compare, int n,
                       const struct compare_pair *const *pair)
{
    FILE *out = picture->out;
    double threshold = compare->options.threshold;
    double low = 1 - threshold, high = 1 + threshold;
    int verdicts[COMPARE_VERDICTS] = {0};
    fputs("# place, ratio, its interval, verdict (0 slower, 1 faster, 2 same, 3 ambiguous)\n"
          "$ratios << EOD\n",
          out);
    for (int i = 0; i < n; i++) {
        double from = isnan(pair[i]->low) ? pair[i]->ratio : pair[i]->low;
        double to = isnan(pair[i]->high) ? pair[i]->ratio : pair[i]->high;
        fprintf(out, "%d %.9g %.9g %.9g %d\n", i + 1, pair[i]->ratio, from, to,
                (int)pair[i]->verdict);
        low = fmin(low, fmin(from, pair[i]->ratio));
        high = fmax(high, fmax(to, pair[i]->ratio));
        verdicts[pair[i]->verdict]++;
    }
    fputs("EOD\n", out);
    bool logarithmic = high / low > 8; // three powers of two at least are labelled
    double margin = 0.04 * (logarithmic ? log(high / low) : high - low);
    plot_gnuplot_number(out, "x_log", logarithmic);
    plot_gnuplot_number(out, "x_low", logarithmic ? low * exp(-margin) : low - margin);
    plot_gnuplot_number(out, "x_high", logarithmic ? high * exp(margin) : high + margin);
    plot_gnuplot_number(out, "band_low", 1 - threshold);
    plot_gnuplot_number(out, "band_high", 1 + threshold);
    fprintf(out, "array present[4]\n");
    for (int v = 0; v < 4; v++)
        fprintf(out, "present[%d] = %d\n", v + 1, verdicts[v] > 0);
}

static void put_notes(struct picture *picture, const struct compare *compare, int n, int left_out)
{
    int forced = 0;
    for (int i = 0; i < compare->pairs; i++)
        forced += compare->pair[i].forced;
    picture_note(picture,
                 "%d cell%s; bars are 95%% intervals of the ratio of medians by bootstrap; shaded: "
                 "less than the threshold of %g%%",
                 n, n == 1 ? "" : "s", 100 * compare->options.threshold);
    if (left_out > 0)
        picture_note(picture, "not shown: %d further cell%s, without a ratio or without room",
                     left_out, left_out == 1 ? "" : "s");
    if (forced > 0)
        picture_note(picture, "%d cell%s ran in another cohort: compared by force", forced,
                     forced == 1 ? "" : "s");
}

enum status ratios_draw(const struct compare *compare, const struct picture_options *options,
                        bool *missing)
{
    const struct compare_pair *pair[RATIOS_MOST];
    struct picture picture;
    int n = 0;
    *missing = false;
    for (int i = 0; i < compare->pairs; i++)
        if (n < RATIOS_MOST && isfinite(compare->pair[i].ratio))
            pair[n++] = &compare->pair[i];
    if (n == 0)
        return fail(ST_INVALID, "ratios: none of %d cells of %s and %s has loops in both",
                    compare->pairs, compare->file[0].path, compare->file[1].path);
    TRY(picture_open(options, "ratios", options->title ? options->title : "Latency, B over A",
                     NATURAL_PX, &picture));
    put_names(&picture, compare, n, pair);
    put_ratios(&picture, compare, n, pair);
    put_notes(&picture, compare, n, compare->pairs - n);
    return picture_close(&picture, ST_OK, missing);
}
