/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of the processes that run a cell. Starts none. */
#ifndef HARNESS_MEASURE_OUTCOME_ARGV_H
#define HARNESS_MEASURE_OUTCOME_ARGV_H

#include "harness/measure/outcome.h"

enum { OUTCOME_ARGS = 64 };

struct outcome_argv {
    const char *v[OUTCOME_ARGS]; /* NULL-ended */
    int n;
    char *text[OUTCOME_ARGS]; /* what of it is ours */
    int n_text;
};

/* `PROGRAM worker OPTION...`, behind `mpirun -n RANKS` where ranks are processes. Of `options` it
 * takes identity, pins and what is to be
 * written. Texts are borrowed. Release it whatever the status. ST_OOM,
 * ST_IO. */
enum status outcome_argv_build(const struct setup *setup, const struct outcome_options *options,
                               struct outcome_argv *out);
void outcome_argv_release(struct outcome_argv *argv);

#endif
