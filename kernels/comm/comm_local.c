/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport between ranks that are threads of one process, on any device. Not for processes that
 * share memory.
 *
 * A send and a receive meet in the mailbox of their pair of ranks. Whoever comes second copies at
 * once, straight from source to destination, on a queue that its end has for copies: after both
 * `ready` events, before its own `copied` event. So the copy runs beside what either rank computes,
 * and on GPUs by their copy engines, which take nothing from kernels. A wait sleeps until the copy
 * was issued and then makes its queue wait for `copied`. So a message needs no further help from
 * either rank once both have posted, and no order of waits can deadlock: a copy waits for points
 * that queues had before it was issued, and copies issued earlier on its queue do too.
 */
#include "kernels/comm/comm_private.h"
#include "kernels/comm/local_world.h"
#include "kernels/op.h"

#include <stdlib.h>

/* One rank's end of a group. Only its thread touches it. */
struct local_endpoint {
    struct local_group *group;
    int rank;
    double timeout_s;
    bool broken;          /* a wait failed: what is left is only taken back */
    struct queue *copies; /* of what this end copies; NULL: nothing so far */
    struct local_post *posts;
    struct local_post *free_head,
        *free_tail; /* oldest first: the likeliest not to be lent any more */
};

/* ---- posts of a rank ---- */

static enum status post_open(struct local_endpoint *end, struct device *dev,
                             struct local_post **out)
{
    struct local_post *post = calloc(1, sizeof(*post));
    if (!post)
        return fail(ST_OOM, "no memory for a message");
    post->owner = end;
    post->dev = dev;
    enum status st = event_open(dev, &post->ready);
    if (st != ST_OK)
        goto out_free;
    st = event_open(dev, &post->copied);
    if (st != ST_OK)
        goto out_close_ready;
    post->older = end->posts;
    end->posts = post;
    *out = post;
    return ST_OK;

out_close_ready:
    event_close(dev, &post->ready);
out_free:
    free(post);
    return st;
}

/* A free post or a new one, so that a loop allocates in its first rounds only. */
static enum status post_take(struct local_endpoint *end, struct queue *q, struct local_post **out)
{
    struct local_post *post = end->free_head;
    if (post) {
        pthread_mutex_lock(&end->group->lock);
        if (post->lent)
            post = NULL;
        pthread_mutex_unlock(&end->group->lock);
    }
    if (post) {
        end->free_head = post->next;
        post->next = NULL;
        BUG_ON(post->dev != q->dev, "rank %d posts on a second device", end->rank);
    } else {
        TRY(post_open(end, q->dev, &post));
    }
    post->busy = true;
    post->done = false;
    post->copier = NULL;
    *out = post;
    return ST_OK;
}

/* The partner may use its `copied` again. Lock held. */
static void return_loan(struct local_post *post)
{
    struct local_post *copier = post->copier;
    if (!copier || copier == post)
        return;
    copier->lent = false;
    post->copier = NULL;
    if (copier->owner)
        pthread_cond_signal(&post->owner->group->wake[copier->owner->rank]);
}

static void post_give_back(struct local_post *post)
{
    struct local_endpoint *end = post->owner;
    pthread_mutex_lock(&end->group->lock);
    return_loan(post);
    post->busy = false;
    pthread_mutex_unlock(&end->group->lock);
    post->next = NULL;
    if (end->free_head)
        end->free_tail->next = post;
    else
        end->free_head = post;
    end->free_tail = post;
}

/* ---- meeting in the mailbox (lock held) ---- */

static struct local_mailbox *mailbox_of(struct local_group *group, const struct local_post *post)
{
    return &group->mailbox[post->source * group->size + post->destination];
}

/* The oldest post of the other kind, or NULL: then `post` stays in the mailbox. */
static struct local_post *mailbox_meet(struct local_mailbox *box, struct local_post *post)
{
    struct local_post *partner = box->head;
    if (partner && partner->sends != post->sends) {
        box->head = partner->next;
        partner->next = NULL;
        partner->queued = false;
        return partner;
    }
    if (box->head)
        box->tail->next = post;
    else
        box->head = post;
    box->tail = post;
    post->queued = true;
    return NULL;
}

static void mailbox_withdraw(struct local_mailbox *box, struct local_post *post)
{
    struct local_post *before = NULL;
    struct local_post *at = box->head;
    while (at != post) {
        before = at;
        at = at->next;
    }
    if (before)
        before->next = post->next;
    else
        box->head = post->next;
    if (box->tail == post)
        box->tail = before;
    post->next = NULL;
    post->queued = false;
}

/* ---- send, receive ---- */

static enum status copy_message(struct local_post *post, struct local_post *partner)
{
    struct local_endpoint *end = post->owner;
    const struct tensor *from = post->sends ? &post->message : &partner->message;
    struct tensor to = post->sends ? partner->message : post->message;
    BUG_ON(!tensor_same_shape(&to, from) || to.dtype != from->dtype,
           "a message of %lld x %s from rank %d meets a receive of %lld x %s on rank %d",
           (long long)from->dim[0], dtype_name(from->dtype), post->source, (long long)to.dim[0],
           dtype_name(to.dtype), post->destination);
    if (!end->copies)
        TRY(queue_open(post->dev, &end->copies));
    TRY(queue_await(end->copies, &post->ready));
    TRY(queue_await(end->copies, &partner->ready));
    TRY(op_copy(end->copies, &to, from));
    return queue_mark(end->copies, &post->copied);
}

static void tell_done(struct local_group *group, struct local_post *post,
                      struct local_post *partner, enum status outcome)
{
    pthread_mutex_lock(&group->lock);
    post->done = true;
    post->copier = post;
    post->outcome = outcome;
    post->lent = true;
    partner->done = true;
    partner->copier = post;
    partner->outcome = outcome;
    pthread_cond_signal(&group->wake[partner->owner->rank]);
    pthread_mutex_unlock(&group->lock);
}

static enum status post_exchange(struct local_post *post, struct queue *q)
{
    struct local_group *group = post->owner->group;
    struct local_post *partner = NULL;
    TRY(queue_mark(q, &post->ready));
    pthread_mutex_lock(&group->lock);
    bool aborted = group->aborted;
    if (!aborted)
        partner = mailbox_meet(mailbox_of(group, post), post);
    pthread_mutex_unlock(&group->lock);
    if (aborted)
        return fail(ST_COMM, "not posted, since a rank gave up");
    if (!partner)
        return ST_OK;
    enum status st = copy_message(post, partner);
    tell_done(group, post, partner, st);
    return st;
}

static enum status post_message(struct local_endpoint *end, bool sends, int peer,
                                const struct tensor *t, struct queue *q, void **handle)
{
    struct local_post *post = NULL;
    TRY(post_take(end, q, &post));
    post->message = *t;
    post->sends = sends;
    post->source = sends ? end->rank : peer;
    post->destination = sends ? peer : end->rank;
    enum status st = post_exchange(post, q);
    if (st != ST_OK) {
        post_give_back(post);
        return st;
    }
    *handle = post;
    return ST_OK;
}

static enum status local_send(void *comm, int peer, const struct tensor *t, struct queue *q,
                              void **handle)
{
    return post_message(comm, true, peer, t, q, handle);
}

static enum status local_recv(void *comm, int peer, const struct tensor *t, struct queue *q,
                              void **handle)
{
    return post_message(comm, false, peer, t, q, handle);
}

/* ---- wait ---- */

static enum status give_up(struct local_post *post, bool awake)
{
    struct local_endpoint *end = post->owner;
    const char *what = post->sends ? "to" : "from";
    int peer = post->sends ? post->destination : post->source;
    bool first = !end->broken;
    mailbox_withdraw(mailbox_of(end->group, post), post);
    end->broken = true;
    if (!first)
        return fail(ST_COMM, "the message %s rank %d was taken back after an earlier failure", what,
                    peer);
    if (end->group->aborted)
        return fail(ST_COMM, "a rank gave up; stopped waiting for the message %s rank %d", what,
                    peer);
    BUG_ON(awake, "gave up a message %s rank %d for no reason", what, peer);
    return fail(ST_TIMEOUT,
                "the message %s rank %d did not come about within %g s; look at what that rank "
                "does, or allow more with --timeout",
                what, peer, end->timeout_s);
}

/* Sleeps until the copy was issued. A post that met its partner is never left: its memory is in
 * use. */
static enum status sleep_until_done(struct local_post *post)
{
    struct local_endpoint *end = post->owner;
    double deadline = local_deadline_in(post->done ? 0 : end->timeout_s);
    bool awake = true;
    while (!post->done) {
        if (post->queued && (end->group->aborted || end->broken || !awake))
            return give_up(post, awake);
        if (!post->queued)
            deadline = LOCAL_NEVER;
        awake = local_group_sleep(end->group, end->rank, deadline);
    }
    if (post->outcome != ST_OK)
        return fail(post->outcome, "the copy of the message from rank %d to rank %d failed",
                    post->source, post->destination);
    return ST_OK;
}

static enum status local_wait(void *handle, struct queue *q)
{
    struct local_post *post = handle;
    pthread_mutex_lock(&post->owner->group->lock);
    enum status st = sleep_until_done(post);
    pthread_mutex_unlock(&post->owner->group->lock);
    if (st == ST_OK)
        st = queue_await(q, &post->copier->copied);
    post_give_back(post);
    return st;
}

/* ---- life ---- */

static enum status endpoint_open(struct local_group *group, int rank, double timeout_s, void **out)
{
    struct local_endpoint *end = calloc(1, sizeof(*end));
    if (!end)
        return fail(ST_OOM, "no memory for rank %d of %d", rank, group->size);
    end->group = group;
    end->rank = rank;
    end->timeout_s = timeout_s;
    *out = end;
    return ST_OK;
}

static enum status local_open(const struct rendezvous *where, struct device *dev, void **world)
{
    (void)dev; /* each post brings its queue, and that its device */
    if (!where->local)
        return fail(ST_INVALID, "ranks must be threads of one process; under mpirun take "
                                "--transport mpi");
    struct local_group *group = local_world_group(where->local);
    BUG_ON(where->rank < 0 || where->rank >= where->size || where->size != group->size,
           "rank %d of %d in a local world of %d", where->rank, where->size, group->size);
    return endpoint_open(group, where->rank, where->timeout_s, world);
}

static enum status local_split(void *comm, int color, int key, enum comm_use use, void **out,
                               int *rank, int *size)
{
    (void)use;
    struct local_endpoint *end = comm;
    struct local_group *group;
    TRY(local_group_split(end->group, end->rank, end->timeout_s, color, key, &group, rank));
    *size = group->size;
    enum status st = endpoint_open(group, *rank, end->timeout_s, out);
    if (st != ST_OK)
        local_group_leave(group);
    return st;
}

/* Until a copy by the partner is through: the message's memory goes next. It waits for nothing that
 * has yet to be issued. */
static void await_copy(const struct local_post *post)
{
    struct queue *q;
    if (post->outcome != ST_OK || post->copier == post || queue_open(post->dev, &q) != ST_OK)
        return;
    if (queue_await(q, &post->copier->copied) == ST_OK)
        queue_sync(q);
    queue_close(q);
}

/* Takes back what was posted and never waited for. Lock held. */
static void withdraw_all(struct local_endpoint *end)
{
    for (struct local_post *post = end->posts; post; post = post->older) {
        if (!post->busy)
            continue;
        if (post->queued) {
            mailbox_withdraw(mailbox_of(end->group, post), post);
        } else {
            while (!post->done)
                local_group_sleep(end->group, end->rank, LOCAL_NEVER);
            await_copy(post);
        }
        return_loan(post);
    }
}

/* Until the partners have waited too. Not for long: one that failed never will, and this rank may
 * be the first to know and has yet to tell. Lock held. */
static void await_loans(struct local_endpoint *end)
{
    double deadline = local_deadline_in(1.0);
    for (struct local_post *post = end->posts; post; post = post->older) {
        while (post->lent) {
            if (!local_group_sleep(end->group, end->rank, deadline))
                return;
        }
    }
}

/*
 * Partners look at the events of messages that this rank copied. A post that one still holds is
 * freed with the group, without its events, which only this rank's device could close: they end
 * with the device.
 */
static void local_close(void *comm)
{
    struct local_endpoint *end = comm;
    struct local_group *group = end->group;
    pthread_mutex_lock(&group->lock);
    withdraw_all(end);
    await_loans(end);
    while (end->posts) {
        struct local_post *post = end->posts;
        end->posts = post->older;
        if (post->lent) {
            post->owner = NULL;
            post->older = group->orphans;
            group->orphans = post;
            continue;
        }
        event_close(post->dev, &post->ready);
        event_close(post->dev, &post->copied);
        free(post);
    }
    pthread_mutex_unlock(&group->lock);
    queue_close(end->copies);
    local_group_leave(group);
    free(end);
}

static enum status local_host_gather(void *comm, const void *mine, size_t size, void *all)
{
    struct local_endpoint *end = comm;
    return local_group_gather(end->group, end->rank, end->timeout_s, mine, size, all);
}

static void local_abort(void *comm)
{
    struct local_endpoint *end = comm;
    local_world_abort(end->group->world);
}

const struct comm_ops comm_local_ops = {
    .name = "local",
    .summary = "ranks are threads of one process",
    .open = local_open,
    .split = local_split,
    .close = local_close,
    .send = local_send,
    .recv = local_recv,
    .wait = local_wait,
    .host_gather = local_host_gather,
    .abort = local_abort,
};
