/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles beside the rows of a sweep: RESULTS.profiles/CELL/, from a run of their own after the
 * one that made the row. For sweep.c.
 *
 * Cells of one name, and a folder that holds the profile of another row, get their row's id behind
 * the name: no profile overwrites another row's. profile.json is written last and names its row, so
 * a profile that was begun and not ended is missing; so is one that lacks a table.
 */
#ifndef HARNESS_SWEEP_SWEEP_PROFILE_H
#define HARNESS_SWEEP_SWEEP_PROFILE_H

#include "harness/measure/outcome.h"
#include "harness/sweep/sweep_list.h"

#include <limits.h>

struct sweep_profile {
    const struct sweep_list *list;
    char root[PATH_MAX];
    bool no_gnuplot; /* it was said that there is none */
};

/* results: the file of the rows; its ".jsonl" is dropped. */
void sweep_profile_init(const char *results, const struct sweep_list *list,
                        struct sweep_profile *out);

/* Whether there is no profile of this cell's row yet. */
bool sweep_profile_missing(const struct sweep_profile *profile, const struct sweep_entry *entry);

/* The folder of this cell's profile, where there is one of its row. */
bool sweep_profile_find(const struct sweep_profile *profile, const struct sweep_entry *entry,
                        char folder[PATH_MAX]);

/* Runs the cell once more, recorded. row: its record, ok. run: how, as for the row, but with a log
 * of its own. folder: where it is, valid whatever the status. ST_INTERRUPTED: nothing was kept;
 * else the status of what failed. Where gnuplot is missing the first one fails for that (ST_IO),
 * with all else written, and later ones do not. */
enum status sweep_profile_make(struct sweep_profile *profile, const struct sweep_entry *entry,
                               const struct setup *setup, const struct outcome_options *run,
                               const struct record *row, char folder[PATH_MAX]);

#endif
