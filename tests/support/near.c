/* SPDX-License-Identifier: Apache-2.0 */
/* Distances between arrays, in double. A NaN is never near anything. */
#include "tests/support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sums as it goes, so that float and double references share it. */
struct sums {
    double error, reference; /* squares */
    struct near near;
};

static void add_element(struct sums *s, int64_t i, double got, double want)
{
    double distance = fabs(got - want);
    bool same_infinity = isinf(want) && got == want;
    if (same_infinity)
        return;
    if (isnan(distance))
        distance = INFINITY;
    if (s->near.worst < 0 || distance > s->near.max_abs) {
        s->near.max_abs = distance;
        s->near.worst = i;
    }
    s->error += distance * distance;
    s->reference += want * want;
}

static struct near finish_sums(struct sums *s)
{
    double scale = s->reference > 0.0 ? s->reference : 1.0;
    s->near.rel_l2 = isinf(s->near.max_abs) ? INFINITY : sqrt(s->error / scale);
    return s->near;
}

struct near near_measure(const float *got, const double *want, int64_t count)
{
    struct sums s = {.near = {.worst = -1}};
    for (int64_t i = 0; i < count; i++)
        add_element(&s, i, (double)got[i], want[i]);
    return finish_sums(&s);
}

static bool judge(const char *what, struct near near, const float *got, double want,
                  double tolerance)
{
    if (near.rel_l2 <= tolerance)
        return true;
    fprintf(
        stderr,
        "%s: relative L2 %.3e over %.1e; worst element %lld: got %.9g, want %.9g (off by %.3e)\n",
        what, near.rel_l2, tolerance, (long long)near.worst, (double)got[near.worst], want,
        near.max_abs);
    return false;
}

bool near_floats(const char *what, const float *got, const float *want, int64_t count,
                 double tolerance)
{
    struct sums s = {.near = {.worst = -1}};
    for (int64_t i = 0; i < count; i++)
        add_element(&s, i, (double)got[i], (double)want[i]);
    struct near near = finish_sums(&s);
    return judge(what, near, got, near.worst < 0 ? 0.0 : (double)want[near.worst], tolerance);
}

bool near_doubles(const char *what, const float *got, const double *want, int64_t count,
                  double tolerance)
{
    struct near near = near_measure(got, want, count);
    return judge(what, near, got, near.worst < 0 ? 0.0 : want[near.worst], tolerance);
}

bool near_equal(const char *what, const float *got, const float *want, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (memcmp(&got[i], &want[i], sizeof(float)) != 0) {
            fprintf(stderr, "%s: element %lld of %lld: got %.9g, want exactly %.9g\n", what,
                    (long long)i, (long long)count, (double)got[i], (double)want[i]);
            return false;
        }
    }
    return true;
}
