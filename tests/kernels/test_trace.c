/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and their sinks. Which ranges are opened is asserted where they are. */
#include "kernels/base/trace_nvtx.h"
#include "tests/support/ranges.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static enum status inner(enum status st)
{
    return TRACE(TRACE_STEP, "step", 3, TRACED("qkv", st));
}

Test(trace, ranges_end_whatever_comes_of_the_call)
{
    struct ranges r;
    ranges_begin(&r);
    cr_expect_eq(TRACE(TRACE_LOOP, "loop", -1, inner(ST_OOM)), ST_OOM);
    cr_expect_eq(inner(ST_OK), ST_OK);
    cr_expect_eq(r.open, -1);
    ranges_end(&r);
    cr_assert_eq(r.n, 5);
    cr_expect_eq(r.v[2].parent, 1);
    cr_expect_eq(r.v[1].parent, 0);
    cr_expect_eq(r.v[3].parent, -1);
    cr_expect_eq(r.v[1].range.index, 3);
    cr_expect_str_eq(r.v[2].range.name, "qkv");
    cr_expect_eq(r.v[2].range.kind, TRACE_MODEL);
    ranges_release(&r);
}

Test(trace, several_sinks_see_the_same)
{
    struct ranges r[3];
    for (int i = 0; i < 3; i++)
        ranges_begin(&r[i]);
    inner(ST_OK);
    ranges_end(&r[1]);
    inner(ST_OK);
    ranges_end(&r[0]);
    ranges_end(&r[2]);
    cr_expect_eq(r[0].n, 4);
    cr_expect_eq(r[1].n, 2);
    cr_expect_eq(r[2].n, 4);
    for (int i = 0; i < 3; i++)
        ranges_release(&r[i]);
}

static enum status come(struct ranges *r)
{
    ranges_begin(r);
    return inner(ST_OK);
}

/* A window of a loop: it begins and ends while ranges are open. */
Test(trace, a_sink_that_comes_late_or_goes_early_sees_balanced_ranges)
{
    struct ranges late;
    struct ranges early;
    ranges_begin(&early);
    TRACE(TRACE_LOOP, "loop", -1, come(&late));
    cr_expect_eq(late.n, 2);
    cr_expect_eq(late.open, -1);
    cr_expect_eq(late.pops, 0);
    trace_enter(TRACE_LOOP, "loop", -1);
    trace_enter(TRACE_STEP, "step", 0);
    ranges_end(&early);
    trace_leave(ST_OK);
    trace_leave(ST_OK);
    cr_expect_eq(early.open, -1);
    cr_expect(early.v[early.n - 1].closed && early.v[early.n - 2].closed);
    cr_expect_eq(late.open, -1);
    ranges_end(&late);
    ranges_release(&late);
    ranges_release(&early);
}

Test(trace, nothing_is_told_without_a_sink)
{
    struct ranges r;
    cr_expect(!trace_on());
    ranges_begin(&r);
    cr_expect(trace_on());
    ranges_end(&r);
    cr_expect(!trace_on());
    inner(ST_OK);
    cr_expect_eq(r.n, 0);
}

static enum status layer_is(int layer)
{
    return trace_layer() == layer ? ST_OK : ST_WRONG;
}

Test(trace, the_layer_at_hand_is_known_without_a_sink)
{
    cr_expect_eq(trace_layer(), -1);
    cr_expect_eq(TRACED_LAYER(7, layer_is(7)), ST_OK);
    cr_expect_eq(trace_layer(), -1);
}

Test(trace, nvtx_is_in_builds_with_cuda)
{
    struct trace_sink *sink;
    setenv("NVTX_INJECTION64_PATH", "/nowhere/tool.so", 1);
    cr_expect_eq(trace_nvtx_wanted(), trace_nvtx_built());
    unsetenv("NVTX_INJECTION64_PATH");
    setenv("NSYS_PROFILING_SESSION_ID", "1", 1);
    cr_expect_eq(trace_nvtx_wanted(), trace_nvtx_built());
    unsetenv("NSYS_PROFILING_SESSION_ID");
    cr_expect(!trace_nvtx_wanted());
    enum status st = trace_nvtx_open(&sink);
    cr_expect_eq(st, trace_nvtx_built() ? ST_OK : ST_INVALID);
    cr_expect(trace_nvtx_built() || strstr(status_message(), "WITH_CUDA"), "%s", status_message());
    if (st == ST_OK) { /* without a tool it does nothing */
        trace_add(sink);
        for (int i = 0; i < 2000; i++)
            TRACE(TRACE_STEP, "step", i, inner(ST_OK));
        trace_remove(sink);
    }
    trace_nvtx_close(sink);
}
