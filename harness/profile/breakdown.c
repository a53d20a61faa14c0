/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rank does at every instant, as levels from the share that goes first to the one that goes
 * last; then the sums of each step. Nothing is matched here.
 *
 * On a device the waits of its stream count, as posts.h has them, and not those of the host: only a
 * barrier does, where the device has nothing to do. What the host does beside its waits shows as
 * gaps. On the host, posting where no partner has posted yet is part of the rest: nothing is under
 * way, and nobody waits. Where a post or a wait lasts though its messages have come, its thread
 * does not run, as with more ranks than cores. That is a gap: no message is to blame.
 */
#include "harness/profile/breakdown.h"

#include "harness/profile/slices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum level {
    LEVEL_COMPUTE,
    LEVEL_COPY,    /* pack, own parts, copies of messages */
    LEVEL_MESSAGE, /* under way */
    LEVEL_BUBBLE,
    LEVEL_WAIT,
    LEVEL_ASLEEP, /* a post or wait of the host lasts though its messages have come: the thread does
                    not run */
    LEVEL_BARRIER,
    LEVEL_POSTING, /* the host posts, and no partner has */
    LEVEL_GAPS,
    LEVEL_REST,
    LEVELS
};

struct builder {
    const struct recording *recording;
    const struct recorded_rank *rank;
    const struct messages *messages;
    int id;
    struct slices level[LEVELS];
};

static void put(struct builder *b, enum level level, enum share share, int64_t begin, int64_t end,
                int item, int message)
{
    slices_add(&b->level[level], &(struct share_slice){begin, end, share, item, message});
}

/* ---- items ---- */

static void put_items(struct builder *b)
{
    const struct recorded_rank *rank = b->rank;
    int64_t first = INT64_MAX;
    int64_t last = INT64_MIN;
    for (int i = 0; i < rank->items; i++) {
        const struct recorded_item *item = &rank->item[i];
        first = item->begin < first ? item->begin : first;
        last = item->end > last ? item->end : last;
        if (recording_marks(rank, item))
            continue;
        if (!recording_moves(rank, item))
            put(b, LEVEL_COMPUTE, SHARE_COMPUTE, item->begin, item->end, i, RECORDED_NONE);
        else if (!b->messages->posts[b->id].carries[i])
            put(b, LEVEL_COPY, SHARE_EXPOSED, item->begin, item->end, i, RECORDED_NONE);
    }
    put(b, LEVEL_GAPS, SHARE_GAPS, first, last, RECORDED_NONE, RECORDED_NONE);
    put(b, LEVEL_REST, SHARE_OTHER, rank->begin, rank->end, RECORDED_NONE, RECORDED_NONE);
}

/* ---- ranges ---- */

static void put_ranges(struct builder *b)
{
    bool host = b->recording->on_host;
    for (int i = 0; i < b->rank->ranges; i++) {
        const struct recorded_range *range = &b->rank->range[i];
        bool wait = range->kind == TRACE_WAIT;
        bool of_messages = wait && strcmp(range->name, "wait") == 0;
        bool drain = wait && strcmp(range->name, "drain") == 0;
        if (host && of_messages)
            put(b, LEVEL_ASLEEP, SHARE_GAPS, range->begin, range->end, RECORDED_NONE,
                RECORDED_NONE);
        else if (wait && !of_messages && (host || !drain))
            put(b, LEVEL_BARRIER, SHARE_WAIT, range->begin, range->end, RECORDED_NONE,
                RECORDED_NONE);
        else if (host && range->kind == TRACE_COMM)
            put(b, LEVEL_POSTING, SHARE_OTHER, range->begin, range->end, RECORDED_NONE,
                RECORDED_NONE);
    }
}

/* ---- messages ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Wherever this side of a message waits before `ready`: in its waits; or in the kernel that carries
 * it, until the others' kernels run. A copy holds no stream that computes. */
static void put_waiting(struct builder *b, const struct post *post, bool receives, int64_t ready,
                        int message)
{
    const struct posts *posts = &b->messages->posts[b->id];
    bool bubble = receives && post->axis >= 0 && post->axis == b->recording->schedule_axis;
    enum level level = bubble ? LEVEL_BUBBLE : LEVEL_WAIT;
    enum share share = bubble ? SHARE_BUBBLE : SHARE_WAIT;
    int waits =
        post->carrier < 0 ? post->waits : 0; /* before its kernel begins it waits for none */
    for (int i = post->wait; i < post->wait + waits; i++)
        put(b, level, share, posts->wait[i].begin, least(posts->wait[i].end, ready), RECORDED_NONE,
            message);
    if (post->carrier >= 0)
        put(b, level, share, post->carrier_begin, least(post->carrier_end, ready), RECORDED_NONE,
            message);
}

static void put_messages(struct builder *b)
{
    const struct messages *all = b->messages;
    const struct posts *posts = &all->posts[b->id];
    for (int i = 0; i < all->n; i++) {
        const struct message *m = &all->v[i];
        if (m->from != b->id && m->to != b->id)
            continue;
        const struct post *send = &all->posts[m->from].v[m->send_post];
        const struct post *receive = &all->posts[m->to].v[m->receive_post];
        int64_t ready = messages_ready(all, m);
        put(b, LEVEL_MESSAGE, SHARE_EXPOSED, m->begin, m->end, RECORDED_NONE, i);
        if (m->from == b->id)
            put_waiting(b, send, false, ready, i);
        else
            put_waiting(b, receive, true, ready, i);
    }
    for (int i = 0; i < posts->n; i++) {
        const struct post *post = &posts->v[i];
        if (post->lone)
            put_waiting(b, post, post->side == POST_RECEIVE, INT64_MAX, RECORDED_NONE);
        else if (b->recording->on_host)
            put(b, LEVEL_ASLEEP, SHARE_GAPS, post->done, b->rank->range[post->range].end,
                RECORDED_NONE, RECORDED_NONE);
    }
}

/* ---- slices ---- */

static bool alike(const struct share_slice *a, const struct share_slice *b)
{
    return a->share == b->share && a->item == b->item && a->message == b->message;
}

/* Of levels that are flat: slices without holes. */
static enum status overlay(struct builder *b, int *n, struct share_slice **out)
{
    struct slices all = {0};
    int kept = 0;
    for (int l = 0; l < LEVELS; l++)
        slices_put_under(&all, &b->level[l]);
    if (all.out_of_memory) {
        slices_release(&all);
        return fail(ST_OOM, "breakdown of rank %d: no host memory", b->id);
    }
    for (int i = 0; i < all.n; i++) {
        if (kept > 0 && alike(&all.v[kept - 1], &all.v[i]))
            all.v[kept - 1].end = all.v[i].end;
        else
            all.v[kept++] = all.v[i];
    }
    *n = kept;
    *out = all.v;
    return ST_OK;
}

/* ---- sums ---- */

/* end[steps]: a rank that died ended in the first step that it did not finish. */
static void find_steps(const struct recorded_rank *rank, int steps, int64_t *end)
{
    int64_t before = rank->begin;
    for (int s = 0; s < steps; s++) {
        bool died = !rank->complete && rank->step_end[s] <= before;
        end[s] =
            s + 1 == steps || died || rank->step_end[s] > rank->end ? rank->end : rank->step_end[s];
        end[s] = end[s] > before ? end[s] : before;
        before = end[s];
    }
}

/* Nanoseconds of flat slices in each step, added to sum[step * stride + share], or without shares
 * to sum[step * stride]. */
static void sum_steps(int n, const struct share_slice *slice, int64_t begin, int steps,
                      const int64_t *end, bool shares, int stride, int64_t *sum)
{
    for (int i = 0, s = 0; i < n && s < steps;) {
        int64_t from = slice[i].begin > begin ? slice[i].begin : begin;
        int64_t to = least(slice[i].end, end[s]);
        if (to > from)
            sum[s * stride + (shares ? (int)slice[i].share : 0)] += to - from;
        if (slice[i].end <= end[s])
            i++;
        else
            begin = end[s++];
    }
}

static double ms_of(int64_t ns)
{
    return (double)ns / 1e6;
}

static void set_row(struct breakdown_row *row, const int64_t *shares, int64_t comm, int64_t hidden)
{
    int64_t total = 0;
    for (int i = 0; i < SHARES; i++) {
        row->ms[i] = ms_of(shares[i]);
        total += shares[i];
    }
    row->total_ms = ms_of(total);
    row->comm_ms = ms_of(comm);
    row->overlap_hta = comm > 0 ? 100.0 * (double)hidden / (double)comm : (double)NAN;
    row->overlap_osu = (double)NAN;
}

static enum status add_rows(struct builder *b, int n, const struct share_slice *slice,
                            struct breakdown_row *row)
{
    int steps = b->recording->steps;
    size_t numbers = (size_t)steps * (SHARES + 3);
    int64_t *end = calloc(numbers + 1, sizeof *end);
    struct slices hidden = {0};
    if (!end)
        return fail(ST_OOM, "breakdown of rank %d: no host memory", b->id);
    int64_t *shares = end + steps;
    int64_t *comm = shares + (size_t)steps * SHARES;
    int64_t *under = comm + steps;
    const struct slices *messages = &b->level[LEVEL_MESSAGE];
    int64_t begin = b->rank->begin;
    find_steps(b->rank, steps, end);
    slices_cross(messages, &b->level[LEVEL_COMPUTE], &hidden);
    sum_steps(n, slice, begin, steps, end, true, SHARES, shares);
    sum_steps(messages->n, messages->v, begin, steps, end, false, 1, comm);
    sum_steps(hidden.n, hidden.v, begin, steps, end, false, 1, under);
    for (int s = 0; s < steps; s++) {
        row[s].rank = b->id;
        row[s].step = s;
        set_row(&row[s], &shares[(size_t)s * SHARES], comm[s], under[s]);
    }
    enum status st =
        hidden.out_of_memory ? fail(ST_OOM, "breakdown of rank %d: no host memory", b->id) : ST_OK;
    slices_release(&hidden);
    free(end);
    return st;
}

/* ---- life ---- */

static enum status add_rank(struct breakdown *out, struct builder *b)
{
    put_items(b);
    put_ranges(b);
    put_messages(b);
    for (int l = 0; l < LEVELS; l++)
        slices_flatten(&b->level[l], b->rank->begin, b->rank->end);
    TRY(overlay(b, &out->slices[b->id], &out->slice[b->id]));
    return add_rows(b, out->slices[b->id], out->slice[b->id],
                    &out->row[(size_t)b->id * (size_t)b->recording->steps]);
}

/* Of steps that a rank which died did not come to. */
static void drop_rows(const struct recording *recording, struct breakdown *out)
{
    int kept = 0;
    for (int i = 0; i < out->rows; i++)
        if (out->row[i].total_ms > 0 || recording->rank[out->row[i].rank].complete)
            out->row[kept++] = out->row[i];
    out->rows = kept;
}

static enum status build(const struct recording *recording, const struct messages *messages,
                         struct breakdown *out)
{
    size_t ranks = (size_t)recording->ranks;
    out->ranks = recording->ranks;
    out->rows = recording->ranks * recording->steps;
    out->row = calloc((size_t)out->rows + 1, sizeof *out->row);
    out->slices = calloc(ranks + 1, sizeof *out->slices);
    out->slice = calloc(ranks + 1, sizeof *out->slice);
    if (!out->row || !out->slices || !out->slice)
        return fail(ST_OOM, "breakdown of %d ranks: no host memory", out->ranks);
    for (int r = 0; r < out->ranks; r++) {
        struct builder b = {recording, &recording->rank[r], messages, r, {{0}}};
        enum status st = add_rank(out, &b);
        for (int l = 0; l < LEVELS; l++)
            slices_release(&b.level[l]);
        TRY(st);
    }
    drop_rows(recording, out);
    return ST_OK;
}

enum status breakdown_open(const struct recording *recording, const struct messages *messages,
                           struct breakdown *out)
{
    memset(out, 0, sizeof *out);
    enum status st = build(recording, messages, out);
    if (st != ST_OK)
        breakdown_release(out);
    return st;
}

void breakdown_release(struct breakdown *breakdown)
{
    for (int r = 0; breakdown->slice && r < breakdown->ranks; r++)
        free(breakdown->slice[r]);
    free(breakdown->slice);
    free(breakdown->slices);
    free(breakdown->row);
    memset(breakdown, 0, sizeof *breakdown);
}

void breakdown_set_alone(struct breakdown *breakdown, int steps, const double *ms)
{
    for (int i = 0; i < breakdown->rows; i++) {
        struct breakdown_row *row = &breakdown->row[i];
        double alone = ms[row->rank * steps + row->step];
        row->overlap_osu = alone > 0 ? 100.0 * (1.0 - row->ms[SHARE_EXPOSED] / alone) : (double)NAN;
    }
}

void breakdown_keep(struct breakdown *breakdown, int first, int last)
{
    int kept = 0;
    for (int i = 0; i < breakdown->rows; i++)
        if (breakdown->row[i].step >= first && breakdown->row[i].step <= last)
            breakdown->row[kept++] = breakdown->row[i];
    breakdown->rows = kept;
}
