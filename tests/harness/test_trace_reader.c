/* SPDX-License-Identifier: Apache-2.0 */
/* The reader that timelines are tested with finds what is wrong in wrong ones. */
#include "harness/profile/trace_out.h"
#include "tests/support/trace_reader.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Events between brackets, of track 1, as a file. Returns the faults that the reader finds. */
static int faults(const char *events)
{
    struct trace_reader reader;
    char path[64];
    snprintf(path, sizeof path, "/tmp/ditbench-trace-bad-%d.json.gz", (int)getpid());
    struct trace_out *out = malloc(sizeof *out);
    cr_assert_eq(trace_out_open(path, out), ST_OK);
    trace_out_text(out, "{\"schemaVersion\": 1, \"displayTimeUnit\": \"ms\", "
                        "\"baseTimeNanoseconds\": 1, \"deviceProperties\": [], "
                        "\"distributedInfo\": {\"backend\": \"nccl\", \"world_size\": 1}, "
                        "\"traceEvents\": [{\"ph\": \"M\", \"pid\": 0, \"tid\": 1, \"name\": "
                        "\"thread_name\", \"args\": {\"name\": \"t\"}}");
    trace_out_text(out, "%s", events);
    trace_out_text(out, "]}");
    cr_assert_eq(trace_out_close(out), ST_OK);
    free(out);
    int n = trace_reader_open(path, 0, &reader);
    trace_reader_close(&reader);
    unlink(path);
    return n;
}

#define SLICE(ts, dur)                                                                             \
    ", {\"ph\": \"X\", \"pid\": 0, \"tid\": 1, \"ts\": " ts ", \"dur\": " dur                      \
    ", \"cat\": \"cpu_op\", \"name\": \"x\", \"args\": {}}"
#define ARROW(ph, ts, more)                                                                        \
    ", {\"ph\": \"" ph "\", \"pid\": 0, \"tid\": 1, \"ts\": " ts                                   \
    ", \"id\": 1, \"cat\": \"c\", \"name\": \"c\"" more "}"

Test(trace_reader, it_is_strict)
{
    cr_assert_eq(faults(SLICE("0", "5") SLICE("1", "4") SLICE("5", "1")), 0);
    cr_assert_eq(faults(SLICE("0", "5") SLICE("1", "4.001")), 1);
    cr_assert_eq(faults(SLICE("1", "5") SLICE("0.999", "0")), 1);
    cr_assert_eq(faults(SLICE("0", "-1")), 1);
    cr_assert_eq(faults(SLICE("-0.001", "1")), 1);
    cr_assert_eq(faults(SLICE("0", "\"5\"")), 1);
    cr_assert_eq(faults(SLICE("0", "5") ARROW("s", "1", "") ARROW("f", "2", ", \"bp\": \"e\"")), 0);
    cr_assert_eq(faults(SLICE("0", "5") ARROW("s", "1", "") ARROW("f", "2", "")), 1);
    cr_assert_eq(faults(SLICE("0", "5") ARROW("s", "1", "")), 1);
    cr_assert_eq(faults(SLICE("0", "5") ARROW("f", "1", ", \"bp\": \"e\"")), 1);
    cr_assert_eq(faults(SLICE("0", "5") ARROW("s", "1", "") ARROW("f", "6", ", \"bp\": \"e\"")), 1);
    cr_assert_eq(faults(SLICE("0", "5") ARROW("f", "1", ", \"bp\": \"e\"") ARROW("s", "2", "")), 1);
    cr_assert_eq(faults(", {"), 1);
}
