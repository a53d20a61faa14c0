/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell looked at: run once as it is, and once more while everything is recorded, each in
 * processes of its own; then the tables of interface.md. Its pictures are harness/plot/'s.
 *
 * The latency of the second run is never one: it only tells what looking cost.
 */
#ifndef HARNESS_PROFILE_PROFILE_H
#define HARNESS_PROFILE_PROFILE_H

#include "harness/measure/outcome.h"
#include "harness/profile/breakdown.h"
#include "harness/profile/counters_table.h"
#include "harness/profile/hot.h"

struct profile_options {
    const char *folder; /* of the profile's files; made where it is missing */
    int first, last;    /* the steps that are looked at, both included; last -1: to the end */
    bool counters;      /* hardware counters are wanted, where they may be had */
    struct outcome_options outcome; /* of both runs */
    const struct record *plain;     /* (optional) the run as it is was made; borrowed */
};

struct profile {
    struct record *plain;   /* the run as it is, named; NULL where options->plain is */
    struct record *watched; /* the one that was recorded */
    int first, last;        /* the steps that were looked at */
    int whole; /* of them: so many, from the first on, that all ranks came to the end of.
                  All, unless the recording is not complete */
    struct recording *recording;
    struct recording *part;  /* of it: these steps; the same one where they are all */
    struct recording *table; /* of the part: the whole steps, which tables are made of; the same one
                                where they are all, or none is */
    double loop_ms;          /* of the slowest rank by the run's own marks; NAN: not told */
    struct messages messages;
    struct breakdown breakdown; /* rows: of the whole steps */
    struct hot hot;             /* of the table */
    struct ceilings *ceilings;  /* NULL: none are known, and no_ceilings says why */
    char no_ceilings[400];
    char no_activity[400]; /* why there are no records of the device; "": there are, or it has none
                              that ranges do not tell */
    struct counters_table counters; /* of a run of their own; 0 passes: none, and no_counters says
                                       why */
    char no_counters[400];
    char incomplete[400]; /* what of the recording is missing; "": nothing */
};

/* Runs, reads and reckons. *code: the status of the cell itself: where it failed there is its
 * record (profile_failed) and no recording; but where ranks died or were stopped while they were
 * recorded what they left is here. ST_IO, ST_OOM. */
enum status profile_open(const struct setup *setup, const struct profile_options *options,
                         struct profile *out, enum status *code);

/* The record of the run that came last: where *code is a failure, the one that failed. */
const struct record *profile_failed(const struct profile *profile);
void profile_release(struct profile *profile);

/* What the device can do, for hot.h and its picture. */
struct hot_device profile_device(const struct setup *setup, const struct profile *profile);

/* kernels.csv, breakdown.csv, the timelines and profile.json in options->folder. ST_IO. */
enum status profile_write(const struct setup *setup, const struct profile_options *options,
                          const struct profile *profile);

#endif
