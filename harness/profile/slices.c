/* SPDX-License-Identifier: Apache-2.0 */
/* Unions, overlays and intersections of slices. What they stand for is not known here. */
#include "harness/profile/slices.h"

#include <stdlib.h>

void slices_release(struct slices *slices)
{
    free(slices->v);
    *slices = (struct slices){0};
}

void slices_add(struct slices *slices, const struct share_slice *slice)
{
    if (slice->begin >= slice->end || slices->out_of_memory)
        return;
    if (slices->n == slices->room) {
        int room = slices->room ? 2 * slices->room : 64;
        struct share_slice *more = realloc(slices->v, (size_t)room * sizeof *more);
        if (!more) {
            slices->out_of_memory = true;
            return;
        }
        slices->v = more;
        slices->room = room;
    }
    slices->v[slices->n++] = *slice;
}

static int compare_slices(const void *a, const void *b)
{
    const struct share_slice *x = a;
    const struct share_slice *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return x->message < y->message ? -1 : x->message > y->message;
}

void slices_flatten(struct slices *slices, int64_t begin, int64_t end)
{
    int kept = 0;
    if (slices->n > 0)
        qsort(slices->v, (size_t)slices->n, sizeof *slices->v, compare_slices);
    for (int i = 0; i < slices->n; i++) {
        struct share_slice slice = slices->v[i];
        slice.begin = slice.begin > begin ? slice.begin : begin;
        slice.end = slice.end < end ? slice.end : end;
        if (slice.begin >= slice.end)
            continue;
        begin = slice.end;
        slices->v[kept++] = slice;
    }
    slices->n = kept;
}

void slices_put_under(struct slices *top, const struct slices *below)
{
    struct slices out = {.out_of_memory = top->out_of_memory || below->out_of_memory};
    int t = 0;
    for (int i = 0; i < below->n; i++) {
        struct share_slice rest = below->v[i];
        for (; t < top->n && top->v[t].begin < rest.end; t++) {
            struct share_slice free_part = rest;
            free_part.end = top->v[t].begin;
            slices_add(&out, &free_part);
            if (top->v[t].end > rest.begin)
                rest.begin = top->v[t].end;
            if (rest.begin >= rest.end)
                break; /* it may reach over what comes next, too */
            slices_add(&out, &top->v[t]);
        }
        slices_add(&out, &rest);
    }
    for (; t < top->n; t++)
        slices_add(&out, &top->v[t]);
    slices_release(top);
    *top = out;
}

void slices_cross(const struct slices *a, const struct slices *b, struct slices *out)
{
    for (int i = 0, k = 0; i < a->n && k < b->n;) {
        struct share_slice both = a->v[i];
        both.begin = a->v[i].begin > b->v[k].begin ? a->v[i].begin : b->v[k].begin;
        both.end = a->v[i].end < b->v[k].end ? a->v[i].end : b->v[k].end;
        slices_add(out, &both);
        if (a->v[i].end < b->v[k].end)
            i++;
        else
            k++;
    }
}
