/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of each step of each rank goes. Every instant belongs to the first of these that
 * applies, so that the shares add up to the step.
 */
#ifndef HARNESS_PROFILE_BREAKDOWN_H
#define HARNESS_PROFILE_BREAKDOWN_H

#include "harness/profile/messages.h"

enum share {
    SHARE_COMPUTE, /* an operation of the rank runs */
    SHARE_EXPOSED, /* a message of the rank is under way, both sides having posted, or its pack or
                      copy runs */
    SHARE_BUBBLE,  /* a rank whose schedule has an owner waits for a patch that is not yet sent */
    SHARE_WAIT,    /* any other wait for a peer that has not posted; barriers */
    SHARE_GAPS,    /* between two operations of the rank, nothing pending; the end of a post or wait
                      of the host whose messages have come, too */
    SHARE_OTHER,   /* the rest */
    SHARES
};

const char *share_name(enum share share); /* "compute", "exposed_comm", ... */

/* A rank's slices follow each other without holes, from its loop's begin to its end. */
struct share_slice {
    int64_t begin, end;
    enum share share;
    int item;    /* of COMPUTE, and of an EXPOSED copy; or none */
    int message; /* of EXPOSED, BUBBLE and WAIT: the one that it is for; or none */
};

struct breakdown_row {
    int rank, step;
    double total_ms, ms[SHARES];
    double comm_ms;     /* the union of all messages of the rank, hidden ones too */
    double overlap_hta; /* percent of comm_ms that lies under computation; NAN: no messages */
    double overlap_osu; /* percent; NAN until breakdown_set_alone */
};

struct breakdown {
    int ranks, rows;
    struct breakdown_row *row;  /* [rows] by rank, then step; of a rank that died, those that it
                                   came to */
    int *slices;                /* [ranks] */
    struct share_slice **slice; /* [ranks][slices] */
};

/* A step runs from the end of the step before to its own end, the last one to the loop's end.
 * ST_OOM. */
enum status breakdown_open(const struct recording *recording, const struct messages *messages,
                           struct breakdown *out);
void breakdown_release(struct breakdown *breakdown);

/* Of the rows those of steps `first` to `last`, both included. */
void breakdown_keep(struct breakdown *breakdown, int first, int last);

/* ms [ranks * steps], by rank, then step: how long what the rank posts takes where nothing else
 * runs. NAN, 0: not measured, nothing posted; there is no overlap_osu then. */
void breakdown_set_alone(struct breakdown *breakdown, int steps, const double *ms);

/* breakdown.csv of interface.md: a row per rank and step, then none. ST_IO. */
enum status breakdown_write(const struct breakdown *breakdown, const char *path);

#endif
