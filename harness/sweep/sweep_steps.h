/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a step goes, the profiles of a sweep side by side: a picture for each model and size of
 * which there are several, RESULTS.profiles/step.MODEL.SIZE/step.svg. For sweep.c.
 */
#ifndef HARNESS_SWEEP_SWEEP_STEPS_H
#define HARNESS_SWEEP_SWEEP_STEPS_H

#include "harness/sweep/sweep_profile.h"

/* Draws again what is there. ST_IO: gnuplot is missing, and the numbers are written all the same;
 * a file cannot be read or written. */
enum status sweep_steps_draw(const struct sweep_profile *profile);

#endif
