/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tokens the rows of a tensor stand for: an ordered list of runs of image tokens, numbered
 * row by row of the image from 0 on. Rows follow the runs in order. Text is in none: it enters by
 * cross-attention. Pure data: no device, no ranks.
 */
#ifndef MODELS_SPAN_H
#define MODELS_SPAN_H

struct token_run {
    int begin, count;
};

/* A view: the runs belong to whoever made the span, most often to an arena. */
struct span {
    int n;
    int room; /* runs that there is memory for */
    struct token_run *run;
};

int span_count(const struct span *span); /* rows */

/* Appends a run, merging it with the last one where they touch in order. */
void span_push(struct span *span, int begin, int count);

/* Row of token `token` in the span, or -1. */
int span_find(const struct span *span, int token);

/* The k-th of n parts of `count` things, larger parts first: its begin, and its size as the result.
 */
int part_of(int count, int k, int n, int *begin);

#endif
