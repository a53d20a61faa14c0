/* SPDX-License-Identifier: Apache-2.0 */
/* Nests slices with a stack of those that are open. */
#include "harness/profile/trace_track.h"

#include <stdlib.h>

void trace_track_release(struct trace_track *track)
{
    free(track->v);
    *track = (struct trace_track){0};
}

enum status trace_track_add(struct trace_track *track, const struct trace_slice *slice)
{
    if ((size_t)track->n == track->room) {
        size_t room = track->room ? 2 * track->room : 256;
        struct trace_slice *v = realloc(track->v, room * sizeof *v);
        if (!v)
            return fail(ST_OOM, "timeline: no host memory for a track of %zu slices", room);
        track->v = v;
        track->room = room;
    }
    struct trace_slice *to = &track->v[track->n++];
    *to = *slice;
    if (to->end < to->begin)
        to->end = to->begin;
    return ST_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct trace_slice *x = a;
    const struct trace_slice *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    bool ranges = x->kind < TRACE_SLICE_CALL && y->kind < TRACE_SLICE_CALL;
    if (ranges && x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

void trace_track_sort(struct trace_track *track)
{
    if (track->n)
        qsort(track->v, (size_t)track->n, sizeof *track->v, by_time);
}

bool trace_track_fit(const struct trace_track *track, struct trace_slice *range)
{
    int64_t *end[2] = {&range->begin, &range->end};
    const struct trace_slice before = *range;
    for (int e = 0; e < 2; e++) {
        int low = 0;
        int high = track->n;
        while (low < high) {
            int middle = low + (high - low) / 2;
            if (track->v[middle].begin < *end[e])
                low = middle + 1;
            else
                high = middle;
        }
        if (low > 0 && track->v[low - 1].end > *end[e])
            *end[e] = e ? track->v[low - 1].begin : track->v[low - 1].end;
    }
    return range->begin == before.begin && range->end == before.end;
}

enum status trace_track_nest(struct trace_track *track)
{
    if (track->n == 0)
        return ST_OK;
    trace_track_sort(track);
    int *stack = malloc((size_t)track->n * sizeof *stack);
    if (!stack)
        return fail(ST_OOM, "timeline: no host memory for a track of %d slices", track->n);
    int open = 0;
    for (int i = 0; i < track->n; i++) {
        struct trace_slice *s = &track->v[i];
        while (open > 0 && track->v[stack[open - 1]].end <= s->begin)
            open--;
        struct trace_slice *around = open > 0 ? &track->v[stack[open - 1]] : NULL;
        if (around && s->end > around->end) {
            s->end = around->end;
            track->cut++;
        }
        stack[open++] = i;
    }
    free(stack);
    return ST_OK;
}
