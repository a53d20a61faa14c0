/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU's NVLinks have carried, as its own hardware counts it and NVML tells it: the data of
 * all programs, without the links' protocol, in units of 1 KiB. */
#ifndef HARNESS_HOST_LINKS_H
#define HARNESS_HOST_LINKS_H

#include "harness/host/nvml.h"

#include <stdbool.h>
#include <stdint.h>

/* NVML's names of the two. */
#define LINKS_SENT     "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX"
#define LINKS_RECEIVED "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX"

/* Bytes since the driver was loaded. */
struct links {
    uint64_t sent, received;
};

/* Of GPU `ordinal`, as CUDA would number it. False: it has no links, or they are not told. */
bool links_read(int ordinal, struct links *out);

/* The same of a device of a given library. */
bool links_read_from(const struct nvml *nvml, struct nvml_device *device, struct links *out);

#endif
