/* SPDX-License-Identifier: Apache-2.0 */
/* A record's machine as long as nothing is told of it, and how much of the time it was throttled.
 */
#include "harness/record/record.h"

#include <math.h>

static const struct record_course course = {NAN, NAN, NAN, NAN, NAN};

static const struct record_machine_gpu unknown = {
    .sm_mhz = {NAN, NAN, NAN, NAN, NAN},
    .memory_mhz = {NAN, NAN, NAN, NAN, NAN},
    .temperature_c = {NAN, NAN, NAN, NAN, NAN},
    .power_w = {NAN, NAN, NAN, NAN, NAN},
    .power_limit_w = NAN,
    .throttle = {NAN, {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}},
    .nvlink = {.active = RECORD_UNKNOWN, .total = RECORD_UNKNOWN},
};

void record_reset_machine(struct record *record)
{
    record->machine = (struct record_machine){
        .period_ms = RECORD_UNKNOWN, .samples = RECORD_UNKNOWN, .cpu = {.mhz = course}};
}

struct record_machine_gpu *record_machine_gpus(struct record *record, int n)
{
    struct record_machine_gpus *gpus = &record->machine.gpus;
    gpus->v = record_array(record, (size_t)n, sizeof *gpus->v);
    gpus->n = gpus->v ? n : 0;
    for (int i = 0; i < gpus->n; i++)
        gpus->v[i] = unknown;
    return gpus->v;
}

const struct record_machine_gpu *record_throttled_gpu(const struct record *record)
{
    const struct record_machine_gpus *gpus = &record->machine.gpus;
    const struct record_machine_gpu *most = NULL;
    for (int i = 0; i < gpus->n; i++)
        if (gpus->v[i].throttle.share > (most ? most->throttle.share : 0))
            most = &gpus->v[i];
    return most;
}

double record_throttled_share(const struct record *record)
{
    const struct record_machine_gpu *most = record_throttled_gpu(record);
    return most ? most->throttle.share : 0;
}
