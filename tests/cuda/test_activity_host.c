/* SPDX-License-Identifier: Apache-2.0 */
/* What lies between CUPTI and the sink, on inputs made by hand: tags of nodes, buffers, records. */
#include "kernels/cuda/activity_buffers.h"
#include "kernels/cuda/activity_parse.h"
#include "kernels/cuda/activity_tags.h"
#include "tests/cuda/gpu.h"

#include <string.h>

static uint64_t tag_of(struct activity_tags *tags, uint64_t node)
{
    uint64_t tag = 99;
    activity_tags_find(tags, node, &tag);
    return tag;
}

static void test_tags(void)
{
    struct activity_tags *tags;
    uint64_t tag;
    OK(activity_tags_open(16, &tags)); // 12 nodes
    activity_tags_add(tags, 1, 11);
    activity_tags_add(tags, 2, 0);
    CHECK(activity_tags_clone(tags, 101, 1) && activity_tags_clone(tags, 102, 2), "known ones");
    CHECK(!activity_tags_clone(tags, 103, 3), "a clone of an unknown node");
    CHECK(activity_tags_find(tags, 1, &tag) == ACTIVITY_NODE_CAPTURED && tag == 11, "captured");
    CHECK(activity_tags_find(tags, 101, &tag) == ACTIVITY_NODE_CLONE && tag == 11, "clone");
    CHECK(activity_tags_find(tags, 102, &tag) == ACTIVITY_NODE_CLONE && tag == 0, "clone of 0");
    CHECK(activity_tags_find(tags, 103, &tag) == ACTIVITY_NODE_UNKNOWN && tag == 0, "unknown");
    activity_tags_add(tags, 101, 7);
    CHECK(tag_of(tags, 101) == 11, "told of again, a clone keeps its tag");
    activity_tags_destroy(tags, 1);
    activity_tags_destroy(tags, 101);
    CHECK(tag_of(tags, 1) == 11 && tag_of(tags, 101) == 11, "forgotten while there is room");
    for (uint64_t i = 0; i < 11; i++) // 2 + 11 that live, 2 that do not
        activity_tags_add(tags, 200 + i, 300 + i);
    CHECK(tag_of(tags, 1) == 0 && tag_of(tags, 101) == 0, "not forgotten when full");
    for (uint64_t i = 0; i < 10; i++)
        CHECK(tag_of(tags, 200 + i) == 300 + i, "node %d", (int)i);
    CHECK(tag_of(tags, 210) == 0 && activity_tags_lost(tags) == 1, "%d lost",
          (int)activity_tags_lost(tags));
    activity_tags_close(tags);
    activity_tags_close(NULL);
    OK(activity_tags_open(1 << 15, &tags)); // grows
    for (uint64_t i = 1; i <= 20000; i++)
        activity_tags_add(tags, i << 32 | i % 7, i);
    for (uint64_t i = 1; i <= 20000; i++)
        CHECK(tag_of(tags, i << 32 | i % 7) == i, "node %d of many", (int)i);
    activity_tags_close(tags);
}

static void test_buffers(void)
{
    struct activity_buffers buffers = ACTIVITY_BUFFERS_INIT;
    uint8_t *taken[ACTIVITY_BUFFERS];
    for (int i = 0; i < ACTIVITY_BUFFERS; i++) {
        taken[i] = activity_buffers_take(&buffers);
        CHECK(taken[i], "buffer %d", i);
    }
    CHECK(!activity_buffers_take(&buffers), "one more than there are");
    taken[3][0] = taken[3][9] = 1;
    activity_buffers_return(&buffers, taken[3], 10);
    CHECK(activity_buffers_take(&buffers) == taken[3] && taken[3][0] == 0 && taken[3][9] == 0,
          "comes again, with zeros");
    for (int i = 1; i < ACTIVITY_BUFFERS; i++)
        activity_buffers_return(&buffers, taken[i], 0);
    CHECK(activity_buffers_most(&buffers) == ACTIVITY_BUFFERS, "most");
    activity_buffers_release(&buffers); // CUPTI still has the first
    CHECK(activity_buffers_most(&buffers) == 1, "taken after a release");
    memset(taken[0], 1, ACTIVITY_BUFFER);
    activity_buffers_return(&buffers, taken[0], ACTIVITY_BUFFER);
    activity_buffers_release(&buffers);
}

#ifdef WITH_CUPTI

#include <cupti.h>

static const char *name_of(bool driver, uint32_t number)
{
    if (number == 1)
        return driver ? "cuLaunchKernel_v2" : "cudaLaunchKernel_v7000";
    if (number == 2)
        return driver ? "cuGetProcAddress" : "cudaGetLastError_v3020";
    return NULL;
}

static void parse_call(struct activity_parser *parser, CUpti_ActivityKind kind, uint32_t number,
                       enum activity_kind want, const char *name)
{
    struct activity a;
    uint64_t node = 1;
    const CUpti_ActivityAPI r = {
        .kind = kind, .cbid = number, .start = 5, .end = 6, .threadId = 7, .correlationId = 8};
    CHECK(activity_parse(parser, &r, &a, &node) == ACTIVITY_PARSED && a.kind == want &&
              strcmp(a.name, name) == 0 && a.begin == 5 && a.end == 6 && a.thread == 7 &&
              a.correlation == 8 && a.device == -1 && node == 0,
          "call %u is '%s', not '%s'", number, a.name, name);
}

static void test_records(void)
{
    struct activity_parser *parser;
    struct activity a;
    uint64_t node;
    OK(activity_parse_open(name_of, &parser));
    CUpti_ActivityKernel9 k = {
        .kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
        .start = 100,
        .end = 250,
        .deviceId = 3,
        .streamId = 14,
        .correlationId = 15,
        .gridX = 1,
        .gridY = 2,
        .gridZ = 3,
        .blockX = 4,
        .blockY = 5,
        .blockZ = 6,
        .registersPerThread = 40,
        .staticSharedMemory = 1000,
        .dynamicSharedMemory = 24,
        .graphNodeId = 77,
        .name = "_Z4gateIfEvPKT_i",
    };
    for (int i = 0; i < 2; i++) // the name is spelled out, then known
        CHECK(activity_parse(parser, &k, &a, &node) == ACTIVITY_PARSED && node == 77 &&
                  a.kind == ACTIVITY_KERNEL &&
                  strcmp(a.name, "void gate<float>(float const*, int)") == 0 && a.begin == 100 &&
                  a.end == 250 && a.device == 3 && a.stream == 14 && a.correlation == 15 &&
                  a.grid[2] == 3 && a.block[1] == 5 && a.registers == 40 && a.shared == 1024 &&
                  a.tag == 0 && a.thread == 0,
              "kernel '%s'", a.name);
    k.name = "plain_c";
    CHECK(activity_parse(parser, &k, &a, &node) == ACTIVITY_PARSED && strcmp(a.name, k.name) == 0,
          "a name that is not of C++: '%s'", a.name);
    k.end = 0;
    CHECK(activity_parse(parser, &k, &a, &node) == ACTIVITY_WITHOUT_TIMES, "not at its end");
    const CUpti_ActivityMemcpyPtoP4 p = {.kind = CUPTI_ACTIVITY_KIND_MEMCPY2,
                                         .start = 1,
                                         .end = 2,
                                         .bytes = 4096,
                                         .graphNodeId = 78};
    CHECK(activity_parse(parser, &p, &a, &node) == ACTIVITY_PARSED && a.kind == ACTIVITY_COPY &&
              a.bytes == 4096 && node == 78 && strcmp(a.name, "copy peer to peer") == 0,
          "'%s'", a.name);
    parse_call(parser, CUPTI_ACTIVITY_KIND_RUNTIME, 1, ACTIVITY_RUNTIME, "cudaLaunchKernel");
    parse_call(parser, CUPTI_ACTIVITY_KIND_DRIVER, 1, ACTIVITY_DRIVER, "cuLaunchKernel_v2");
    parse_call(parser, CUPTI_ACTIVITY_KIND_DRIVER, 9, ACTIVITY_DRIVER, "driver call 9");
    const CUpti_ActivityAPI quiet = {
        .kind = CUPTI_ACTIVITY_KIND_RUNTIME, .cbid = 2, .start = 5, .end = 6};
    CHECK(activity_parse(parser, &quiet, &a, &node) == ACTIVITY_OF_NO_INTEREST, "'%s'", a.name);
    activity_parse_close(parser);
    activity_parse_close(NULL);
}

static void test_quiet_calls(void)
{
    static const char *const loud[] = {
        "cudaLaunchKernel_v7000",
        "cudaLaunchKernelExC_v11060",
        "cudaGraphLaunch_v10000",
        "cudaMemcpyAsync_v3020",
        "cudaMemsetAsync_v3020",
        "cudaStreamSynchronize_v3020",
        "cudaDeviceSynchronize_v3020",
        "cudaEventSynchronize_v3020",
        "cudaStreamWaitEvent_v3020",
        "cudaEventRecord_v3020",
        "cudaMalloc_v3020",
        "cuLaunchKernel",
        "cuLaunchKernelEx",
        "cuMemcpyDtoDAsync_v2",
        "cuGraphLaunch",
        "cuStreamSynchronize",
        "cuModuleLoadData",
        "cuMemsetD8Async",
        "cuLaunchCooperativeKernel",
        "cuGraphInstantiateWithParams",
    };
    for (size_t i = 0; i < sizeof(loud) / sizeof(loud[0]); i++)
        CHECK(!activity_parse_quiet(loud[i]), "%s is left out", loud[i]);
    CHECK(activity_parse_quiet("cudaGetLastError_v3020") &&
              activity_parse_quiet("cudaSetDevice_v3020") && activity_parse_quiet("cuEventQuery"),
          "a quiet call is not left out");
}

#endif

const struct gpu_test tests_activity_host[] = {
    {"activity/tags", test_tags},
    {"activity/buffers", test_buffers},
#ifdef WITH_CUPTI
    {"activity/records", test_records},
    {"activity/quiet_calls", test_quiet_calls},
#endif
    {NULL, NULL},
};
