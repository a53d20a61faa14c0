/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on run lists of token positions: parts, unions, look-ups. Not a splitter of work: the
 * plan decides who gets what. */
#include "models/span.h"

#include "kernels/base/status.h"

#include <stddef.h>

struct span span_of(int begin, int count)
{
    struct span span = {.n = 0};

    BUG_ON(begin < 0 || count < 0, "span of %d tokens at %d", count, begin);
    if (count > 0) {
        span.n = 1;
        span.run[0] = (struct token_run){begin, count};
    }
    return span;
}

int span_count(const struct span *span)
{
    int count = 0;

    for (int i = 0; i < span->n; i++)
        count += span->run[i].count;
    return count;
}

bool span_push(struct span *span, int begin, int count)
{
    struct token_run *last = span->n > 0 ? &span->run[span->n - 1] : NULL;

    BUG_ON(begin < 0 || count < 0, "run of %d tokens at %d", count, begin);
    if (count == 0)
        return true;
    if (last && last->begin + last->count == begin) {
        last->count += count;
        return true;
    }
    if (span->n == SPAN_MAX_RUNS)
        return false;
    span->run[span->n++] = (struct token_run){begin, count};
    return true;
}

bool span_append(struct span *span, const struct span *more)
{
    for (int i = 0; i < more->n; i++)
        if (!span_push(span, more->run[i].begin, more->run[i].count))
            return false;
    return true;
}

int part_of(int count, int k, int n, int *begin)
{
    BUG_ON(count < 0 || n < 1 || k < 0 || k >= n, "part %d of %d of %d things", k, n, count);
    int size = count / n;
    int larger = count % n; /* so many parts, the first ones, have one more */

    *begin = k * size + (k < larger ? k : larger);
    return size + (k < larger ? 1 : 0);
}

struct span span_part(const struct span *span, int k, int n)
{
    struct span part = {.n = 0};

    for (int i = 0; i < span->n; i++) {
        int begin;
        int count = part_of(span->run[i].count, k, n, &begin);

        /* Never merged, even where two parts touch: the next split must cut the same runs (text,
         * image). */
        if (count > 0)
            part.run[part.n++] = (struct token_run){span->run[i].begin + begin, count};
    }
    return part;
}

int span_find(const struct span *span, int token)
{
    int row = 0;

    for (int i = 0; i < span->n; i++) {
        const struct token_run *run = &span->run[i];

        if (token >= run->begin && token - run->begin < run->count)
            return row + token - run->begin;
        row += run->count;
    }
    return -1;
}
