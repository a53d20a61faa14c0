/* SPDX-License-Identifier: Apache-2.0 */
/* How a GPU does at this moment, asked of NVML. Remembers nothing. */
#ifndef HARNESS_HOST_GPU_STATE_H
#define HARNESS_HOST_GPU_STATE_H

#include "harness/host/nvml.h"

#include <stdbool.h>
#include <stdint.h>

/* What changes from moment to moment. NaN: not told. */
struct gpu_state {
    double sm_mhz, memory_mhz, temperature_c, power_w;
    bool reasoned;              /* NVML gave its reasons for the SM clock: */
    unsigned long long reasons; /* bits, GPU_REASON_ */
};

/* NVML's clocks event reasons. */
enum {
    GPU_REASON_IDLE = 0x1,
    GPU_REASON_APPLICATIONS_CLOCKS = 0x2,
    GPU_REASON_SW_POWER_CAP = 0x4,
    GPU_REASON_HW_SLOWDOWN = 0x8,
    GPU_REASON_SYNC_BOOST = 0x10,
    GPU_REASON_SW_THERMAL = 0x20,
    GPU_REASON_HW_THERMAL = 0x40,
    GPU_REASON_POWER_BRAKE = 0x80,
    GPU_REASON_DISPLAY_CLOCK = 0x100,
    /* those that nobody asked for: the clock is lower than it was set to be */
    GPU_REASONS_THROTTLE = GPU_REASON_SW_POWER_CAP | GPU_REASON_HW_SLOWDOWN |
                           GPU_REASON_SW_THERMAL | GPU_REASON_HW_THERMAL | GPU_REASON_POWER_BRAKE,
};

/* What seldom changes. Counts are told or not: `has_`. */
struct gpu_health {
    double power_limit_w; /* NaN: not told */
    bool has_corrected, has_uncorrected, has_link_errors;
    uint64_t corrected, uncorrected; /* ECC, since the driver was loaded */
    int links, active_links;         /* links 0: none, or not told */
    uint64_t link_errors;            /* replays, recoveries, CRC errors of all links */
};

struct gpu_state gpu_state_read(const struct nvml *nvml, struct nvml_device *device);
struct gpu_health gpu_health_read(const struct nvml *nvml, struct nvml_device *device);

#endif
