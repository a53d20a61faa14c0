/* SPDX-License-Identifier: Apache-2.0 */
/* Times the operations of comm_case.h. Prints nothing. */
#include "harness/measure/comm_bench.h"

#include "harness/base/stats.h"
#include "harness/measure/comm_case.h"
#include "kernels/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One rank's benchmark. */
struct meter {
    const struct comm_bench *bench;
    struct comm *comm;
    struct queue *q;
    int n;
    struct event *event; /* [2 * iters] begin and end of each sample */
    double *own;         /* [iters] microseconds; then the slowest rank's */
    double *all;         /* [n][iters] */
    double *scratch;     /* [iters] */
    int64_t *wrong;      /* [n] */
    int64_t wrong_in_all;
};

bool comm_bench_captures(const struct rank *rank)
{
    return graph_supported(rank->dev) && comm_captures(rank->world);
}

static enum status post_chain(struct comm_case *c, int length)
{
    for (int i = 0; i < length; i++)
        TRY(c->op->post(c));
    return ST_OK;
}

/* A queue must not stay in a capture, whatever failed. */
static enum status capture(struct comm_case *c, int length, struct graph *out)
{
    TRY(graph_begin(c->q));
    enum status st = post_chain(c, length);
    if (st == ST_OK)
        st = comm_join(c->comm, c->q);
    if (st == ST_OK)
        return graph_end(c->q, out);
    char message[1024];
    snprintf(message, sizeof message, "%s", status_message());
    graph_end(c->q, out);
    graph_release(c->q->dev, out);
    return fail(st, "while %s was captured: %s", c->op->name, message);
}

static enum status go(struct comm_case *c, const struct graph *graph, int length)
{
    return graph->state ? graph_launch(c->q, graph) : post_chain(c, length);
}

/* ---- the check ---- */

static enum status check(struct comm_case *c, bool as_graph, int64_t *wrong)
{
    struct graph graph = {0};
    if (as_graph)
        TRY(capture(c, 1, &graph));
    enum status st = comm_case_reset(c);
    if (st == ST_OK)
        st = comm_drain(c->comm, c->q); /* nobody sends while a peer still resets */
    if (st == ST_OK)
        st = comm_barrier(c->comm);
    if (st == ST_OK)
        st = go(c, &graph, 1);
    if (st == ST_OK)
        st = comm_case_wrong(c, wrong);
    graph_release(c->q->dev, &graph);
    return st;
}

/* ---- the time ---- */

/* Sums would grow from chain to chain, so they begin anew, outside of the time. */
static enum status sample(struct comm_case *c, const struct graph *graph, struct event *pair)
{
    if (c->op->sum(2) > 1)
        TRY(comm_case_reset(c));
    if (pair)
        TRY(queue_mark(c->q, &pair[0]));
    TRY(go(c, graph, COMM_BENCH_CHAIN));
    return pair ? queue_mark(c->q, &pair[1]) : ST_OK;
}

static enum status sample_all(struct meter *m, struct comm_case *c, const struct graph *graph)
{
    TRY(comm_drain(m->comm, m->q));
    TRY(comm_barrier(m->comm));
    for (int i = 0; i < m->bench->warmup; i++)
        TRY(sample(c, graph, NULL));
    for (int i = 0; i < m->bench->iters; i++)
        TRY(sample(c, graph, &m->event[2 * i]));
    TRY(comm_drain(m->comm, m->q));
    for (int i = 0; i < m->bench->iters; i++) {
        double ms;
        TRY(event_elapsed(m->q->dev, &m->event[2 * i], &m->event[2 * i + 1], &ms));
        m->own[i] = 1e3 * ms / COMM_BENCH_CHAIN;
    }
    return ST_OK;
}

static enum status time_it(struct meter *m, struct comm_case *c, bool as_graph)
{
    struct graph graph = {0};
    if (as_graph)
        TRY(capture(c, COMM_BENCH_CHAIN, &graph));
    enum status st = sample_all(m, c, &graph);
    graph_release(m->q->dev, &graph);
    return st;
}

/* ---- a row ---- */

static enum status tell_row(struct meter *m, const struct comm_case *c, bool as_graph,
                            int64_t wrong)
{
    int iters = m->bench->iters;
    struct comm_bench_row row = {
        .op = c->op->name, .bytes = c->bytes, .count = c->count, .graph = as_graph};
    TRY(comm_host_gather(m->comm, m->own, (size_t)iters * sizeof *m->own, m->all));
    TRY(comm_host_gather(m->comm, &wrong, sizeof wrong, m->wrong));
    for (int r = 0; r < m->n; r++) {
        row.wrong += m->wrong[r];
        for (int i = 0; i < iters; i++)
            if (m->all[r * iters + i] > m->own[i])
                m->own[i] = m->all[r * iters + i];
    }
    m->wrong_in_all += row.wrong;
    struct stats us = stats_of(iters, m->own, m->scratch);
    row.median_us = us.median;
    row.p10_us = us.p10;
    row.p90_us = us.p90;
    row.algbw = (double)c->bytes / (1e3 * us.median);
    row.busbw = row.algbw * c->op->bus(m->n);
    if (c->rank == 0)
        m->bench->on_row(m->bench->self, &row);
    return ST_OK;
}

static enum status measure(struct meter *m, struct comm_case *c, bool as_graph)
{
    int64_t wrong;
    TRY(check(c, as_graph, &wrong));
    TRY(time_it(m, c, as_graph));
    return tell_row(m, c, as_graph, wrong);
}

/* The first time is not captured: what a shape or a peer needs is made then. */
static enum status measure_forms(struct meter *m, struct comm_case *c)
{
    TRY(comm_case_reset(c));
    TRY(post_chain(c, 1));
    if (m->bench->direct)
        TRY(measure(m, c, false));
    return m->bench->graph ? measure(m, c, true) : ST_OK;
}

/* What the ranks have not agreed on: peers must not wait, and memory that they may still write to
 * must not go before they have given up. */
static void give_up(struct meter *m, enum status st)
{
    if (m->comm && st != ST_OK && st != ST_WRONG && st != ST_OOM)
        comm_abort(m->comm);
}

/* Small sizes of an operation may come to the same: *last, the one before, is not done again. */
static enum status measure_size(struct meter *m, const struct comm_case_op *op, int64_t bytes,
                                int64_t *last)
{
    struct comm_case c;
    enum status st = comm_case_open(op, m->comm, m->q, m->bench->dtype, bytes, &c);
    st = comm_agree(m->comm, st);
    if (st == ST_OK && c.bytes != *last)
        st = measure_forms(m, &c);
    *last = c.bytes;
    if (st == ST_OK)
        st = comm_drain(m->comm, m->q);
    if (st == ST_OK)
        st = comm_barrier(m->comm); /* a peer may still read what is freed now */
    if (st != ST_OK)
        st = fail_prefix(st, "%s of %lld bytes", op->name, (long long)bytes);
    give_up(m, st);
    comm_case_close(&c);
    return st;
}

static enum status measure_all(struct meter *m)
{
    const struct comm_bench *b = m->bench;
    for (int i = 0; comm_case_at(i); i++) {
        const struct comm_case_op *op = comm_case_at(i);
        int64_t last = 0;
        if (b->op && strcmp(b->op, op->name) != 0)
            continue;
        for (int64_t bytes = b->min; bytes <= b->max; bytes *= b->factor)
            TRY(measure_size(m, op, bytes, &last));
    }
    if (m->wrong_in_all > 0)
        return fail(ST_WRONG, "%lld elements are wrong", (long long)m->wrong_in_all);
    return ST_OK;
}

/* ---- life ---- */

static enum status meter_open(struct meter *m)
{
    size_t iters = (size_t)m->bench->iters;
    m->event = calloc(2 * iters, sizeof *m->event);
    m->own = calloc(iters, sizeof *m->own);
    m->all = calloc((size_t)m->n * iters, sizeof *m->all);
    m->scratch = calloc(iters, sizeof *m->scratch);
    m->wrong = calloc((size_t)m->n, sizeof *m->wrong);
    if (!m->event || !m->own || !m->all || !m->scratch || !m->wrong)
        return fail(ST_OOM, "%d samples: no host memory; use fewer --iters", m->bench->iters);
    for (size_t i = 0; i < 2 * iters; i++)
        TRY(event_open(m->q->dev, &m->event[i]));
    return ST_OK;
}

static void meter_close(struct meter *m)
{
    for (int i = 0; m->event && i < 2 * m->bench->iters; i++)
        event_close(m->q->dev, &m->event[i]);
    free(m->event);
    free(m->own);
    free(m->all);
    free(m->scratch);
    free(m->wrong);
}

enum status comm_bench_run(const struct comm_bench *bench, const struct rank *rank)
{
    struct meter m = {.bench = bench, .n = rank->n};
    BUG_ON(bench->graph && !comm_bench_captures(rank), "graphs of what captures none");
    TRY(queue_open(rank->dev, &m.q));
    enum status st = comm_split(rank->world, 0, rank->index, "comm", COMM_AT_ONCE, NULL, &m.comm);
    if (st == ST_OK)
        st = comm_agree(m.comm, meter_open(&m));
    if (st == ST_OK)
        st = measure_all(&m);
    give_up(&m, st);
    meter_close(&m);
    comm_close(m.comm);
    queue_close(m.q);
    return st;
}
