/* SPDX-License-Identifier: Apache-2.0 */
/* A search over places around each point, one name after the other, in every order. */
#include "harness/plot/names.h"

#include <math.h>
#include <string.h>

enum { WAYS = 12, RINGS = 12 };

/* What is given. */
struct frame {
    double width, height;
    int boxes;
    const struct names_box *box;
};

/* ---- geometry ---- */

static double overlap(const struct names_box *a, const struct names_box *b)
{
    double width = fmin(a->right, b->right) - fmax(a->left, b->left);
    double height = fmin(a->top, b->top) - fmax(a->bottom, b->bottom);
    return width > 0 && height > 0 ? width * height : 0;
}

/* Cuts [*from, *to] of a line at + t by down to where it lies between low and high. */
static void clip(double at, double by, double low, double high, double *from, double *to)
{
    if (fabs(by) < 1e-9) {
        if (at < low || at > high)
            *to = -1;
        return;
    }
    double first = (low - at) / by, last = (high - at) / by;
    *from = fmax(*from, fmin(first, last));
    *to = fmin(*to, fmax(first, last));
}

/* The line of one point passes through a box. */
static bool passes(const struct names_point *p, const struct names_box *box)
{
    double from = 0, to = 1;
    clip(p->x, p->end_x - p->x, box->left, box->right, &from, &to);
    clip(p->y, p->end_y - p->y, box->bottom, box->top, &from, &to);
    return from < to;
}

static double side(const struct names_point *p, double x, double y)
{
    return (p->end_x - p->x) * (y - p->y) - (p->end_y - p->y) * (x - p->x);
}

static bool lines_cross(const struct names_point *a, const struct names_point *b)
{
    return side(a, b->x, b->y) * side(a, b->end_x, b->end_y) < 0 &&
           side(b, a->x, a->y) * side(b, a->end_x, a->end_y) < 0;
}

/* ---- one name ---- */

static void put(struct names_point *p, double x, double y)
{
    p->name = (struct names_box){x - p->width / 2, x + p->width / 2, y - p->height / 2,
                                 y + p->height / 2};
    p->end_x = fmax(p->name.left, fmin(p->name.right, p->x));
    p->end_y = fmax(p->name.bottom, fmin(p->name.top, p->y));
    p->far = hypot(p->end_x - p->x, p->end_y - p->y) > p->radius + 7;
}

/* How bad a place is beside the k names that stand already. */
static double cost_of(const struct frame *frame, const struct names_point *p, int k,
                      struct names_point *const *placed)
{
    const struct names_box *b = &p->name;
    double outside = fmax(0, -b->left) + fmax(0, b->right - frame->width) + fmax(0, -b->bottom) +
                     fmax(0, b->top - frame->height);
    double cost = 1000 * outside + 0.2 * hypot(p->end_x - p->x, p->end_y - p->y);
    for (int i = 0; i < frame->boxes; i++)
        cost += overlap(b, &frame->box[i]);
    for (int i = 0; i < k; i++) {
        cost += 10 * overlap(b, &placed[i]->name);
        cost += p->far && passes(p, &placed[i]->name) ? 400 : 0;
        cost += placed[i]->far && passes(placed[i], b) ? 400 : 0;
        cost += p->far && placed[i]->far && lines_cross(p, placed[i]) ? 200 : 0;
    }
    return cost;
}

static double place_one(const struct frame *frame, struct names_point *p, int k,
                        struct names_point *const *placed)
{
    struct names_point best = *p;
    double least = INFINITY;
    for (int ring = 0; ring < RINGS; ring++)
        for (int w = 0; w < WAYS; w++) {
            double angle = 2 * 3.14159265358979 * w / WAYS;
            double off = p->radius + 4 + 13.0 * ring;
            put(p, p->x + cos(angle) * off + round(cos(angle) * 1.2) * p->width / 2,
                p->y + sin(angle) * off + round(sin(angle) * 1.2) * p->height / 2);
            double cost = cost_of(frame, p, k, placed);
            if (cost < least) {
                least = cost;
                best = *p;
            }
        }
    *p = best;
    return least;
}

/* ---- all orders ---- */

struct search {
    struct frame frame;
    int n;
    double least;
    struct names_point *point;
    struct names_point best[NAMES_MOST];
    struct names_point *placed[NAMES_MOST];
};

static void place_rest(struct search *s, int k, unsigned used, double cost)
{
    if (cost >= s->least)
        return;
    if (k == s->n) {
        s->least = cost;
        memcpy(s->best, s->point, (size_t)s->n * sizeof *s->best);
        return;
    }
    for (int i = 0; i < s->n; i++) {
        if (used & 1u << i)
            continue;
        s->placed[k] = &s->point[i];
        double more = place_one(&s->frame, &s->point[i], k, s->placed);
        place_rest(s, k + 1, used | 1u << i, cost + more);
    }
}

void names_place(double width, double height, int boxes, const struct names_box *box, int n,
                 struct names_point *point)
{
    struct search s = {
        .frame = {width, height, boxes, box}, .n = n, .least = INFINITY, .point = point};
    if (n < 1 || n > NAMES_MOST)
        return;
    place_rest(&s, 0, 0, 0);
    memcpy(point, s.best, (size_t)n * sizeof *point);
}
