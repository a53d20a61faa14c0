/* SPDX-License-Identifier: Apache-2.0 */
/* Copies the part of a recording that belongs to some of its steps. */
#include "harness/profile/recording_cut.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- whole steps ---- */

static bool any_items(const struct recording *r)
{
    for (int k = 0; k < r->ranks; k++)
        if (r->rank[k].items > 0)
            return true;
    return false;
}

/* The last step that a rank did anything in; none: RECORDED_NONE. A host runs ahead of its device:
 * where items were recorded they tell. */
static int last_step(const struct recorded_rank *rank, bool by_items)
{
    int last = RECORDED_NONE;
    for (int i = 0; by_items && i < rank->items; i++)
        if (rank->item[i].step > last && !recording_may_outlast(rank, &rank->item[i]))
            last = rank->item[i].step;
    for (int i = 0; !by_items && i < rank->ranges; i++) {
        const struct recorded_range *range = &rank->range[i];
        if (range->kind == TRACE_STEP && range->begin >= rank->begin && range->index > last)
            last = range->index;
    }
    return last;
}

int recording_cut_whole(const struct recording *recording)
{
    int steps = recording->steps;
    bool by_items = any_items(recording);
    for (int k = 0; k < recording->ranks; k++) {
        const struct recorded_rank *rank = &recording->rank[k];
        bool ended = rank->complete || isfinite(rank->step_ms[recording->steps - 1]);
        if (ended || (rank->items == 0 && rank->ranges == 0))
            continue;
        int last = last_step(rank, by_items);
        steps = last < 0 ? 0 : last < steps ? last : steps;
    }
    return steps;
}

/* ---- the part ---- */

static void cut_rank(const struct recorded_rank *from, int steps, int first, int last,
                     struct recorded_rank *to)
{
    to->begin = first > 0 ? from->step_end[first - 1] : from->begin;
    to->end = last < steps - 1 ? from->step_end[last] : from->end;
    to->complete = from->complete;
    to->device = from->device;
    to->clock_offset = from->clock_offset;
    to->clock_error = from->clock_error;
    to->dropped = from->dropped;
    for (int s = first; s <= last; s++) {
        to->step_end[s - first] = from->step_end[s];
        to->step_ms[s - first] = from->step_ms[s];
    }
}

/* A range of a step that is not of the part, which may outlast its step's last item. */
static bool of_other_step(const struct recorded_rank *from, int range, int first, int last)
{
    int step = recording_around(from, range, TRACE_STEP);
    return step >= 0 && (from->range[step].index < first || from->range[step].index > last);
}

/* In one of the steps; of no step, in their time. */
static bool is_kept(const struct recorded_rank *part, int step, int64_t begin, int64_t end,
                    int first, int last)
{
    return step >= 0 ? step >= first && step <= last : end > part->begin && begin < part->end;
}

/* An operation that ran on the host is an item too, and both are kept or none is. */
static bool keeps_range(const struct recorded_rank *from, const struct recorded_rank *part,
                        int index, int first, int last)
{
    const struct recorded_range *range = &from->range[index];
    int step = recording_around(from, index, TRACE_STEP);
    if (range->kind == TRACE_OP)
        return is_kept(part, step >= 0 ? from->range[step].index : RECORDED_NONE, range->begin,
                       range->end, first, last);
    return range->end > part->begin && range->begin < part->end &&
           !of_other_step(from, index, first, last);
}

static void cut_ranges(const struct recorded_rank *from, struct recording *out, int rank, int first,
                       int last)
{
    const struct recorded_rank *to = &out->rank[rank];
    for (int i = 0; i < from->tracks; i++)
        recording_add_track(out, rank, &from->track[i]);
    for (int i = 0; i < from->ranges; i++) {
        struct recorded_range range = from->range[i];
        bool captured = range.begin < from->begin;
        if (!captured && !keeps_range(from, to, i, first, last))
            range.track = RECORDED_NONE;
        recording_add_range(out, rank, &range);
    }
}

/* Is there an item of the part that this call started? */
static void mark_calls(const struct recorded_rank *from, const struct recorded_rank *part,
                       int first, int last, bool *kept)
{
    for (int i = 0; i < from->items; i++) {
        const struct recorded_item *item = &from->item[i];
        if (item->call >= 0 && is_kept(part, item->step, item->begin, item->end, first, last))
            kept[item->call] = true;
    }
}

/* index [calls]: where each call of `from` is in the part, or none. */
static void cut_items(const struct recorded_rank *from, struct recording *out, int rank, int first,
                      int last, const int *index)
{
    for (int i = 0; i < from->items; i++) {
        struct recorded_item item = from->item[i];
        if (!is_kept(&out->rank[rank], item.step, item.begin, item.end, first, last))
            continue;
        item.call = item.call >= 0 ? index[item.call] : RECORDED_NONE;
        recording_add_item(out, rank, &item);
    }
}

static enum status cut_calls(const struct recorded_rank *from, struct recording *out, int rank,
                             int first, int last)
{
    const struct recorded_rank *to = &out->rank[rank];
    bool *kept = calloc((size_t)from->calls + 1, sizeof *kept);
    int *index = calloc((size_t)from->calls + 1, sizeof *index);
    if (!kept || !index) {
        free(kept);
        free(index);
        return fail(ST_OOM, "part of a recording: no host memory for %d calls", from->calls);
    }
    mark_calls(from, to, first, last, kept);
    for (int i = 0; i < from->calls; i++) {
        const struct recorded_call *call = &from->call[i];
        bool within = call->end > to->begin && call->begin < to->end;
        index[i] = kept[i] || within ? recording_add_call(out, rank, call) : RECORDED_NONE;
    }
    cut_items(from, out, rank, first, last, index);
    free(kept);
    free(index);
    return ST_OK;
}

static enum status cut(const struct recording *r, int first, int last, struct recording *out)
{
    out->on_host = r->on_host;
    out->epoch = r->epoch;
    out->shape = r->shape;
    out->schedule_axis = r->schedule_axis;
    for (int a = 0; a < r->shape.n_axes; a++)
        out->shape.name[a] = recording_text(out, r->shape.name[a]);
    for (int k = 0; k < r->ranks; k++) {
        const struct recorded_rank *from = &r->rank[k];
        cut_rank(from, r->steps, first, last, &out->rank[k]);
        out->rank[k].host = recording_text(out, from->host);
        out->rank[k].device_name = recording_text(out, from->device_name);
        cut_ranges(from, out, k, first, last);
        TRY(cut_calls(from, out, k, first, last));
        for (int i = 0; i < from->samples; i++)
            if (from->sample[i].at >= out->rank[k].begin && from->sample[i].at <= out->rank[k].end)
                recording_add_sample(out, k, &from->sample[i]);
    }
    return recording_check(out);
}

enum status recording_cut(const struct recording *recording, int first, int last,
                          struct recording **out)
{
    struct recording *part;
    BUG_ON(first < 0 || last < first || last >= recording->steps, "steps %d to %d of %d", first,
           last, recording->steps);
    *out = NULL;
    TRY(recording_open(recording->ranks, last - first + 1, &part));
    enum status st = cut(recording, first, last, part);
    if (st == ST_OK)
        *out = part;
    else
        recording_close(part);
    return st;
}
