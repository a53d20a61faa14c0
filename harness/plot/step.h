/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a step goes, as stacked bars in ms: one for each rank of a profile, or one for
 * each of several profiles. Numbers are means over steps.
 */
#ifndef HARNESS_PLOT_STEP_H
#define HARNESS_PLOT_STEP_H

#include "harness/plot/picture.h"
#include "harness/profile/breakdown.h"

enum { STEP_BARS = 100 /* of a picture at most */ };

struct step_options {
    struct picture_options picture;
    int first;        /* steps before this one are left out: warm-up */
    const char *note; /* (optional) a text more below the picture */
};

/* The mean of some steps of one rank. */
struct step_mean {
    int rank, steps;
    double total_ms, ms[SHARES];
};

/* Over the rows of one rank from step `first` on; steps 0: there is none. */
struct step_mean step_mean_of(int rows, const struct breakdown_row *row, int rank, int first);

/* Of the rank whose steps take longest. steps 0: there is no row from step `first` on. */
struct step_mean step_slowest(int rows, const struct breakdown_row *row, int first);

/* FOLDER/step.svg and so on, a bar for each rank. ST_INVALID: no step is left; ST_IO, as
 * picture_close. */
enum status step_draw(const struct breakdown *breakdown, const struct step_options *options,
                      bool *missing);

struct step_profile {
    const char *folder; /* of a profile: FOLDER/breakdown.csv */
    const char *label;  /* what it is called */
    int first;          /* as of step_options */
};

/* The slowest rank of each of n profiles, side by side. options->first is not looked at. ST_INVALID
 * names the file and line that is no breakdown's, or the profile without a step; ST_IO. */
enum status step_compare(int n, const struct step_profile *profile,
                         const struct step_options *options, bool *missing);

#endif
