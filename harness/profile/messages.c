/* SPDX-License-Identifier: Apache-2.0 */
/* Who meets whom, and when. What one rank's side tells alone is in posts.c. */
#include "harness/profile/messages.h"

#include <stdlib.h>
#include <string.h>

/* A post with all that decides whom it meets, sorted by that. */
struct ref {
    int key[6]; /* axis, channel, collective, group or sender, receiver, side or rank */
    int rank, post;
};

enum { LINK = 5 }; /* equal so far: the same link, or the same group of ranks */

struct meeting {
    const struct recording *recording;
    struct messages *out;
    int refs;
    struct ref *ref;       /* [refs] */
    const struct ref **at; /* [ranks] a collective's next post of each rank; NULL: none is left */
};

static struct post *post_at(const struct messages *m, int rank, int post)
{
    return &m->posts[rank].v[post];
}

static const struct recorded_range *range_of(const struct recording *r, int rank,
                                             const struct post *post)
{
    return &r->rank[rank].range[post->range];
}

/* ---- refs ---- */

static int compare_refs(const void *a, const void *b)
{
    const struct ref *x = a;
    const struct ref *y = b;
    for (int i = 0; i < 6; i++)
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i] ? -1 : 1;
    return x->post < y->post ? -1 : x->post > y->post;
}

static struct ref ref_of(const struct recording *r, int rank, int index, const struct post *post)
{
    struct ref ref = {{post->axis, post->channel, 0, rank, post->peer, post->side}, rank, index};
    if (post->side == POST_RECEIVE) {
        ref.key[3] = post->peer;
        ref.key[4] = rank;
    }
    if (post->side == POST_COLLECTIVE) {
        ref.key[2] = 1;
        ref.key[3] = post->axis < 0 ? 0 : recording_peer(r, rank, post->axis, 0);
        ref.key[4] = 0;
        ref.key[5] = rank;
    }
    return ref;
}

static int group_size(const struct recording *r, int axis)
{
    return axis < 0 ? r->ranks : r->shape.size[axis];
}

/* Room for all posts, and for as many messages as they could be. */
static enum status collect(struct meeting *m)
{
    const struct recording *r = m->recording;
    size_t messages = 1;
    size_t refs = 1;
    for (int k = 0; k < r->ranks; k++)
        for (int i = 0; i < m->out->posts[k].n; i++) {
            const struct post *post = post_at(m->out, k, i);
            refs++;
            messages += post->side == POST_COLLECTIVE ? (size_t)group_size(r, post->axis) - 1 : 1;
        }
    m->ref = calloc(refs, sizeof *m->ref);
    m->at = calloc((size_t)r->ranks, sizeof *m->at);
    m->out->v = calloc(messages, sizeof *m->out->v);
    if (!m->ref || !m->at || !m->out->v)
        return fail(ST_OOM, "%zu messages of %d ranks: no host memory", messages, r->ranks);
    for (int k = 0; k < r->ranks; k++)
        for (int i = 0; i < m->out->posts[k].n; i++)
            m->ref[m->refs++] = ref_of(r, k, i, post_at(m->out, k, i));
    qsort(m->ref, (size_t)m->refs, sizeof *m->ref, compare_refs);
    return ST_OK;
}

/* ---- when ---- */

/* The end of the receiver's wait for it. */
static int64_t had(const struct meeting *m, const struct message *message)
{
    const struct posts *posts = &m->out->posts[message->to];
    const struct post *post = &posts->v[message->receive_post];
    return post->waits > 0 ? posts->wait[post->wait + post->waits - 1].end
                           : m->recording->rank[message->to].end;
}

static void set_times(const struct meeting *m, struct message *message)
{
    const struct post *send = post_at(m->out, message->from, message->send_post);
    const struct post *receive = post_at(m->out, message->to, message->receive_post);
    const struct post *copier = send->ops > receive->ops ? send : receive;
    int rank = copier == send ? message->from : message->to;
    bool copied = send->ops != receive->ops;
    int64_t end = had(m, message);
    message->begin = message->sent > message->wanted ? message->sent : message->wanted;
    if (copied && m->recording->on_host) {
        int64_t done = range_of(m->recording, rank, copier)->end;
        end = done < end ? done : end;
    } else if (copied) {
        bool exact = send->side != POST_COLLECTIVE;
        message->begin = exact ? copier->ops_begin : message->begin;
        end = copier->ops_end;
    }
    message->end = end > message->begin ? end : message->begin;
}

/* Kernels on both sides; the last of all that take part began at `begin`. */
static void set_carried(const struct meeting *m, struct message *message, int64_t begin)
{
    const struct post *send = post_at(m->out, message->from, message->send_post);
    const struct post *receive = post_at(m->out, message->to, message->receive_post);
    int64_t end =
        send->carrier_end > receive->carrier_end ? send->carrier_end : receive->carrier_end;
    message->begin = begin;
    message->end = end > begin ? end : begin;
}

/* ---- meeting ---- */

static void lone(struct meeting *m, const struct ref *ref)
{
    post_at(m->out, ref->rank, ref->post)->lone = true;
    m->out->unmatched++;
}

static struct message *add(struct meeting *m, const struct ref *from, const struct ref *to)
{
    const struct post *send = post_at(m->out, from->rank, from->post);
    const struct post *receive = post_at(m->out, to->rank, to->post);
    struct message *message = &m->out->v[m->out->n++];
    *message = (struct message){
        .name = range_of(m->recording, from->rank, send)->name,
        .axis = send->axis,
        .channel = send->channel,
        .from = from->rank,
        .to = to->rank,
        .send = send->range,
        .receive = receive->range,
        .send_launch = send->launch,
        .receive_launch = receive->launch,
        .send_post = from->post,
        .receive_post = to->post,
        .sent = send->came,
        .wanted = receive->came,
        .bytes = range_of(m->recording, from->rank, send)->payload,
    };
    return message;
}

/* Sends, then receives of one link. */
static void meet_pairs(struct meeting *m, const struct ref *ref, int n)
{
    int sends = 0;
    while (sends < n && ref[sends].key[LINK] == POST_SEND)
        sends++;
    int receives = n - sends;
    int both = sends < receives ? sends : receives;
    for (int i = 0; i < both; i++) {
        const struct post *send = post_at(m->out, ref[i].rank, ref[i].post);
        const struct post *receive = post_at(m->out, ref[sends + i].rank, ref[sends + i].post);
        struct message *message = add(m, &ref[i], &ref[sends + i]);
        if (send->carrier >= 0 && receive->carrier >= 0)
            set_carried(m, message,
                        send->carrier_begin > receive->carrier_begin ? send->carrier_begin
                                                                     : receive->carrier_begin);
        else
            set_times(m, message);
    }
    for (int i = both; i < sends; i++)
        lone(m, &ref[i]);
    for (int i = both; i < receives; i++)
        lone(m, &ref[sends + i]);
}

/* What this pair has of `all` bytes that go to n - 1 others: even parts that add up. */
static uint64_t part(uint64_t all, int n, int from, int to)
{
    uint64_t others = (uint64_t)n - 1;
    uint64_t i = (uint64_t)(to > from ? to - 1 : to);
    return all / others + (i < all % others);
}

/* One collective: the posts that m->at has of the n ranks of an axis. Kernels that carry it move
 * nothing before all of them run. */
static void meet_all(struct meeting *m, const int *member, int n)
{
    int64_t begin = INT64_MIN;
    int there = 0;
    bool carried = true;
    for (int i = 0; i < n; i++) {
        const struct ref *ref = m->at[member[i]];
        if (!ref)
            continue;
        const struct post *post = post_at(m->out, ref->rank, ref->post);
        there++;
        carried = carried && post->carrier >= 0;
        if (post->carrier >= 0 && post->carrier_begin > begin)
            begin = post->carrier_begin;
    }
    for (int i = 0; i < n && there < n; i++)
        if (m->at[member[i]])
            lone(m, m->at[member[i]]);
    if (carried && there < n)
        return;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            const struct ref *from = m->at[member[i]];
            const struct ref *to = m->at[member[k]];
            if (i == k || !from || !to)
                continue;
            struct message *message = add(m, from, to);
            const struct post *post = post_at(m->out, from->rank, from->post);
            message->bytes = part(range_of(m->recording, from->rank, post)->wire, n, i, k);
            if (carried)
                set_carried(m, message, begin);
            else
                set_times(m, message);
        }
}

/* Collectives of one group of ranks: ref[n], by rank. */
static enum status meet_collectives(struct meeting *m, const struct ref *ref, int n)
{
    const struct recording *r = m->recording;
    int axis = ref->key[0];
    int size = group_size(r, axis);
    int *member = calloc((size_t)size, sizeof *member);
    if (!member)
        return fail(ST_OOM, "messages between %d ranks: no host memory", size);
    for (int i = 0; i < size; i++) {
        member[i] = axis < 0 ? i : recording_peer(r, ref->rank, axis, i);
        m->at[member[i]] = NULL;
    }
    for (int i = n - 1; i >= 0; i--)
        m->at[ref[i].rank] = &ref[i];
    for (bool more = true; more;) {
        more = false;
        meet_all(m, member, size);
        for (int i = 0; i < size; i++) {
            const struct ref **at = &m->at[member[i]];
            bool last = !*at || *at + 1 == ref + n || (*at)[1].rank != member[i];
            *at = last ? NULL : *at + 1;
            more = more || *at;
        }
    }
    free(member);
    return ST_OK;
}

static enum status meet(struct meeting *m)
{
    for (int i = 0, end = 0; i < m->refs; i = end) {
        const struct ref *ref = &m->ref[i];
        for (end = i;
             end < m->refs && memcmp(m->ref[end].key, ref->key, LINK * sizeof *ref->key) == 0;)
            end++;
        if (ref->key[2])
            TRY(meet_collectives(m, ref, end - i));
        else
            meet_pairs(m, ref, end - i);
    }
    return ST_OK;
}

static void set_done(struct post *post, const struct message *message)
{
    post->done = post->done > message->end ? post->done : message->end;
}

/* ---- life ---- */

static int compare_messages(const void *a, const void *b)
{
    const struct message *x = a;
    const struct message *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return x->send_post < y->send_post ? -1 : x->send_post > y->send_post;
}

static enum status build(struct meeting *m)
{
    const struct recording *r = m->recording;
    m->out->ranks = r->ranks;
    m->out->posts = calloc((size_t)r->ranks + 1, sizeof *m->out->posts);
    if (!m->out->posts)
        return fail(ST_OOM, "messages of %d ranks: no host memory", r->ranks);
    for (int k = 0; k < r->ranks; k++)
        TRY(posts_open(r, k, &m->out->posts[k]));
    TRY(collect(m));
    TRY(meet(m));
    for (int i = 0; i < m->out->n; i++) {
        const struct message *message = &m->out->v[i];
        set_done(post_at(m->out, message->from, message->send_post), message);
        set_done(post_at(m->out, message->to, message->receive_post), message);
    }
    qsort(m->out->v, (size_t)m->out->n, sizeof *m->out->v, compare_messages);
    return ST_OK;
}

enum status messages_open(const struct recording *recording, struct messages *out)
{
    struct meeting m = {.recording = recording, .out = out};
    memset(out, 0, sizeof *out);
    enum status st = build(&m);
    free(m.ref);
    free(m.at);
    if (st != ST_OK)
        messages_release(out);
    return st;
}

void messages_release(struct messages *messages)
{
    for (int k = 0; messages->posts && k < messages->ranks; k++)
        posts_release(&messages->posts[k]);
    free(messages->posts);
    free(messages->v);
    memset(messages, 0, sizeof *messages);
}

int64_t messages_ready(const struct messages *messages, const struct message *message)
{
    const struct post *send = post_at(messages, message->from, message->send_post);
    const struct post *receive = post_at(messages, message->to, message->receive_post);
    if (send->carrier >= 0 && receive->carrier >= 0)
        return message->begin;
    return message->sent > message->wanted ? message->sent : message->wanted;
}
