/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the machine does while a cell is measured: clocks, temperature, power, what holds the clocks
 * down; errors of memory and links. For the process that watches the ranks, not for theirs: NVML
 * wakes no CUDA driver, and takes no turn on a GPU.
 *
 * One thread, asleep but in the measured loops; then it wakes once in MONITOR_MS, asks NVML five
 * questions for each GPU and reads the clocks of at most 16 CPUs. A sample counts when it lies
 * whole in the loops. It sees this host: ranks on others are not watched.
 */
#ifndef HARNESS_HOST_MONITOR_H
#define HARNESS_HOST_MONITOR_H

#include "harness/host/nvml.h"
#include "harness/record/record.h"

enum { MONITOR_MS = 100 };

struct monitor;

/* Takes the state before; no rank runs yet. devices [n] is copied; n 0: nvml may be NULL. ST_OOM:
 * no memory, or no thread. */
enum status monitor_open(const struct nvml *nvml, int n, struct nvml_device *const *devices,
                         struct monitor **out);

/* A phase of the cell begins, as launch.h and worker.h name them: the measured loops are the phase
 * "measure". The same name again is the same phase. From any thread. */
void monitor_phase(struct monitor *monitor, const char *phase);

/* The ranks ended, in whatever way: no more samples. Takes the state after. */
void monitor_end(struct monitor *monitor);

/* After monitor_end: sets record->machine. */
void monitor_fill(const struct monitor *monitor, struct record *record);

void monitor_close(struct monitor *monitor);

#endif
