/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the fullest rank. */
#include "harness/report/memory.h"

#include <math.h>

static double at(const struct record_counts *list, int rank)
{
    return rank < list->n ? (double)list->v[rank] : 0;
}

struct memory_share memory_fullest(const struct record_memory *m)
{
    struct memory_share most = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    for (int i = 0; i < m->peak.n; i++) {
        double total = at(&m->peak, i) + at(&m->library, i);
        if (total <= most.total)
            continue;
        most = (struct memory_share){
            .total = total,
            .own = at(&m->peak, i),
            .predicted = at(&m->predicted, i),
            .weights = at(&m->weights, i),
            .activations = at(&m->activations, i),
            .kv_store = at(&m->kv_store, i),
            .buffers = at(&m->buffers, i),
            .library = at(&m->library, i),
        };
    }
    return most;
}
