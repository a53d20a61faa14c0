/* SPDX-License-Identifier: Apache-2.0 */
/* Draws samples again, and takes medians of them by counting. */
#include "harness/base/bootstrap.h"

#include "harness/base/stats.h"
#include "kernels/base/rng.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SEED UINT32_C(0x64697462)

enum { STREAM_A, STREAM_B };

/* ---- random places ---- */

/* Words of one draw, in order. */
struct words {
    uint32_t counter[4]; /* block of four words, draw, stream, 0 */
    uint32_t word[4];
    int left; /* of the block */
};

static uint32_t words_next(struct words *w)
{
    static const uint32_t key[2] = {SEED, 0};
    if (w->left == 0) {
        rng_philox(key, w->counter, w->word);
        w->counter[0]++;
        w->left = 4;
    }
    return w->word[--w->left];
}

/* One of 0 .. n-1; their chances differ by less than 2^-32. */
static int words_pick(struct words *w, int n)
{
    return (int)(((uint64_t)words_next(w) * (uint64_t)n) >> 32);
}

/* ---- one draw ---- */

/* The samples in ascending order, so that a draw is how often each place was taken. */
struct pool {
    const struct bootstrap_samples *samples;
    double *sorted; /* [n] */
    int *place;     /* [n] in `sorted`, of each sample */
    int *count;     /* [n] */
};

static int begin_of(const struct bootstrap_samples *samples, int round)
{
    return round > 0 ? samples->end[round - 1] : 0;
}

/* Counts what a draw takes; how many samples it has. */
static int draw(const struct pool *pool, struct words *words)
{
    const struct bootstrap_samples *s = pool->samples;
    int drawn = 0;
    memset(pool->count, 0, (size_t)s->end[s->rounds - 1] * sizeof *pool->count);
    for (int i = 0; i < s->rounds; i++) {
        int round = s->rounds > 1 ? words_pick(words, s->rounds) : 0;
        int begin = begin_of(s, round), n = s->end[round] - begin;
        for (int k = 0; k < n; k++)
            pool->count[pool->place[begin + words_pick(words, n)]]++;
        drawn += n;
    }
    return drawn;
}

/* The sample at place `at` of the sorted draw. *below: place and samples before it, to go on. */
static double order_statistic(const struct pool *pool, int at, int *place, int *below)
{
    while (*below + pool->count[*place] <= at)
        *below += pool->count[(*place)++];
    return pool->sorted[*place];
}

/* As stats_percentile has it, bit for bit. */
static double median_of_draw(const struct pool *pool, int drawn)
{
    int place = 0, below = 0;
    double lower = order_statistic(pool, (drawn - 1) / 2, &place, &below);
    if (drawn % 2)
        return lower;
    double upper = order_statistic(pool, drawn / 2, &place, &below);
    return upper - (upper - lower) * 0.5;
}

/* ---- all draws ---- */

static int by_value(const void *a, const void *b)
{
    double x = **(const double *const *)a, y = **(const double *const *)b;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* order [n] is room. */
static void fill(struct pool *pool, int n, const double **order)
{
    const double *v = pool->samples->v;
    for (int i = 0; i < n; i++)
        order[i] = &v[i];
    qsort(order, (size_t)n, sizeof *order, by_value);
    for (int i = 0; i < n; i++) {
        pool->sorted[i] = *order[i];
        pool->place[order[i] - v] = i;
    }
}

static void check(const struct bootstrap_samples *samples)
{
    BUG_ON(samples->rounds < 1, "a bootstrap of %d rounds", samples->rounds);
    for (int i = 0; i < samples->rounds; i++)
        BUG_ON(samples->end[i] <= begin_of(samples, i), "a bootstrap of an empty round %d", i);
}

enum status bootstrap_medians(const struct bootstrap_samples *samples, uint32_t stream, int draws,
                              double *out)
{
    check(samples);
    size_t n = (size_t)samples->end[samples->rounds - 1];
    const double **order = malloc(n * sizeof *order);
    struct pool pool = {.samples = samples,
                        .sorted = malloc(n * sizeof *pool.sorted),
                        .place = malloc(n * sizeof *pool.place),
                        .count = malloc(n * sizeof *pool.count)};
    bool room = order && pool.sorted && pool.place && pool.count;
    if (room)
        fill(&pool, (int)n, order);
    for (int i = 0; i < draws && room; i++) {
        struct words words = {.counter = {0, (uint32_t)i, stream, 0}};
        int drawn = draw(&pool, &words);
        out[i] = median_of_draw(&pool, drawn);
    }
    free(order);
    free(pool.sorted);
    free(pool.place);
    free(pool.count);
    return room ? ST_OK : fail(ST_OOM, "bootstrap: no host memory for %zu samples", n);
}

enum status bootstrap_ratio(const struct bootstrap_samples *a, const struct bootstrap_samples *b,
                            struct bootstrap_interval *out)
{
    double *ratio = malloc(2 * BOOTSTRAP_DRAWS * sizeof *ratio);
    if (!ratio)
        return fail(ST_OOM, "bootstrap: no host memory for %d draws", BOOTSTRAP_DRAWS);
    double *below = ratio + BOOTSTRAP_DRAWS;
    enum status st = bootstrap_medians(a, STREAM_A, BOOTSTRAP_DRAWS, below);
    if (st == ST_OK)
        st = bootstrap_medians(b, STREAM_B, BOOTSTRAP_DRAWS, ratio);
    for (int i = 0; i < BOOTSTRAP_DRAWS && st == ST_OK; i++)
        ratio[i] /= below[i];
    if (st == ST_OK) {
        qsort(ratio, BOOTSTRAP_DRAWS, sizeof *ratio, by_number);
        *out = (struct bootstrap_interval){stats_percentile(BOOTSTRAP_DRAWS, ratio, 2.5),
                                           stats_percentile(BOOTSTRAP_DRAWS, ratio, 97.5)};
    }
    free(ratio);
    return st;
}
