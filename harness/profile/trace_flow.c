/* SPDX-License-Identifier: Apache-2.0 */
/* Binds arrows to slices. */
#include "harness/profile/trace_flow.h"

#include <stdlib.h>

enum {
    SLACK = 1000,
    LOOK_BACK = 64
}; /* ns that two clocks of a rank may differ; items looked at */

bool trace_flow_drawn(const struct recorded_rank *rank, int range)
{
    return range >= 0 && rank->range[range].track >= 0 && rank->range[range].end > rank->begin;
}

/* ---- where a message begins and ends ---- */

/* Items of a rank's device, in two orders. */
struct finder {
    const struct recorded_rank *rank;
    int n, moves;
    struct found {
        int item, range; /* range: the communication, or the wait, that it was given in */
        int64_t begin;
    } * v,   /* [n] by begin */
        *by; /* [moves] of those with a range: by range, begin */
};

static int by_begin(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static int by_range(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->range != y->range)
        return x->range < y->range ? -1 : 1;
    return by_begin(a, b);
}

static enum status open_finder(const struct recorded_rank *rank, bool on_host, struct finder *out)
{
    *out = (struct finder){.rank = rank, .n = on_host ? 0 : rank->items};
    if (out->n == 0)
        return ST_OK;
    out->v = malloc((size_t)out->n * sizeof *out->v);
    out->by = malloc((size_t)out->n * sizeof *out->by);
    if (!out->v || !out->by)
        return fail(ST_OOM, "timeline: no host memory for the order of %d items", out->n);
    for (int i = 0; i < out->n; i++) {
        const struct recorded_item *item = &rank->item[i];
        int range = recording_communication(rank, item->range);
        out->v[i] = (struct found){i, range, item->begin};
        if (range >= 0)
            out->by[out->moves++] = out->v[i];
    }
    qsort(out->v, (size_t)out->n, sizeof *out->v, by_begin);
    qsort(out->by, (size_t)out->moves, sizeof *out->by, by_range);
    return ST_OK;
}

static void close_finder(struct finder *f)
{
    free(f->v);
    free(f->by);
}

/* How many of v begin at `at` or before. */
static int begun(const struct finder *f, int64_t at)
{
    int low = 0;
    int high = f->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (f->v[middle].begin <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t distance(const struct recorded_item *item, int64_t at)
{
    return at < item->begin ? item->begin - at : at > item->end ? at - item->end : 0;
}

/* The item of a communication that is nearest to an instant, or RECORDED_NONE. */
static int item_of(const struct finder *f, int range, int64_t at)
{
    int low = 0;
    int high = f->moves;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (f->by[middle].range < range)
            low = middle + 1;
        else
            high = middle;
    }
    int best = RECORDED_NONE;
    for (; low < f->moves && f->by[low].range == range; low++) {
        const struct recorded_item *item = f->rank->item;
        int i = f->by[low].item;
        if (best < 0 || distance(&item[i], at) < distance(&item[best], at))
            best = i;
    }
    return best;
}

/* What moves data at an instant: one kernel of NCCL carries out several posts. */
static int moving_at(const struct finder *f, int64_t at)
{
    int i = begun(f, at + SLACK) - 1;
    for (int looked = 0; i >= 0 && looked < LOOK_BACK; i--, looked++)
        if (f->v[i].range >= 0 && f->rank->item[f->v[i].item].end + SLACK >= at)
            return f->v[i].item;
    return RECORDED_NONE;
}

/* Which range of the host a receiver has a message in: the receive itself, where it lasted until
 * then, or the next wait that did. */
static int arrived_in(const struct recorded_rank *rank, const struct message *m)
{
    int receive = m->receive;
    if (!trace_flow_drawn(rank, receive) || rank->range[receive].end >= m->end)
        return receive;
    const struct recorded_range *of = &rank->range[receive];
    for (int i = receive + 1; i < rank->ranges; i++) {
        const struct recorded_range *r = &rank->range[i];
        if (r->kind == TRACE_WAIT && r->track == of->track && r->end >= m->end &&
            (r->axis == of->axis || !r->axis))
            return i;
    }
    return receive;
}

static struct trace_flow bind_end(const struct finder *f, const struct message *m, bool start)
{
    struct trace_flow end = {start ? m->begin : m->end, TRACE_SLICE_ITEM, 0, start, true, 0};
    int range = start ? m->send : m->receive;
    end.index = item_of(f, range, end.at);
    if (end.index < 0 && f->n)
        end.index = moving_at(f, end.at);
    if (end.index >= 0)
        return end;
    range = start ? m->send : arrived_in(f->rank, m);
    if (trace_flow_drawn(f->rank, range)) {
        end.kind = TRACE_SLICE_RANGE;
        end.index = range;
        end.at = start ? m->sent : m->end;
        return end;
    }
    /* Copied by the other side, in a graph: from what ran before, to what ran after. */
    int i = start ? begun(f, end.at) - 1 : begun(f, end.at - 1);
    end.index = i >= 0 && i < f->n ? f->v[i].item : RECORDED_NONE;
    return end;
}

static void clip(const struct recorded_rank *rank, struct trace_flow *end)
{
    bool item = end->kind == TRACE_SLICE_ITEM;
    int64_t begin = item ? rank->item[end->index].begin : rank->range[end->index].begin;
    int64_t last = item ? rank->item[end->index].end : rank->range[end->index].end;
    end->at = end->at > last ? last : end->at;
    end->at = end->at < begin ? begin : end->at;
}

/* An arrow does not point back, but for what two clocks may be off. */
static void settle(const struct recording *recording, const struct message *m,
                   struct trace_route *route)
{
    const struct recorded_rank *from = &recording->rank[m->from];
    const struct recorded_rank *to = &recording->rank[m->to];
    route->bound = route->from.index >= 0 && route->to.index >= 0;
    if (!route->bound)
        return;
    clip(from, &route->from);
    clip(to, &route->to);
    if (route->from.at > route->to.at) {
        route->from.at = route->to.at;
        clip(from, &route->from);
    }
    if (route->from.at > route->to.at) {
        route->to.at = route->from.at;
        clip(to, &route->to);
    }
    int64_t off = SLACK + from->clock_error + to->clock_error;
    route->bound = route->from.at <= route->to.at + off;
}

enum status trace_flow_routes(const struct recording *recording, const struct messages *messages,
                              struct trace_route **out)
{
    *out = NULL;
    if (!messages || messages->n == 0)
        return ST_OK;
    struct trace_route *routes = calloc((size_t)messages->n, sizeof *routes);
    if (!routes)
        return fail(ST_OOM, "timeline: no host memory for %d messages", messages->n);
    enum status st = ST_OK;
    for (int r = 0; st == ST_OK && r < recording->ranks; r++) {
        struct finder f;
        st = open_finder(&recording->rank[r], recording->on_host, &f);
        for (int i = 0; st == ST_OK && i < messages->n; i++) {
            if (messages->v[i].from == r)
                routes[i].from = bind_end(&f, &messages->v[i], true);
            if (messages->v[i].to == r)
                routes[i].to = bind_end(&f, &messages->v[i], false);
        }
        close_finder(&f);
    }
    if (st != ST_OK) {
        free(routes);
        return st;
    }
    for (int i = 0; i < messages->n; i++) {
        routes[i].from.id = routes[i].to.id = (uint32_t)i + 1;
        settle(recording, &messages->v[i], &routes[i]);
    }
    *out = routes;
    return ST_OK;
}

/* ---- all ends at a rank ---- */

static enum status add(struct trace_flows *flows, const struct trace_flow *end)
{
    if ((size_t)flows->n == flows->room) {
        size_t room = flows->room ? 2 * flows->room : 256;
        struct trace_flow *v = realloc(flows->v, room * sizeof *v);
        if (!v)
            return fail(ST_OOM, "timeline: no host memory for %zu ends of arrows", room);
        flows->v = v;
        flows->room = room;
    }
    flows->v[flows->n++] = *end;
    return ST_OK;
}

static int by_call(const void *a, const void *b)
{
    const struct recorded_item *x = *(const struct recorded_item *const *)a;
    const struct recorded_item *y = *(const struct recorded_item *const *)b;
    if (x->call != y->call)
        return x->call < y->call ? -1 : 1;
    if (x->track != y->track)
        return x->track < y->track ? -1 : 1;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* An arrow to what a call started; of a graph, to the first on each stream. */
static enum status add_calls(const struct recorded_rank *rank, uint32_t *next,
                             struct trace_flows *out)
{
    const struct recorded_item **order = malloc(((size_t)rank->items + 1) * sizeof *order);
    if (!order)
        return fail(ST_OOM, "timeline: no host memory for the order of %d items", rank->items);
    for (int i = 0; i < rank->items; i++)
        order[i] = &rank->item[i];
    qsort(order, (size_t)rank->items, sizeof *order, by_call);
    enum status st = ST_OK;
    for (int i = 0; st == ST_OK && i < rank->items; i++) {
        const struct recorded_item *item = order[i];
        bool same = i > 0 && order[i - 1]->call == item->call && order[i - 1]->track == item->track;
        if (item->call < 0 || item->track < 0 || rank->call[item->call].track < 0 ||
            (item->launch >= 0 && same))
            continue;
        const struct recorded_call *call = &rank->call[item->call];
        const struct trace_flow from = {call->begin, TRACE_SLICE_CALL, item->call, true, false,
                                        *next};
        const struct trace_flow to = {
            item->begin, TRACE_SLICE_ITEM, (int)(item - rank->item), false, false, *next};
        st = add(out, &from);
        if (st == ST_OK)
            st = add(out, &to);
        ++*next;
    }
    free(order);
    return st;
}

static int by_slice(const void *a, const void *b)
{
    const struct trace_flow *x = a;
    const struct trace_flow *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

enum status trace_flow_open(const struct recording *recording, int rank,
                            const struct messages *messages, const struct trace_route *routes,
                            uint32_t *next, struct trace_flows *out)
{
    *out = (struct trace_flows){0};
    enum status st = recording->on_host ? ST_OK : add_calls(&recording->rank[rank], next, out);
    for (int i = 0; routes && st == ST_OK && i < messages->n; i++) {
        if (routes[i].bound && messages->v[i].from == rank)
            st = add(out, &routes[i].from);
        if (st == ST_OK && routes[i].bound && messages->v[i].to == rank)
            st = add(out, &routes[i].to);
    }
    if (st != ST_OK)
        trace_flow_release(out);
    else if (out->n)
        qsort(out->v, (size_t)out->n, sizeof *out->v, by_slice);
    return st;
}

void trace_flow_release(struct trace_flows *flows)
{
    free(flows->v);
    *flows = (struct trace_flows){0};
}
