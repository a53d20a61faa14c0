/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a profile's pictures. */
#include "harness/plot/picture.h"

#include "harness/base/folder.h"
#include "harness/plot/gnuplot.h"
#include "harness/plot/plot.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_LINES = 16, NOTE_LINES = 32 };

static void put_head(struct picture *picture, const char *title)
{
    const struct picture_options *options = picture->options;
    FILE *out = picture->out;
    fprintf(out,
            "# The data of one picture. To draw it again, in the folder above:\n"
            "#   gnuplot -d -e \"format='svg'\" data/%s.gp PLOTS/style.gp PLOTS/%s.gp\n"
            "# with ditbench's folder plots/ for PLOTS; svg, png or pdf.\n",
            picture->name, picture->name);
    plot_gnuplot_text(out, "name", picture->name);
    plot_gnuplot_number(out, "wanted_px", plot_gnuplot_pixels(options->width_cm));
    fprintf(out, "array title_line[%d]\narray head_line[%d]\narray note[%d]\n", HEAD_LINES,
            HEAD_LINES, NOTE_LINES);
    int lines = plot_gnuplot_folded(out, "title_line", 0, HEAD_LINES, title,
                                    plot_gnuplot_columns(picture->width_cm, true));
    plot_gnuplot_number(out, "title_lines", lines);
    lines = plot_gnuplot_folded(out, "head_line", 0, HEAD_LINES,
                                options->setting ? options->setting : "",
                                plot_gnuplot_columns(picture->width_cm, false));
    plot_gnuplot_number(out, "head_lines", lines);
}

enum status picture_open(const struct picture_options *options, const char *name, const char *title,
                         double natural_px, struct picture *out)
{
    char path[PATH_MAX];
    *out = (struct picture){.options = options, .name = name, .width_cm = options->width_cm};
    if (out->width_cm <= 0)
        out->width_cm = natural_px / plot_gnuplot_pixels(1);
    snprintf(path, sizeof path, "%s/data/%s.gp", options->folder, name);
    TRY(folder_make_above(path));
    out->out = fopen(path, "we");
    if (!out->out)
        return fail(ST_IO, "plot: %s cannot be written: %s", path, strerror(errno));
    put_head(out, title);
    return ST_OK;
}

void picture_note(struct picture *picture, const char *format, ...)
{
    char text[PICTURE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = strlen(text);
    if (length >= 2 && strcmp(text + length - 2, "; ") == 0)
        text[length - 2] = '\0';
    picture->notes = plot_gnuplot_folded(picture->out, "note", picture->notes, NOTE_LINES, text,
                                         plot_gnuplot_columns(picture->width_cm, false));
}

double picture_frame(struct picture *picture, double beside, double otherwise)
{
    double wanted = plot_gnuplot_pixels(picture->options->width_cm);
    double px = wanted > 0 ? fmax(60, wanted - beside) : otherwise;
    plot_gnuplot_number(picture->out, "plot_px", px);
    return px;
}

/* Draws with the templates that there are. */
static enum status draw(const struct picture *picture, bool *missing)
{
    char *share;
    unsigned formats = picture->options->formats;
    TRY(plot_gnuplot_share(&share));
    struct plot_drawing drawing = {.share = share,
                                   .template_name = picture->name,
                                   .folder = picture->options->folder,
                                   .name = picture->name,
                                   .width_cm = picture->options->width_cm,
                                   .quiet = picture->options->quiet};
    enum status st = plot_gnuplot_draw(&drawing, formats ? formats : PLOT_SVG | PLOT_PNG, missing);
    free(share);
    return st;
}

enum status picture_close(struct picture *picture, enum status st, bool *missing)
{
    *missing = false;
    plot_gnuplot_number(picture->out, "notes", picture->notes);
    bool broken = ferror(picture->out) != 0;
    if (fclose(picture->out) != 0 || broken)
        return fail(ST_IO, "plot: %s/data/%s.gp could not be written", picture->options->folder,
                    picture->name);
    return st ? st : draw(picture, missing);
}
