/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process with ranks writes down while one loop is profiled: the ranges of its rank threads,
 * what its devices do, samples of their clocks. It goes into one spool (spool.h), which
 * spool_read.h reads back.
 *
 * Written are the ranges of the profiled loop, from its LOOP on, and those of every capture of a
 * graph, whenever it happens; activities and samples of the profiled loop alone. One in a process.
 */
#ifndef HARNESS_PROFILE_RECORDER_H
#define HARNESS_PROFILE_RECORDER_H

#include "harness/measure/worker.h"
#include "kernels/backend.h"

struct recorder;

/*
 * Before the first device of the process is opened. `ranks` ranks of the world from `first` on live
 * here; the file is FOLDER/process-FIRST.spool, the folder is made. Where the backend's activities
 * cannot be had the ranges are written alone, and the spool says why. ST_IO, ST_OOM.
 */
enum status recorder_open(const char *folder, const struct backend_ops *backend, int first,
                          int ranks, struct recorder **out);

/* After the last device is closed. */
void recorder_close(struct recorder *recorder);

/* What the worker calls; borrowed. Its functions agree on their status over all ranks. */
const struct worker_observer *recorder_observer(struct recorder *recorder);

#endif
