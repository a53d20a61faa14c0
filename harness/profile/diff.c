/* SPDX-License-Identifier: Apache-2.0 */
/* Matches the kernels of two profiles. Prints nothing: diff_print.c. */
#include "harness/profile/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A kernel that one profile alone has. */
struct single {
    int at; /* index of its change */
    bool in_a;
    double share; /* of its operation's time in its profile */
};

/* ---- matching by name ---- */

static double ms_of(const struct profile_side *side, const struct profile_kernel *kernel)
{
    return kernel->total * 1e-6 / side->whole / side->ranks;
}

static int compare_kernels(const struct profile_kernel *a, const struct profile_kernel *b)
{
    int order = strcmp(a->range, b->range);
    return order ? order : strcmp(a->name, b->name);
}

/* Both lists are sorted alike: the changes come by range. */
static void merge(struct profile_diff *diff)
{
    const struct profile_side *a = &diff->side[0], *b = &diff->side[1];
    for (int i = 0, k = 0; i < a->kernels || k < b->kernels;) {
        const struct profile_kernel *x = i < a->kernels ? &a->kernel[i] : NULL;
        const struct profile_kernel *y = k < b->kernels ? &b->kernel[k] : NULL;
        int order = !x ? 1 : !y ? -1 : compare_kernels(x, y);
        struct profile_change *change = &diff->kernel[diff->kernels++];
        *change = (struct profile_change){.range = order <= 0 ? x->range : y->range};
        if (order <= 0) {
            change->was = x->name;
            change->a = ms_of(a, x);
            i++;
        }
        if (order >= 0) {
            change->is = y->name;
            change->b = ms_of(b, y);
            k++;
        }
    }
}

/* ---- renamed ---- */

static int by_share(const void *a, const void *b)
{
    const struct single *x = a, *y = b;
    if (x->share != y->share)
        return x->share < y->share ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* The first of two neighbours, one of each profile, that are nearest; -1: only one profile is
 * left. No two that are no neighbours can be nearer. */
static int nearest(const struct single *single, int n)
{
    int best = -1;
    for (int i = 0; i + 1 < n; i++)
        if (single[i].in_a != single[i + 1].in_a &&
            (best < 0 ||
             single[i + 1].share - single[i].share < single[best + 1].share - single[best].share))
            best = i;
    return best;
}

/* Changes [n] of one operation: joins those of kernels that were renamed; one of two is left
 * without names. */
static void match_renamed(int n, struct profile_change *change, double a, double b,
                          struct single *single)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        if (!change[i].was || !change[i].is)
            single[count++] =
                (struct single){.at = i,
                                .in_a = change[i].was != NULL,
                                .share = change[i].was ? (a > 0 ? change[i].a / a : 0)
                                                       : (b > 0 ? change[i].b / b : 0)};
    qsort(single, (size_t)count, sizeof *single, by_share);
    for (int at; (at = nearest(single, count)) >= 0; count -= 2) {
        const struct single *x = &single[at], *y = &single[at + 1];
        struct profile_change *was = &change[x->in_a ? x->at : y->at];
        struct profile_change *is = &change[x->in_a ? y->at : x->at];
        was->is = is->is;
        was->b = is->b;
        is->is = NULL;
        memmove(&single[at], &single[at + 2], (size_t)(count - at - 2) * sizeof *single);
    }
}

/* ---- operations ---- */

/* The operation whose first kernel is number `first`; returns where the next one begins. */
static int add_range(struct profile_diff *diff, int first, struct single *single)
{
    struct profile_change *kernel = &diff->kernel[first];
    struct profile_change *range = &diff->range[diff->ranges++];
    int n = 0;
    *range = (struct profile_change){.range = kernel->range};
    for (; first + n < diff->kernels && strcmp(kernel[n].range, range->range) == 0; n++) {
        range->was = kernel[n].was ? range->range : range->was;
        range->is = kernel[n].is ? range->range : range->is;
        range->a += kernel[n].a;
        range->b += kernel[n].b;
    }
    if (*range->range)
        match_renamed(n, kernel, range->a, range->b, single);
    return first + n;
}

static int compare_names(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a == NULL) - (b == NULL);
}

static int by_change(const void *a, const void *b)
{
    const struct profile_change *x = a, *y = b;
    double one = fabs(x->change), other = fabs(y->change);
    if (one != other)
        return one > other ? -1 : 1;
    int order = strcmp(x->range, y->range);
    if (order == 0)
        order = compare_names(x->was, y->was);
    return order ? order : compare_names(x->is, y->is);
}

/* Drops what was joined with another. */
static void finish(struct profile_diff *diff)
{
    int kept = 0;
    for (int i = 0; i < diff->kernels; i++)
        if (diff->kernel[i].was || diff->kernel[i].is)
            diff->kernel[kept++] = diff->kernel[i];
    diff->kernels = kept;
    for (int i = 0; i < kept; i++)
        diff->kernel[i].change = diff->kernel[i].b - diff->kernel[i].a;
    for (int i = 0; i < diff->ranges; i++) {
        struct profile_change *range = &diff->range[i];
        range->change = range->b - range->a;
        diff->total[0] += range->a;
        diff->total[1] += range->b;
    }
    qsort(diff->kernel, (size_t)kept, sizeof *diff->kernel, by_change);
    qsort(diff->range, (size_t)diff->ranges, sizeof *diff->range, by_change);
}

static enum status compare(struct profile_diff *diff)
{
    size_t most = (size_t)diff->side[0].kernels + (size_t)diff->side[1].kernels + 1;
    struct single *single = calloc(most, sizeof *single);
    diff->kernel = calloc(most, sizeof *diff->kernel);
    diff->range = calloc(most, sizeof *diff->range);
    bool good = single && diff->kernel && diff->range;
    if (good) {
        merge(diff);
        for (int at = 0; at < diff->kernels;)
            at = add_range(diff, at, single);
        finish(diff);
    }
    free(single);
    return good ? ST_OK : fail(ST_OOM, "diff of profiles: no host memory for %zu kernels", most);
}

/* ---- life ---- */

enum status profile_diff_open(const char *a, const char *b, struct profile_diff *out)
{
    const char *const folder[2] = {a, b};
    enum status st = ST_OK;
    *out = (struct profile_diff){.ranges = 0};
    for (int i = 0; i < 2 && st == ST_OK; i++) {
        out->folder[i] = strdup(folder[i]);
        st = out->folder[i] ? profile_side_open(folder[i], &out->side[i])
                            : fail(ST_OOM, "%s: no host memory", folder[i]);
    }
    if (st == ST_OK)
        st = compare(out);
    if (st)
        profile_diff_release(out);
    return st;
}

void profile_diff_release(struct profile_diff *diff)
{
    for (int i = 0; i < 2; i++) {
        free(diff->folder[i]);
        profile_side_release(&diff->side[i]);
    }
    free(diff->range);
    free(diff->kernel);
    *diff = (struct profile_diff){.ranges = 0};
}
