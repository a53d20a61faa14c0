/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts with the hardware's counters while a process' ranks run a cell: one measured loop for each
 * pass (kernels/counters.h), after a warm-up loop that shows which ranges there are.
 *
 * One rank: a range is an operation of the model (TRACE_MODEL, the outermost), in the last step of
 * the loop; the device is idle between them. Several ranks may wait for each other inside an
 * operation, so there a range is the whole loop, on every rank, with what the ledger says it sent
 * beside it. Ranks that share a GPU share its counters: they are refused.
 *
 * Steps must be launched, not replayed as graphs: the cell has --graph off.
 */
#ifndef HARNESS_PROFILE_COUNTERS_WATCH_H
#define HARNESS_PROFILE_COUNTERS_WATCH_H

#include "harness/measure/worker.h"
#include "harness/profile/counters_table.h"

/* Measured loops that a cell must have; so many passes are made at most. */
enum { COUNTERS_LOOPS = 4 };

struct counters_watch;

/* `ranks` ranks of the world from `first` on live here; each writes FOLDER/rank-N.json
 * (counters_file.h) when it has all passes. ST_OOM; ST_UNSUPPORTED: the backend has no counters. */
enum status counters_watch_open(const char *folder, const struct backend_ops *backend, int first,
                                int ranks, struct counters_watch **out);
void counters_watch_close(struct counters_watch *watch);

/* What the worker calls; borrowed. Its functions agree on their status over all ranks: where one
 * cannot count, the loops end with its reason. */
const struct worker_observer *counters_watch_observer(struct counters_watch *watch);

#endif
