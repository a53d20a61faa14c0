/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of CUPTI that counters need, found at run time, and what their results mean. All
 * take one struct of parameters. Which ones to call is not known here.
 */
#ifndef KERNELS_CUDA_COUNTERS_CUPTI_LIBRARY_H
#define KERNELS_CUDA_COUNTERS_CUPTI_LIBRARY_H

#include "kernels/base/status.h"

/* clang-format off */
#define COUNTERS_CUPTI_FUNCTIONS(X)                 \
    X(cuptiProfilerInitialize)                      \
    X(cuptiProfilerDeviceSupported)                 \
    X(cuptiProfilerGetCounterAvailability)          \
    X(cuptiDeviceGetChipName)                       \
    X(cuptiProfilerHostInitialize)                  \
    X(cuptiProfilerHostDeinitialize)                \
    X(cuptiProfilerHostConfigAddMetrics)            \
    X(cuptiProfilerHostGetConfigImageSize)          \
    X(cuptiProfilerHostGetConfigImage)              \
    X(cuptiProfilerHostGetNumOfPasses)              \
    X(cuptiProfilerHostEvaluateToGpuValues)         \
    X(cuptiRangeProfilerEnable)                     \
    X(cuptiRangeProfilerDisable)                    \
    X(cuptiRangeProfilerGetCounterDataSize)         \
    X(cuptiRangeProfilerCounterDataImageInitialize) \
    X(cuptiRangeProfilerSetConfig)                  \
    X(cuptiRangeProfilerStart)                      \
    X(cuptiRangeProfilerStop)                       \
    X(cuptiRangeProfilerPushRange)                  \
    X(cuptiRangeProfilerPopRange)                   \
    X(cuptiRangeProfilerDecodeData)                 \
    X(cuptiRangeProfilerGetCounterDataInfo)         \
    X(cuptiRangeProfilerCounterDataGetRangeInfo)
/* clang-format on */

enum counters_cupti_function {
#define LIST(function) COUNTERS_##function,
    COUNTERS_CUPTI_FUNCTIONS(LIST)
#undef LIST
        COUNTERS_CUPTI_FUNCTION_COUNT
};

struct counters_cupti_library {
    int (*call[COUNTERS_CUPTI_FUNCTION_COUNT])(void *params); /* a CUptiResult */
    int (*text)(int result, const char **text);               /* cuptiGetResultString */
};

/* ST_UNSUPPORTED: it is in none of the places, or too old. */
enum status counters_cupti_load(struct counters_cupti_library *out);

/* Where it fails: `st`, and a message of the function, what it was asked for (format), CUPTI's
 * words, its number and a remedy where one is known. */
enum status counters_cupti_call(const struct counters_cupti_library *library, enum status st,
                                enum counters_cupti_function function, void *params,
                                const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
