/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers that grow with the loops, and the vote after each of them. */
#include "harness/measure/samples.h"

#include "harness/base/stats.h"
#include "kernels/base/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct samples_vote {
    double loop_ms;
    double elapsed_s; /* rank 0's counts */
    int no_room;
};

bool samples_enough(const struct record_stop *rule, int n, const double *sorted, double elapsed_s)
{
    if (elapsed_s >= rule->max_seconds)
        return true;
    if (n < STATS_LEAST_INTERVAL || (n < rule->min_loops && elapsed_s < rule->min_seconds))
        return false;
    return stats_median_noise(n, sorted) <= rule->max_noise;
}

/* ---- room ---- */

/* Makes *v `to` bytes long; those from `from` on are zero. */
static bool widen(void *v, size_t from, size_t to)
{
    char *old;
    memcpy(&old, v, sizeof old);
    char *wider = realloc(old, to);
    if (!wider)
        return false;
    memset(wider + from, 0, to - from);
    memcpy(v, &wider, sizeof wider);
    return true;
}

static bool grow(struct samples *s, int room, bool rule)
{
    size_t number = sizeof(double);
    size_t from = s->part ? rank_part_size(s->room) : 0;
    size_t old = (size_t)s->room * number;
    size_t new = (size_t)room *number;
    if (!widen(&s->part, from, rank_part_size(room)) ||
        !widen(&s->step_end_ms, old * (size_t)s->steps, new *(size_t)s->steps) ||
        (rule && !widen(&s->sorted, old, new)))
        return false;
    s->room = room;
    return true;
}

enum status samples_init(struct samples *s, int ranks, int steps, int room, bool rule)
{
    *s = (struct samples){.ranks = ranks, .steps = steps};
    if (rule)
        s->votes = calloc((size_t)ranks, sizeof *s->votes);
    if ((rule && !s->votes) || !grow(s, room, rule))
        return fail(ST_OOM, "samples of %d loops: no host memory; use fewer --repeats", room);
    return ST_OK;
}

void samples_release(struct samples *s)
{
    free(s->part);
    free(s->parts);
    free(s->step_end_ms);
    free(s->sorted);
    free(s->votes);
    *s = (struct samples){.n = 0};
}

/* ---- loops ---- */

void samples_begin(struct samples *s)
{
    s->began_s = clock_seconds();
}

double *samples_loop(struct samples *s)
{
    return &s->part->loop_ms[s->n];
}

double *samples_steps(struct samples *s)
{
    return s->step_end_ms + (size_t)s->n * (size_t)s->steps;
}

/* Sorts one more latency in: s->n before it. */
static void insert(struct samples *s, double latency)
{
    int at = s->n;
    while (at > 0 && s->sorted[at - 1] > latency) {
        s->sorted[at] = s->sorted[at - 1];
        at--;
    }
    s->sorted[at] = latency;
}

enum status samples_agree(struct samples *s, const struct rank *rank,
                          const struct record_stop *rule, bool *enough)
{
    struct samples_vote mine = {*samples_loop(s), clock_seconds() - s->began_s, 0};
    double latency = 0;
    if (s->n + 1 == s->room)
        mine.no_room = s->room > INT_MAX / 2 || !grow(s, 2 * s->room, true);
    TRY(comm_host_gather(rank->world, &mine, sizeof mine, s->votes));
    for (int r = 0; r < s->ranks; r++) {
        if (s->votes[r].no_room)
            return fail(ST_OOM,
                        "rank %d: no host memory for the samples of more than %d loops; use "
                        "--repeats N, or less of --max-seconds",
                        r, s->room);
        latency = s->votes[r].loop_ms > latency ? s->votes[r].loop_ms : latency;
    }
    insert(s, latency);
    s->n++;
    *enough = samples_enough(rule, s->n, s->sorted, s->votes[0].elapsed_s);
    return ST_OK;
}

enum status samples_gather(struct samples *s, const struct rank *rank)
{
    enum status st = ST_OK;
    s->parts = calloc((size_t)s->ranks, rank_part_size(s->n));
    if (!s->parts)
        st = fail(ST_OOM, "samples of %d loops and %d ranks: no host memory; use fewer --repeats",
                  s->n, s->ranks);
    TRY(comm_agree(rank->world, st));
    return comm_host_gather(rank->world, s->part, rank_part_size(s->n), s->parts);
}
