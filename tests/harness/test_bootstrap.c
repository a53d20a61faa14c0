/* SPDX-License-Identifier: Apache-2.0 */
/* The bootstrap against exact enumeration of small samples, and how often its interval holds the
 * true ratio. Draws are fixed, so that no test passes by luck. */
#include "harness/base/bootstrap.h"
#include "kernels/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { MOST = 64 };

#ifdef DEBUG
enum { PAIRS = 200 }; /* sanitizers look at memory; statistics are the same as in a release */
#else
enum { PAIRS = 1000 };
#endif

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(int n, double *v)
{
    qsort(v, (size_t)n, sizeof *v, order);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

/* ---- enumeration ---- */

/* Chances of medians: value and weight, of which all sum up to 1. */
struct chances {
    int n;
    double value[MOST], chance[MOST];
};

static void add_chance(struct chances *c, double value, double chance)
{
    int i = 0;
    while (i < c->n && c->value[i] != value)
        i++;
    c->n += i == c->n;
    cr_assert_lt(c->n, MOST);
    c->value[i] = value;
    c->chance[i] += chance;
}

/* Every way to draw the samples of rounds chosen[0 .. n-1]; `drawn` holds those drawn so far. */
static void each_draw(const struct bootstrap_samples *s, const int *chosen, int round, int loop,
                      int drawn, double *draw, double chance, struct chances *out)
{
    double copy[MOST];
    if (round == s->rounds) {
        for (int i = 0; i < drawn; i++)
            copy[i] = draw[i];
        add_chance(out, median_of(drawn, copy), chance);
        return;
    }
    int begin = chosen[round] ? s->end[chosen[round] - 1] : 0;
    int n = s->end[chosen[round]] - begin;
    for (int i = 0; i < n; i++) {
        draw[drawn] = s->v[begin + i];
        bool last = loop + 1 == n;
        each_draw(s, chosen, round + last, last ? 0 : loop + 1, drawn + 1, draw, chance / n, out);
    }
}

static void each_choice(const struct bootstrap_samples *s, int *chosen, int n, double chance,
                        struct chances *out)
{
    double draw[MOST];
    if (n == s->rounds) {
        each_draw(s, chosen, 0, 0, 0, draw, chance, out);
        return;
    }
    for (chosen[n] = 0; chosen[n] < s->rounds; chosen[n]++)
        each_choice(s, chosen, n + 1, chance / s->rounds, out);
}

/* Frequencies of medians in 40,000 draws are within 4.5 standard deviations of their chances. */
static void check_chances(const struct bootstrap_samples *s)
{
    enum { DRAWS = 40000 };
    struct chances want = {0};
    int chosen[MOST], found[MOST] = {0};
    double *median = malloc(DRAWS * sizeof *median), sum = 0;
    cr_assert_not_null(median);
    each_choice(s, chosen, 0, 1, &want);
    cr_assert_eq(bootstrap_medians(s, 7, DRAWS, median), ST_OK);
    for (int i = 0; i < DRAWS; i++) {
        int k = 0;
        while (k < want.n && want.value[k] != median[i])
            k++;
        cr_assert_lt(k, want.n, "median %g cannot be", median[i]);
        found[k]++;
    }
    for (int k = 0; k < want.n; k++) {
        double p = want.chance[k], off = found[k] - DRAWS * p;
        cr_assert(fabs(off) <= 4.5 * sqrt(DRAWS * p * (1 - p)) + 1e-6,
                  "%d medians of %g, wanted %g", found[k], want.value[k], DRAWS * p);
        sum += p;
    }
    cr_assert(fabs(sum - 1) < 1e-9);
    free(median);
}

#define SAMPLES(...)                                                                               \
    {                                                                                              \
        1, (int[]){(int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))}, (double[])            \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

Test(bootstrap, medians_of_one_round_are_as_enumerated)
{
    const struct bootstrap_samples odd = SAMPLES(4, 1, 2);
    const struct bootstrap_samples even = SAMPLES(1, 8, 2, 4);
    const struct bootstrap_samples twice = SAMPLES(3, 1, 3, 1, 2);
    check_chances(&odd);
    check_chances(&even);
    check_chances(&twice);
}

/* By hand: of three samples the median is the least where two or three draws take it, 7 of 27. */
Test(bootstrap, chances_of_three_samples_by_hand)
{
    const struct bootstrap_samples s = SAMPLES(1, 2, 4);
    struct chances c = {0};
    int chosen[1];
    each_choice(&s, chosen, 0, 1, &c);
    cr_assert_eq(c.n, 3);
    for (int i = 0; i < 3; i++)
        cr_assert(fabs(c.chance[i] - (c.value[i] == 2 ? 13.0 : 7.0) / 27) < 1e-12);
}

/* Rounds are drawn first: a draw holds loops of one round alone in half of all cases. */
Test(bootstrap, medians_of_rounds_are_as_enumerated)
{
    const struct bootstrap_samples equal = {2, (int[]){2, 4}, (double[]){1, 2, 10, 20}};
    const struct bootstrap_samples unequal = {2, (int[]){1, 4}, (double[]){1, 10, 30, 20}};
    const struct bootstrap_samples three = {3, (int[]){1, 3, 4}, (double[]){5, 1, 2, 9}};
    check_chances(&equal);
    check_chances(&unequal);
    check_chances(&three);
}

/* Two rounds far apart: the interval reaches from one to the other, which that of the loops in one
 * heap does not. */
Test(bootstrap, rounds_widen_the_interval)
{
    double v[20];
    for (int i = 0; i < 20; i++)
        v[i] = (i < 4 ? 90 : 100) + 0.01 * i;
    const struct bootstrap_samples one = SAMPLES(100);
    const struct bootstrap_samples heap = {1, (int[]){20}, v};
    const struct bootstrap_samples rounds = {5, (int[]){4, 8, 12, 16, 20}, v};
    struct bootstrap_interval of_heap, of_rounds;
    cr_assert_eq(bootstrap_ratio(&one, &heap, &of_heap), ST_OK);
    cr_assert_eq(bootstrap_ratio(&one, &rounds, &of_rounds), ST_OK);
    cr_assert_gt(of_heap.low, 0.99);
    cr_assert_lt(of_rounds.low, 0.91); // 3 of 5 rounds are the slow one in 5.8 % of draws
    cr_assert_gt(of_rounds.high, of_heap.low);
}

/* ---- intervals ---- */

/* P(at least k of n draws are among the j least of n). */
static double at_least(int n, int k, int j)
{
    double p = (double)j / n, sum = 0;
    for (int i = k; i <= n; i++)
        sum +=
            exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1)) * pow(p, i) * pow(1 - p, n - i);
    return sum;
}

/* The median of n = 2k - 1 draws is at most the j-th sample where k draws are; against a side
 * without spread the interval's ends are samples. */
Test(bootstrap, ends_are_those_of_the_binomial_distribution)
{
    for (int n = 5; n <= 25; n += 4) {
        double v[25];
        int low = 1, high = 1;
        for (int i = 0; i < n; i++)
            v[i] = i + 1;
        while (at_least(n, (n + 1) / 2, low) < 0.025)
            low++;
        while (at_least(n, (n + 1) / 2, high) < 0.975)
            high++;
        const struct bootstrap_samples one = SAMPLES(2), all = {1, &n, v};
        struct bootstrap_interval got;
        cr_assert_eq(bootstrap_ratio(&one, &all, &got), ST_OK);
        cr_assert_eq(got.low, 0.5 * low, "n %d: %g, wanted %g", n, got.low, 0.5 * low);
        cr_assert_eq(got.high, 0.5 * high, "n %d: %g, wanted %g", n, got.high, 0.5 * high);
    }
}

Test(bootstrap, equal_samples_have_no_interval)
{
    const struct bootstrap_samples a = SAMPLES(3, 3, 3, 3), b = SAMPLES(6, 6);
    struct bootstrap_interval got;
    cr_assert_eq(bootstrap_ratio(&a, &b, &got), ST_OK);
    cr_assert_eq(got.low, 2);
    cr_assert_eq(got.high, 2);
}

/* Neither the order of samples nor a unit matters, and the two sides are drawn independently. */
Test(bootstrap, order_and_unit_do_not_matter)
{
    const struct bootstrap_samples a = SAMPLES(8, 9, 10, 11, 12);
    const struct bootstrap_samples b = SAMPLES(64, 80, 72, 96, 88), c = SAMPLES(11, 8, 10, 9, 12);
    struct bootstrap_interval of_b, of_c, of_a;
    cr_assert_eq(bootstrap_ratio(&a, &b, &of_b), ST_OK);
    cr_assert_eq(bootstrap_ratio(&a, &c, &of_c), ST_OK);
    cr_assert_eq(bootstrap_ratio(&a, &a, &of_a), ST_OK);
    cr_assert_lt(of_a.low, 1);
    cr_assert_gt(of_a.high, 1);
    cr_assert_eq(of_b.low, 8 * of_a.low);
    cr_assert_eq(of_b.high, 8 * of_a.high);
    cr_assert(fabs(of_c.low - of_a.low) < 0.03 && fabs(of_c.high - of_a.high) < 0.03);
}

/* The same bits on every machine. */
Test(bootstrap, draws_are_fixed)
{
    const struct bootstrap_samples s = SAMPLES(1, 2, 3, 4, 5, 6, 7, 8, 9);
    double got[8];
    const double want[8] = {6, 6, 6, 7, 4, 3, 5, 5};
    cr_assert_eq(bootstrap_medians(&s, 1, 8, got), ST_OK);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(got[i], want[i], "draw %d: %g, wanted %g", i, got[i], want[i]);
}

/* ---- coverage ---- */

/* How often the interval holds the true ratio, of PAIRS pairs of 20 samples each. */
static double coverage(bool log_normal)
{
    enum { N = 20 };
    const int n = N;
    int held = 0;
    for (int p = 0; p < PAIRS; p++) {
        double a[N], b[N];
        for (int i = 0; i < N; i++) {
            double x = rng_normal(11, (uint64_t)p, (uint64_t)i);
            double y = rng_normal(12, (uint64_t)p, (uint64_t)i);
            a[i] = log_normal ? 100 * exp(0.1 * x) : 100 + 3 * x;
            b[i] = log_normal ? 110 * exp(0.2 * y) : 110 + 5 * y;
        }
        const struct bootstrap_samples of_a = {1, &n, a}, of_b = {1, &n, b};
        struct bootstrap_interval got;
        cr_assert_eq(bootstrap_ratio(&of_a, &of_b, &got), ST_OK);
        cr_assert_leq(got.low, got.high);
        held += got.low <= 1.1 && 1.1 <= got.high;
    }
    return (double)held / PAIRS;
}

Test(bootstrap, intervals_hold_the_true_ratio_of_normal_samples)
{
    double c = coverage(false);
    cr_assert(c >= 0.93 && c <= 0.97 + (PAIRS < 1000) * 0.02, "%.3f of the intervals", c);
}

Test(bootstrap, intervals_hold_the_true_ratio_of_log_normal_samples)
{
    double c = coverage(true);
    cr_assert(c >= 0.93 && c <= 0.97 + (PAIRS < 1000) * 0.02, "%.3f of the intervals", c);
}
