/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings made by hand. */
#include "tests/harness/hand.h"

#include <criterion/criterion.h>

struct recording *hand_open(int ranks, int steps, int64_t end, bool on_host)
{
    static const char *const names[] = {"thread", "stream", "link"};
    struct recording *r;
    cr_assert_eq(recording_open(ranks, steps, &r), ST_OK);
    r->on_host = on_host;
    r->shape.n_axes = 1;
    r->shape.name[0] = recording_text(r, "a");
    r->shape.size[0] = ranks;
    r->shape.channels[0] = 2;
    for (int k = 0; k < ranks; k++) {
        r->rank[k].end = end;
        r->rank[k].complete = true;
        for (int s = 0; s < steps; s++)
            r->rank[k].step_end[s] = end * (s + 1) / steps;
        for (int t = 0; t < 3; t++)
            recording_add_track(r, k,
                                &(struct recorded_track){names[t], t != HAND_THREAD, (uint32_t)t});
    }
    return r;
}

int hand_range(struct recording *r, int rank, int parent, enum trace_kind kind, const char *name,
               int64_t begin, int64_t end, int peer)
{
    bool moves = kind == TRACE_COMM || kind == TRACE_WAIT || kind == TRACE_GROUP;
    struct recorded_range range = {.begin = begin,
                                   .end = end,
                                   .parent = parent,
                                   .kind = kind,
                                   .name = name,
                                   .axis = moves ? "a" : NULL,
                                   .index = -1,
                                   .peer = peer};
    return recording_add_range(r, rank, &range);
}

int hand_comm(struct recording *r, int rank, int parent, const char *name, int64_t begin,
              int64_t end, int peer, uint64_t bytes)
{
    int range = hand_range(r, rank, parent, TRACE_COMM, name, begin, end, peer);
    r->rank[rank].range[range].payload = bytes;
    r->rank[rank].range[range].wire = bytes;
    return range;
}

int hand_op(struct recording *r, int rank, int parent, int launch, int64_t begin, int64_t end)
{
    int64_t given = r->on_host || parent < 0 ? begin : r->rank[rank].range[parent].begin;
    int range = hand_range(r, rank, parent, TRACE_OP, "op", given, r->on_host ? end : given, -1);
    struct recorded_item item = {.begin = begin,
                                 .end = end,
                                 .name = "op",
                                 .track = r->on_host ? HAND_THREAD : HAND_STREAM,
                                 .range = range,
                                 .launch = launch,
                                 .call = RECORDED_NONE};
    return recording_add_item(r, rank, &item);
}

int hand_copy(struct recording *r, int rank, int comm, int64_t begin, int64_t end)
{
    int item = hand_op(r, rank, comm, RECORDED_NONE, begin, end);
    r->rank[rank].item[item].track = HAND_LINK;
    return item;
}

int hand_kernel(struct recording *r, int rank, int range, int launch, const char *name,
                int64_t begin, int64_t end)
{
    struct recorded_item item = {.begin = begin,
                                 .end = end,
                                 .name = name,
                                 .track = HAND_LINK,
                                 .range = range,
                                 .launch = launch,
                                 .call = RECORDED_NONE};
    return recording_add_item(r, rank, &item);
}
