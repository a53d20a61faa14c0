/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a record that tells how its machine did meanwhile: clocks, temperature, power,
 * throttling, errors. Not what machine it is: struct record_env.
 *
 * What is not told is NaN, -1 or an empty list. "During" are the samples that lie whole within the
 * measured loops, warm-up loops not among them; before: no rank is started yet; after: all ended.
 */
#ifndef HARNESS_RECORD_DATA_MACHINE_H
#define HARNESS_RECORD_DATA_MACHINE_H

#include "harness/record/data_list.h"

/* One quantity: before, during, after. */
struct record_course {
    double before;
    double median, min, max; /* during */
    double after;
};

/* Shares of the samples during, 0 to 1, in which NVML gave that reason for the SM clock; they may
 * overlap. NVML's clocks event reasons, named as nvidia-smi names them. */
struct record_reasons {
    double gpu_idle;
    double applications_clocks_setting;
    double sw_power_cap;
    double hw_slowdown;
    double sync_boost;
    double sw_thermal_slowdown;
    double hw_thermal_slowdown;
    double hw_power_brake_slowdown;
    double display_clock_setting;
};

struct record_throttle {
    double share; /* of the samples during, with any reason of RECORD_THROTTLED */
    struct record_reasons reasons;
};

/* Since the driver was loaded: [before, after]. */
struct record_ecc {
    struct record_counts corrected, uncorrected;
};

struct record_nvlink {
    int active; /* the fewest of before and after */
    int total;
    struct record_counts
        errors; /* replays, recoveries and CRC errors of all links: [before, after] */
};

struct record_machine_gpu {
    const char *uuid; /* of env.gpus */
    struct record_course sm_mhz, memory_mhz, temperature_c;
    struct record_course power_w; /* on recent GPUs NVML gives the mean of the last second */
    double power_limit_w;         /* the one enforced, before */
    struct record_throttle throttle;
    struct record_ecc ecc;
    struct record_nvlink nvlink;
};

struct record_machine_gpus {
    int n;
    struct record_machine_gpu *v;
};

struct record_machine_cpu {
    const char *governor;     /* of cpufreq */
    struct record_course mhz; /* the mean of the CPUs that the process may use; cpu_state.h */
};

struct record_machine {
    int period_ms;                   /* from sample to sample */
    int samples;                     /* during */
    struct record_machine_gpus gpus; /* those that ranks used */
    struct record_machine_cpu cpu;
};

#endif
