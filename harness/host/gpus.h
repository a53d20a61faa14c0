/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GPUs of this machine as CUDA would number them, asked of NVML: for processes that only start
 * others and must not wake CUDA's driver, and for a record. Sets and locks nothing.
 *
 * CUDA_VISIBLE_DEVICES is understood as CUDA does. NVML numbers by PCI bus, CUDA by speed first:
 * where GPUs of several kinds are mixed the numbers agree only with CUDA_DEVICE_ORDER=PCI_BUS_ID.
 */
#ifndef HARNESS_HOST_GPUS_H
#define HARNESS_HOST_GPUS_H

#include "harness/host/nvml.h"
#include "harness/record/record.h"

enum { GPUS_MAX = 64, GPUS_TEXT = 96 };

/* How many CUDA would count; 0: none. */
int gpus_count(void);

/* Handles of those that ranks first .. first + n - 1 take, which go round them all; out has room
 * for GPUS_MAX. 0 where NVML is missing. */
int gpus_of_ranks(int first, int n, struct nvml_device **out);

/* The least compute capability of them, 10 x major + minor; 0: unknown. */
int gpus_compute(void);

/* Bytes that are free on GPU `ordinal`, or on the one of that uuid ("GPU-..."). False: unknown. */
bool gpus_available(int ordinal, uint64_t *bytes);
bool gpus_available_of(const char *uuid, uint64_t *bytes);

/* Adds them all to env.gpus. Nothing where NVML is missing. */
void gpus_fill(struct record *record);

/* ---- the same over a given library; for gpus.c and its tests ---- */

/* Handles of the GPUs that `setting` (CUDA_VISIBLE_DEVICES, NULL: not set) leaves, in its order;
 * out has room for GPUS_MAX. */
int gpus_visible(const struct nvml *nvml, const char *setting, struct nvml_device **out);

/* Without the library: how many of `files` GPUs the setting leaves. */
int gpus_visible_files(int files, const char *setting);

/* Whether one of `all` GPUs is taken by one of the ranks of gpus_of_ranks. */
bool gpus_taken(int ordinal, int all, int first, int n);

void gpus_add(const struct nvml *nvml, struct nvml_device *device, struct record *record);

#endif
