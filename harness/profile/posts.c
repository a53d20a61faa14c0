/* SPDX-License-Identifier: Apache-2.0 */
/* Posts and waits of one rank, out of its ranges and items. Looks at no other rank. */
#include "harness/profile/posts.h"

#include <stdlib.h>
#include <string.h>

/*
 * Work is in order of what gave it: the range it was given in, or the launch and then the range it
 * was captured in. Ranges are numbered as they were opened, so the numbers are that order.
 */
struct given {
    int64_t key;
    int64_t begin, end;
    int item;
};

struct builder {
    const struct recording *recording;
    const struct recorded_rank *rank;
    int id;
    struct posts *out;
    int *within;     /* [ranges] the capture that it lies in, or none */
    int *graph;      /* [ranges] of a launch: the capture that it launches, or none */
    bool *computes;  /* [tracks] the stream has work that is no communication */
    struct given *q; /* [n_q] items of the streams that compute, in order */
    int64_t *next;   /* [n_q + 1] the least begin from there on */
    int n_q, at;     /* at: items before it were passed */
    int64_t came;    /* when the stream had come to the event at hand */
    int *open;       /* [n_open] posts that nothing waited for so far */
    int n_open;
};

typedef void visit_fn(struct builder *b, int range, int launch);

static int64_t key_of(int range, int launch)
{
    return launch >= 0 ? ((int64_t)launch << 32) + range + 1 : (int64_t)range << 32;
}

static int compare_given(const void *a, const void *b)
{
    const struct given *x = a;
    const struct given *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* ---- graphs ---- */

static void find_graphs(struct builder *b)
{
    const struct recorded_rank *rank = b->rank;
    for (int i = 0; i < rank->ranges; i++) {
        int parent = rank->range[i].parent;
        bool captured = parent >= 0 && rank->range[parent].kind == TRACE_GRAPH &&
                        strcmp(rank->range[parent].name, "capture") == 0;
        b->within[i] = captured ? parent : parent >= 0 ? b->within[parent] : RECORDED_NONE;
        b->graph[i] = RECORDED_NONE;
    }
    for (int i = 0; i < rank->items; i++) {
        const struct recorded_item *item = &rank->item[i];
        if (item->launch >= 0 && item->range >= 0)
            b->graph[item->launch] = b->within[item->range];
    }
}

/* Every range of the loop in order; those of a graph once for each launch. */
static void walk(struct builder *b, visit_fn *visit)
{
    const struct recorded_rank *rank = b->rank;
    for (int i = 0; i < rank->ranges; i++) {
        int capture = b->graph[i];
        for (int k = capture + 1;
             capture >= 0 && k < rank->ranges && rank->range[k].parent >= capture; k++)
            visit(b, k, i);
        if (b->within[i] < 0 && rank->range[i].begin >= rank->begin)
            visit(b, i, RECORDED_NONE);
    }
}

/* ---- what was posted ---- */

static bool is_wait(const struct recorded_range *range)
{
    return range->kind == TRACE_WAIT && strcmp(range->name, "wait") == 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int world_rank(const struct builder *b, int axis, int peer)
{
    return axis < 0 || peer < 0 ? peer : recording_peer(b->recording, b->id, axis, peer);
}

/* False: it moves nothing. */
static bool post_of(const struct builder *b, int range, int launch, struct post *out)
{
    const struct recorded_range *from = &b->rank->range[range];
    if (from->kind != TRACE_COMM)
        return false;
    int axis = recording_axis(b->recording, from->axis);
    int size = axis < 0 ? b->recording->ranks : b->recording->shape.size[axis];
    bool sends = same_text(from->name, "send");
    bool receives = same_text(from->name, "recv");
    *out = (struct post){
        .range = range,
        .launch = launch,
        .axis = axis,
        .channel = from->channel,
        .peer = sends || receives ? world_rank(b, axis, from->peer) : RECORDED_NONE,
        .side = sends      ? POST_SEND
                : receives ? POST_RECEIVE
                           : POST_COLLECTIVE,
        .came = from->begin,
        .carrier = RECORDED_NONE,
    };
    if (sends || receives)
        return from->payload > 0 && out->peer != b->id;
    return size > 1;
}

static void count_range(struct builder *b, int range, int launch)
{
    struct post post;
    b->out->n += post_of(b, range, launch, &post);
    b->out->waits += is_wait(&b->rank->range[range]);
}

static void add_post(struct builder *b, int range, int launch)
{
    b->out->n += post_of(b, range, launch, &b->out->v[b->out->n]);
}

/* The first post whose key is at least this. */
static int post_from(const struct posts *posts, int64_t key)
{
    int low = 0;
    int high = posts->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (key_of(posts->v[middle].range, posts->v[middle].launch) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct post *post_find(const struct posts *posts, int range, int launch)
{
    int at = post_from(posts, key_of(range, launch));
    bool found = at < posts->n && posts->v[at].range == range && posts->v[at].launch == launch;
    return found ? &posts->v[at] : NULL;
}

/* ---- what carried it ---- */

static void add_carrier(struct builder *b, struct post *post, int item)
{
    const struct recorded_item *kernel = &b->rank->item[item];
    bool first = post->carrier < 0;
    if (first)
        post->carrier = item;
    if (first || kernel->begin < post->carrier_begin)
        post->carrier_begin = kernel->begin;
    if (first || kernel->end > post->carrier_end)
        post->carrier_end = kernel->end;
    b->out->carries[item] = true;
}

static void add_op(const struct builder *b, struct post *post, const struct recorded_item *item)
{
    if (!b->recording->on_host && !b->computes[item->track] && item->end > post->copied)
        post->copied = item->end;
    if (post->ops == 0 || item->begin < post->ops_begin)
        post->ops_begin = item->begin;
    if (post->ops == 0 || item->end > post->ops_end)
        post->ops_end = item->end;
    post->ops++;
}

/* Items of COMM ranges go to their posts. Those of the transport that were given when a group ended
 * lie in its GROUP range, which follows the posts: *n of them, in order. */
static void sort_items(struct builder *b, struct given *grouped, int *n)
{
    const struct recorded_rank *rank = b->rank;
    *n = 0;
    for (int i = 0; i < rank->items; i++) {
        const struct recorded_item *item = &rank->item[i];
        int comm = recording_around(rank, item->range, TRACE_COMM);
        struct post *post = comm >= 0 ? post_find(b->out, comm, item->launch) : NULL;
        bool transport = !b->recording->on_host && recording_transports(rank, item);
        if (transport && post)
            add_carrier(b, post, i);
        else if (post && !recording_marks(rank, item))
            add_op(b, post, item);
        else if (transport && rank->range[item->range].kind == TRACE_GROUP)
            grouped[(*n)++] =
                (struct given){key_of(item->range, item->launch), item->begin, item->end, i};
    }
    qsort(grouped, (size_t)*n, sizeof *grouped, compare_given);
}

/* The posts of a group are its siblings before it that no group had before. They are dealt out in
 * order over the kernels that it gave, as a rule one. */
static void deal(struct builder *b, int n, const struct given *kernel)
{
    const struct recorded_item *item = &b->rank->item[kernel[0].item];
    int around = b->rank->range[item->range].parent;
    int first = post_from(b->out, around < 0 ? 0 : key_of(around, item->launch));
    for (int pass = 0, all = 0, k = 0; pass < 2; pass++)
        for (int i = first; i < b->out->n; i++) {
            struct post *post = &b->out->v[i];
            if (key_of(post->range, post->launch) > kernel[0].key)
                break;
            if (post->launch != item->launch || b->rank->range[post->range].parent != around ||
                post->carrier >= 0)
                continue;
            if (pass == 0)
                all++;
            else
                add_carrier(b, post, kernel[(int64_t)k++ * n / all].item);
        }
}

static enum status find_carriers(struct builder *b)
{
    struct given *grouped = calloc((size_t)b->rank->items + 1, sizeof *grouped);
    int n = 0;
    if (!grouped)
        return fail(ST_OOM, "messages of rank %d: no host memory", b->id);
    sort_items(b, grouped, &n);
    for (int i = 0, end = 0; i < n; i = end) {
        for (end = i; end < n && grouped[end].key == grouped[i].key;)
            end++;
        deal(b, end - i, &grouped[i]);
    }
    free(grouped);
    return ST_OK;
}

/* ---- the order on the stream ---- */

static enum status sort_stream(struct builder *b)
{
    const struct recorded_rank *rank = b->rank;
    b->computes = calloc((size_t)rank->tracks + 1, sizeof *b->computes);
    b->q = calloc((size_t)rank->items + 1, sizeof *b->q);
    b->next = calloc((size_t)rank->items + 1, sizeof *b->next);
    if (!b->computes || !b->q || !b->next)
        return fail(ST_OOM, "messages of rank %d: no host memory", b->id);
    for (int i = 0; i < rank->items; i++)
        if (!recording_moves(rank, &rank->item[i]))
            b->computes[rank->item[i].track] = true;
    for (int i = 0; i < rank->items; i++) {
        const struct recorded_item *item = &rank->item[i];
        if (item->range >= 0 && b->computes[item->track])
            b->q[b->n_q++] =
                (struct given){key_of(item->range, item->launch), item->begin, item->end, i};
    }
    qsort(b->q, (size_t)b->n_q, sizeof *b->q, compare_given);
    b->next[b->n_q] = rank->end;
    for (int i = b->n_q - 1; i >= 0; i--)
        b->next[i] = b->q[i].begin < b->next[i + 1] ? b->q[i].begin : b->next[i + 1];
    b->came = rank->begin;
    return ST_OK;
}

static void come_to(struct builder *b, int64_t key)
{
    for (; b->at < b->n_q && b->q[b->at].key < key; b->at++)
        if (b->q[b->at].end > b->came)
            b->came = b->q[b->at].end;
}

/* ---- waits ---- */

static bool may_wait_for(const struct builder *b, int wait, const struct post *post)
{
    const struct recorded_range *range = &b->rank->range[wait];
    int axis = recording_axis(b->recording, range->axis);
    int peer = world_rank(b, axis, range->peer);
    return post->axis == axis && post->channel == range->channel &&
           (peer < 0 || post->peer < 0 || post->peer == peer);
}

static void give_wait(struct builder *b, struct post *post, int wait)
{
    if (post->waits++ == 0)
        post->wait = wait;
    if (post->carrier >= 0 && post->carrier_end > b->came)
        b->came = post->carrier_end; /* what comes behind the wait comes after it */
    if (post->copied > b->came)
        b->came = post->copied;
}

/*
 * A wait inside a COMM range is for that. Any other is for the oldest post that it can be for and
 * for all that were posted together with it, in one range of the model: requests are waited for in
 * the order in which they were posted.
 */
static void match_wait(struct builder *b, int range, int launch, int wait)
{
    struct posts *posts = b->out;
    int comm = recording_around(b->rank, range, TRACE_COMM);
    if (comm >= 0) {
        struct post *around = post_find(posts, comm, launch);
        if (around)
            give_wait(b, around, wait);
        return;
    }
    const struct post *oldest = NULL;
    int kept = 0;
    for (int i = 0; i < b->n_open; i++) {
        struct post *post = &posts->v[b->open[i]];
        bool fits = post->waits == 0 && may_wait_for(b, range, post);
        if (fits && !oldest)
            oldest = post;
        if (fits && post->launch == oldest->launch &&
            b->rank->range[post->range].parent == b->rank->range[oldest->range].parent)
            give_wait(b, post, wait);
        else if (post->waits == 0)
            b->open[kept++] = b->open[i];
    }
    b->n_open = kept;
}

static void visit_event(struct builder *b, int range, int launch)
{
    const struct recorded_range *at = &b->rank->range[range];
    struct posts *posts = b->out;
    bool host = b->recording->on_host;
    int64_t key = key_of(range, launch);
    struct post *post = at->kind == TRACE_COMM ? post_find(posts, range, launch) : NULL;
    come_to(b, key);
    if (post) {
        bool early = post->carrier >= 0 && post->carrier_begin < b->came;
        if (!host)
            post->came = early ? post->carrier_begin : b->came;
        b->open[b->n_open++] = (int)(post - posts->v);
    } else if (is_wait(at)) {
        int64_t next = b->next[b->at];
        struct post_wait *wait = &posts->wait[posts->waits];
        *wait = (struct post_wait){host ? at->begin : b->came, host ? at->end : next};
        match_wait(b, range, launch, posts->waits++);
    }
}

/* ---- life ---- */

static enum status build(struct builder *b)
{
    const struct recorded_rank *rank = b->rank;
    struct posts *posts = b->out;
    b->within = calloc((size_t)rank->ranges + 1, sizeof *b->within);
    b->graph = calloc((size_t)rank->ranges + 1, sizeof *b->graph);
    if (!b->within || !b->graph)
        return fail(ST_OOM, "messages of rank %d: no host memory", b->id);
    find_graphs(b);
    walk(b, count_range);
    posts->v = calloc((size_t)posts->n + 1, sizeof *posts->v);
    posts->wait = calloc((size_t)posts->waits + 1, sizeof *posts->wait);
    posts->carries = calloc((size_t)rank->items + 1, sizeof *posts->carries);
    b->open = calloc((size_t)posts->n + 1, sizeof *b->open);
    if (!posts->v || !posts->wait || !posts->carries || !b->open)
        return fail(ST_OOM, "messages of rank %d: no host memory", b->id);
    posts->n = posts->waits = 0;
    walk(b, add_post);
    TRY(sort_stream(b));
    TRY(find_carriers(b));
    walk(b, visit_event);
    return ST_OK;
}

enum status posts_open(const struct recording *recording, int rank, struct posts *out)
{
    struct builder b = {
        .recording = recording, .rank = &recording->rank[rank], .id = rank, .out = out};
    memset(out, 0, sizeof *out);
    enum status st = build(&b);
    free(b.within);
    free(b.graph);
    free(b.computes);
    free(b.q);
    free(b.next);
    free(b.open);
    if (st != ST_OK)
        posts_release(out);
    return st;
}

void posts_release(struct posts *posts)
{
    free(posts->v);
    free(posts->wait);
    free(posts->carries);
    memset(posts, 0, sizeof *posts);
}
