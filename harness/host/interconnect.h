/* SPDX-License-Identifier: Apache-2.0 */
/* How the GPUs of this machine reach each other, in nvidia-smi's words. Asked of NVML: no byte is
 * sent. How fast they do so is `ditbench comm`'s to measure. */
#ifndef HARNESS_HOST_INTERCONNECT_H
#define HARNESS_HOST_INTERCONNECT_H

#include "harness/host/nvml.h"
#include "harness/record/record.h"

/* Sets env.interconnect, env.p2p and env.nvls for the GPUs of gpus_fill; nothing is known where
 * NVML is missing. */
void interconnect_fill(struct record *record);

/* ---- the same over a given library; for interconnect.c and its tests ---- */

/*
 * Rows of n GPUs: "X" for itself, else "NV18" (that many NVLinks, by way of a switch too), or the
 * way over PCIe: "PIX" (one bridge), "PXB" (several), "PHB" (a host bridge), "NODE" (within a NUMA
 * node), "SYS" (between sockets), "?" (not told). p2p: "OK", or why one cannot read and write the
 * other's memory: "CNS", "GNS", "TNS" (chipset, GPU, topology), "DR" (disabled by the registry),
 * "NS", "U" (unknown).
 */
void interconnect_add(const struct nvml *nvml, int n, struct nvml_device *const *device,
                      struct record *record);

/* setting: of NCCL_NVLS_ENABLE, or NULL. */
struct record_nvls interconnect_nvls(const struct nvml *nvml, int n,
                                     struct nvml_device *const *device, const char *setting);

#endif
