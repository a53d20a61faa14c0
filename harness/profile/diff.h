/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two profiles side by side: which operations of the model, and which of their kernels, take more
 * or less time. All times are milliseconds of a step and rank, so that profiles of other numbers of
 * steps or ranks compare, and of one that breaks off its whole steps count; a change is what B
 * takes more than A.
 *
 * A kernel is known by its operation and its name. Of those of an operation that only one profile
 * has, one of A and one of B whose shares of the operation's time are nearest are taken for the
 * same one, renamed; again, until one profile has none left. What is in no operation is known by
 * its name alone.
 */
#ifndef HARNESS_PROFILE_DIFF_H
#define HARNESS_PROFILE_DIFF_H

#include "harness/profile/profile_read.h"

#include <stdbool.h>
#include <stdio.h>

struct profile_change {
    const char *range;    /* the operation; "": none */
    const char *was, *is; /* the kernel's names in A and B, other ones if renamed; NULL: that
                             profile has none. Of an operation: `range`, or NULL */
    double a, b;          /* 0 where it has none */
    double change;        /* b - a */
};

struct profile_diff {
    char *folder[2];
    struct profile_side side[2];
    double total[2]; /* of all kernels */
    int ranges, kernels;
    struct profile_change *range, *kernel; /* the largest change, up or down, first */
};

/* ST_INVALID, ST_IO: a file of theirs is missing or not as it should be. ST_OOM. */
enum status profile_diff_open(const char *a, const char *b, struct profile_diff *out);
void profile_diff_release(struct profile_diff *diff);

/* Tables in aligned columns, or in Markdown. most: rows of each (0: all); what is left out is
 * summed up in a line. ST_OOM. */
enum status profile_diff_print(const struct profile_diff *diff, bool markdown, int most, FILE *out);

/* All of it as one object; null for what is not there. ST_OOM; ST_INVALID: a folder's name has no
 * place in JSON; ST_IO. */
enum status profile_diff_json(const struct profile_diff *diff, FILE *out);

#endif
