/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a chip's metrics are counted, in which passes, and what the counted images say: CUPTI's
 * host functions, which need no GPU. Counting is counters_cupti.c's.
 */
#ifndef KERNELS_CUDA_COUNTERS_CUPTI_HOST_H
#define KERNELS_CUDA_COUNTERS_CUPTI_HOST_H

#include "kernels/counters.h"
#include "kernels/cuda/counters_cupti_library.h"

#include <stddef.h>

enum { COUNTERS_CUPTI_PASSES = 8 };

/* What is counted together, without replay. Zeros: nothing. */
struct counters_cupti_pass {
    void *host; /* CUpti_Profiler_Host_Object */
    int n;
    const char *metric[COUNTERS]; /* [n] static */
    enum counter of[COUNTERS];    /* [n] */
    uint8_t *config;              /* CUPTI's image of it */
    size_t config_size;
};

/*
 * Gives each wanted counter the first of its metrics that the chip has and that one pass counts,
 * in the first of `most` passes in which it fits. Fills metric, pass, passes and reason of `out`.
 * chip: CUPTI's name, "GH100". availability: CUPTI's image of what this device lets count; NULL:
 * all that the chip has. ST_UNSUPPORTED: none is left, with the reason of the first. What is in
 * pass [most] is the caller's to release, whatever the status.
 */
enum status counters_cupti_choose(const struct counters_cupti_library *library, const char *chip,
                                  const uint8_t *availability, uint32_t wanted, int most,
                                  struct counters_cupti_pass *pass, struct counters *out);

void counters_cupti_release(const struct counters_cupti_library *library,
                            struct counters_cupti_pass *pass);

/* value [n] of range `range` of an image; NAN where CUPTI has none. */
enum status counters_cupti_evaluate(const struct counters_cupti_library *library,
                                    const struct counters_cupti_pass *pass, const uint8_t *image,
                                    size_t size, size_t range, double *value);

#endif
