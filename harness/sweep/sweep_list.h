/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of a sweep with their ids: resolved, filtered, each once in each round. Runs nothing.
 * For sweep.c. */
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

/*
 * Rounds go one after the other, all cells in each, so that a machine that gets slower or faster
 * meanwhile does so for all cells alike. Shuffled, each round has an order of its own.
 */
struct sweep_rounds {
    int n;           /* 1: each cell once */
    int64_t shuffle; /* seed of the orders; -1: that of the experiment in every round */
};

enum { SWEEP_MAX_ENTRIES = 10 * EXPERIMENT_MAX_CELLS };

struct sweep_list {
    int n, rounds; /* n: entries, one for each cell and round */
    struct sweep_entry *v;
    int n_models;
    struct sweep_model **models; /* private */
};

/* Release it whatever the status. `filter` sees no rounds. ST_INVALID: a filter that is no
 * expression, a cell that cannot be set up, too many rounds of too many cells. */
enum status sweep_list_make(const struct experiment *experiment, const char *filter,
                            const struct sweep_rounds *rounds, struct sweep_list *out);
void sweep_list_release(struct sweep_list *list);

#endif
