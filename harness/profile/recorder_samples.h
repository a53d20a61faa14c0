/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that asks NVML, every SAMPLES_MS or so, for the clock, the power and the memory of the
 * devices of a process. */
#ifndef HARNESS_PROFILE_RECORDER_SAMPLES_H
#define HARNESS_PROFILE_RECORDER_SAMPLES_H

#include "harness/host/nvml.h"
#include "harness/profile/recording.h"

enum { SAMPLES_MS = 20 };

struct recorder_samples;

struct recorder_sampled {
    int ordinal;
    struct nvml_device *device;
};

/* From its thread; `at` by activity_clock, between question and answer. */
typedef void recorder_on_sample(void *self, int ordinal, enum recorded_counter counter, int64_t at,
                                double value);

/* devices [n] is copied. What the library does not tell is left out. ST_OOM: no thread. */
enum status recorder_samples_open(const struct nvml *nvml, int n,
                                  const struct recorder_sampled *devices, recorder_on_sample *on,
                                  void *self, struct recorder_samples **out);

/* There is no sample any more when it returns. */
void recorder_samples_close(struct recorder_samples *samples);

#endif
