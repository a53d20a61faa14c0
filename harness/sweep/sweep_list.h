/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of a sweep with their ids: resolved, filtered, each once. Runs nothing. For sweep.c. */
#ifndef HARNESS_SWEEP_SWEEP_LIST_H
#define HARNESS_SWEEP_SWEEP_LIST_H

#include "harness/cell/pins.h"
#include "harness/record/record.h"
#include "harness/sweep/experiment.h"

struct sweep_entry {
    struct cell cell; /* every default filled */
    char id[RECORD_ID_SIZE];
    const char *identity;    /* of the weights; owned by the list, as are */
    const struct pins *pins; /* the files behind it */
    bool skip;               /* has a final row that is not to be repeated */
    enum ending status;      /* of its row, once it has one */
    bool has_row;
};

struct sweep_list {
    int n;
    struct sweep_entry *v;
    int n_models;
    struct sweep_model **models; /* private */
};

/* Release it whatever the status. ST_INVALID: a filter that is no expression, a cell that cannot be
 * set up. */
enum status sweep_list_make(const struct experiment *experiment, const char *filter,
                            struct sweep_list *out);
void sweep_list_release(struct sweep_list *list);

#endif
