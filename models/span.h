/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tokens the rows of a tensor stand for: an ordered list of runs of the joint sequence (text
 * 0..T-1, then image T..T+S-1). Rows follow the runs in order. Pure data: no device, no ranks.
 */
#ifndef MODELS_SPAN_H
#define MODELS_SPAN_H

#include <stdbool.h>

enum { SPAN_MAX_RUNS = 256 };

struct token_run {
    int begin, count;
};

struct span {
    int n;
    struct token_run run[SPAN_MAX_RUNS];
};

struct span span_of(int begin, int count); /* one run; none when count is 0 */
int span_count(const struct span *span);   /* rows */

/* Appends a run, merging it with the last one where they touch in order. False: more than
 * SPAN_MAX_RUNS runs. */
bool span_push(struct span *span, int begin, int count);
bool span_append(struct span *span, const struct span *more);

/* The k-th of n parts of every run: of c tokens the first c mod n parts get one more. */
struct span span_part(const struct span *span, int k, int n);

/* Row of token `token` in the span, or -1. */
int span_find(const struct span *span, int token);

/* The k-th of n parts of `count` things, larger parts first: its begin, and its size as the result.
 */
int part_of(int count, int k, int n, int *begin);

#endif
