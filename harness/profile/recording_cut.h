/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a recording: some of its steps; and which steps are whole. */
#ifndef HARNESS_PROFILE_RECORDING_CUT_H
#define HARNESS_PROFILE_RECORDING_CUT_H

#include "harness/profile/recording.h"

/* Steps from the first on that every rank with a record came to the end of, as far as was recorded:
 * all of them where every loop came to its end. Of a rank that died the step that it was in is not
 * one of them; a rank without a record is not asked. */
int recording_cut_whole(const struct recording *recording);

/*
 * A recording of its own with the items of steps `first` to `last`, both included, those of no step
 * in that time, and the calls and samples of that time. Times still count from the loop's start,
 * and items keep the numbers of their steps; steps, step_end and step_ms are those of the part, and
 * each rank begins and ends with it. Ranges keep their indices; those that lie beside the part, and
 * those of other steps, have no track. ST_OOM.
 */
enum status recording_cut(const struct recording *recording, int first, int last,
                          struct recording **out);

#endif
