/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges as NVTX has them: the only file that includes it. */
#include "kernels/base/trace_nvtx.h"

#include <stdlib.h>

#ifdef WITH_NVTX

#include <nvtx3/nvToolsExt.h>
#include <stdio.h>

enum { STRINGS = 1024, MOST_STRINGS = STRINGS * 3 / 4, TEXT = 80 };

/* A registered text. Names are static, so pointers tell them apart. */
struct string {
    const char *name, *axis;
    int index;
    nvtxStringHandle_t handle;
};

struct nvtx {
    struct trace_sink sink;
    nvtxDomainHandle_t domain;
    int n;
    struct string string[STRINGS]; /* hashed, open addressing; no name: free */
};

/* "linear", "layer 3", "ulysses.all_to_all" */
static void describe(const struct trace_range *range, char text[TEXT])
{
    if (range->axis)
        snprintf(text, TEXT, "%s.%s", range->axis, range->name);
    else if (range->index >= 0)
        snprintf(text, TEXT, "%s %d", range->name, range->index);
    else
        snprintf(text, TEXT, "%s", range->name);
}

static struct string *place_of(struct nvtx *nvtx, const struct trace_range *range)
{
    uintptr_t hash = (uintptr_t)range->name * 31 + (uintptr_t)range->axis * 17;
    size_t at = (size_t)((hash ^ hash >> 12) + (uintptr_t)(range->index + 1) * 61) % STRINGS;
    while (nvtx->string[at].name &&
           (nvtx->string[at].name != range->name || nvtx->string[at].axis != range->axis ||
            nvtx->string[at].index != range->index))
        at = (at + 1) % STRINGS;
    return &nvtx->string[at];
}

/* Registered where there is room for it; else `text`, which must last, holds it. */
static void set_message(struct nvtx *nvtx, const struct trace_range *range, char text[TEXT],
                        nvtxEventAttributes_t *event)
{
    struct string *string = place_of(nvtx, range);
    if (!string->name) {
        describe(range, text);
        if (nvtx->n == MOST_STRINGS) {
            event->messageType = NVTX_MESSAGE_TYPE_ASCII;
            event->message.ascii = text;
            return;
        }
        nvtx->n++;
        *string = (struct string){range->name, range->axis, range->index,
                                  nvtxDomainRegisterStringA(nvtx->domain, text)};
    }
    event->messageType = NVTX_MESSAGE_TYPE_REGISTERED;
    event->message.registered = string->handle;
}

static void push(void *self, const struct trace_range *range)
{
    static const uint32_t color[TRACE_KINDS] = {
        [TRACE_LOOP] = 0xff808080,  [TRACE_STEP] = 0xffa0a0a0,  [TRACE_PASS] = 0xffc0c0c0,
        [TRACE_LAYER] = 0xffd8c8a0, [TRACE_MODEL] = 0xff60a060, [TRACE_OP] = 0xff76b900,
        [TRACE_COMM] = 0xff4080d0,  [TRACE_WAIT] = 0xffd05050,  [TRACE_GRAPH] = 0xff9060c0,
        [TRACE_GROUP] = 0xff80b0e0, [TRACE_MARK] = 0xffd0d0d0,
    };
    char text[TEXT];
    nvtxEventAttributes_t event = {
        .version = NVTX_VERSION,
        .size = NVTX_EVENT_ATTRIB_STRUCT_SIZE,
        .category = (uint32_t)range->kind + 1,
        .colorType = NVTX_COLOR_ARGB,
        .color = color[range->kind],
    };
    if (range->kind == TRACE_OP || range->kind == TRACE_COMM) {
        event.payloadType = NVTX_PAYLOAD_TYPE_UNSIGNED_INT64;
        event.payload.ullValue =
            range->kind == TRACE_OP ? (uint64_t)range->work.bytes : range->payload;
    }
    set_message(self, range, text, &event);
    nvtxDomainRangePushEx(((struct nvtx *)self)->domain, &event);
}

static void pop(void *self)
{
    nvtxDomainRangePop(((struct nvtx *)self)->domain);
}

bool trace_nvtx_built(void)
{
    return true;
}

enum status trace_nvtx_check(void)
{
    return ST_OK;
}

/* NVTX's own variable, which nsys sets with others; nsys' and ncu's marks of a session. */
bool trace_nvtx_wanted(void)
{
    static const char *const mark[] = {"NVTX_INJECTION64_PATH", "NSYS_PROFILING_SESSION_ID",
                                       "NV_NSIGHT_INJECTION_PORT_BASE",
                                       "NV_NSIGHT_INJECTION_TRANSPORT_TYPE"};
    for (size_t i = 0; i < sizeof mark / sizeof mark[0]; i++) {
        const char *value = getenv(mark[i]);
        if (value && value[0])
            return true;
    }
    return false;
}

enum status trace_nvtx_open(struct trace_sink **out)
{
    struct nvtx *nvtx = calloc(1, sizeof *nvtx);
    *out = NULL;
    if (!nvtx)
        return fail(ST_OOM, "NVTX: no memory for %zu bytes", sizeof *nvtx);
    nvtx->sink = (struct trace_sink){.push = push, .pop = pop, .self = nvtx};
    nvtx->domain = nvtxDomainCreateA("ditbench");
    for (int k = 0; k < TRACE_KINDS; k++)
        nvtxDomainNameCategoryA(nvtx->domain, (uint32_t)k + 1, trace_kind_name((enum trace_kind)k));
    *out = &nvtx->sink;
    return ST_OK;
}

/* The domain stays: other threads may have it, too. */
void trace_nvtx_close(struct trace_sink *sink)
{
    free(sink);
}

#else

bool trace_nvtx_built(void)
{
    return false;
}

enum status trace_nvtx_check(void)
{
    return fail(ST_INVALID,
                "NVTX (--nvtx) is not in this build: it comes with CUDA (make WITH_CUDA=1; "
                "`make info` shows what was found)");
}

bool trace_nvtx_wanted(void)
{
    return false;
}

enum status trace_nvtx_open(struct trace_sink **out)
{
    *out = NULL;
    return trace_nvtx_check();
}

void trace_nvtx_close(struct trace_sink *sink)
{
    (void)sink;
}

#endif
