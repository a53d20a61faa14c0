/* SPDX-License-Identifier: Apache-2.0 */
/* Unions, overlays and intersections of slices. What they stand for is not known here. */
#include "harness/profile/layers.h"

#include <stdlib.h>

void layers_release(struct layer *layer)
{
    free(layer->v);
    *layer = (struct layer){0};
}

void layers_add(struct layer *layer, const struct share_slice *slice)
{
    if (slice->begin >= slice->end || layer->out_of_memory)
        return;
    if (layer->n == layer->room) {
        int room = layer->room ? 2 * layer->room : 64;
        struct share_slice *more = realloc(layer->v, (size_t)room * sizeof *more);
        if (!more) {
            layer->out_of_memory = true;
            return;
        }
        layer->v = more;
        layer->room = room;
    }
    layer->v[layer->n++] = *slice;
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

void layers_flatten(struct layer *layer, int64_t begin, int64_t end)
{
    int kept = 0;
    if (layer->n > 0)
        qsort(layer->v, (size_t)layer->n, sizeof *layer->v, compare_slices);
    for (int i = 0; i < layer->n; i++) {
        struct share_slice slice = layer->v[i];
        slice.begin = slice.begin > begin ? slice.begin : begin;
        slice.end = slice.end < end ? slice.end : end;
        if (slice.begin >= slice.end)
            continue;
        begin = slice.end;
        layer->v[kept++] = slice;
    }
    layer->n = kept;
}

void layers_put_under(struct layer *top, const struct layer *below)
{
    struct layer out = {.out_of_memory = top->out_of_memory || below->out_of_memory};
    int t = 0;
    for (int i = 0; i < below->n; i++) {
        struct share_slice rest = below->v[i];
        for (; t < top->n && top->v[t].begin < rest.end; t++) {
            struct share_slice free_part = rest;
            free_part.end = top->v[t].begin;
            layers_add(&out, &free_part);
            if (top->v[t].end > rest.begin)
                rest.begin = top->v[t].end;
            if (rest.begin >= rest.end)
                break; /* it may reach over what comes next, too */
            layers_add(&out, &top->v[t]);
        }
        layers_add(&out, &rest);
    }
    for (; t < top->n; t++)
        layers_add(&out, &top->v[t]);
    layers_release(top);
    *top = out;
}

void layers_cross(const struct layer *a, const struct layer *b, struct layer *out)
{
    for (int i = 0, k = 0; i < a->n && k < b->n;) {
        struct share_slice both = a->v[i];
        both.begin = a->v[i].begin > b->v[k].begin ? a->v[i].begin : b->v[k].begin;
        both.end = a->v[i].end < b->v[k].end ? a->v[i].end : b->v[k].end;
        layers_add(out, &both);
        if (a->v[i].end < b->v[k].end)
            i++;
        else
            k++;
    }
}
