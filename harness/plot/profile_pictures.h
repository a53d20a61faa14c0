/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures of a profile: gantt, step and roofline, in its folder. */
#ifndef HARNESS_PLOT_PROFILE_PICTURES_H
#define HARNESS_PLOT_PROFILE_PICTURES_H

#include "harness/profile/profile.h"

/* Pictures in a folder that are of an earlier profile, and their data. */
void profile_pictures_remove(const char *folder);

/* Removes old ones first: none stays beside a profile that it does not show. quiet: no names of
 * files on standard output. Each is tried, whatever becomes of the others.
 * ST_IO; *missing: for want of gnuplot, and the data of all three are in FOLDER/data all the same.
 */
enum status profile_pictures_draw(const struct setup *setup, const struct profile_options *options,
                                  const struct profile *profile, bool quiet, bool *missing);

/* Steps that a cell's stale keys warm up in: left out of means where there are others. */
int profile_pictures_warmup(const struct setup *setup);

#endif
