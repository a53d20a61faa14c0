/* SPDX-License-Identifier: Apache-2.0 */
/* States of a machine before, during and after a cell, and their summary in its record. Asks
 * nobody, and knows no time. */
#ifndef HARNESS_HOST_MONITOR_LOG_H
#define HARNESS_HOST_MONITOR_LOG_H

#include "harness/host/gpu_state.h"
#include "harness/record/record.h"

enum { MONITOR_LOG_TEXT = 96 }; /* a GPU's uuid, a governor's name */

/* Of a GPU, before and after. */
struct monitor_end {
    struct gpu_state state;
    struct gpu_health health;
};

struct monitor_log {
    int period_ms;
    int gpus;
    char (*uuid)[MONITOR_LOG_TEXT]; /* [gpus]; "": not told */
    struct monitor_end *before;     /* [gpus] */
    struct monitor_end *after;      /* [gpus] */
    char governor[MONITOR_LOG_TEXT];
    double cpu_mhz_before, cpu_mhz_after; /* NaN: not told */

    int n, room;             /* samples during */
    struct gpu_state *state; /* [n][gpus] */
    double *cpu_mhz;         /* [n] */
};

/* All of it is empty. ST_OOM. */
enum status monitor_log_init(struct monitor_log *log, int gpus);
void monitor_log_release(struct monitor_log *log);

/* Adds a sample during: gpu [gpus]. Without memory it is dropped, and not counted. */
void monitor_log_add(struct monitor_log *log, const struct gpu_state *gpu, double cpu_mhz);

/* Sets record->machine. */
void monitor_log_fill(const struct monitor_log *log, struct record *record);

#endif
