/* SPDX-License-Identifier: Apache-2.0 */
/* A recording sink; asserts nothing. */
#include "tests/support/ranges.h"

#include <stdlib.h>
#include <string.h>

static void push(void *self, const struct trace_range *range)
{
    struct ranges *r = self;
    if (r->n == r->room) {
        r->room = r->room ? 2 * r->room : 256;
        r->v = realloc(r->v, (size_t)r->room * sizeof *r->v);
        BUG_ON(!r->v, "no memory for %d ranges", r->room);
    }
    r->v[r->n] = (struct ranges_one){*range, r->open, false};
    r->open = r->n++;
}

static void pop(void *self)
{
    struct ranges *r = self;
    if (r->open < 0) {
        r->pops++;
        return;
    }
    r->v[r->open].closed = true;
    r->open = r->v[r->open].parent;
}

void ranges_begin(struct ranges *ranges)
{
    *ranges = (struct ranges){.sink = {.push = push, .pop = pop, .self = ranges}, .open = -1};
    trace_add(&ranges->sink);
}

void ranges_end(struct ranges *ranges)
{
    trace_remove(&ranges->sink);
}

void ranges_release(struct ranges *ranges)
{
    free(ranges->v);
    *ranges = (struct ranges){.open = -1};
}

const struct trace_range *ranges_around(const struct ranges *ranges, int i, enum trace_kind kind)
{
    for (i = ranges->v[i].parent; i >= 0; i = ranges->v[i].parent)
        if (ranges->v[i].range.kind == kind)
            return &ranges->v[i].range;
    return NULL;
}

int ranges_count(const struct ranges *ranges, enum trace_kind kind, const char *name)
{
    int count = 0;
    for (int i = 0; i < ranges->n; i++) {
        const struct trace_range *range = &ranges->v[i].range;
        count += range->kind == kind && (!name || strcmp(range->name, name) == 0);
    }
    return count;
}
