/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layouts of CUPTI's records. Each version of CUPTI may lengthen a kind's record and keeps the
 * beginning, so the first layout that has all we read serves for libraries older and newer than the
 * headers of this build.
 */
#include "kernels/cuda/activity_parse.h"

#include <cupti.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 4096, MOST_NAMES = NAMES * 3 / 4, ROOM = 160 };

/* A kernel's name in the two spellings. */
struct name {
    char *mangled, *plain; /* NULL: free */
};

struct activity_parser {
    activity_parse_name_fn *name_of;
    int names;
    struct name name[NAMES]; /* hashed, open addressing */
    char *unkept;            /* a name that found no room */
    char call[ROOM];         /* the last call's name */
};

enum status activity_parse_open(activity_parse_name_fn *name_of, struct activity_parser **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return fail(ST_OOM, "records of CUPTI: no host memory for %zu bytes", sizeof(**out));
    (*out)->name_of = name_of;
    return ST_OK;
}

void activity_parse_close(struct activity_parser *parser)
{
    if (!parser)
        return;
    for (int i = 0; i < NAMES; i++) {
        free(parser->name[i].mangled);
        free(parser->name[i].plain);
    }
    free(parser->unkept);
    free(parser);
}

/* ---- names ---- */

/* The C++ ABI's own function, in libstdc++, which kernels need anyway: from malloc; NULL where the
 * name is not one of C++. */
extern char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

static char *demangled(const char *mangled)
{
    int status = 0;
    char *plain = __cxa_demangle(mangled, NULL, NULL, &status);
    return plain ? plain : strdup(mangled);
}

static size_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32);
}

/* Each is spelled out once: a loop has thousands of launches and some dozens of kernels. */
static const char *kernel_name(struct activity_parser *parser, const char *mangled)
{
    if (!mangled)
        return "unknown kernel";
    size_t at = hash_of(mangled) % NAMES;
    while (parser->name[at].mangled && strcmp(parser->name[at].mangled, mangled) != 0)
        at = (at + 1) % NAMES;
    struct name *name = &parser->name[at];
    if (name->mangled)
        return name->plain;
    char *plain = demangled(mangled);
    char *key = parser->names < MOST_NAMES ? strdup(mangled) : NULL;
    if (plain && key) {
        parser->names++;
        *name = (struct name){key, plain};
        return plain;
    }
    free(key);
    free(parser->unkept);
    parser->unkept = plain;
    return plain ? plain : "kernel without a name: no host memory";
}

/* The runtime's numbers carry the version that brought a function: "cudaLaunchKernel_v7000". */
static const char *call_name(struct activity_parser *parser, bool driver, uint32_t number)
{
    const char *name = parser->name_of(driver, number);
    if (!name)
        snprintf(parser->call, ROOM, "%s call %u", driver ? "driver" : "runtime", number);
    else
        snprintf(parser->call, ROOM, "%s", name);
    char *version = name && !driver ? strrchr(parser->call, '_') : NULL;
    if (version && version[1] == 'v' && version[2] != '\0' &&
        version[2 + strspn(version + 2, "0123456789")] == '\0')
        *version = '\0';
    return parser->call;
}

bool activity_parse_quiet(const char *name)
{
    static const char *const beginning[] = {
        "cudaGetLastError", "cudaPeekAtLastError", "cudaGetError",          "cudaGetDevice",
        "cudaSetDevice",    "cudaDeviceGet",       "cudaDriverGet",         "cudaRuntimeGet",
        "cudaFuncGet",      "cudaPointerGet",      "cudaOccupancy",         "cudaEventQuery",
        "cudaStreamQuery",  "cudaStreamGet",       "cudaStreamIsCapturing", "cuGet",
        "cuInit",           "cuDriverGet",         "cuDeviceGet",           "cuDevicePrimaryCtxGet",
        "cuCtxGet",         "cuCtxSetCurrent",     "cuCtxPushCurrent",      "cuCtxPopCurrent",
        "cuFuncGet",        "cuKernelGet",         "cuModuleGet",           "cuLibraryGet",
        "cuPointerGet",     "cuOccupancy",         "cuEventQuery",          "cuStreamQuery",
        "cuStreamGet",      "cuStreamIsCapturing",
    };
    for (size_t i = 0; i < sizeof(beginning) / sizeof(beginning[0]); i++) {
        if (strncmp(name, beginning[i], strlen(beginning[i])) == 0)
            return true;
    }
    return false;
}

static const char *copy_name(unsigned kind)
{
    static const char *const names[] = {
        [CUPTI_ACTIVITY_MEMCPY_KIND_UNKNOWN] = "copy",
        [CUPTI_ACTIVITY_MEMCPY_KIND_HTOD] = "copy host to device",
        [CUPTI_ACTIVITY_MEMCPY_KIND_DTOH] = "copy device to host",
        [CUPTI_ACTIVITY_MEMCPY_KIND_HTOA] = "copy host to array",
        [CUPTI_ACTIVITY_MEMCPY_KIND_ATOH] = "copy array to host",
        [CUPTI_ACTIVITY_MEMCPY_KIND_ATOA] = "copy array to array",
        [CUPTI_ACTIVITY_MEMCPY_KIND_ATOD] = "copy array to device",
        [CUPTI_ACTIVITY_MEMCPY_KIND_DTOA] = "copy device to array",
        [CUPTI_ACTIVITY_MEMCPY_KIND_DTOD] = "copy device to device",
        [CUPTI_ACTIVITY_MEMCPY_KIND_HTOH] = "copy host to host",
        [CUPTI_ACTIVITY_MEMCPY_KIND_PTOP] = "copy peer to peer",
    };
    return names[kind < sizeof(names) / sizeof(names[0]) ? kind : 0];
}

static const char *sync_name(CUpti_ActivitySynchronizationType type)
{
    switch (type) {
    case CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_EVENT_SYNCHRONIZE:
        return "wait for event";
    case CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_WAIT_EVENT:
        return "stream waits for event";
    case CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_SYNCHRONIZE:
        return "wait for stream";
    case CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_CONTEXT_SYNCHRONIZE:
        return "wait for device";
    default:
        return "wait";
    }
}

static const char *overhead_name(CUpti_ActivityOverheadKind kind)
{
    switch (kind) {
    case CUPTI_ACTIVITY_OVERHEAD_DRIVER_COMPILER:
        return "driver compiles";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_BUFFER_FLUSH:
        return "CUPTI flushes a buffer";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_INSTRUMENTATION:
        return "CUPTI instruments";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_RESOURCE:
        return "CUPTI makes a resource";
    case CUPTI_ACTIVITY_OVERHEAD_RUNTIME_TRIGGERED_MODULE_LOADING:
        return "runtime loads a module";
    case CUPTI_ACTIVITY_OVERHEAD_LAZY_FUNCTION_LOADING:
        return "driver loads a function";
    case CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL:
        return "command buffer full";
    default:
        return "overhead";
    }
}

/* ---- records ---- */

static uint64_t read_kernel(struct activity_parser *parser, const CUpti_ActivityKernel9 *r,
                            struct activity *out)
{
    *out = (struct activity){
        .kind = ACTIVITY_KERNEL,
        .name = kernel_name(parser, r->name),
        .begin = (int64_t)r->start,
        .end = (int64_t)r->end,
        .device = (int)r->deviceId,
        .stream = r->streamId,
        .correlation = r->correlationId,
        .grid = {r->gridX, r->gridY, r->gridZ},
        .block = {r->blockX, r->blockY, r->blockZ},
        .registers = r->registersPerThread,
        .shared = r->staticSharedMemory + r->dynamicSharedMemory,
    };
    return r->graphNodeId;
}

static uint64_t read_copy(const CUpti_ActivityMemcpy5 *r, struct activity *out)
{
    *out = (struct activity){
        .kind = ACTIVITY_COPY,
        .name = copy_name(r->copyKind),
        .begin = (int64_t)r->start,
        .end = (int64_t)r->end,
        .device = (int)r->deviceId,
        .stream = r->streamId,
        .correlation = r->correlationId,
        .bytes = r->bytes,
    };
    return r->graphNodeId;
}

static uint64_t read_peer_copy(const CUpti_ActivityMemcpyPtoP4 *r, struct activity *out)
{
    *out = (struct activity){
        .kind = ACTIVITY_COPY,
        .name = copy_name(CUPTI_ACTIVITY_MEMCPY_KIND_PTOP),
        .begin = (int64_t)r->start,
        .end = (int64_t)r->end,
        .device = (int)r->deviceId,
        .stream = r->streamId,
        .correlation = r->correlationId,
        .bytes = r->bytes,
    };
    return r->graphNodeId;
}

static uint64_t read_fill(const CUpti_ActivityMemset4 *r, struct activity *out)
{
    *out = (struct activity){
        .kind = ACTIVITY_FILL,
        .name = "fill",
        .begin = (int64_t)r->start,
        .end = (int64_t)r->end,
        .device = (int)r->deviceId,
        .stream = r->streamId,
        .correlation = r->correlationId,
        .bytes = r->bytes,
    };
    return r->graphNodeId;
}

static void read_call(struct activity_parser *parser, const CUpti_ActivityAPI *r,
                      struct activity *out)
{
    bool driver = r->kind == CUPTI_ACTIVITY_KIND_DRIVER;
    *out = (struct activity){
        .kind = driver ? ACTIVITY_DRIVER : ACTIVITY_RUNTIME,
        .name = call_name(parser, driver, r->cbid),
        .begin = (int64_t)r->start,
        .end = (int64_t)r->end,
        .device = -1,
        .thread = r->threadId,
        .correlation = r->correlationId,
    };
}

/* Its thread is that of the call of the same correlation. */
static void read_sync(const CUpti_ActivitySynchronization *r, struct activity *out)
{
    bool of_stream = r->streamId != (uint32_t)CUPTI_SYNCHRONIZATION_INVALID_VALUE;
    *out = (struct activity){
        .kind = ACTIVITY_SYNC,
        .name = sync_name(r->type),
        .begin = (int64_t)r->start,
        .end = (int64_t)r->end,
        .device = -1,
        .stream = of_stream ? r->streamId : 0,
        .correlation = r->correlationId,
    };
}

static void read_overhead(const CUpti_ActivityOverhead3 *r, struct activity *out)
{
    *out = (struct activity){
        .kind = ACTIVITY_OVERHEAD,
        .name = overhead_name(r->overheadKind),
        .begin = (int64_t)r->start,
        .end = (int64_t)r->end,
        .device = -1,
        .thread = r->objectKind == CUPTI_ACTIVITY_OBJECT_THREAD ? r->objectId.pt.threadId : 0,
    };
    // The one kind that has it is as new as the field, which older libraries' records lack.
    if (r->overheadKind == CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL)
        free(r->overheadData); // CUPTI leaves that to the reader
}

enum activity_parsed activity_parse(struct activity_parser *parser, const void *record,
                                    struct activity *out, uint64_t *node)
{
    *node = 0;
    switch (((const CUpti_Activity *)record)->kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
        *node = read_kernel(parser, record, out);
        break;
    case CUPTI_ACTIVITY_KIND_MEMCPY:
        *node = read_copy(record, out);
        break;
    case CUPTI_ACTIVITY_KIND_MEMCPY2:
        *node = read_peer_copy(record, out);
        break;
    case CUPTI_ACTIVITY_KIND_MEMSET:
        *node = read_fill(record, out);
        break;
    case CUPTI_ACTIVITY_KIND_DRIVER:
    case CUPTI_ACTIVITY_KIND_RUNTIME:
        read_call(parser, record, out);
        if (activity_parse_quiet(out->name))
            return ACTIVITY_OF_NO_INTEREST;
        break;
    case CUPTI_ACTIVITY_KIND_SYNCHRONIZATION:
        read_sync(record, out);
        break;
    case CUPTI_ACTIVITY_KIND_OVERHEAD:
        read_overhead(record, out);
        break;
    default:
        return ACTIVITY_OF_NO_INTEREST;
    }
    return out->begin == 0 || out->end < out->begin ? ACTIVITY_WITHOUT_TIMES : ACTIVITY_PARSED;
}
