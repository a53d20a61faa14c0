/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for the rate that holds an operation. */
#include "harness/profile/ceilings.h"

#include "kernels/base/status.h"

#include <limits.h>
#include <string.h>

double ceilings_tflops(const struct ceilings_rate *rate)
{
    return rate->flops / rate->median_us * 1e-6;
}

double ceilings_gbps(const struct ceilings_rate *rate)
{
    return rate->bytes / rate->median_us * 1e-3;
}

int ceilings_class(double flops)
{
    int size_class = 0;
    for (double most = 1e9; size_class < CEILINGS_CLASSES - 1 && flops >= most; most *= 10)
        size_class++;
    return size_class;
}

const char *ceilings_class_name(int size_class)
{
    static const char *const names[CEILINGS_CLASSES] = {"below 1 GFLOP", "1 to 10 GFLOP",
                                                        "10 to 100 GFLOP", "100 to 1000 GFLOP",
                                                        "1000 GFLOP and more"};
    BUG_ON(size_class < 0 || size_class >= CEILINGS_CLASSES, "size class %d", size_class);
    return names[size_class];
}

const char *ceilings_kind_name(enum ceilings_kind kind)
{
    static const char *const names[CEILINGS_KINDS] = {"product", "attention", "traffic",
                                                      "exchange"};
    return names[kind];
}

enum ceilings_kind ceilings_kind_of(const char *op)
{
    if (strcmp(op, "linear") == 0 || strcmp(op, "linear_add") == 0 || strcmp(op, "conv") == 0)
        return CEILINGS_PRODUCT;
    return strcmp(op, "attention") == 0 ? CEILINGS_ATTENTION : CEILINGS_TRAFFIC;
}

static double speed_of(const struct ceilings_rate *rate)
{
    bool computes = rate->kind == CEILINGS_PRODUCT || rate->kind == CEILINGS_ATTENTION;
    return computes ? ceilings_tflops(rate) : ceilings_gbps(rate);
}

const struct ceilings_rate *ceilings_best(const struct ceilings_set *set, enum ceilings_kind kind,
                                          int head, int size_class)
{
    const struct ceilings_rate *best = NULL;
    for (int i = 0; i < set->n; i++) {
        const struct ceilings_rate *rate = &set->rate[i];
        if (rate->kind != kind || (head > 0 && rate->head != head) ||
            (size_class >= 0 && ceilings_class(rate->flops) != size_class))
            continue;
        if (!best || speed_of(rate) > speed_of(best))
            best = rate;
    }
    return best;
}

/* Of attention: the head dim at hand, else the next larger, else any. */
static const struct ceilings_rate *best_head(const struct ceilings_set *set, int head)
{
    int next = INT_MAX;
    for (int i = 0; i < set->n; i++)
        if (set->rate[i].kind == CEILINGS_ATTENTION && set->rate[i].head >= head &&
            set->rate[i].head < next)
            next = set->rate[i].head;
    return ceilings_best(set, CEILINGS_ATTENTION, next < INT_MAX ? next : 0, -1);
}

static double rate_of_size(const struct ceilings_set *set, double flops)
{
    int own = ceilings_class(flops);
    const struct ceilings_rate *best = NULL;
    for (int c = own; c >= 0 && !best; c--)
        best = ceilings_best(set, CEILINGS_PRODUCT, 0, c);
    for (int c = own + 1; c < CEILINGS_CLASSES && !best; c++)
        best = ceilings_best(set, CEILINGS_PRODUCT, 0, c);
    return best ? ceilings_tflops(best) : 0;
}

static const struct ceilings_set *set_of(const struct ceilings *ceilings,
                                         const struct ceilings_op *op)
{
    if (ceilings->have[op->dtype])
        return &ceilings->set[op->dtype];
    for (int d = 0; d < DTYPE_COUNT && op->kind == CEILINGS_TRAFFIC; d++)
        if (ceilings->have[d])
            return &ceilings->set[d];
    return NULL;
}

bool ceilings_find(const struct ceilings *ceilings, const struct ceilings_op *op,
                   struct ceilings_limit *out)
{
    const struct ceilings_set *set = set_of(ceilings, op);
    const struct ceilings_rate *flops = NULL;
    *out = (struct ceilings_limit){.by_bytes = false};
    if (!set)
        return false;
    bool between = op->kind == CEILINGS_EXCHANGE;
    const struct ceilings_rate *bytes =
        ceilings_best(set, between ? CEILINGS_EXCHANGE : CEILINGS_TRAFFIC, 0, -1);
    if (op->kind == CEILINGS_PRODUCT) {
        flops = ceilings_best(set, CEILINGS_PRODUCT, 0, -1);
        out->rate_of_size = rate_of_size(set, op->flops);
    } else if (op->kind == CEILINGS_ATTENTION) {
        flops = best_head(set, op->head);
    }
    bool computes = op->kind == CEILINGS_PRODUCT || op->kind == CEILINGS_ATTENTION;
    if (!bytes || (computes && !flops))
        return false;
    out->gbps = ceilings_gbps(bytes);
    out->of_bytes = bytes->name;
    if (flops) {
        out->tflops = ceilings_tflops(flops);
        out->of_flops = flops->name;
    }
    double moved_us = op->bytes / out->gbps * 1e-3;
    double computed_us = flops ? op->flops / out->tflops * 1e-6 : 0;
    out->by_bytes = !flops || moved_us > computed_us;
    out->rate = out->by_bytes ? out->gbps : out->tflops;
    out->least_us = out->by_bytes ? moved_us : computed_us;
    return true;
}
