/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measured loops of one rank took, and the rule that says when they are enough. Runs no
 * loop and reads no clock but for the rule's seconds.
 *
 * Under a rule the number of loops is not known beforehand: room grows between loops, outside the
 * clock of all of them, and is written to once, so that no loop meets a page for the first time.
 */
#ifndef HARNESS_MEASURE_SAMPLES_H
#define HARNESS_MEASURE_SAMPLES_H

#include "harness/launch/ranks.h"
#include "harness/measure/worker_record.h"

/*
 * Whether n loops are enough, the last of which ended elapsed_s after the first began: n >= 6 and
 * (n >= min_loops or elapsed_s >= min_seconds) and stats_median_noise() <= max_noise; or elapsed_s
 * >= max_seconds. sorted [n], ascending: latencies, each of its slowest rank.
 */
bool samples_enough(const struct record_stop *rule, int n, const double *sorted, double elapsed_s);

/* What a rank tells the others after each loop under a rule. */
struct samples_vote;

struct samples {
    int n;                  /* loops measured */
    int room;               /* loops that there is room for */
    int ranks, steps;       /* of a loop */
    struct rank_part *part; /* this rank's: loop_ms [room] */
    char *parts;            /* of all ranks, once gathered */
    double *step_end_ms;    /* [room * steps] */

    /* private: for the rule, and NULL without one */
    double *sorted;             /* [room] latencies, ascending */
    struct samples_vote *votes; /* [ranks] */
    double began_s;
};

/* Room for so many loops. rule: samples_agree will be called. Release it whatever the status.
 * ST_OOM. */
enum status samples_init(struct samples *s, int ranks, int steps, int room, bool rule);
void samples_release(struct samples *s);

/* Before the first loop: the rule's seconds begin. */
void samples_begin(struct samples *s);

/* Where the next loop goes. */
double *samples_loop(struct samples *s);
double *samples_steps(struct samples *s);

/* Collective, after each loop under a rule: counts it, and *enough is the same on all ranks. It is
 * decided by rank 0's clock and by the slowest rank of each loop. ST_OOM, on all ranks, where one
 * has no room for another loop. */
enum status samples_agree(struct samples *s, const struct rank *rank,
                          const struct record_stop *rule, bool *enough);

/* Collective, after the last loop: fills `parts`. ST_OOM, on all ranks. */
enum status samples_gather(struct samples *s, const struct rank *rank);

#endif
