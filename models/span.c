/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on run lists of token positions: parts, appends, look-ups. Not a splitter of work: the
 * plan decides who gets what. */
#include "models/span.h"

#include "kernels/base/status.h"

#include <stddef.h>

int span_count(const struct span *span)
{
    int count = 0;

    for (int i = 0; i < span->n; i++)
        count += span->run[i].count;
    return count;
}

void span_push(struct span *span, int begin, int count)
{
    struct token_run *last = span->n > 0 ? &span->run[span->n - 1] : NULL;

    BUG_ON(begin < 0 || count < 0, "run of %d tokens at %d", count, begin);
    if (count == 0)
        return;
    if (last && last->begin + last->count == begin) {
        last->count += count;
        return;
    }
    BUG_ON(span->n == span->room, "a span with room for %d runs is given another", span->room);
    span->run[span->n++] = (struct token_run){begin, count};
}

int part_of(int count, int k, int n, int *begin)
{
    BUG_ON(count < 0 || n < 1 || k < 0 || k >= n, "part %d of %d of %d things", k, n, count);
    int size = count / n;
    int larger = count % n; /* so many parts, the first ones, have one more */

    *begin = k * size + (k < larger ? k : larger);
    return size + (k < larger ? 1 : 0);
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
