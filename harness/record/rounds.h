/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that are rounds of one measurement, as one row. Reads and writes no file.
 *
 * Joined are rows of equal recipe, cohort, commit and rule of measurement (warm-up loops, repeats,
 * stop), which ended alike, by status and reason, and differ in round; of two with one round, the
 * later. Their samples are appended in the order of the rounds, and statistics and flags are made
 * of all of them; the median of each round is in record->rounds. Steps and slowest rank are those
 * of the round that the median loop is in, the check is the round's that is farthest off, all else
 * is the last row's.
 */
#ifndef HARNESS_RECORD_ROUNDS_H
#define HARNESS_RECORD_ROUNDS_H

#include "harness/record/record.h"

struct record_rounds {
    int n;
    const struct record **v; /* rows as they came, a joined one where its last was */
    int joined;              /* private: rows made here */
    struct record **own;     /* private */
};

/* records [n] are borrowed, and what they hold, until record_rounds_release. Release *out whatever
 * the status. ST_OOM. */
enum status record_rounds_join(int n, const struct record *const *records,
                               struct record_rounds *out);
void record_rounds_release(struct record_rounds *rounds);

/* Largest minus smallest median of its rounds, in percent of the median of all samples; NaN where
 * the row is not joined. */
double record_rounds_spread(const struct record *record);

#endif
