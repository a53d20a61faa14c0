/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of ranks for the hardware's counters, and a table of what was counted. */
#include "harness/profile/counters_watch.h"

#include "harness/host/links.h"
#include "harness/profile/counters_file.h"
#include "kernels/base/trace.h"
#include "kernels/identity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Its thread's alone. */
struct counted_rank {
    struct counters_watch *watch;
    struct trace_sink sink;
    int index;
    bool by_loop; /* a range is the loop, not an operation */
    int step;     /* whose operations are counted */

    int depth, step_depth, model_depth; /* ranges that are open; where the two lie, 0: not open */
    int seen;                           /* operations of the step at hand */
    double wire;                        /* bytes by the ledger, in the first pass */

    struct counters *counters; /* NULL: no pass so far */
    int pass;                  /* the next one, or the one at hand */
    bool counting;             /* within a pass */
    bool by_links;             /* the tool cannot count NVLink, the management library can */
    int ordinal;               /* of the GPU */
    struct links carried;      /* before the first pass */
    const char **name;         /* [counters->ranges] */
    double (*value)[COUNTERS]; /* [counters->ranges] */
    enum status failed;        /* of a range, which has nobody to tell */
    char message[400];
};

struct counters_watch {
    struct worker_observer observer;
    const struct backend_ops *backend;
    const char *folder;
    int first, ranks;
    struct counted_rank rank[]; /* [ranks] */
};

/* ---- ranges ---- */

static void keep_failure(struct counted_rank *rank, enum status st)
{
    if (st == ST_OK || rank->failed != ST_OK)
        return;
    rank->failed = st;
    snprintf(rank->message, sizeof rank->message, "%s", status_message());
    status_clear();
}

static enum status open_operation(struct counted_rank *rank, int i, const char *name)
{
    if (i >= rank->counters->ranges)
        return fail(ST_INVALID, "operation %d of step %d is \"%s\", and the warm-up loop had %d",
                    i + 1, rank->step, name, rank->counters->ranges);
    if (rank->name[i] && strcmp(rank->name[i], name) != 0)
        return fail(ST_INVALID,
                    "operation %d of step %d is \"%s\" in pass %d, and was \"%s\" before: passes "
                    "of different work do not add up",
                    i + 1, rank->step, name, rank->pass + 1, rank->name[i]);
    rank->name[i] = name;
    return counters_push(rank->counters);
}

static bool counts_operations(const struct counted_rank *rank)
{
    return rank->counting && !rank->by_loop && rank->failed == ST_OK;
}

static void push(void *self, const struct trace_range *range)
{
    struct counted_rank *rank = self;
    rank->depth++;
    if (range->kind == TRACE_COMM && rank->counting && rank->pass == 0)
        rank->wire += (double)range->wire;
    if (range->kind == TRACE_STEP && range->index == rank->step && rank->step_depth == 0) {
        rank->step_depth = rank->depth;
        rank->seen = 0;
    }
    if (range->kind != TRACE_MODEL || rank->step_depth == 0 || rank->model_depth > 0)
        return;
    rank->model_depth = rank->depth;
    int i = rank->seen++;
    if (counts_operations(rank))
        keep_failure(rank, open_operation(rank, i, range->name));
}

static void pop(void *self)
{
    struct counted_rank *rank = self;
    if (rank->depth == rank->model_depth) {
        rank->model_depth = 0;
        if (counts_operations(rank))
            keep_failure(rank, counters_pop(rank->counters));
    }
    if (rank->depth == rank->step_depth)
        rank->step_depth = 0;
    rank->depth--;
}

/* ---- a rank begins ---- */

struct whereabouts {
    char host[64], id[48];
    int ordinal;
};

static bool same(const struct whereabouts *a, const struct whereabouts *b)
{
    if (a->id[0] && b->id[0])
        return strcmp(a->id, b->id) == 0;
    return a->ordinal == b->ordinal && strcmp(a->host, b->host) == 0;
}

static enum status check_own_gpu(const struct counters_watch *watch, const struct rank *where)
{
    struct whereabouts mine = {.ordinal = where->dev->options.ordinal};
    struct identity identity;
    struct whereabouts *all = calloc((size_t)where->n, sizeof *all);
    gethostname(mine.host, sizeof mine.host - 1);
    if (identity_read(watch->backend, mine.ordinal, &identity) == ST_OK)
        memcpy(mine.id, identity.id, sizeof mine.id);
    status_clear();
    enum status st = all ? ST_OK : fail(ST_OOM, "%d ranks: no host memory", where->n);
    st = comm_agree(where->world, st);
    if (st == ST_OK)
        st = comm_host_gather(where->world, &mine, sizeof mine, all);
    for (int a = 0; a < where->n && st == ST_OK; a++)
        for (int b = a + 1; b < where->n && st == ST_OK; b++)
            if (same(&all[a], &all[b]))
                st = fail(ST_UNSUPPORTED,
                          "ranks share a GPU (%d and %d, GPU %d of %s), which counts for both "
                          "together; use as many GPUs as ranks",
                          a, b, all[a].ordinal, all[a].host);
    free(all);
    return st;
}

static struct counted_rank *rank_of(struct counters_watch *watch, const struct rank *where)
{
    int at = where->index - watch->first;
    BUG_ON(at < 0 || at >= watch->ranks, "rank %d, but ranks %d to %d are here", where->index,
           watch->first, watch->first + watch->ranks - 1);
    return &watch->rank[at];
}

static enum status rank_begins(void *self, const struct rank *where, const struct plan *plan)
{
    struct counters_watch *watch = self;
    struct counted_rank *rank = rank_of(watch, where);
    *rank = (struct counted_rank){
        .watch = watch,
        .sink = {.push = push, .pop = pop, .self = rank},
        .index = where->index,
        .by_loop = where->n > 1,
        .step = plan->problem.steps - 1,
        .ordinal = where->dev->options.ordinal,
    };
    if (where->n > 1)
        TRY(check_own_gpu(watch, where));
    trace_add(&rank->sink);
    return ST_OK;
}

static void rank_ends(void *self, const struct rank *where)
{
    struct counted_rank *rank = rank_of(self, where);
    trace_remove(&rank->sink);
    counters_close(rank->counters);
    free(rank->name);
    free(rank->value);
    rank->counters = NULL;
    rank->name = NULL;
    rank->value = NULL;
}

/* ---- loops ---- */

static enum status prepare(struct counted_rank *rank, struct device *dev)
{
    uint32_t wanted = COUNTERS_ALL;
    int ranges = rank->by_loop ? 1 : rank->seen;
    if (!rank->by_loop)
        wanted &= ~(COUNTER_BIT(COUNTER_NVLINK_SENT) | COUNTER_BIT(COUNTER_NVLINK_RECEIVED));
    if (ranges == 0)
        return fail(ST_INVALID,
                    "no operation was seen in step %d of the warm-up loop: the cell wants a "
                    "warm-up loop and --graph off",
                    rank->step);
    TRY(counters_open(dev, wanted, ranges, COUNTERS_LOOPS, &rank->counters));
    rank->name = calloc((size_t)ranges, sizeof *rank->name);
    rank->value = malloc((size_t)ranges * sizeof *rank->value);
    if (!rank->name || !rank->value)
        return fail(ST_OOM, "counters of %d ranges: no host memory", ranges);
    for (int i = 0; i < ranges; i++)
        for (int k = 0; k < COUNTERS; k++)
            rank->value[i][k] = (double)NAN;
    return ST_OK;
}

static enum status start_pass(struct counted_rank *rank, struct device *dev)
{
    if (!rank->counters)
        TRY(prepare(rank, dev));
    if (rank->pass >= rank->counters->passes)
        return ST_OK;
    TRY(counters_begin(rank->counters, rank->pass));
    rank->counting = true;
    if (!rank->by_loop)
        return ST_OK;
    rank->name[0] = "loop";
    if (rank->pass == 0)
        rank->by_links = !rank->counters->metric[COUNTER_NVLINK_SENT] &&
                         !rank->counters->metric[COUNTER_NVLINK_RECEIVED] &&
                         links_read(rank->ordinal, &rank->carried);
    return counters_push(rank->counters);
}

/* NVLink's bytes of the first pass, where only the management library tells them. */
static void count_links(struct counted_rank *rank)
{
    struct links now;
    if (!rank->by_links || rank->pass > 0)
        return;
    rank->by_links = links_read(rank->ordinal, &now);
    if (!rank->by_links)
        return;
    rank->value[0][COUNTER_NVLINK_SENT] = (double)(now.sent - rank->carried.sent);
    rank->value[0][COUNTER_NVLINK_RECEIVED] = (double)(now.received - rank->carried.received);
}

/* No rank goes on before all count what comes from it. */
static enum status loop_begins(void *self, const struct rank *where)
{
    struct counted_rank *rank = rank_of(self, where);
    return comm_agree(where->world, start_pass(rank, where->dev));
}

static enum status write_table(const struct counted_rank *rank)
{
    const struct counters *c = rank->counters;
    enum status st = ST_OK;
    struct counters_table table;
    counters_table_init(&table);
    table.passes = c->passes;
    table.wire = rank->wire;
    if (rank->by_loop)
        snprintf(table.mode, sizeof table.mode, "the whole loop, on each rank");
    else
        snprintf(table.mode, sizeof table.mode, "operations of step %d", rank->step);
    for (int k = 0; k < COUNTERS; k++) {
        snprintf(table.metric[k], COUNTERS_METRIC, "%s", c->metric[k] ? c->metric[k] : "");
        snprintf(table.reason[k], COUNTERS_REASON, "%s", c->reason[k]);
    }
    if (rank->by_links) {
        snprintf(table.metric[COUNTER_NVLINK_SENT], COUNTERS_METRIC, LINKS_SENT);
        snprintf(table.metric[COUNTER_NVLINK_RECEIVED], COUNTERS_METRIC, LINKS_RECEIVED);
    }
    for (int i = 0; i < c->ranges && st == ST_OK; i++)
        st = counters_table_add(&table, rank->name[i], rank->value[i]);
    if (st == ST_OK)
        st = counters_file_write(rank->watch->folder, rank->index, &table);
    counters_table_release(&table);
    return st;
}

static enum status end_pass(struct counted_rank *rank)
{
    if (!rank->counting)
        return ST_OK;
    rank->counting = false;
    if (rank->failed != ST_OK)
        return fail(rank->failed, "%s", rank->message);
    if (rank->by_loop)
        TRY(counters_pop(rank->counters));
    count_links(rank);
    int opened = rank->counters->opened;
    TRY(counters_end(rank->counters, rank->value));
    if (opened != rank->counters->ranges)
        return fail(ST_INVALID, "pass %d had %d operations in step %d, and the warm-up loop %d",
                    rank->pass + 1, opened, rank->step, rank->counters->ranges);
    rank->pass++;
    return rank->pass == rank->counters->passes ? write_table(rank) : ST_OK;
}

/* No rank stops counting while another one may still send to it. */
static enum status loop_ends(void *self, const struct rank *where, int steps, double loop_ms,
                             const double *step_end_ms)
{
    struct counted_rank *rank = rank_of(self, where);
    (void)steps, (void)loop_ms, (void)step_end_ms;
    TRY(comm_agree(where->world, ST_OK));
    return comm_agree(where->world, end_pass(rank));
}

/* ---- life ---- */

enum status counters_watch_open(const char *folder, const struct backend_ops *backend, int first,
                                int ranks, struct counters_watch **out)
{
    *out = NULL;
    if (!counters_supported(backend))
        return fail(ST_UNSUPPORTED, "the %s backend has no counters that are read", backend->name);
    struct counters_watch *watch =
        calloc(1, sizeof *watch + (size_t)ranks * sizeof(struct counted_rank));
    if (!watch)
        return fail(ST_OOM, "counters of %d ranks: no host memory", ranks);
    watch->observer = (struct worker_observer){
        .every_loop = true,
        .rank_begins = rank_begins,
        .loop_begins = loop_begins,
        .loop_ends = loop_ends,
        .rank_ends = rank_ends,
        .self = watch,
    };
    watch->backend = backend;
    watch->folder = folder;
    watch->first = first;
    watch->ranks = ranks;
    *out = watch;
    return ST_OK;
}

void counters_watch_close(struct counters_watch *watch)
{
    free(watch);
}

const struct worker_observer *counters_watch_observer(struct counters_watch *watch)
{
    return &watch->observer;
}
