/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of recordings made by hand, where who meets whom and when is known. */
#include "harness/profile/messages.h"
#include "tests/harness/hand.h"

#include <criterion/criterion.h>

enum { NONE = RECORDED_NONE };

static struct messages open_messages(const struct recording *r)
{
    struct messages m;
    cr_assert_eq(recording_check(r), ST_OK);
    cr_assert_eq(messages_open(r, &m), ST_OK, "%s", status_text());
    return m;
}

static void close_all(struct recording *r, struct messages *m)
{
    messages_release(m);
    recording_close(r);
}

static const struct message *find(const struct messages *m, int from, int to, int nth)
{
    for (int i = 0; i < m->n; i++)
        if (m->v[i].from == from && m->v[i].to == to && nth-- == 0)
            return &m->v[i];
    cr_assert_fail("no such message from %d to %d of %d", from, to, m->n);
    return NULL;
}

static void times(const struct message *m, int64_t sent, int64_t wanted, int64_t begin, int64_t end)
{
    cr_expect(m->sent == sent && m->wanted == wanted && m->begin == begin && m->end == end,
              "from %d to %d: sent %ld, wanted %ld, [%ld, %ld]; not %ld, %ld, [%ld, %ld]", m->from,
              m->to, (long)m->sent, (long)m->wanted, (long)m->begin, (long)m->end, (long)sent,
              (long)wanted, (long)begin, (long)end);
}

/* ---- on the host ---- */

/* Between threads: who posts second copies, and the receiver has it when that range ends. */
Test(messages, second_to_post_copies)
{
    struct recording *r = hand_open(2, 1, 100, true);
    hand_comm(r, 0, NONE, "send", 10, 12, 1, 64);
    hand_range(r, 0, NONE, TRACE_WAIT, "wait", 20, 45, 1);
    int comm = hand_comm(r, 1, NONE, "recv", 30, 40, 0, 64);
    hand_op(r, 1, comm, NONE, 31, 39);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 50, 51, 0);
    struct messages m = open_messages(r);
    cr_assert(m.n == 1 && m.unmatched == 0);
    times(&m.v[0], 10, 30, 30, 40);
    cr_expect(m.v[0].bytes == 64 && m.v[0].axis == 0 && m.v[0].send == 0 && m.v[0].receive == comm);
    cr_expect_str_eq(m.v[0].name, "send");
    cr_expect_eq(messages_ready(&m, &m.v[0]), 30);
    close_all(r, &m);
}

/* The sender copies; but the receiver's wait had ended before the sender's range did. */
Test(messages, never_later_than_the_wait)
{
    struct recording *r = hand_open(2, 1, 100, true);
    int comm = hand_comm(r, 0, NONE, "send", 30, 44, 1, 64);
    hand_op(r, 0, comm, NONE, 31, 40);
    hand_comm(r, 1, NONE, "recv", 5, 6, 0, 64);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 8, 41, 0);
    struct messages m = open_messages(r);
    cr_assert_eq(m.n, 1);
    times(&m.v[0], 30, 5, 30, 41);
    close_all(r, &m);
}

/* Between processes nobody copies, so waits tell; each receive of its own pass has its own wait. */
Test(messages, waits_end_them_in_order)
{
    struct recording *r = hand_open(2, 1, 100, true);
    for (int i = 0; i < 2; i++) {
        hand_comm(r, 0, NONE, "send", 10 + 30 * i, 11 + 30 * i, 1, 8 + (uint64_t)i);
        int pass = hand_range(r, 1, NONE, TRACE_MODEL, "enter", 1 + 4 * i, 4 + 4 * i, -1);
        hand_comm(r, 1, pass, "recv", 2 + 4 * i, 3 + 4 * i, 0, 8 + (uint64_t)i);
    }
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 9, 15, 0);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 20, 52, 0);
    struct messages m = open_messages(r);
    cr_assert_eq(m.n, 2);
    times(find(&m, 0, 1, 0), 10, 2, 10, 15);
    times(find(&m, 0, 1, 1), 40, 6, 40, 52);
    cr_expect(m.v[0].bytes == 8 && m.v[1].bytes == 9);
    close_all(r, &m);
}

/* Both directions and two channels: each link counts for itself. Empty ones are never posted. */
Test(messages, links_match_apart)
{
    struct recording *r = hand_open(2, 1, 100, true);
    hand_comm(r, 0, NONE, "send", 1, 2, 1, 0);
    int other = hand_comm(r, 0, NONE, "send", 3, 4, 1, 30);
    hand_comm(r, 0, NONE, "recv", 5, 6, 1, 40);
    hand_comm(r, 0, NONE, "send", 7, 8, 1, 50);
    hand_comm(r, 1, NONE, "send", 1, 2, 0, 40);
    hand_comm(r, 1, NONE, "recv", 3, 4, 0, 50);
    int wanted = hand_comm(r, 1, NONE, "recv", 5, 6, 0, 30);
    hand_comm(r, 1, NONE, "recv", 7, 8, 0, 0);
    r->rank[0].range[other].channel = r->rank[1].range[wanted].channel = 1;
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 9, 20, 0); /* of channel 0 */
    struct messages m = open_messages(r);
    cr_assert(m.n == 3 && m.unmatched == 0);
    cr_expect(find(&m, 1, 0, 0)->bytes == 40);
    cr_expect(find(&m, 0, 1, 0)->channel == 1 && find(&m, 0, 1, 0)->bytes == 30);
    cr_expect(find(&m, 0, 1, 1)->channel == 0 && find(&m, 0, 1, 1)->bytes == 50);
    times(find(&m, 0, 1, 0), 3, 5, 5, 100); /* nothing waited for it */
    times(find(&m, 0, 1, 1), 7, 3, 7, 20);
    close_all(r, &m);
}

/* Three ranks post at 10, 20 and 60 and copy for whoever was there before. */
static struct recording *gather(int ranks)
{
    struct recording *r = hand_open(3, 1, 100, true);
    static const int64_t at[3] = {10, 20, 60};
    for (int k = 0; k < ranks; k++) {
        int comm = hand_comm(r, k, NONE, "all_gather", at[k], at[k] + 8, -1, 11);
        for (int i = 0; i < 2 * k; i++)
            hand_op(r, k, comm, NONE, at[k] + 1 + i, at[k] + 2 + i);
        hand_range(r, k, NONE, TRACE_WAIT, "wait", at[k] + 8, ranks == 3 ? 70 : 100, -1);
    }
    return r;
}

Test(messages, a_collective_is_a_message_for_each_pair)
{
    struct recording *r = gather(3);
    struct messages m = open_messages(r);
    cr_assert(m.n == 6 && m.unmatched == 0);
    times(find(&m, 0, 1, 0), 10, 20, 20, 28);
    times(find(&m, 1, 0, 0), 20, 10, 20, 28);
    times(find(&m, 0, 2, 0), 10, 60, 60, 68);
    times(find(&m, 2, 1, 0), 60, 20, 60, 68);
    for (int k = 0; k < 3; k++)
        cr_expect_eq(find(&m, k, (k + 1) % 3, 0)->bytes + find(&m, k, (k + 2) % 3, 0)->bytes, 11);
    close_all(r, &m);
}

Test(messages, posts_to_a_dead_rank_have_no_partner)
{
    struct recording *r = gather(2);
    hand_comm(r, 0, NONE, "send", 80, 81, 2, 5);
    struct messages m = open_messages(r);
    cr_expect(m.n == 2 && m.unmatched == 3, "%d messages, %d unmatched", m.n, m.unmatched);
    cr_expect(m.posts[0].v[1].lone && m.posts[1].v[0].lone);
    close_all(r, &m);
}

/* The sum of the ring waits within its range; the last of these waits has it all. */
Test(messages, a_collective_that_waits_itself)
{
    struct recording *r = hand_open(2, 1, 100, true);
    for (int k = 0; k < 2; k++) {
        int comm = hand_comm(r, k, NONE, "all_reduce", 10 + 30 * k, 60 + k, -1, 16);
        hand_range(r, k, comm, TRACE_WAIT, "wait", 12 + 30 * k, 48, -1);
        hand_op(r, k, comm, NONE, 48, 50);
        hand_range(r, k, comm, TRACE_WAIT, "wait", 50, 58 + k, -1);
    }
    struct messages m = open_messages(r);
    cr_assert_eq(m.n, 2);
    times(find(&m, 0, 1, 0), 10, 40, 40, 59);
    times(find(&m, 1, 0, 0), 40, 10, 40, 58);
    cr_expect_eq(m.posts[0].v[0].waits, 2);
    close_all(r, &m);
}

/* ---- on a device ---- */

/* The stream of rank 0 comes to its send at 40, that of rank 1 to its receive at 20; the host of
 * rank 1 posted second, so its copy is the message. */
Test(messages, a_copy_is_the_message)
{
    struct recording *r = hand_open(2, 1, 100, false);
    hand_op(r, 0, NONE, NONE, 0, 40);
    hand_comm(r, 0, NONE, "send", 3, 4, 1, 64);
    hand_op(r, 0, NONE, NONE, 41, 90);
    hand_op(r, 1, NONE, NONE, 0, 20);
    int comm = hand_comm(r, 1, NONE, "recv", 5, 6, 0, 64);
    hand_copy(r, 1, comm, 42, 50);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 7, 8, 0);
    struct messages m = open_messages(r);
    cr_assert_eq(m.n, 1);
    times(&m.v[0], 40, 20, 42, 50);
    cr_expect_eq(messages_ready(&m, &m.v[0]), 40);
    close_all(r, &m);
}

/* What this end copied is over before what its stream does behind the wait: a send given there
 * leaves then, and not when the stream last computed. */
Test(messages, a_send_behind_a_copy_leaves_after_it)
{
    struct recording *r = hand_open(2, 1, 100, false);
    hand_op(r, 0, NONE, NONE, 0, 40);
    hand_comm(r, 0, NONE, "send", 3, 4, 1, 64);
    hand_comm(r, 0, NONE, "recv", 5, 6, 1, 64);
    hand_range(r, 0, NONE, TRACE_WAIT, "wait", 7, 8, 1);
    hand_op(r, 0, NONE, NONE, 60, 90);
    hand_op(r, 1, NONE, NONE, 0, 10);
    int comm = hand_comm(r, 1, NONE, "recv", 11, 12, 0, 64);
    hand_copy(r, 1, comm, 40, 50);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 13, 14, 0);
    comm = hand_comm(r, 1, NONE, "send", 15, 16, 0, 64);
    hand_copy(r, 1, comm, 50, 60);
    hand_op(r, 1, NONE, NONE, 60, 90);
    struct messages m = open_messages(r);
    cr_assert_eq(m.n, 2);
    times(&m.v[0], 40, 10, 40, 50);
    times(&m.v[1], 50, 40, 50, 60);
    close_all(r, &m);
}

/* One kernel for what a group posted is given when the group ends: it is of the posts before it
 * that no group had. */
Test(messages, a_kernel_carries_a_group)
{
    struct recording *r = hand_open(2, 1, 100, false);
    for (int k = 0; k < 2; k++) {
        hand_op(r, k, NONE, NONE, 0, 10 + k);
        int model = hand_range(r, k, NONE, TRACE_MODEL, "attention", 1, 9, -1);
        for (int turn = 0; turn < 2; turn++) {
            hand_comm(r, k, model, "send", 2 + 2 * turn, 2 + 2 * turn, 1 - k, 8);
            hand_comm(r, k, model, "recv", 3 + 2 * turn, 3 + 2 * turn, 1 - k, 8);
            int group =
                hand_range(r, k, model, TRACE_GROUP, "group", 3 + 2 * turn, 3 + 2 * turn, -1);
            hand_range(r, k, model, TRACE_WAIT, "wait", 3 + 2 * turn, 4 + 2 * turn, 1 - k);
            if (turn == 0)
                hand_kernel(r, k, group, NONE, "send and receive", 15 + 10 * k, 40 + k);
            else
                hand_kernel(r, k, group, NONE, "send and receive", 60 - 5 * k, 70 + k);
        }
    }
    struct messages m = open_messages(r);
    cr_assert(m.n == 4 && m.unmatched == 0);
    times(find(&m, 0, 1, 0), 10, 11, 25, 41);
    times(find(&m, 1, 0, 0), 11, 10, 25, 41);
    times(find(&m, 0, 1, 1), 40, 41, 60, 71); /* behind the wait for the first */
    cr_expect_eq(messages_ready(&m, find(&m, 0, 1, 1)), 60);
    close_all(r, &m);
}

/* What a transport puts behind a group to see how far it is carries nothing. */
Test(messages, a_sign_of_progress_carries_nothing)
{
    struct recording *r = hand_open(2, 1, 100, false);
    for (int k = 0; k < 2; k++) {
        int model = hand_range(r, k, NONE, TRACE_MODEL, "attention", 1, 9, -1);
        for (int i = 0; i < 4; i++)
            hand_comm(r, k, model, i < 2 ? "send" : "recv", 2 + i, 2 + i, 1 - k, 8);
        int group = hand_range(r, k, model, TRACE_GROUP, "group", 6, 7, -1);
        int mark = hand_range(r, k, group, TRACE_MARK, "watch", 7, 7, -1);
        hand_range(r, k, model, TRACE_WAIT, "wait", 8, 9, 1 - k);
        hand_kernel(r, k, group, NONE, "send and receive", 15 + 10 * k, 40 + k);
        hand_kernel(r, k, mark, NONE, "write", 42 + k, 45 + k);
    }
    struct messages m = open_messages(r);
    cr_assert(m.n == 4 && m.unmatched == 0);
    for (int i = 0; i < 2; i++) {
        times(find(&m, 0, 1, i), 0, 0, 25, 41);
        times(find(&m, 1, 0, i), 0, 0, 25, 41);
    }
    close_all(r, &m);
}

/* Kernels of a collective move nothing before the last one runs. */
Test(messages, kernels_of_a_collective_begin_together)
{
    struct recording *r = hand_open(3, 1, 100, false);
    for (int k = 0; k < 3; k++) {
        int comm = hand_comm(r, k, NONE, "all_reduce", 1, 2, -1, 12);
        hand_kernel(r, k, comm, NONE, "sum", 10 + 20 * k, 60 + k);
        int mark = hand_range(r, k, comm, TRACE_MARK, "watch", 2, 2, -1);
        hand_kernel(r, k, mark, NONE, "write", 70 + k, 75 + k); /* a sign of progress is none */
    }
    struct messages m = open_messages(r);
    cr_assert_eq(m.n, 6);
    times(find(&m, 0, 1, 0), 0, 0, 50, 61);
    times(find(&m, 1, 0, 0), 0, 0, 50, 61);
    times(find(&m, 2, 0, 0), 0, 0, 50, 62);
    close_all(r, &m);
}

/* One send, captured once and launched twice, meets two receives that were not captured; the order
 * on the stream is that of the launches. */
Test(messages, every_launch_posts_again)
{
    struct recording *r = hand_open(2, 1, 100, false);
    r->rank[0].begin = r->rank[1].begin = 10;
    int capture = hand_range(r, 0, NONE, TRACE_GRAPH, "capture", 1, 5, -1);
    hand_range(r, 0, capture, TRACE_OP, "op", 2, 2, -1);
    int comm = hand_comm(r, 0, capture, "send", 3, 4, 1, 8);
    int launch[2];
    for (int i = 0; i < 2; i++) {
        launch[i] = hand_range(r, 0, NONE, TRACE_GRAPH, "launch", 10 + i, 10 + i, -1);
        int op = hand_kernel(r, 0, capture + 1, launch[i], "op", 20 + 40 * i, 30 + 40 * i);
        r->rank[0].item[op].track = HAND_STREAM;
        hand_kernel(r, 0, comm, launch[i], "move", 31 + 40 * i, 40 + 40 * i);
        comm = hand_comm(r, 1, NONE, "recv", 11 + i, 11 + i, 0, 8);
        hand_kernel(r, 1, comm, NONE, "move", 15 + 20 * i, 41 + 40 * i);
        comm = capture + 2;
    }
    struct messages m = open_messages(r);
    cr_assert(m.n == 2 && m.unmatched == 0, "%d", m.n);
    times(find(&m, 0, 1, 0), 30, 10, 31, 41);
    times(find(&m, 0, 1, 1), 70, 10, 71, 81);
    for (int i = 0; i < 2; i++)
        cr_expect(find(&m, 0, 1, i)->send_launch == launch[i] &&
                  find(&m, 0, 1, i)->send == capture + 2 &&
                  find(&m, 0, 1, i)->receive_launch == NONE);
    close_all(r, &m);
}

/* Nobody's kernel does anything while one rank of a collective is dead. */
Test(messages, kernels_without_a_rank_carry_nothing)
{
    struct recording *r = hand_open(3, 1, 100, false);
    for (int k = 0; k < 2; k++) {
        int comm = hand_comm(r, k, NONE, "all_reduce", 1, 2, -1, 12);
        hand_kernel(r, k, comm, NONE, "sum", 10, 100);
    }
    struct messages m = open_messages(r);
    cr_expect(m.n == 0 && m.unmatched == 2);
    close_all(r, &m);
}
