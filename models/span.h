/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tokens the rows of a tensor stand for: an ordered list of runs. Rows follow the runs in
 * order. Image tokens are numbered row by row of the image from 0 on; where text is part of the
 * sequence, its tokens are numbered behind those of the image, and its rows stand before them. Pure
 * data: no device, no ranks.
 */
#ifndef MODELS_SPAN_H
#define MODELS_SPAN_H

/* Parts of a sequence. Where text enters by cross-attention there is none in it, and all is image.
 */
enum token_set { TOKENS_IMAGE, TOKENS_TEXT, TOKENS_ALL, TOKEN_SETS };

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
