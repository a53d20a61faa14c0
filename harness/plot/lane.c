/* SPDX-License-Identifier: Apache-2.0 */
/* Joining boxes. */
#include "harness/plot/lane.h"

#include <stdlib.h>

enum { LANE_KINDS = 8 };

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void lane_add(struct lane *lane, struct lane_box box, int64_t from, int64_t to)
{
    box.begin = later(box.begin, from);
    box.end = earlier(box.end, to);
    if (box.begin >= box.end)
        return;
    if ((lane->n & (lane->n - 1)) == 0) { // room: powers of two
        size_t room = lane->n ? 2 * (size_t)lane->n : 1;
        struct lane_box *more = realloc(lane->v, room * sizeof *more);
        if (!more) {
            lane->out_of_memory = true;
            return;
        }
        lane->v = more;
    }
    lane->v[lane->n++] = box;
}

void lane_release(struct lane *lane)
{
    free(lane->v);
    *lane = (struct lane){0};
}

static int by_begin(const void *a, const void *b)
{
    const struct lane_box *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end != y->end ? (x->end < y->end ? -1 : 1) : x->kind - y->kind;
}

void lane_merge(struct lane *lane, int64_t nearer)
{
    int n = 0;
    if (lane->n > 1)
        qsort(lane->v, (size_t)lane->n, sizeof *lane->v, by_begin);
    for (int i = 0; i < lane->n; i++) {
        struct lane_box box = lane->v[i], *last = n > 0 ? &lane->v[n - 1] : NULL;
        if (last && last->kind == box.kind && box.begin - last->end < nearer)
            last->end = later(last->end, box.end);
        else
            lane->v[n++] = box;
    }
    lane->n = n;
}

/* The kind with most time in a cell, of which box i is the first that ends behind its begin. */
static int most_of(const struct lane *lane, int i, int kinds, int64_t begin, int64_t end)
{
    int64_t ns[LANE_KINDS] = {0}, empty = end - begin;
    int most = -1;
    for (; i < lane->n && lane->v[i].begin < end; i++) {
        int64_t part = earlier(lane->v[i].end, end) - later(lane->v[i].begin, begin);
        if (part <= 0)
            continue;
        ns[lane->v[i].kind] += part;
        empty -= part;
    }
    for (int k = 0; k < kinds; k++)
        if (ns[k] > 0 && ns[k] >= empty && (most < 0 || ns[k] > ns[most]))
            most = k;
    return most;
}

void lane_coarsen(struct lane *lane, int kinds, int64_t from, int64_t cell)
{
    struct lane out = {0};
    BUG_ON(kinds > LANE_KINDS || cell < 1, "%d kinds in cells of %lld ns", kinds, (long long)cell);
    lane_merge(lane, 0);
    int64_t last = 0;
    for (int i = 0; i < lane->n; i++)
        last = later(last, lane->v[i].end);
    int i = 0;
    for (int64_t begin = from; lane->n > 0 && begin < last; begin += cell) {
        while (i < lane->n && lane->v[i].end <= begin)
            i++;
        int kind = most_of(lane, i, kinds, begin, begin + cell);
        if (kind < 0)
            continue;
        if (out.n > 0 && out.v[out.n - 1].kind == kind && out.v[out.n - 1].end == begin)
            out.v[out.n - 1].end = begin + cell;
        else
            lane_add(&out, (struct lane_box){begin, begin + cell, kind}, begin, begin + cell);
    }
    out.out_of_memory |= lane->out_of_memory;
    lane_release(lane);
    *lane = out;
}
