/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the messages of a step take where nothing else runs: `ditbench comm`, in processes of
 * its own, for each operation and mean size that the plain run counted, over the same transport.
 * What OSU's overlap compares exposed communication with.
 */
#ifndef HARNESS_PROFILE_ALONE_H
#define HARNESS_PROFILE_ALONE_H

#include "harness/cell/setup.h"

/*
 * ms [ranks * steps], by rank, then step: what the rank posts in the step, one after the other; NAN
 * where an operation could not be measured, 0 where nothing is posted. What is received from others
 * comes meanwhile. ST_OOM.
 */
enum status alone_measure(const struct setup *setup, const struct record *plain, double *ms);

#endif
