/* SPDX-License-Identifier: Apache-2.0 */
/* Loads CUPTI and calls it by number; makes a sentence of what went wrong. */
#include "kernels/cuda/counters_cupti_library.h"

#include "kernels/cuda/library.h"

#include <cuda_runtime_api.h>
#include <cupti_result.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const names[COUNTERS_CUPTI_FUNCTION_COUNT] = {
#define LIST(function) [COUNTERS_##function] = #function,
    COUNTERS_CUPTI_FUNCTIONS(LIST)
#undef LIST
};

/* The version that belongs to the linked runtime first. */
enum status counters_cupti_load(struct counters_cupti_library *out)
{
    char name[2][24];
    void *library = NULL;
    int at = 0;
    snprintf(name[0], sizeof(name[0]), "libcupti.so.%d", CUDART_VERSION / 1000);
    snprintf(name[1], sizeof(name[1]), "libcupti.so");
    enum status st = cuda_library_open(name[0], &library);
    if (st != ST_OK)
        st = cuda_library_open(name[at = 1], &library);
    if (st != ST_OK)
        return fail_prefix(st, "CUPTI, also as %s", name[0]);
    TRY(cuda_library_find(library, name[at], "cuptiGetResultString", &out->text));
    for (int i = 0; i < COUNTERS_CUPTI_FUNCTION_COUNT; i++)
        TRY(cuda_library_find(library, name[at], names[i], &out->call[i]));
    return ST_OK;
}

static const char *remedy(int result)
{
    switch (result) {
    case CUPTI_ERROR_INSUFFICIENT_PRIVILEGES:
        return ": counters are kept for root here (RmProfilingAdminOnly in "
               "/proc/driver/nvidia/params); run as root, give CAP_SYS_ADMIN, or load the driver "
               "with NVreg_RestrictProfilingToAdminUsers=0";
    case CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED:
        return ": another tool of this process has CUPTI (nsys, ncu); run without it";
    case CUPTI_ERROR_HARDWARE_BUSY:
        return ": another profiler has the counters (ncu, DCGM: dcgmi profmanage --pause); end it";
    case CUPTI_ERROR_NOT_INITIALIZED:
        return ": CUPTI must not be newer than the driver (nvidia-smi shows its CUDA)";
    case CUPTI_ERROR_INVALID_METRIC_NAME:
        return ": the chip has no such metric";
    default:
        return "";
    }
}

enum status counters_cupti_call(const struct counters_cupti_library *library, enum status st,
                                enum counters_cupti_function function, void *params,
                                const char *format, ...)
{
    const char *text = NULL;
    char asked[160];
    va_list args;
    int result = library->call[function](params);
    if (result == CUPTI_SUCCESS)
        return ST_OK;
    va_start(args, format);
    vsnprintf(asked, sizeof(asked), format, args);
    va_end(args);
    if (library->text(result, &text) != CUPTI_SUCCESS || !text)
        text = "an error without a name";
    return fail(st, "%s (%s): %s (%d)%s", names[function], asked, text, result, remedy(result));
}
