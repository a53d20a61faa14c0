/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline of one step: a band for each rank, in it what it computes by kind of operation, why
 * it does not, and beneath that its messages by axis. Times count from the step's begin on the
 * first rank that begins it.
 */
#ifndef HARNESS_PLOT_GANTT_H
#define HARNESS_PLOT_GANTT_H

#include "harness/plot/picture.h"
#include "harness/profile/breakdown.h"

enum {
    GANTT_STEADY = -1, /* for a step: the last but one, or the only one */
    GANTT_ARROWS = 60, /* more messages than this get none; fewer in a narrow picture */
    GANTT_BOXES = 3600 /* of computation in a picture at most; beyond that its resolution falls */
};

struct gantt_options {
    struct picture_options picture;
    int step; /* from 0 */
};

/* FOLDER/gantt.svg and so on. ST_INVALID: there is no such step; ST_OOM; ST_IO, as picture_close.
 */
enum status gantt_draw(const struct recording *recording, const struct messages *messages,
                       const struct breakdown *breakdown, const struct gantt_options *options,
                       bool *missing);

#endif
