/* SPDX-License-Identifier: Apache-2.0 */
/* Lets the communication bench measure large messages over threads. */
#include "harness/profile/ceilings_exchange.h"

#include "harness/measure/comm_bench.h"
#include "harness/profile/ladder.h"

#include <stdio.h>
#include <string.h>

enum { MOST_RANKS = 8, TIMEOUT_S = 20 };

struct exchange {
    const struct ceilings_measure *measure;
    struct ceilings_set *set;
};

static void on_row(void *self, const struct comm_bench_row *row)
{
    struct exchange *x = self;
    if (x->set->n == CEILINGS_RATES)
        return;
    struct ceilings_rate *rate = &x->set->rate[x->set->n++];
    *rate = (struct ceilings_rate){
        .kind = CEILINGS_EXCHANGE,
        .bytes = row->busbw * row->median_us * 1e3,
        .samples = x->measure->seconds < LADDER_SHORT_S ? 3 : 9,
        .median_us = row->median_us,
        .p10_us = row->p10_us,
        .p90_us = row->p90_us,
    };
    snprintf(rate->name, sizeof rate->name, "%s", row->op);
    snprintf(rate->shape, sizeof rate->shape, "%lld MiB, %d ranks", (long long)(row->bytes >> 20),
             x->measure->devices < MOST_RANKS ? x->measure->devices : MOST_RANKS);
    if (x->measure->on_rate)
        x->measure->on_rate(x->measure->self, rate);
}

static enum status measure_rank(void *self, const struct rank *rank)
{
    struct exchange *x = self;
    bool brief = x->measure->seconds < LADDER_SHORT_S;
    const int64_t bytes = (int64_t)(brief ? 16 : 64) << 20;
    const struct comm_bench bench = {
        .min = bytes,
        .max = bytes,
        .factor = 2,
        .iters = brief ? 3 : 9,
        .warmup = 2,
        .dtype = x->measure->dtype,
        .direct = true,
        .on_row = on_row,
        .self = x,
    };
    return comm_bench_run(&bench, rank);
}

void ceilings_exchange_run(const struct ceilings_measure *measure, struct ceilings_set *out)
{
    struct exchange x = {measure, out};
    const struct ranks ranks = {
        .backend = measure->backend,
        .transport = "local",
        .n = measure->devices < MOST_RANKS ? measure->devices : MOST_RANKS,
        .threads = measure->threads,
        .timeout_s = TIMEOUT_S,
        .nvtx = measure->nvtx,
    };
    int before = out->n;
    if (measure->devices < 2) {
        snprintf(out->no_exchange, sizeof out->no_exchange,
                 "exchanges are skipped: they want two GPUs, and there is %s",
                 measure->devices == 1 ? "one" : "none");
        return;
    }
    if (ranks_each(&ranks, measure_rank, &x) == ST_OK)
        return;
    out->n = before;
    snprintf(out->no_exchange, sizeof out->no_exchange, "exchanges failed: %.150s",
             status_message());
    status_clear();
}
