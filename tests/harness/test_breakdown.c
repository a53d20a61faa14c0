/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of time in recordings made by hand, where every nanosecond is known. */
#include "harness/profile/breakdown.h"
#include "tests/harness/hand.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NONE = RECORDED_NONE };

struct broken_down {
    struct recording *recording;
    struct messages messages;
    struct breakdown all;
};

static struct broken_down break_down(struct recording *r)
{
    struct broken_down b = {.recording = r};
    cr_assert_eq(recording_check(r), ST_OK);
    cr_assert_eq(messages_open(r, &b.messages), ST_OK, "%s", status_text());
    cr_assert_eq(breakdown_open(r, &b.messages, &b.all), ST_OK, "%s", status_text());
    return b;
}

static void close_all(struct broken_down *b)
{
    breakdown_release(&b->all);
    messages_release(&b->messages);
    recording_close(b->recording);
}

static const struct breakdown_row *row(const struct broken_down *b, int rank, int step)
{
    for (int i = 0; i < b->all.rows; i++)
        if (b->all.row[i].rank == rank && b->all.row[i].step == step)
            return &b->all.row[i];
    cr_assert_fail("rank %d, step %d: no row", rank, step);
    return NULL;
}

static long ns(double ms)
{
    return lround(ms * 1e6);
}

/* compute, exposed, bubble, wait, gaps, other */
static void shares(const struct broken_down *b, int rank, int step, const long want[SHARES])
{
    const struct breakdown_row *got = row(b, rank, step);
    long total = 0;
    for (int i = 0; i < SHARES; i++) {
        cr_expect_eq(ns(got->ms[i]), want[i], "rank %d, step %d, %s: %ld, not %ld", rank, step,
                     share_name((enum share)i), ns(got->ms[i]), want[i]);
        total += want[i];
    }
    cr_expect_eq(ns(got->total_ms), total, "rank %d, step %d: %ld, not %ld", rank, step,
                 ns(got->total_ms), total);
}
#define SHARES_OF(b, rank, step, ...) shares(b, rank, step, (const long[SHARES]){__VA_ARGS__})

/* Without holes, each with what it is for. */
static void check_slices(const struct broken_down *b)
{
    for (int r = 0; r < b->all.ranks; r++) {
        int64_t at = b->recording->rank[r].begin;
        for (int i = 0; i < b->all.slices[r]; i++) {
            const struct share_slice *s = &b->all.slice[r][i];
            cr_expect(s->begin == at && s->end > s->begin, "rank %d: [%ld, %ld] after %ld", r,
                      (long)s->begin, (long)s->end, (long)at);
            cr_expect_eq(s->item != NONE && s->share != SHARE_EXPOSED, s->share == SHARE_COMPUTE);
            cr_expect(s->message < b->messages.n);
            cr_expect(s->share != SHARE_EXPOSED || s->message != NONE || s->item != NONE);
            at = s->end;
        }
        cr_expect_eq(at, b->recording->rank[r].end);
    }
}

/* ---- on the host ---- */

Test(breakdown, one_rank)
{
    struct recording *r = hand_open(1, 2, 50, true);
    r->rank[0].step_end[0] = 22;
    hand_op(r, 0, NONE, NONE, 10, 20);
    hand_op(r, 0, NONE, NONE, 15, 15); /* of no length */
    hand_op(r, 0, NONE, NONE, 25, 40);
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 0, 0, 10, 0, 0, 0, 2, 10);
    SHARES_OF(&b, 0, 1, 15, 0, 0, 0, 3, 10);
    cr_expect(isnan(row(&b, 0, 0)->overlap_hta) && row(&b, 0, 0)->comm_ms == 0);
    cr_assert_eq(b.all.slices[0], 5);
    cr_expect(b.all.slice[0][1].item == 0 && b.all.slice[0][3].item == 2);
    check_slices(&b);
    close_all(&b);
}

/* The receiver waits from 10 on, the sender posts at 30 and copies until 38; the receiver's thread
 * runs again at 40. */
static struct recording *late_sender(void)
{
    struct recording *r = hand_open(2, 1, 100, true);
    hand_op(r, 0, NONE, NONE, 0, 30);
    int comm = hand_comm(r, 0, NONE, "send", 30, 38, 1, 64);
    hand_op(r, 0, comm, NONE, 31, 37);
    hand_op(r, 0, NONE, NONE, 38, 100);
    hand_op(r, 1, NONE, NONE, 0, 5);
    hand_comm(r, 1, NONE, "recv", 6, 8, 0, 64);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 10, 40, 0);
    hand_op(r, 1, NONE, NONE, 42, 90);
    return r;
}

Test(breakdown, a_late_sender_is_waited_for)
{
    struct broken_down b = break_down(late_sender());
    SHARES_OF(&b, 0, 0, 92, 8, 0, 0, 0, 0);
    /* 5 to 6, 8 to 10 and 38 to 42 gaps; posting, and 90 to 100 the rest */
    SHARES_OF(&b, 1, 0, 53, 8, 0, 20, 7, 12);
    cr_expect_eq(ns(row(&b, 1, 0)->comm_ms), 8);
    cr_expect_eq(row(&b, 1, 0)->overlap_hta, 0);
    check_slices(&b);
    for (int i = 0; i < b.all.slices[1]; i++)
        if (b.all.slice[1][i].share == SHARE_WAIT)
            cr_expect_eq(b.all.slice[1][i].message, 0);
    close_all(&b);
}

/* The sender wakes the receiver, which takes its core: it does not run again before 60. */
Test(breakdown, who_sent_and_does_not_run_has_a_gap)
{
    struct recording *r = hand_open(2, 1, 100, true);
    hand_op(r, 0, NONE, NONE, 0, 30);
    int comm = hand_comm(r, 0, NONE, "send", 30, 60, 1, 64);
    hand_op(r, 0, comm, NONE, 31, 37);
    hand_op(r, 0, NONE, NONE, 60, 100);
    hand_comm(r, 1, NONE, "recv", 0, 0, 0, 64);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 0, 40, 0);
    hand_op(r, 1, NONE, NONE, 40, 100);
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 0, 0, 70, 10, 0, 0, 20, 0);
    SHARES_OF(&b, 1, 0, 60, 10, 0, 30, 0, 0);
    check_slices(&b);
    close_all(&b);
}

Test(breakdown, in_a_pipeline_it_is_a_bubble)
{
    struct recording *r = late_sender();
    r->schedule_axis = 0;
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 0, 0, 92, 8, 0, 0, 0, 0);
    SHARES_OF(&b, 1, 0, 53, 8, 20, 0, 7, 12);
    close_all(&b);
}

/* A sender whose buffer is not free yet waits for the receiver: no bubble, whoever's the schedule.
 */
Test(breakdown, a_sender_makes_no_bubble)
{
    struct recording *r = hand_open(2, 1, 100, true);
    r->schedule_axis = 0;
    hand_comm(r, 0, NONE, "send", 0, 0, 1, 64);
    hand_range(r, 0, NONE, TRACE_WAIT, "wait", 10, 60, 1);
    hand_op(r, 0, NONE, NONE, 60, 100);
    hand_op(r, 1, NONE, NONE, 0, 50);
    int comm = hand_comm(r, 1, NONE, "recv", 50, 60, 0, 64);
    hand_op(r, 1, comm, NONE, 50, 60);
    hand_op(r, 1, NONE, NONE, 60, 100);
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 0, 0, 40, 10, 0, 40, 0, 10);
    SHARES_OF(&b, 1, 0, 90, 10, 0, 0, 0, 0);
    close_all(&b);
}

/* Under way from 10 until the wait ends at 50, of which 30 lie under an operation. */
Test(breakdown, a_message_hides_behind_computation)
{
    struct recording *r = hand_open(2, 1, 60, true);
    for (int k = 0; k < 2; k++) {
        hand_op(r, k, NONE, NONE, 0, 10);
        hand_comm(r, k, NONE, k ? "recv" : "send", 10, 12, 1 - k, 64);
        hand_op(r, k, NONE, NONE, 12, 42);
        hand_range(r, k, NONE, TRACE_WAIT, "wait", 44, 50, 1 - k);
        hand_op(r, k, NONE, NONE, 50, 60);
    }
    struct broken_down b = break_down(r);
    for (int k = 0; k < 2; k++) {
        SHARES_OF(&b, k, 0, 50, 10, 0, 0, 0, 0);
        cr_expect_eq(ns(row(&b, k, 0)->comm_ms), 40);
        cr_expect_eq(row(&b, k, 0)->overlap_hta, 75);
        cr_expect(isnan(row(&b, k, 0)->overlap_osu));
    }
    breakdown_set_alone(&b.all, 1, (const double[]){40e-6, 20e-6});
    cr_expect_float_eq(row(&b, 0, 0)->overlap_osu, 75, 1e-9);
    cr_expect_float_eq(row(&b, 1, 0)->overlap_osu, 50, 1e-9);
    breakdown_set_alone(&b.all, 1, (const double[]){(double)NAN, 0});
    cr_expect(isnan(row(&b, 0, 0)->overlap_osu) && isnan(row(&b, 1, 0)->overlap_osu));
    close_all(&b);
}

/* Two ranks exchange at once, the third is 40 late. */
Test(breakdown, one_late_rank_of_a_collective)
{
    struct recording *r = hand_open(3, 1, 100, true);
    static const int64_t at[3] = {10, 20, 60};
    for (int k = 0; k < 3; k++) {
        hand_op(r, k, NONE, NONE, 0, at[k]);
        int comm = hand_comm(r, k, NONE, "all_gather", at[k], at[k] + 8, -1, 10);
        for (int i = 0; i < 2 * k; i++)
            hand_op(r, k, comm, NONE, at[k] + 1 + i, at[k] + 2 + i);
        hand_range(r, k, NONE, TRACE_WAIT, "wait", at[k] + 8, 70, -1);
        hand_op(r, k, NONE, NONE, 70, 100);
    }
    struct broken_down b = break_down(r);
    /* posts until 18, waits until 20, exchanges until 28, waits until 60, then with the third until
     * 68; all run again at 70 */
    SHARES_OF(&b, 0, 0, 40, 16, 0, 34, 2, 8);
    SHARES_OF(&b, 1, 0, 50, 16, 0, 32, 2, 0);
    SHARES_OF(&b, 2, 0, 90, 8, 0, 0, 2, 0);
    cr_expect_eq(ns(row(&b, 0, 0)->comm_ms), 16);
    check_slices(&b);
    close_all(&b);
}

/* Rank 1 dies in its second step; rank 0 waits for it until it gives up. */
Test(breakdown, a_dead_rank)
{
    struct recording *r = hand_open(2, 4, 100, true);
    r->rank[0].complete = r->rank[1].complete = false;
    r->rank[1].end = 40;
    for (int k = 0; k < 2; k++) {
        for (int s = 1; s < 4; s++)
            r->rank[k].step_end[s] = 0;
        hand_op(r, k, NONE, NONE, 0, 30);
    }
    hand_comm(r, 0, NONE, "recv", 30, 32, 1, 64);
    hand_range(r, 0, NONE, TRACE_WAIT, "wait", 32, 100, 1);
    struct broken_down b = break_down(r);
    cr_expect_eq(b.messages.unmatched, 1);
    SHARES_OF(&b, 0, 0, 25, 0, 0, 0, 0, 0);
    SHARES_OF(&b, 0, 1, 5, 0, 0, 68, 0, 2);
    SHARES_OF(&b, 1, 0, 25, 0, 0, 0, 0, 0);
    SHARES_OF(&b, 1, 1, 5, 0, 0, 0, 0, 10);
    cr_expect_eq(b.all.rows, 4, "no row of a step that a rank did not come to");
    check_slices(&b);
    close_all(&b);
}

Test(breakdown, barriers_are_waits)
{
    struct recording *r = hand_open(1, 1, 50, true);
    hand_range(r, 0, NONE, TRACE_WAIT, "barrier", 0, 10, -1);
    hand_op(r, 0, NONE, NONE, 10, 30);
    hand_range(r, 0, NONE, TRACE_WAIT, "drain", 35, 50, -1);
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 0, 0, 20, 0, 0, 25, 0, 5);
    close_all(&b);
}

/* ---- on a device ---- */

/* Kernels of both ranks from 20 and 50 to 60, one of the first under a computation until 30. */
static struct recording *kernels(void)
{
    struct recording *r = hand_open(2, 1, 100, false);
    for (int k = 0; k < 2; k++) {
        hand_op(r, k, NONE, NONE, 0, k ? 49 : 19);
        int comm = hand_comm(r, k, NONE, k ? "send" : "recv", 1, 2, 1 - k, 8);
        hand_kernel(r, k, comm, NONE, "move", k ? 50 : 20, 60);
        if (k == 0)
            hand_op(r, k, NONE, NONE, 19, 30);
        hand_range(r, k, NONE, TRACE_WAIT, "wait", 3, 4, 1 - k);
        hand_op(r, k, NONE, NONE, 61, 90);
    }
    return r;
}

Test(breakdown, kernels_wait_for_each_other)
{
    struct broken_down b = break_down(kernels());
    SHARES_OF(&b, 0, 0, 59, 10, 0, 20, 1, 10);
    SHARES_OF(&b, 1, 0, 78, 10, 0, 0, 2, 10);
    cr_expect_eq(ns(row(&b, 0, 0)->comm_ms), 10);
    check_slices(&b);
    close_all(&b);
    struct recording *r = kernels();
    r->schedule_axis = 0;
    b = break_down(r);
    SHARES_OF(&b, 0, 0, 59, 10, 20, 0, 1, 10);
    SHARES_OF(&b, 1, 0, 78, 10, 0, 0, 2, 10);
    close_all(&b);
}

/* The receiver's end copies, on a stream of its own, as soon as the sender's has come to the send,
 * at 40; its own waits for that. The copy's start, and what the host is late with afterwards, are
 * gaps.
 */
Test(breakdown, a_stream_waits_for_a_copy)
{
    struct recording *r = hand_open(2, 1, 100, false);
    hand_op(r, 0, NONE, NONE, 0, 40);
    hand_comm(r, 0, NONE, "send", 3, 4, 1, 64);
    hand_op(r, 0, NONE, NONE, 41, 90);
    hand_op(r, 1, NONE, NONE, 0, 20);
    int comm = hand_comm(r, 1, NONE, "recv", 5, 6, 0, 64);
    hand_copy(r, 1, comm, 42, 50);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 7, 8, 0);
    hand_op(r, 1, NONE, NONE, 55, 90);
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 1, 0, 55, 8, 0, 20, 7, 10);
    /* the copy of the other rank is under its next operation */
    SHARES_OF(&b, 0, 0, 89, 0, 0, 0, 1, 10);
    cr_expect_eq(row(&b, 0, 0)->overlap_hta, 100);
    cr_expect_eq(row(&b, 1, 0)->overlap_hta, 0);
    close_all(&b);
}

/* Here the sender's host posted second, so the copy is on a stream of its end, beside its next
 * operation. */
Test(breakdown, a_stream_waits_for_another)
{
    struct recording *r = hand_open(2, 1, 100, false);
    r->schedule_axis = 0;
    hand_op(r, 0, NONE, NONE, 0, 40);
    int comm = hand_comm(r, 0, NONE, "send", 8, 9, 1, 64);
    hand_copy(r, 0, comm, 41, 50);
    hand_op(r, 0, NONE, NONE, 51, 90);
    hand_op(r, 1, NONE, NONE, 0, 20);
    hand_comm(r, 1, NONE, "recv", 5, 6, 0, 64);
    hand_op(r, 1, NONE, NONE, 20, 25); /* before the wait */
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 7, 10, 0);
    hand_op(r, 1, NONE, NONE, 50, 90);
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 1, 0, 65, 9, 15, 0, 1, 10);
    SHARES_OF(&b, 0, 0, 79, 9, 0, 0, 2, 10);
    close_all(&b);
}

/* A receive that was posted ahead: until the sender comes, at 40, the receiver computes, with gaps
 * of its own, and waits for nobody. */
Test(breakdown, a_receive_posted_ahead_holds_no_stream)
{
    struct recording *r = hand_open(2, 1, 100, false);
    r->schedule_axis = 0;
    hand_op(r, 0, NONE, NONE, 0, 40);
    hand_comm(r, 0, NONE, "send", 3, 4, 1, 64);
    hand_op(r, 0, NONE, NONE, 40, 90);
    hand_op(r, 1, NONE, NONE, 0, 10);
    int comm = hand_comm(r, 1, NONE, "recv", 5, 6, 0, 64);
    hand_copy(r, 1, comm, 42, 50);
    hand_op(r, 1, NONE, NONE, 14, 30);
    hand_op(r, 1, NONE, NONE, 36, 60);
    hand_range(r, 1, NONE, TRACE_WAIT, "wait", 61, 62, 0);
    hand_op(r, 1, NONE, NONE, 62, 90);
    struct broken_down b = break_down(r);
    SHARES_OF(&b, 1, 0, 78, 0, 0, 0, 12, 10);
    cr_expect_eq(row(&b, 1, 0)->overlap_hta, 100);
    close_all(&b);
}

/* One send and one receive of a graph, launched twice: the second step as the first. */
Test(breakdown, graphs_wait_in_every_launch)
{
    struct recording *r = hand_open(2, 2, 200, false);
    for (int k = 0; k < 2; k++) {
        int capture = hand_range(r, k, NONE, TRACE_GRAPH, "capture", -9, -1, -1);
        int before = hand_range(r, k, capture, TRACE_OP, "op", -8, -8, -1);
        int comm = hand_comm(r, k, capture, k ? "recv" : "send", -7, -6, 1 - k, 8);
        hand_range(r, k, capture, TRACE_WAIT, "wait", -5, -4, 1 - k);
        int after = hand_range(r, k, capture, TRACE_OP, "op", -3, -3, -1);
        for (int s = 0; s < 2; s++) {
            int64_t at = 100 * s;
            int launch = hand_range(r, k, NONE, TRACE_GRAPH, "launch", at, at + 1, -1);
            int item = hand_kernel(r, k, before, launch, "op", at, at + (k ? 20 : 50));
            r->rank[k].item[item].track = HAND_STREAM;
            hand_kernel(r, k, comm, launch, "move", at + (k ? 20 : 50), at + 60);
            item = hand_kernel(r, k, after, launch, "op", at + 60, at + 100);
            r->rank[k].item[item].track = HAND_STREAM;
        }
    }
    struct broken_down b = break_down(r);
    cr_expect_eq(b.messages.n, 2);
    for (int s = 0; s < 2; s++) {
        SHARES_OF(&b, 0, s, 90, 10, 0, 0, 0, 0);
        SHARES_OF(&b, 1, s, 60, 10, 0, 30, 0, 0);
    }
    close_all(&b);
}

/* ---- whatever was recorded ---- */

static int64_t below(unsigned *seed, int n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (int64_t)((*seed >> 8) % (unsigned)n);
}

static struct recording *random_recording(unsigned seed, bool host)
{
    static const char *const names[] = {"send", "recv", "all_gather", "wait", "barrier"};
    int ranks = 1 + (int)below(&seed, 4);
    struct recording *r = hand_open(ranks, 1 + (int)below(&seed, 4), 1000, host);
    r->schedule_axis = below(&seed, 2) ? 0 : NONE;
    for (int k = 0; k < ranks; k++) {
        r->rank[k].complete = below(&seed, 4) > 0;
        r->rank[k].end -= below(&seed, 300);
        for (int s = 0; s < r->steps; s++)
            r->rank[k].step_end[s] += below(&seed, 100) - 50;
        for (int64_t at = -20; at < 990; at += below(&seed, 30)) {
            int what = (int)below(&seed, 8);
            int64_t end = at + below(&seed, 40);
            int peer = (int)below(&seed, ranks);
            if (what > 4)
                hand_op(r, k, NONE, NONE, at, end);
            else if (what > 2)
                hand_range(r, k, NONE, TRACE_WAIT, names[what], at, end, peer - 1);
            else {
                int comm = hand_comm(r, k, NONE, names[what], at, end, peer, below(&seed, 9));
                if (host || below(&seed, 2))
                    hand_op(r, k, comm, NONE, at + 1, end);
                else
                    hand_kernel(r, k, comm, NONE, "move", at + below(&seed, 50), end + 60);
            }
        }
    }
    return r;
}

Test(breakdown, shares_add_up_whatever_was_recorded)
{
    for (unsigned seed = 0; seed < 400; seed++) {
        struct broken_down b = break_down(random_recording(seed, seed % 2));
        check_slices(&b);
        const struct breakdown_row *got = b.all.row;
        for (int r = 0; r < b.all.ranks; r++) {
            long all = 0;
            for (int s = 0; got < b.all.row + b.all.rows && got->rank == r; got++) {
                long sum = 0;
                for (int i = 0; i < SHARES; i++)
                    sum += ns(got->ms[i]);
                cr_expect_eq(sum, ns(got->total_ms), "seed %u", seed);
                cr_expect_eq(got->step, s++);
                cr_expect_leq(ns(got->comm_ms), sum);
                cr_expect(isnan(got->overlap_hta) ||
                          (got->overlap_hta >= 0 && got->overlap_hta <= 100));
                all += sum;
            }
            cr_expect_eq(all, b.recording->rank[r].end, "seed %u", seed);
        }
        close_all(&b);
    }
}

/* ---- the file ---- */

Test(breakdown, file)
{
    char path[] = "/tmp/ditbench-breakdown-XXXXXX";
    char text[1000] = "";
    struct broken_down b = break_down(late_sender());
    breakdown_set_alone(&b.all, 1, (const double[]){30e-6, 30e-6});
    b.all.row[0].overlap_hta = (double)NAN;
    close(mkstemp(path));
    cr_assert_eq(breakdown_write(&b.all, path), ST_OK, "%s", status_text());
    FILE *in = fopen(path, "re");
    size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    unlink(path);
    text[n] = '\0';
    cr_expect_str_eq(
        text,
        "rank,step,total_ms,compute_ms,comm_ms,exposed_comm_ms,overlap_hta_pct,overlap_osu_pct,"
        "gaps_ms,bubble_ms,wait_ms,other_ms\n"
        "0,0,0.000100,0.000092,0.000008,0.000008,,73.3333,0.000000,0.000000,0.000000,0.000000\n"
        "1,0,0.000100,0.000053,0.000008,0.000008,0,73.3333,0.000007,0.000000,0.000020,0.000012\n");
    cr_expect_eq(breakdown_write(&b.all, "/nowhere/breakdown.csv"), ST_IO);
    cr_expect(strstr(status_message(), "/nowhere/breakdown.csv"));
    close_all(&b);
}
