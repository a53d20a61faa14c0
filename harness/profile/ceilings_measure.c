/* SPDX-License-Identifier: Apache-2.0 */
/* Times the rungs of a ladder within a span of time. */
#include "harness/profile/ceilings_measure.h"

#include "harness/base/stats.h"
#include "harness/launch/ranks.h"
#include "harness/profile/ceilings_exchange.h"
#include "harness/profile/operands.h"
#include "kernels/base/clock.h"

#include <stdio.h>
#include <time.h>

enum { LEAST_SAMPLES = 3, MOST_SAMPLES = 99, MOST_CALLS = 64 };

/* One device's measurement. */
struct meter {
    struct queue *q;
    struct operands *operands;
    const struct ladder_rung *rung;
    bool on_host;
    int calls; /* of a sample */
    struct graph graph;
    struct event from, to;
};

struct job {
    const struct ceilings_measure *measure;
    struct ceilings_set *set;
    double end; /* clock_seconds */
};

/* ---- a sample ---- */

static enum status call_all(struct meter *m)
{
    for (int i = 0; i < m->calls; i++)
        TRY(operands_call(m->operands, m->rung, NULL));
    return ST_OK;
}

static enum status sample(struct meter *m, double *us)
{
    double ms;
    TRY(queue_mark(m->q, &m->from));
    TRY(m->graph.state ? graph_launch(m->q, &m->graph) : call_all(m));
    TRY(queue_mark(m->q, &m->to));
    TRY(queue_sync(m->q));
    TRY(event_elapsed(m->q->dev, &m->from, &m->to, &ms));
    *us = 1e3 * ms / m->calls;
    return ST_OK;
}

/* A queue must not stay in a capture, whatever failed. */
static enum status capture(struct meter *m)
{
    char message[1024];
    TRY(graph_begin(m->q));
    enum status st = call_all(m);
    if (st == ST_OK)
        return graph_end(m->q, &m->graph);
    snprintf(message, sizeof message, "%s", status_message());
    graph_end(m->q, &m->graph);
    graph_release(m->q->dev, &m->graph);
    return fail(st, "%s", message);
}

/* Enough calls to outlast a clock's step, and to have gone around the pools; no more than leave
 * time for a few samples. */
static int calls_of(const struct meter *m, double us, double bytes, double share_s)
{
    const double enough_us = m->on_host ? 10e3 : 3e3;
    double calls = enough_us / us;
    double around = (double)operands_cold(m->on_host) / (bytes > 1 ? bytes : 1);
    double most = share_s * 1e6 / us / (LEAST_SAMPLES + 2);
    calls = calls > around || m->on_host ? calls : around;
    calls = calls < most ? calls : most;
    return calls < 1 ? 1 : calls > MOST_CALLS ? MOST_CALLS : (int)calls;
}

/* ---- a rung ---- */

static enum status sample_until(struct meter *m, double end, struct ceilings_rate *rate)
{
    double us[MOST_SAMPLES];
    double scratch[MOST_SAMPLES];
    int n = 0;
    TRY(sample(m, &us[0])); /* not counted: the first launch of a graph */
    while (n < LEAST_SAMPLES || (n < MOST_SAMPLES && clock_seconds() < end))
        TRY(sample(m, &us[n++]));
    struct stats stats = stats_of(n, us, scratch);
    rate->samples = n;
    rate->median_us = stats.median;
    rate->p10_us = stats.p10;
    rate->p90_us = stats.p90;
    if (!(stats.median > 0))
        return fail(ST_DEVICE, "%s %s: the device's clock says %g us", rate->name, rate->shape,
                    stats.median);
    return ST_OK;
}

/* The first call chooses how the shape is computed; the second tells how long one takes. */
static enum status measure_rung(struct meter *m, double share_s, struct ceilings_rate *rate)
{
    struct trace_work work;
    double us;
    double end = clock_seconds() + share_s;
    ladder_describe(m->rung, rate);
    TRY(operands_call(m->operands, m->rung, &work));
    TRY(queue_sync(m->q));
    rate->flops = work.flops;
    rate->bytes = work.bytes;
    m->calls = 1;
    TRY(sample(m, &us));
    m->calls = calls_of(m, us > 0.1 ? us : 0.1, work.bytes, share_s);
    if (graph_supported(m->q->dev))
        TRY(capture(m));
    enum status st = sample_until(m, end, rate);
    graph_release(m->q->dev, &m->graph);
    m->graph = (struct graph){0};
    return st;
}

static enum status measure_ladder(const struct job *job, struct meter *m, bool brief)
{
    int rungs = 0;
    while (ladder_at(m->on_host, brief, rungs))
        rungs++;
    BUG_ON(rungs > CEILINGS_RATES, "a ladder of %d rungs", rungs);
    for (int i = 0; i < rungs; i++) {
        struct ceilings_rate *rate = &job->set->rate[job->set->n];
        double share = (job->end - clock_seconds()) / (rungs - i);
        *rate = (struct ceilings_rate){.kind = CEILINGS_PRODUCT};
        m->rung = ladder_at(m->on_host, brief, i);
        TRY(measure_rung(m, share > 0 ? share : 0, rate));
        job->set->n++;
        if (job->measure->on_rate)
            job->measure->on_rate(job->measure->self, rate);
    }
    return ST_OK;
}

static enum status measure_device(void *self, const struct rank *rank)
{
    const struct job *job = self;
    bool brief = job->measure->seconds < LADDER_SHORT_S;
    struct meter m = {.on_host = backend_on_host(rank->dev->ops)};
    TRY(queue_open(rank->dev, &m.q));
    enum status st = operands_open(m.q, job->measure->dtype, m.on_host, brief, &m.operands);
    if (st == ST_OK)
        st = event_open(rank->dev, &m.from);
    if (st == ST_OK)
        st = event_open(rank->dev, &m.to);
    if (st == ST_OK)
        st = measure_ladder(job, &m, brief);
    event_close(rank->dev, &m.from);
    event_close(rank->dev, &m.to);
    operands_close(m.operands);
    queue_close(m.q);
    return st;
}

static void set_time(char *text, size_t size)
{
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* A quarter of the time is left for exchanges, where there are any. */
enum status ceilings_measure_run(const struct ceilings_measure *measure, struct ceilings_set *out)
{
    const struct ranks ranks = {
        .backend = measure->backend,
        .transport = "local",
        .n = 1,
        .threads = measure->threads,
        .nvtx = measure->nvtx,
    };
    double own = measure->seconds * (measure->devices > 1 ? 0.75 : 0.95);
    struct job job = {measure, out, clock_seconds() + own};
    out->n = 0;
    out->dtype = measure->dtype;
    out->seconds = measure->seconds;
    out->no_exchange[0] = '\0';
    set_time(out->time, sizeof out->time);
    TRY(ranks_each(&ranks, measure_device, &job));
    ceilings_exchange_run(measure, out);
    return ST_OK;
}
