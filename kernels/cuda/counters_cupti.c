/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's counters by CUPTI's range profiler: ranges of the user's, nothing replayed. Which
 * metrics share a pass is counters_cupti_host.c's to choose.
 *
 * Each pass enables the profiler, counts and disables it again, so that passes do not depend on
 * each other. CUPTI knows a range by its name, of which each may be used once: they are numbers.
 */
#include "kernels/cuda/counters_cupti.h"

#ifdef WITH_CUPTI

#include "kernels/backend.h"
#include "kernels/cuda/counters_cupti_host.h"
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    struct counters base;
    struct counters_cupti_library library;
    int ordinal;
    CUcontext context;
    struct counters_cupti_pass pass[COUNTERS_CUPTI_PASSES];
    CUpti_RangeProfiler_Object *profiler; /* NULL: not enabled */
    bool started;
    uint8_t *image; /* what the pass at hand counted */
    size_t image_size;
};

/* The compiler sees whether the parameters are the function's. */
#define CUPTI(st, function, params, ...)                                                           \
    ((void)sizeof(function(params)),                                                               \
     counters_cupti_call(&s->library, st, COUNTERS_##function, params, __VA_ARGS__))

static struct session *session_of(struct counters *counters)
{
    return (struct session *)counters;
}

/* Work of the whole device: what ran before a range or within it is over. */
static enum status settle(const struct session *s)
{
    TRY(CU(cudaSetDevice(s->ordinal)));
    return CU(cudaDeviceSynchronize());
}

/* ---- what the device permits ---- */

static enum status find_context(struct session *s)
{
    __typeof__(cuCtxGetCurrent) *get;
    void *address = NULL;
    enum cudaDriverEntryPointQueryResult found;
    TRY(CU(cudaSetDevice(s->ordinal)));
    TRY(CU(cudaFree(NULL))); // makes the context
    TRY(CU(cudaGetDriverEntryPointByVersion("cuCtxGetCurrent", &address, 12000, cudaEnableDefault,
                                            &found)));
    if (found != cudaDriverEntryPointSuccess || !address)
        return fail(ST_UNSUPPORTED, "the driver has no cuCtxGetCurrent (CUDA 12.0)");
    memcpy(&get, &address, sizeof(get)); // ISO C has no cast from object to function
    CUresult result = get(&s->context);
    if (result != CUDA_SUCCESS || !s->context)
        return fail(ST_DEVICE, "cuCtxGetCurrent: error %d, context %p", (int)result,
                    (void *)s->context);
    return ST_OK;
}

static enum status check_device(const struct session *s)
{
    CUpti_Profiler_DeviceSupported_Params p = {
        .structSize = CUpti_Profiler_DeviceSupported_Params_STRUCT_SIZE,
        .cuDevice = s->ordinal,
        .api = CUPTI_PROFILER_RANGE_PROFILING,
    };
    TRY(CUPTI(ST_UNSUPPORTED, cuptiProfilerDeviceSupported, &p, "range profiler, GPU %d",
              s->ordinal));
    if (p.isSupported == CUPTI_PROFILER_CONFIGURATION_SUPPORTED)
        return ST_OK;
    return fail(ST_UNSUPPORTED,
                "CUPTI's range profiler cannot be used on GPU %d: architecture %d, SLI %d, vGPU "
                "%d, confidential computing %d, mining %d, WSL %d (3: fine, 2: switched off, 1: "
                "not supported, 0: not known)",
                s->ordinal, (int)p.architecture, (int)p.sli, (int)p.vGpu,
                (int)p.confidentialCompute, (int)p.cmp, (int)p.wsl);
}

/* CUPTI's image of what may be counted now; from malloc. */
static enum status read_availability(const struct session *s, uint8_t **out)
{
    CUpti_Profiler_GetCounterAvailability_Params p = {
        .structSize = CUpti_Profiler_GetCounterAvailability_Params_STRUCT_SIZE,
        .ctx = s->context,
    };
    *out = NULL;
    TRY(CUPTI(ST_UNSUPPORTED, cuptiProfilerGetCounterAvailability, &p, "size, GPU %d", s->ordinal));
    uint8_t *image = calloc(1, p.counterAvailabilityImageSize + 1);
    if (!image)
        return fail(ST_OOM, "counters: %zu bytes of host memory", p.counterAvailabilityImageSize);
    p.pCounterAvailabilityImage = image;
    enum status st = CUPTI(ST_UNSUPPORTED, cuptiProfilerGetCounterAvailability, &p,
                           "%zu bytes, GPU %d", p.counterAvailabilityImageSize, s->ordinal);
    if (st != ST_OK)
        free(image);
    else
        *out = image;
    return st;
}

static enum status prepare(struct session *s, uint32_t wanted, int passes)
{
    CUpti_Profiler_Initialize_Params start = {.structSize =
                                                  CUpti_Profiler_Initialize_Params_STRUCT_SIZE};
    CUpti_Device_GetChipName_Params chip = {
        .structSize = CUpti_Device_GetChipName_Params_STRUCT_SIZE,
        .deviceIndex = (size_t)s->ordinal,
    };
    uint8_t *availability;
    TRY(counters_cupti_load(&s->library));
    TRY(find_context(s));
    TRY(CUPTI(ST_UNSUPPORTED, cuptiProfilerInitialize, &start, "GPU %d", s->ordinal));
    TRY(check_device(s));
    TRY(CUPTI(ST_UNSUPPORTED, cuptiDeviceGetChipName, &chip, "GPU %d", s->ordinal));
    TRY(read_availability(s, &availability));
    enum status st = counters_cupti_choose(&s->library, chip.pChipName, availability, wanted,
                                           passes, s->pass, &s->base);
    free(availability);
    return st;
}

/* ---- a pass ---- */

static void disable(struct session *s)
{
    CUpti_RangeProfiler_Stop_Params stop = {
        .structSize = CUpti_RangeProfiler_Stop_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
    };
    CUpti_RangeProfiler_Disable_Params params = {
        .structSize = CUpti_RangeProfiler_Disable_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
    };
    if (s->started)
        s->library.call[COUNTERS_cuptiRangeProfilerStop](&stop);
    if (s->profiler)
        s->library.call[COUNTERS_cuptiRangeProfilerDisable](&params);
    s->started = false;
    s->profiler = NULL;
    free(s->image);
    s->image = NULL;
}

static enum status make_image(struct session *s, const struct counters_cupti_pass *pass)
{
    CUpti_RangeProfiler_GetCounterDataSize_Params size = {
        .structSize = CUpti_RangeProfiler_GetCounterDataSize_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
        .pMetricNames = (const char **)pass->metric,
        .numMetrics = (size_t)pass->n,
        .maxNumOfRanges = (size_t)s->base.ranges,
        .maxNumRangeTreeNodes = (uint32_t)s->base.ranges,
    };
    TRY(CUPTI(ST_DEVICE, cuptiRangeProfilerGetCounterDataSize, &size,
              "%d metrics, the first %s, %d ranges", pass->n, pass->metric[0], s->base.ranges));
    s->image_size = size.counterDataSize;
    s->image = calloc(1, s->image_size + 1);
    if (!s->image)
        return fail(ST_OOM, "counters: %zu bytes of host memory for %d ranges", s->image_size,
                    s->base.ranges);
    CUpti_RangeProfiler_CounterDataImage_Initialize_Params image = {
        .structSize = CUpti_RangeProfiler_CounterDataImage_Initialize_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
        .counterDataSize = s->image_size,
        .pCounterData = s->image,
    };
    return CUPTI(ST_DEVICE, cuptiRangeProfilerCounterDataImageInitialize, &image, "%zu bytes",
                 s->image_size);
}

/* One pass: what CUPTI calls replay by the user ends after its first time. */
static enum status configure(struct session *s, const struct counters_cupti_pass *pass)
{
    CUpti_RangeProfiler_SetConfig_Params p = {
        .structSize = CUpti_RangeProfiler_SetConfig_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
        .configSize = pass->config_size,
        .pConfig = pass->config,
        .counterDataImageSize = s->image_size,
        .pCounterDataImage = s->image,
        .range = CUPTI_UserRange,
        .replayMode = CUPTI_UserReplay,
        .maxRangesPerPass = (size_t)s->base.ranges,
        .numNestingLevels = 1,
        .minNestingLevel = 1,
        .passIndex = 0,
        .targetNestingLevel = 1,
    };
    return CUPTI(ST_DEVICE, cuptiRangeProfilerSetConfig, &p,
                 "%d metrics, the first %s, %d ranges of the user, a configuration of %zu bytes",
                 pass->n, pass->metric[0], s->base.ranges, pass->config_size);
}

static enum status start(struct session *s, int at)
{
    CUpti_RangeProfiler_Enable_Params enable = {
        .structSize = CUpti_RangeProfiler_Enable_Params_STRUCT_SIZE,
        .ctx = s->context,
    };
    TRY(settle(s));
    TRY(CUPTI(ST_DEVICE, cuptiRangeProfilerEnable, &enable, "GPU %d, pass %d of %d", s->ordinal,
              at + 1, s->base.passes));
    s->profiler = enable.pRangeProfilerObject;
    TRY(make_image(s, &s->pass[at]));
    TRY(configure(s, &s->pass[at]));
    CUpti_RangeProfiler_Start_Params params = {
        .structSize = CUpti_RangeProfiler_Start_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
    };
    TRY(CUPTI(ST_DEVICE, cuptiRangeProfilerStart, &params, "pass %d of %d, the first metric %s",
              at + 1, s->base.passes, s->pass[at].metric[0]));
    s->started = true;
    return ST_OK;
}

static enum status begin(struct counters *counters, int at)
{
    enum status st = start(session_of(counters), at);
    if (st != ST_OK)
        disable(session_of(counters));
    return st;
}

static enum status push(struct counters *counters)
{
    struct session *s = session_of(counters);
    char name[16];
    snprintf(name, sizeof(name), "%d", counters->opened);
    CUpti_RangeProfiler_PushRange_Params p = {
        .structSize = CUpti_RangeProfiler_PushRange_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
        .pRangeName = name,
    };
    TRY(settle(s));
    return CUPTI(ST_DEVICE, cuptiRangeProfilerPushRange, &p, "range %s of %d", name,
                 counters->ranges);
}

static enum status pop(struct counters *counters)
{
    struct session *s = session_of(counters);
    CUpti_RangeProfiler_PopRange_Params p = {
        .structSize = CUpti_RangeProfiler_PopRange_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
    };
    TRY(settle(s));
    return CUPTI(ST_DEVICE, cuptiRangeProfilerPopRange, &p, "range %d", counters->opened - 1);
}

/* ---- what was counted ---- */

static enum status stop(struct session *s, int at)
{
    CUpti_RangeProfiler_Stop_Params end = {
        .structSize = CUpti_RangeProfiler_Stop_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
    };
    CUpti_RangeProfiler_DecodeData_Params decode = {
        .structSize = CUpti_RangeProfiler_DecodeData_Params_STRUCT_SIZE,
        .pRangeProfilerObject = s->profiler,
    };
    s->started = false;
    TRY(CUPTI(ST_DEVICE, cuptiRangeProfilerStop, &end, "pass %d of %d", at + 1, s->base.passes));
    TRY(CUPTI(ST_DEVICE, cuptiRangeProfilerDecodeData, &decode, "pass %d of %d, %d ranges", at + 1,
              s->base.passes, s->base.opened));
    if (!end.isAllPassSubmitted || decode.numOfRangeDropped > 0)
        return fail(ST_DEVICE,
                    "CUPTI counted a part of pass %d of %d (%d metrics, the first %s): complete "
                    "%d (wanted 1), %zu of %d ranges dropped",
                    at + 1, s->base.passes, s->pass[at].n, s->pass[at].metric[0],
                    (int)end.isAllPassSubmitted, decode.numOfRangeDropped, s->base.opened);
    return ST_OK;
}

static enum status count_ranges(const struct session *s, size_t *n)
{
    CUpti_RangeProfiler_GetCounterDataInfo_Params p = {
        .structSize = CUpti_RangeProfiler_GetCounterDataInfo_Params_STRUCT_SIZE,
        .pCounterDataImage = s->image,
        .counterDataImageSize = s->image_size,
    };
    TRY(CUPTI(ST_DEVICE, cuptiRangeProfilerGetCounterDataInfo, &p, "%zu bytes", s->image_size));
    *n = p.numTotalRanges;
    return p.numTotalRanges == (size_t)s->base.opened
               ? ST_OK
               : fail(ST_DEVICE, "CUPTI tells of %zu ranges, and %d were opened", p.numTotalRanges,
                      s->base.opened);
}

/* The number that push gave to a range of the image. */
static enum status number_of(const struct session *s, size_t range, int *number)
{
    CUpti_RangeProfiler_CounterData_GetRangeInfo_Params p = {
        .structSize = CUpti_RangeProfiler_CounterData_GetRangeInfo_Params_STRUCT_SIZE,
        .pCounterDataImage = s->image,
        .counterDataImageSize = s->image_size,
        .rangeIndex = range,
        .rangeDelimiter = "/",
    };
    char *end = NULL;
    TRY(CUPTI(ST_DEVICE, cuptiRangeProfilerCounterDataGetRangeInfo, &p, "range %zu", range));
    long name = p.rangeName ? strtol(p.rangeName, &end, 10) : -1;
    if (!p.rangeName || end == p.rangeName || *end || name < 0 || name >= s->base.opened)
        return fail(ST_DEVICE, "CUPTI names its range %zu \"%s\", and 0 to %d were opened", range,
                    p.rangeName ? p.rangeName : "", s->base.opened - 1);
    *number = (int)name;
    return ST_OK;
}

static enum status read_values(const struct session *s, const struct counters_cupti_pass *pass,
                               double (*value)[COUNTERS])
{
    size_t n = 0;
    TRY(count_ranges(s, &n));
    for (int r = 0; r < s->base.opened; r++)
        for (int i = 0; i < pass->n; i++)
            value[r][pass->of[i]] = (double)NAN;
    for (size_t range = 0; range < n; range++) {
        double got[COUNTERS];
        int number = 0;
        TRY(number_of(s, range, &number));
        TRY(counters_cupti_evaluate(&s->library, pass, s->image, s->image_size, range, got));
        for (int i = 0; i < pass->n; i++)
            value[number][pass->of[i]] = got[i];
    }
    return ST_OK;
}

static enum status end(struct counters *counters, int at, double (*value)[COUNTERS])
{
    struct session *s = session_of(counters);
    enum status st = settle(s);
    if (st == ST_OK)
        st = stop(s, at);
    if (st == ST_OK)
        st = read_values(s, &s->pass[at], value);
    disable(s);
    return st;
}

/* ---- life ---- */

static void close_session(struct counters *counters)
{
    struct session *s = session_of(counters);
    disable(s);
    for (int p = 0; p < COUNTERS_CUPTI_PASSES; p++)
        counters_cupti_release(&s->library, &s->pass[p]);
    free(s);
}

static enum status open_session(struct device *dev, uint32_t wanted, int ranges, int passes,
                                struct counters **out)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return fail(ST_OOM, "counters: no host memory");
    s->ordinal = dev->options.ordinal;
    s->base.ranges = ranges;
    /* to the second of two threads that initialise CUPTI it says at once that it is done */
    static pthread_mutex_t preparing = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&preparing);
    enum status st =
        prepare(s, wanted, passes < COUNTERS_CUPTI_PASSES ? passes : COUNTERS_CUPTI_PASSES);
    pthread_mutex_unlock(&preparing);
    if (st != ST_OK) {
        close_session(&s->base);
        return st;
    }
    *out = &s->base;
    return ST_OK;
}

#else

#include <stddef.h>

static enum status open_session(struct device *dev, uint32_t wanted, int ranges, int passes,
                                struct counters **out)
{
    (void)dev, (void)wanted, (void)ranges, (void)passes, (void)out;
    return fail(ST_UNSUPPORTED, "this build has no CUPTI: its headers were not found when it was "
                                "made (`make info` shows what is)");
}

static void close_session(struct counters *counters)
{
    (void)counters;
}

static enum status begin(struct counters *counters, int at)
{
    (void)at;
    return open_session(NULL, 0, 0, 0, &counters);
}

static enum status push(struct counters *counters)
{
    return begin(counters, 0);
}

static enum status pop(struct counters *counters)
{
    return begin(counters, 0);
}

static enum status end(struct counters *counters, int at, double (*value)[COUNTERS])
{
    (void)value;
    return begin(counters, at);
}

#endif

const struct counters_ops counters_cupti = {
    .open = open_session,
    .close = close_session,
    .begin = begin,
    .push = push,
    .pop = pop,
    .end = end,
};
