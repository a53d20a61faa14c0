/* SPDX-License-Identifier: Apache-2.0 */
/* Points, roofs, and places for names. How they look: plots/roofline.gp. */
#include "harness/plot/roofline.h"

#include "harness/base/text.h"
#include "harness/plot/axis.h"
#include "harness/plot/gnuplot.h"
#include "harness/plot/kind.h"
#include "harness/plot/names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BESIDE_PX = 84 + 20,
    FRAME_PX = 620,
    ROOFS = 16,
    NAME_COLUMNS = 28,
    NAME_BYTES = 160,
    LEGEND_COLUMNS = 32,
    NARROW_PX = 400,
    SLOPE = 48 /* of a line, as boxes */
};

/* Pixels: the radius of the largest point, of that in a narrow frame, and of the smallest; a
 * character of a name, and a line. */
static const double LARGEST = 15, LARGEST_NARROW = 9, SMALLEST = 2.5, LETTER = 6.4, LINE = 15;

struct point {
    const struct hot_row *row;
    double x, y, radius; /* x, y: pixels from the frame's left bottom */
};

/* A ceiling of computation. */
struct roof {
    const char *what;
    int head; /* of attention; else 0 */
    double tflops;
};

struct roofline {
    int points, roofs;
    struct point *point; /* [points] by time, falling */
    struct roof roof[ROOFS];
    double gbs;      /* of traffic; 0: not measured */
    double left_out; /* percent of time of rows without a point */
    double px, px_high;
    struct plot_axis x, y;
};

/* ---- points ---- */

static int by_time(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->row->total != y->row->total)
        return x->row->total < y->row->total ? 1 : -1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void find_points(const struct hot *hot, struct roofline *r)
{
    double all = 0, shown = 0;
    for (int i = 0; i < hot->rows; i++) {
        const struct hot_row *row = &hot->row[i];
        all += row->total;
        if (!(row->intensity > 0 && isfinite(row->intensity) && row->tflops > 0))
            continue;
        r->point[r->points++].row = row;
        shown += row->total;
    }
    r->left_out = all > 0 ? 100 * (all - shown) / all : 0;
    if (r->points > 1)
        qsort(r->point, (size_t)r->points, sizeof *r->point, by_time);
}

/* ---- ceilings ---- */

static void add_roof(struct roofline *r, const char *what, int head,
                     const struct ceilings_rate *rate)
{
    if (rate && r->roofs < ROOFS)
        r->roof[r->roofs++] = (struct roof){what, head, ceilings_tflops(rate)};
}

/* Attention of the model's head dim, of the next larger that was measured, or of all. */
static void find_attention(const struct ceilings_set *set, int head, struct roofline *r)
{
    int next = 0;
    for (int i = 0; i < set->n; i++) {
        int h = set->rate[i].kind == CEILINGS_ATTENTION ? set->rate[i].head : 0;
        if (head > 0 && h >= head && (next == 0 || h < next))
            next = h;
    }
    if (next > 0) {
        add_roof(r, "attention", next, ceilings_best(set, CEILINGS_ATTENTION, next, -1));
        return;
    }
    for (int last = 0, h; r->roofs < ROOFS; last = h) { // rising
        h = 0;
        for (int i = 0; i < set->n; i++) {
            int own = set->rate[i].kind == CEILINGS_ATTENTION ? set->rate[i].head : 0;
            if (own > last && (h == 0 || own < h))
                h = own;
        }
        if (h == 0)
            return;
        add_roof(r, "attention", h, ceilings_best(set, CEILINGS_ATTENTION, h, -1));
    }
}

static void find_roofs(const struct hot_device *device, struct roofline *r)
{
    const struct ceilings *ceilings = device->ceilings;
    if (!ceilings)
        return;
    for (int d = 0; d < DTYPE_COUNT; d++) { // traffic is the same in all dtypes
        const struct ceilings_rate *best =
            ceilings->have[d] ? ceilings_best(&ceilings->set[d], CEILINGS_TRAFFIC, 0, -1) : NULL;
        if (best && (r->gbs == 0 || d == (int)device->dtype))
            r->gbs = ceilings_gbps(best);
    }
    if (!ceilings->have[device->dtype])
        return;
    const struct ceilings_set *set = &ceilings->set[device->dtype];
    add_roof(r, "products", 0, ceilings_best(set, CEILINGS_PRODUCT, 0, -1));
    find_attention(set, device->head, r);
}

/* FLOPs a byte at which as much time goes into computing as into moving. */
static double ridge(const struct roofline *r, double tflops)
{
    return r->gbs > 0 ? 1000 * tflops / r->gbs : 0;
}

/* ---- frame ---- */

static void widen(double value, double *low, double *high)
{
    if (value > 0) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

/* Logarithmic always, with room for points at its ends. */
static struct plot_axis axis_of(double low, double high)
{
    if (high < 30 * low) {
        double middle = sqrt(low * high);
        low = middle / 5.5;
        high = middle * 5.5;
    }
    return plot_axis_values(low / 1.4, high * 1.6, 1);
}

/* Keeps powers of ten alone where labels would cover each other, and of these every second, third,
 * ... */
static void thin_ticks(struct plot_axis *axis, double px, double least)
{
    bool close = false;
    double decade = px / log10(axis->high / axis->low);
    for (int i = 1; i < axis->n; i++)
        close |= decade * log10(axis->tick[i] / axis->tick[i - 1]) < least;
    int every = (int)ceil(least / decade), n = 0;
    for (int i = 0; close && i < axis->n; i++) {
        int power = (int)lround(log10(axis->tick[i]));
        if (fabs(axis->tick[i] / pow(10, power) - 1) < 1e-6 && power % every == 0)
            axis->tick[n++] = axis->tick[i];
    }
    axis->n = close ? n : axis->n;
}

static void find_frame(struct roofline *r)
{
    double x_low = INFINITY, x_high = 0, y_low = INFINITY, y_high = 0;
    for (int i = 0; i < r->points; i++) {
        widen(r->point[i].row->intensity, &x_low, &x_high);
        widen(r->point[i].row->tflops, &y_low, &y_high);
    }
    for (int i = 0; i < r->roofs; i++) {
        widen(r->roof[i].tflops, &y_low, &y_high);
        widen(ridge(r, r->roof[i].tflops) * 4, &x_low, &x_high);
    }
    if (x_high == 0) // ceilings of computation alone
        widen(100, &x_low, &x_high);
    if (y_high == 0) // that of traffic alone
        widen(r->gbs * x_high / 1000, &y_low, &y_high);
    r->x = axis_of(x_low, x_high);
    r->y = axis_of(y_low, y_high);
    thin_ticks(&r->x, r->px, 36);
    thin_ticks(&r->y, r->px_high, 16);
    double largest = r->px < NARROW_PX ? LARGEST_NARROW : LARGEST;
    for (int i = 0; i < r->points; i++) {
        double part = r->point[i].row->total / r->point[0].row->total;
        r->point[i].radius = fmax(SMALLEST, largest * sqrt(part));
        r->point[i].x = r->px * plot_axis_share(&r->x, r->point[i].row->intensity);
        r->point[i].y = r->px_high * plot_axis_share(&r->y, r->point[i].row->tflops);
    }
}

/* ---- names ---- */

/* A row's name; with its kernel's where another row that gets a name has the same operation. */
static void name_of(const struct roofline *r, int i, char text[NAME_BYTES])
{
    const struct hot_row *row = r->point[i].row;
    const char *name = row->range && *row->range ? row->range : row->name;
    char all[2 * NAME_BYTES];
    bool twice = false;
    for (int k = 0; k < r->points && k < ROOFLINE_LABELS; k++)
        twice |= k != i && strcmp(r->point[k].row->range, row->range) == 0;
    if (twice)
        snprintf(all, sizeof all, "%s: %s", name, row->name);
    text_shorten(twice ? all : name, NAME_COLUMNS, NAME_BYTES - 16, text);
    size_t length = strlen(text);
    snprintf(text + length, NAME_BYTES - length, " %.*f\u00a0%%", row->percent < 9.95 ? 1 : 0,
             row->percent);
}

/* What names should not cover: points and lines. How many boxes; ROOFS + SLOPE more than points at
 * most. */
static int find_obstacles(const struct roofline *r, struct names_box *box)
{
    int n = 0;
    double highest = 0;
    for (; n < r->points; n++) {
        const struct point *p = &r->point[n];
        box[n] = (struct names_box){p->x - p->radius, p->x + p->radius, p->y - p->radius,
                                    p->y + p->radius};
    }
    for (int i = 0; i < r->roofs; i++) {
        double left = r->px * plot_axis_share(&r->x, fmax(r->x.low, ridge(r, r->roof[i].tflops)));
        double y = r->px_high * plot_axis_share(&r->y, r->roof[i].tflops);
        box[n++] = (struct names_box){left, r->px, y - 1, y + 1};
        highest = fmax(highest, r->roof[i].tflops);
    }
    double end = highest > 0 ? fmin(r->x.high, ridge(r, highest)) : r->x.high;
    for (int i = 0; i < SLOPE && r->gbs > 0; i++) {
        double at = r->x.low * pow(end / r->x.low, (i + 0.5) / SLOPE);
        double x = r->px * plot_axis_share(&r->x, at), half = 0.5 * r->px / SLOPE;
        double y = r->px_high * plot_axis_share(&r->y, r->gbs * at / 1000);
        box[n++] = (struct names_box){x - half, x + half, y - half, y + half};
    }
    return n;
}

static void put_names(const struct roofline *r, FILE *out, struct names_box *obstacle)
{
    struct names_point at[ROOFLINE_LABELS];
    char text[NAME_BYTES];
    int n = r->points < ROOFLINE_LABELS ? r->points : ROOFLINE_LABELS;
    plot_gnuplot_number(out, "names", n);
    plot_gnuplot_array(out, "point_name", n);
    for (int i = 0; i < n; i++) {
        const struct point *p = &r->point[i];
        name_of(r, i, text);
        plot_gnuplot_element(out, "point_name", i + 1, text);
        at[i] = (struct names_point){.x = p->x,
                                     .y = p->y,
                                     .radius = p->radius,
                                     .width = LETTER * text_columns(text),
                                     .height = LINE};
    }
    names_place(r->px, r->px_high, find_obstacles(r, obstacle), obstacle, n, at);
    fputs(
        "# middle of a name, its point, where a line from there ends: parts of the frame; whether "
        "there is one\n$names << EOD\n",
        out);
    for (int i = 0; i < n; i++)
        fprintf(out, "%.5f %.5f %.5f %.5f %.5f %.5f %d\n",
                (at[i].name.left + at[i].name.right) / 2 / r->px,
                (at[i].name.bottom + at[i].name.top) / 2 / r->px_high, at[i].x / r->px,
                at[i].y / r->px_high, at[i].end_x / r->px, at[i].end_y / r->px_high, at[i].far);
    fputs("EOD\n", out);
}

/* ---- the prelude ---- */

static void put_points(const struct roofline *r, FILE *out)
{
    int n[KINDS] = {0};
    fputs("# FLOPs a byte, TFLOP/s, radius in pixels, kind, total time in ms\n$points << EOD\n",
          out);
    for (int i = 0; i < r->points; i++) {
        const struct hot_row *row = r->point[i].row;
        enum kind kind = kind_of_names(row->name, row->range);
        n[kind]++;
        fprintf(out, "%.6g %.6g %.4g %d %.6g\n", row->intensity, row->tflops, r->point[i].radius,
                (int)kind + 1, row->total * 1e-6);
    }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "points_n", r->points);
    fprintf(out, "array points_of[%d] = [%d, %d, %d, %d]\n", KINDS, n[0], n[1], n[2], n[3]);
}

static void put_roofs(const struct roofline *r, FILE *out)
{
    char text[NAME_BYTES], number[TEXT_NUMBER];
    plot_gnuplot_number(out, "traffic", r->gbs);
    plot_gnuplot_number(out, "roofs", r->roofs);
    int room =
        r->roofs > 0 ? r->roofs : 1; /* the template looks at them even where there are none */
    plot_gnuplot_array(out, "roof", room);
    plot_gnuplot_array(out, "roof_name", room);
    plot_gnuplot_element(out, "roof_name", 1, "");
    fputs("roof[1] = NaN\n", out);
    for (int i = 0; i < r->roofs; i++) {
        const struct roof *roof = &r->roof[i];
        char head[32] = "";
        if (roof->head > 0)
            snprintf(head, sizeof head, ", heads of %d", roof->head);
        snprintf(text, sizeof text, "%s%s: %s TFLOP/s", roof->what, head,
                 text_number(roof->tflops, number));
        fprintf(out, "roof[%d] = %.6g\n", i + 1, roof->tflops);
        plot_gnuplot_element(out, "roof_name", i + 1, text);
    }
    snprintf(text, sizeof text, "traffic: %s GB/s", text_number(r->gbs, number));
    plot_gnuplot_text(out, "traffic_name", text);
}

static void put_notes(const struct roofline *r, struct picture *picture)
{
    picture_note(picture, "points: a kernel within one operation of the model, all ranks and steps "
                          "together; area: its time; lines: the best that was measured on this "
                          "device");
    if (r->roofs == 0)
        picture_note(picture, "no ceilings of computation were measured here in this dtype: "
                              "ditbench ceilings does it");
    if (r->left_out >= 0.05)
        picture_note(picture,
                     "%.1f%% of the time belongs to kernels that compute nothing, or "
                     "whose work is not known: no points",
                     r->left_out);
}

enum status roofline_draw(const struct hot *hot, const struct hot_device *device,
                          const struct roofline_options *options, bool *missing)
{
    char title[PICTURE_TEXT];
    struct picture picture;
    struct roofline r = {0};
    const char *given = options->picture.title;
    *missing = false;
    r.point = calloc((size_t)hot->rows + 1, sizeof *r.point);
    struct names_box *box = calloc((size_t)hot->rows + ROOFS + SLOPE, sizeof *box);
    enum status st = r.point && box ? ST_OK : fail(ST_OOM, "roofline: no host memory");
    if (st)
        goto out_free;
    find_points(hot, &r);
    find_roofs(device, &r);
    if (r.points == 0 && r.roofs == 0 && r.gbs == 0) {
        st = fail(ST_INVALID,
                  "roofline: none of %d kernels has work that is known, and no "
                  "ceilings were measured; ditbench ceilings measures them",
                  hot->rows);
        goto out_free;
    }
    snprintf(title, sizeof title, "Roofline%s%s", given && *given ? ": " : "", given ? given : "");
    st = picture_open(&options->picture, "roofline", title, BESIDE_PX + FRAME_PX, &picture);
    if (st)
        goto out_free;
    r.px = picture_frame(&picture, BESIDE_PX, FRAME_PX);
    r.px_high = fmax(260, fmin(440, 0.72 * r.px));
    plot_gnuplot_number(picture.out, "plot_h", r.px_high);
    plot_gnuplot_number(picture.out, "columns", LEGEND_COLUMNS);
    find_frame(&r);
    plot_axis_put(picture.out, "x", &r.x);
    plot_axis_put(picture.out, "y", &r.y);
    put_roofs(&r, picture.out);
    put_points(&r, picture.out);
    put_names(&r, picture.out, box);
    put_notes(&r, &picture);
    st = picture_close(&picture, ST_OK, missing);
out_free:
    free(r.point);
    free(box);
    return st;
}
