/* SPDX-License-Identifier: Apache-2.0 */
/* Projects ranges onto tracks: every item widens the intervals of all ranges around it, which are
 * found by hash of range, launch and track. */
#include "harness/profile/projection.h"

#include <stdlib.h>
#include <string.h>

struct table {
    const struct recorded_rank *rank;
    int n;
    size_t room, slots; /* slots: a power of two, at least twice the room */
    struct projected *v;
    int *slot; /* [slots] index + 1; 0: free */
};

static size_t slot_of(const struct table *t, int range, int launch, int track)
{
    uint64_t h = (uint64_t)(uint32_t)range * 0x9e3779b97f4a7c15u;
    h = (h ^ (uint32_t)launch) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (uint32_t)track) * 0x94d049bb133111ebu;
    size_t at = (size_t)(h ^ h >> 31) & (t->slots - 1);
    for (; t->slot[at]; at = (at + 1) & (t->slots - 1)) {
        const struct projected *p = &t->v[t->slot[at] - 1];
        if (p->range == range && p->launch == launch && p->track == track)
            break;
    }
    return at;
}

static enum status grow(struct table *t)
{
    size_t room = t->room ? 2 * t->room : 64;
    struct projected *v = realloc(t->v, room * sizeof *v);
    if (v)
        t->v = v;
    int *slot = calloc(2 * room, sizeof *slot);
    if (!v || !slot) {
        free(slot);
        return fail(ST_OOM, "projection of %d items: no host memory", t->rank->items);
    }
    free(t->slot);
    t->slot = slot;
    t->slots = 2 * room;
    t->room = room;
    for (int i = 0; i < t->n; i++)
        t->slot[slot_of(t, v[i].range, v[i].launch, v[i].track)] = i + 1;
    return ST_OK;
}

static enum status widen(struct table *t, const struct recorded_item *item, int range, int launch,
                         int depth)
{
    if ((size_t)t->n == t->room)
        TRY(grow(t));
    int *slot = &t->slot[slot_of(t, range, launch, item->track)];
    if (!*slot) {
        t->v[t->n] = (struct projected){item->begin, item->end,  item->track, range,
                                        launch,      item->step, depth,       1};
        *slot = ++t->n;
        return ST_OK;
    }
    struct projected *p = &t->v[*slot - 1];
    p->begin = item->begin < p->begin ? item->begin : p->begin;
    p->end = item->end > p->end ? item->end : p->end;
    p->step = item->step == p->step ? p->step : RECORDED_NONE;
    p->items++;
    return ST_OK;
}

/* The range around this one as the device runs it: from the outermost that was captured on to the
 * launch, *launch then being none. */
static int outward(const struct recorded_rank *rank, int range, int *launch)
{
    int parent = rank->range[range].parent;
    if (*launch < 0)
        return parent;
    enum trace_kind kind = parent < 0 ? TRACE_GRAPH : rank->range[parent].kind;
    if (kind != TRACE_GRAPH && kind != TRACE_STEP && kind != TRACE_LOOP)
        return parent;
    parent = *launch;
    *launch = RECORDED_NONE;
    return parent;
}

/* Where an item's ranges begin: straight at the launch for one that was captured outside of all. */
static int innermost(const struct recorded_rank *rank, const struct recorded_item *item,
                     int *launch)
{
    *launch = item->launch;
    bool captured = item->launch >= 0 && item->range >= 0 && item->range != item->launch &&
                    rank->range[item->range].kind != TRACE_GRAPH;
    if (item->launch < 0 || captured)
        return item->range;
    *launch = RECORDED_NONE;
    return item->launch;
}

static enum status add(struct table *t, const struct recorded_item *item)
{
    int launch;
    int depth = -1;
    for (int r = innermost(t->rank, item, &launch); r >= 0; r = outward(t->rank, r, &launch))
        depth++;
    for (int r = innermost(t->rank, item, &launch); r >= 0; r = outward(t->rank, r, &launch))
        TRY(widen(t, item, r, launch, depth--));
    return ST_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct projected *x = a;
    const struct projected *y = b;
    if (x->track != y->track)
        return x->track < y->track ? -1 : 1;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return x->range < y->range ? -1 : x->range > y->range;
}

enum status projection_open(const struct recording *recording, int rank, struct projection *out)
{
    struct table t = {.rank = &recording->rank[rank]};
    enum status st = ST_OK;
    *out = (struct projection){.rank = rank};
    for (int i = 0; st == ST_OK && i < t.rank->items; i++)
        st = add(&t, &t.rank->item[i]);
    free(t.slot);
    if (st != ST_OK) {
        free(t.v);
        return fail_prefix(st, "rank %d", rank);
    }
    if (t.n)
        qsort(t.v, (size_t)t.n, sizeof *t.v, by_place);
    out->n = t.n;
    out->v = t.v;
    return ST_OK;
}

void projection_release(struct projection *projection)
{
    free(projection->v);
    *projection = (struct projection){0};
}
