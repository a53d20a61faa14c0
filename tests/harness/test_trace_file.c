/* SPDX-License-Identifier: Apache-2.0 */
/* Timelines of recordings made by hand: the exact text of a small one, and of larger ones what a
 * strict reader finds in them. */
#include "harness/profile/projection.h"
#include "harness/profile/trace_rank.h"
#include "harness/profile/trace_write.h"
#include "tests/support/trace_reader.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- building ---- */

static struct recording *r;
static char path[64];

static void make(int ranks, int steps)
{
    cr_assert_eq(recording_open(ranks, steps, &r), ST_OK);
    r->epoch = 1700000000000000000;
    r->shape = (struct mesh_shape){
        .n_axes = 1, .name = {recording_text(r, "ring")}, .size = {ranks}, .channels = {1}};
    for (int i = 0; i < ranks; i++) {
        r->rank[i].end = 100000;
        r->rank[i].complete = true;
        r->rank[i].device = i;
        r->rank[i].host = recording_text(r, "node7");
        r->rank[i].device_name = recording_text(r, "Imaginary 1");
    }
    snprintf(path, sizeof path, "/tmp/ditbench-trace-%d/rank/0.json.gz", (int)getpid());
}

static void drop(void)
{
    char folder[64];
    recording_close(r);
    unlink(path);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    rmdir(folder);
    *strrchr(folder, '/') = '\0';
    rmdir(folder);
}

TestSuite(trace_file, .fini = drop);

static int range(int rank, enum trace_kind kind, const char *name, int index, int parent,
                 int64_t begin, int64_t end)
{
    const struct recorded_range v = {.begin = begin,
                                     .end = end,
                                     .parent = parent,
                                     .kind = kind,
                                     .name = name,
                                     .index = index,
                                     .peer = -1};
    return recording_add_range(r, rank, &v);
}

static int communication(int rank, enum trace_kind kind, const char *name, int peer, int parent,
                         int64_t begin, int64_t end)
{
    int i = range(rank, kind, name, -1, parent, begin, end);
    struct recorded_range *v = &r->rank[rank].range[i];
    v->axis = recording_text(r, "ring");
    v->peer = peer;
    v->payload = 100;
    v->wire = strcmp(name, "send") == 0 ? 100 : 0;
    return i;
}

static int item(int rank, enum recorded_what what, const char *name, int track, int of, int launch,
                int call, int64_t begin, int64_t end)
{
    const struct recorded_item v = {.begin = begin,
                                    .end = end,
                                    .what = what,
                                    .name = name,
                                    .track = track,
                                    .range = of,
                                    .launch = launch,
                                    .step = begin >= 40000,
                                    .call = call,
                                    .bytes = what == RECORDED_KERNEL ? 0 : 4000};
    return recording_add_item(r, rank, &v);
}

static void call(int rank, enum recorded_call_kind kind, const char *name, uint32_t correlation,
                 int64_t begin, int64_t end)
{
    const struct recorded_call v = {begin, end, kind, name, 0, correlation};
    recording_add_call(r, rank, &v);
}

static void track(int rank, const char *name, bool device, uint32_t id)
{
    const struct recorded_track v = {name, device, id};
    recording_add_track(r, rank, &v);
}

static struct trace_written written;

static void write_all(const struct messages *messages, int only_rank)
{
    cr_assert_eq(recording_check(r), ST_OK);
    cr_assert_eq(trace_write(r, messages, "nccl", path, only_rank, &written), ST_OK, "%s",
                 status_text());
}

/* Without a fault. */
static struct trace_reader read_back(void)
{
    struct trace_reader reader;
    cr_assert_eq(trace_reader_open(path, 0, &reader), 0);
    return reader;
}

static void spans(const json_t *event, int64_t begin, int64_t end)
{
    cr_assert(event);
    int64_t at = trace_reader_ns(event, "ts");
    cr_assert_eq(at, begin, "%lld, wanted %lld", (long long)at, (long long)begin);
    cr_assert_eq(at + trace_reader_ns(event, "dur"), end, "%lld, wanted %lld",
                 (long long)(at + trace_reader_ns(event, "dur")), (long long)end);
}

/* ---- the whole text ---- */

#define MAIN "\"pid\": 0, \"tid\": 41, "

Test(trace_file, a_thread_to_the_letter)
{
    make(1, 4);
    r->on_host = true;
    track(0, "main", false, 41);
    range(0, TRACE_LOOP, "loop", -1, -1, 0, 2000000);
    range(0, TRACE_STEP, "step", 3, 0, 1000, 1999999);
    range(0, TRACE_MODEL, "qkv", -1, 1, 1001, 3001);
    int op = range(0, TRACE_OP, "linear", -1, 2, 1002, 3000);
    r->rank[0].range[op].work = (struct trace_work){5e9, 1024};
    item(0, RECORDED_KERNEL, "linear", 0, op, -1, -1, 1002, 3000);
    write_all(NULL, 0);
    char *text = trace_reader_text(path);
    cr_assert_str_eq(
        text,
        "{\n\"schemaVersion\": 1,\n\"displayTimeUnit\": \"ms\",\n"
        "\"baseTimeNanoseconds\": 1700000000000000000,\n"
        "\"distributedInfo\": {\"backend\": \"nccl\", \"rank\": 0, \"world_size\": 1},\n"
        "\"deviceProperties\": [{\"id\": 0, \"name\": \"Imaginary 1\", \"host\": \"node7\"}],\n"
        "\"ranks\": [{\"rank\": 0, \"complete\": true, \"dropped\": 0, \"clock_offset_ns\": 0, "
        "\"clock_error_ns\": 0}],\n"
        "\"traceEvents\": [\n"
        "{\"ph\": \"M\", \"pid\": 0, \"tid\": 0, \"name\": \"process_name\", \"args\": {\"name\": "
        "\"rank 0 (Imaginary 1 on node7)\"}},\n"
        "{\"ph\": \"M\", \"pid\": 0, \"tid\": 0, \"name\": \"process_sort_index\", \"args\": "
        "{\"sort_index\": 0}},\n"
        "{\"ph\": \"M\", " MAIN "\"name\": \"thread_name\", \"args\": {\"name\": \"main\"}},\n"
        "{\"ph\": \"M\", " MAIN "\"name\": \"thread_sort_index\", \"args\": {\"sort_index\": 0}},\n"
        "{\"ph\": \"X\", " MAIN "\"ts\": 0.000, \"dur\": 2000.000, \"cat\": \"user_annotation\", "
        "\"name\": \"loop\", \"args\": {\"kind\": \"loop\"}},\n"
        "{\"ph\": \"X\", " MAIN "\"ts\": 1.000, \"dur\": 1998.999, \"cat\": \"user_annotation\", "
        "\"name\": \"ProfilerStep#3\", \"args\": {\"kind\": \"step\"}},\n"
        "{\"ph\": \"X\", " MAIN "\"ts\": 1.000, \"dur\": 1998.999, \"cat\": \"user_annotation\", "
        "\"name\": \"step 3\", \"args\": {\"kind\": \"step\"}},\n"
        "{\"ph\": \"X\", " MAIN "\"ts\": 1.001, \"dur\": 2.000, \"cat\": \"user_annotation\", "
        "\"name\": \"qkv\", \"args\": {\"kind\": \"model\"}},\n"
        "{\"ph\": \"X\", " MAIN "\"ts\": 1.002, \"dur\": 1.998, \"cat\": \"cpu_op\", \"name\": "
        "\"linear\", \"args\": {\"External id\": 4, \"operation\": \"qkv\", \"flops\": 5000000000, "
        "\"bytes\": 1024}}\n]\n}\n");
    free(text);
    cr_assert_eq(written.events, 9);
    cr_assert_eq(written.cut, 0);
}

Test(trace_file, any_text_survives)
{
    static const char odd[] = "a\"b\\c\nd\x01 \xc3\xa9 \xf0\x9f\x98\x80 e\x7f<T>{}";
    make(1, 1);
    track(0, odd, false, 41);
    track(0, "\xff\xc0\xaf\xed\xa0\x80 ok \xe2\x82", true, 7);
    char *longer = malloc(100001);
    memset(longer, 'k', 100000);
    longer[100000] = '\0';
    item(0, RECORDED_KERNEL, longer, 1, -1, -1, -1, 10, 20);
    range(0, TRACE_MODEL, odd, -1, -1, 5, 6);
    write_all(NULL, 0);
    struct trace_reader reader = read_back();
    cr_assert(trace_reader_find(&reader, "X", "user_annotation", odd, 0, 0));
    cr_assert(trace_reader_find(&reader, "X", "kernel", longer, 0, 0));
    json_t *name = trace_reader_find(&reader, "M", NULL, "thread_name", 0, 0);
    cr_assert_str_eq(trace_reader_word(name, "name"), odd);
    name = trace_reader_find(&reader, "M", NULL, "thread_name", 0, 1);
    cr_assert_str_eq(trace_reader_word(name, "name"),
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd ok "
                     "\xef\xbf\xbd\xef\xbf\xbd");
    trace_reader_close(&reader);
    free(longer);
}

/* ---- graphs of two ranks ---- */

/* Captured before the loop, then launched by both steps: a product and a copy on stream 7 and
 * a message from rank 0 to rank 1 on stream 13. */
static void make_graphs(struct messages *messages, struct message m[2])
{
    make(2, 2);
    for (int k = 0; k < 2; k++) {
        track(k, "main", false, 13); /* a thread by the number of a stream */
        track(k, "stream 7", true, 7);
        track(k, "stream 13", true, 13);
        range(k, TRACE_GRAPH, "capture", -1, -1, -9000, -8000);
        range(k, TRACE_LAYER, "layer", 5, 0, -8900, -8100);
        range(k, TRACE_MODEL, "qkv", -1, 1, -8900, -8600);
        range(k, TRACE_OP, "linear", -1, 2, -8900, -8700);
        communication(k, TRACE_COMM, k ? "recv" : "send", !k, 1, -8500, -8400);
        range(k, TRACE_LOOP, "loop", -1, -1, 0, 100000);
        for (int s = 0; s < 2; s++) {
            int64_t at = 40000 * s;
            int step = range(k, TRACE_STEP, "step", s, 5, at, at + 40000);
            int launch = range(k, TRACE_GRAPH, "launch", -1, step, at + 1000, at + 3000);
            call(k, RECORDED_RUNTIME, "cudaGraphLaunch", 11 + (uint32_t)s, at + 1500, at + 2500);
            item(k, RECORDED_KERNEL, "gemm<bf16>", 1, 3, launch, s, at + 5000, at + 15000);
            item(k, RECORDED_COPY, "copy device to device", 1, 2, launch, s, at + 17000,
                 at + 18000);
            item(k, RECORDED_KERNEL, "ncclDevKernel_SendRecv(x)", 2, 4, launch, s,
                 at + 15000 + 1000 * k, at + 25000 + k);
            m[s] = (struct message){.name = "send",
                                    .to = 1,
                                    .send = 4,
                                    .receive = 4,
                                    .sent = at + 15000,
                                    .wanted = at + 16000,
                                    .begin = at + 16000,
                                    .end = at + 25001,
                                    .bytes = 100};
        }
    }
    *messages = (struct messages){.n = 2, .v = m};
}

static const struct projected *projected(const struct projection *p, int track_index, int of,
                                         int launch)
{
    for (int i = 0; i < p->n; i++)
        if (p->v[i].track == track_index && p->v[i].range == of && p->v[i].launch == launch)
            return &p->v[i];
    cr_assert_fail("range %d of launch %d is not on track %d", of, launch, track_index);
    return NULL;
}

static void is(const struct projected *p, int64_t begin, int64_t end, int step, int depth,
               int items)
{
    cr_assert_eq(p->begin, begin);
    cr_assert_eq(p->end, end);
    cr_assert_eq(p->step, step);
    cr_assert_eq(p->depth, depth);
    cr_assert_eq(p->items, items);
}

Test(trace_file, ranges_as_the_device_saw_them)
{
    struct messages messages;
    struct message m[2];
    struct projection p;
    make_graphs(&messages, m);
    cr_assert_eq(projection_open(r, 0, &p), ST_OK);
    cr_assert_eq(p.n, 1 + 2 * 5 + 1 + 2 * 4);
    is(projected(&p, 1, 5, -1), 5000, 58000, -1, 0, 4);  /* the loop */
    is(projected(&p, 1, 6, -1), 5000, 18000, 0, 1, 2);   /* its first step */
    is(projected(&p, 1, 9, -1), 45000, 58000, 1, 2, 2);  /* the second launch */
    is(projected(&p, 1, 1, 9), 45000, 58000, 1, 3, 2);   /* the layer in it */
    is(projected(&p, 1, 2, 7), 5000, 18000, 0, 4, 2);    /* qkv in the first, with its copy */
    is(projected(&p, 1, 3, 7), 5000, 15000, 0, 5, 1);    /* linear */
    is(projected(&p, 2, 4, 9), 55000, 65000, 1, 4, 1);   /* the message's kernel */
    is(projected(&p, 2, 5, -1), 15000, 65000, -1, 0, 2); /* the loop there */
    cr_assert_eq(p.v[0].range, 5, "the outermost comes first");
    projection_release(&p);
}

static void check_slices(const struct trace_reader *reader)
{
    /* Captured ranges are on streams only. */
    cr_assert_eq(trace_reader_count(reader, "X", "user_annotation", NULL, 0), 1 + 2 * 3);
    cr_assert_eq(trace_reader_count(reader, "X", "gpu_user_annotation", NULL, 0), 20);
    cr_assert_eq(trace_reader_count(reader, "X", "gpu_user_annotation", "layer 5", 0), 4);
    cr_assert_eq(trace_reader_count(reader, "X", "comm", NULL, -1), 0);
    spans(trace_reader_find(reader, "X", "gpu_user_annotation", "ring.send", 0, 1), 55000, 65000);

    /* A kernel, a copy by Kineto's name, a collective. */
    json_t *e = trace_reader_find(reader, "X", "kernel", "gemm<bf16>", 0, 1);
    spans(e, 45000, 55000);
    cr_assert_eq(trace_reader_arg(e, "correlation"), 12);
    cr_assert_eq(trace_reader_arg(e, "stream"), 7);
    cr_assert_eq(trace_reader_arg(e, "step"), 1);
    cr_assert_eq(trace_reader_arg(e, "layer"), 5);
    cr_assert_str_eq(trace_reader_word(e, "operation"), "qkv");
    e = trace_reader_find(reader, "X", "gpu_memcpy", "Memcpy DtoD (Device -> Device)", 0, 0);
    cr_assert_eq(trace_reader_arg(e, "bytes"), 4000);
    cr_assert_eq(trace_reader_arg(e, "memory bandwidth (GB/s)"), 4);
    e = trace_reader_find(reader, "X", "kernel", "ncclDevKernel_SendRecv(x)", 1, 0);
    cr_assert_eq(trace_reader_arg(e, "stream"), 13);
    cr_assert_eq(trace_reader_arg(e, "Group size"), 2);
    cr_assert_eq(trace_reader_arg(e, "In msg nelems"), 100);
    cr_assert_eq(trace_reader_arg(e, "Src Rank"), 0);
    cr_assert_str_eq(trace_reader_word(e, "Process Group Name"), "ring");
}

/* From a launch to the first on each stream, and one a message. */
static void check_arrows(const struct trace_reader *reader)
{
    cr_assert_eq(trace_reader_count(reader, "s", "ac2g", NULL, -1), 2 * 2 * 2);
    cr_assert_eq(trace_reader_ns(trace_reader_find(reader, "s", "ac2g", NULL, 0, 0), "ts"), 1500);
    cr_assert_eq(trace_reader_count(reader, "f", "comm_flow", NULL, 1), 2);
    json_t *e = trace_reader_find(reader, "s", "comm_flow", NULL, 0, 0);
    cr_assert_eq(trace_reader_ns(e, "ts"), 16000);
    cr_assert_eq(json_integer_value(json_object_get(e, "tid")), 13);
    e = trace_reader_find(reader, "f", "comm_flow", NULL, 1, 0);
    cr_assert_eq(trace_reader_ns(e, "ts"), 25000, "within the kernel, whose last instant that is");
}

Test(trace_file, graphs_and_messages)
{
    struct messages messages;
    struct message m[2];
    make_graphs(&messages, m);
    const struct recorded_sample samples[] = {
        {2000, RECORDED_POWER, 512.5}, {1000, RECORDED_POWER, 500}, {1000, RECORDED_MEMORY, 1e10}};
    for (int i = 0; i < 3; i++)
        recording_add_sample(r, 1, &samples[i]);
    write_all(&messages, TRACE_WRITE_ALL);
    cr_assert_eq(written.cut, 0);
    cr_assert_eq(written.unbound, 0);
    struct trace_reader reader = read_back();
    check_slices(&reader);
    check_arrows(&reader);
    /* The thread has another number than the stream. */
    json_t *e = trace_reader_find(&reader, "X", "cuda_runtime", NULL, 0, 0);
    cr_assert_neq(json_integer_value(json_object_get(e, "tid")), 13);

    cr_assert_eq(trace_reader_arg(trace_reader_find(&reader, "C", NULL, "power", 1, 1), "W"), 513);
    e = trace_reader_find(&reader, "C", NULL, "bytes sent in the loop: ring", 0, 2);
    cr_assert_eq(trace_reader_arg(e, "bytes"), 200);
    cr_assert_eq(trace_reader_ns(e, "ts"), 65001);
    trace_reader_close(&reader);

    write_all(&messages, 1);
    reader = read_back();
    cr_assert_eq(trace_reader_count(&reader, "X", NULL, NULL, 0), 0);
    cr_assert_eq(trace_reader_count(&reader, "s", "comm_flow", NULL, -1), 0);
    cr_assert_eq(trace_reader_count(&reader, "s", "ac2g", NULL, 1), 4);
    trace_reader_close(&reader);
}

Test(trace_file, messages_of_threads_end_in_the_wait_for_them)
{
    make(2, 1);
    r->on_host = true;
    track(0, "main", false, 41);
    track(1, "main", false, 42);
    int send = communication(0, TRACE_COMM, "send", 1, -1, 5000, 6000);
    int receive = communication(1, TRACE_COMM, "recv", 0, -1, 1000, 2000);
    communication(1, TRACE_WAIT, "wait", -1, -1, 3000, 4000); /* for something before */
    communication(1, TRACE_WAIT, "wait", -1, -1, 4500, 8000);
    struct message m = {.name = "send",
                        .to = 1,
                        .send = send,
                        .receive = receive,
                        .sent = 5100,
                        .wanted = 1900,
                        .begin = 5100,
                        .end = 7000,
                        .bytes = 100};
    const struct messages messages = {.n = 1, .v = &m};
    write_all(&messages, TRACE_WRITE_ALL);
    struct trace_reader reader = read_back();
    json_t *e = trace_reader_find(&reader, "s", "comm_flow", NULL, 0, 0);
    cr_assert_eq(trace_reader_ns(e, "ts"), 5100);
    e = trace_reader_find(&reader, "f", "comm_flow", NULL, 1, 0);
    cr_assert_eq(trace_reader_ns(e, "ts"), 7000);
    e = trace_reader_find(&reader, "X", "comm", "ring.send", 0, 0);
    cr_assert_eq(trace_reader_arg(e, "wire bytes"), 100);
    cr_assert_eq(trace_reader_arg(e, "peer"), 1);
    cr_assert_str_eq(trace_reader_word(e, "axis"), "ring");
    trace_reader_close(&reader);
}

/* Of a window: what is sent before it begins or after it ended does not count. */
Test(trace_file, bytes_are_those_of_the_window)
{
    static const int64_t at[4] = {8000, 12000, 19000, 21000};
    struct message m[4];
    make(2, 1);
    r->rank[0].begin = 10000;
    r->rank[0].end = 20000;
    for (int i = 0; i < 4; i++)
        m[i] = (struct message){.to = 1, .sent = at[i], .end = at[i] + 3000, .bytes = 100};
    const struct messages messages = {.n = 4, .v = m};
    write_all(&messages, 0);
    struct trace_reader reader = read_back();
    cr_assert_eq(trace_reader_count(&reader, "C", NULL, "bytes sent in the loop: ring", 0), 3);
    for (int i = 0; i < 3; i++) {
        json_t *e = trace_reader_find(&reader, "C", NULL, "bytes sent in the loop: ring", 0, i);
        cr_assert_eq(trace_reader_arg(e, "bytes"), 100 * i);
        cr_assert_eq(trace_reader_ns(e, "ts"), i == 0 ? 10000 : at[i] + 3000);
    }
    trace_reader_close(&reader);
}

/* ---- slices that cross ---- */

Test(trace_file, what_crosses_is_cut)
{
    make(1, 1);
    track(0, "main", false, 41);
    track(0, "stream 7", true, 7);
    int a = range(0, TRACE_MODEL, "a", -1, -1, 0, 1000);
    range(0, TRACE_MODEL, "outlives", -1, a, 500, 1200);
    int b = range(0, TRACE_MODEL, "b", -1, -1, 1000, 2000);
    call(0, RECORDED_RUNTIME, "cudaLaunchKernel", 7, 980, 1400); /* most of it lies in b */
    call(0, RECORDED_DRIVER, "cuLaunchKernel", 7, 1250, 1300);
    call(0, RECORDED_OVERHEAD, "flush", 0, 10, 1900);
    item(0, RECORDED_KERNEL, "k1", 1, a, -1, 0, 3000, 5000);
    item(0, RECORDED_KERNEL, "k2", 1, a, -1, 0, 4990, 6000); /* a rounding */
    item(0, RECORDED_KERNEL, "k3", 1, b, -1, 0, 5500, 9000); /* at the same time */
    item(0, RECORDED_KERNEL, "k4", 1, a, -1, 0, 9000, 9500);
    write_all(NULL, 0);
    struct trace_reader reader = read_back();
    spans(trace_reader_find(&reader, "X", NULL, "outlives", 0, 0), 500, 1000);
    spans(trace_reader_find(&reader, "X", NULL, "cudaLaunchKernel", 0, 0), 1000, 1400);
    spans(trace_reader_find(&reader, "X", "overhead", "flush", 0, 0), 10, 1900);
    spans(trace_reader_find(&reader, "X", NULL, "k2", 0, 0), 5000, 6000);
    spans(trace_reader_find(&reader, "X", "gpu_user_annotation", "b", 0, 0), 6000, 9000);
    json_t *e = trace_reader_find(&reader, "X", NULL, "k3", 0, 0);
    spans(e, 5500, 9000);
    cr_assert_eq(trace_reader_arg(e, "stream"), 7);
    cr_assert_neq(json_integer_value(json_object_get(e, "tid")), 7, "a lane of its own");
    e = trace_reader_find(&reader, "X", NULL, "cuLaunchKernel", 0, 0);
    cr_assert_eq(trace_reader_arg(e, "driver correlation"), 7, "one call a correlation");
    cr_assert_eq(written.cut, 4);
    trace_reader_close(&reader);
}

Test(trace_file, ranges_are_made_to_fit_what_a_device_did)
{
    struct trace_track t = {0};
    const struct trace_slice items[] = {{10, 50, TRACE_SLICE_ITEM, 0, 0},
                                        {80, 120, TRACE_SLICE_ITEM, 1, 0}};
    static const int64_t cases[][4] = {{10, 120, 10, 120},
                                       {0, 100, 0, 80},
                                       {20, 120, 50, 120},
                                       {20, 100, 50, 80},
                                       {60, 70, 60, 70}};
    make(1, 1);
    cr_assert_eq(trace_track_add(&t, &items[0]), ST_OK);
    cr_assert_eq(trace_track_add(&t, &items[1]), ST_OK);
    for (int i = 0; i < 5; i++) {
        const int64_t *c = cases[i];
        struct trace_slice range = {c[0], c[1], TRACE_SLICE_PROJECTED, 0, 0};
        cr_assert_eq(trace_track_fit(&t, &range), c[0] == c[2] && c[1] == c[3]);
        cr_assert_eq(range.begin, c[2]);
        cr_assert_eq(range.end, c[3]);
    }
    struct trace_slice within = {85, 100, TRACE_SLICE_PROJECTED, 0, 0};
    cr_assert(!trace_track_fit(&t, &within));
    cr_assert_leq(within.end, within.begin, "nothing is left");
    trace_track_release(&t);
}

/* ---- failures ---- */

Test(trace_file, a_file_that_cannot_be_written_is_named)
{
    make(1, 1);
    cr_assert_eq(trace_write(r, NULL, "none", "/proc/none/t.json.gz", 0, NULL), ST_IO);
    cr_assert(strstr(status_message(), "/proc/none"), "%s", status_message());
    cr_assert_eq(trace_write(r, NULL, "none", "/tmp", 0, NULL), ST_IO);
    cr_assert(strstr(status_message(), "/tmp"), "%s", status_message());
}

Test(trace_file, a_full_disk_leaves_nothing)
{
    make(1, 1);
    const struct rlimit none = {1000, 1000};
    signal(SIGXFSZ, SIG_IGN);
    track(0, "main", false, 41);
    for (int i = 0; i < 100000; i++)
        range(0, TRACE_MODEL, "qkv", -1, -1, 1117 * i, 1117 * i + i % 1000);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    r->rank[0].end = 200000000;
    cr_assert_eq(trace_write(r, NULL, "none", path, 0, NULL), ST_IO);
    cr_assert(strstr(status_message(), path) && strstr(status_message(), "File too large"), "%s",
              status_message());
    cr_assert_neq(access(path, F_OK), 0);
}
