/* SPDX-License-Identifier: Apache-2.0 */
/* Two ranks on a device that is made up: which rank, range, launch and step its work is given to.
 * Then the same file cut off, damaged and joined with others. */
#include "harness/cell/setup.h"
#include "harness/profile/recorder.h"
#include "harness/profile/spool.h"
#include "harness/profile/spool_read.h"
#include "tests/harness/program.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RANKS = 2, STEPS = 2, MOST = 64 };

TestSuite(recorder_activity, .init = program_limit);

/* ---- a device that remembers what it is told ---- */

static struct {
    struct activity_sink sink;
    pthread_mutex_t lock;
    struct activity pending[MOST];
    int n, opened, recording;
    enum status refuses;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum status fake_open(const struct activity_sink *sink)
{
    if (fake.refuses)
        return fail(fake.refuses, "another tool has it");
    fake.sink = *sink;
    fake.opened++;
    return ST_OK;
}

static enum status fake_record(void)
{
    fake.recording++;
    return ST_OK;
}

/* From another thread, as a driver does it, the last one first. */
static void *deliver(void *unused)
{
    for (int i = fake.n - 1; i >= 0; i--)
        fake.sink.on_activity(fake.sink.self, &fake.pending[i]);
    return unused;
}

static enum status fake_pause(uint64_t *dropped)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, deliver, NULL), 0);
    pthread_join(thread, NULL);
    *dropped = 7;
    return ST_OK;
}

static void fake_close(void)
{
    fake.opened--;
}

static void did(struct activity activity)
{
    pthread_mutex_lock(&fake.lock);
    fake.pending[fake.n++] = activity;
    pthread_mutex_unlock(&fake.lock);
}

static uint32_t called(const char *name, uint32_t correlation)
{
    int64_t now = activity_clock();
    did((struct activity){.kind = ACTIVITY_RUNTIME,
                          .name = name,
                          .begin = now,
                          .end = now + 100,
                          .device = -1,
                          .thread = (uint32_t)gettid(),
                          .correlation = correlation});
    return correlation;
}

static const struct activity_ops fake_ops = {fake_open, fake_record, fake_pause, fake_close};

static struct backend_ops backend(void)
{
    struct backend_ops ops = *backend_find("cpu");
    ops.activity = &fake_ops;
    ops.on_host = false;
    return ops;
}

/* ---- what a rank does ---- */

struct job {
    const struct worker_observer *observer;
    const struct setup *setup;
    struct backend_ops ops;
};

static void kernel(uint32_t stream, uint32_t correlation, uint64_t tag, int64_t at)
{
    did((struct activity){.kind = ACTIVITY_KERNEL,
                          .name = tag ? "captured_kernel" : "plain_kernel",
                          .begin = at,
                          .end = at + 1000,
                          .stream = stream,
                          .correlation = correlation,
                          .tag = tag,
                          .grid = {8, 4, 2},
                          .block = {128, 1, 1},
                          .registers = 96,
                          .shared = 4096});
}

/* In a warm-up: "qkv" in a graph, not within a loop that counts. */
static uint64_t capture(void)
{
    trace_enter(TRACE_LOOP, "loop", -1);
    trace_enter(TRACE_STEP, "step", 0);
    if (fake.opened)
        cr_expect_eq(fake.sink.tag(fake.sink.self), 0, "work outside a capture has no tag");
    trace_enter(TRACE_GRAPH, "capture", -1);
    trace_enter(TRACE_MODEL, "qkv", -1);
    trace_enter(TRACE_OP, "linear", -1);
    uint64_t tag = fake.opened ? fake.sink.tag(fake.sink.self) : 0;
    for (int i = 0; i < 5; i++)
        trace_leave(ST_OK);
    return tag;
}

/* A library's kernel waits for what the peer sends in its next step; the sign behind it that it is
 * over comes later still. */
static void receive_ahead(uint32_t correlation)
{
    trace_enter(TRACE_GROUP, "group", -1);
    called("cudaLaunchKernelExC", correlation);
    kernel(9, correlation, 0, activity_clock() + 1500000);
    trace_enter(TRACE_MARK, "watch", -1);
    called("cudaLaunchKernel", correlation + 1);
    kernel(9, correlation + 1, 0, activity_clock() + 1600000);
    trace_leave(ST_OK);
    trace_leave(ST_OK);
}

/* Step 0 gives a kernel and a copy, and receives ahead; step 1 launches the graph, whose kernel
 * runs on after the call. */
static void loop(int rank, uint64_t tag)
{
    uint32_t first = 100 * (uint32_t)(rank + 1);
    trace_enter(TRACE_LOOP, "loop", -1);
    trace_enter(TRACE_STEP, "step", 0);
    trace_enter(TRACE_MODEL, "fc1", -1);
    trace_enter(TRACE_OP, "linear", -1);
    called("cudaLaunchKernel", first);
    kernel(7, first, 0, activity_clock());
    trace_leave(ST_OK);
    called("cudaMemcpyAsync", first + 1);
    int64_t now = activity_clock();
    did((struct activity){.kind = ACTIVITY_COPY,
                          .name = "copy device to device",
                          .begin = now,
                          .end = now + 500,
                          .stream = 9,
                          .correlation = first + 1,
                          .bytes = 4096});
    trace_leave(ST_OK);
    receive_ahead(first + 3);
    trace_leave(ST_OK);
    trace_enter(TRACE_STEP, "step", 1);
    trace_enter(TRACE_GRAPH, "launch", -1);
    called("cudaGraphLaunch", first + 2);
    trace_leave(ST_OK);
    trace_leave(ST_OK);
    kernel(7, first + 2, tag, activity_clock());
    did((struct activity){.kind = ACTIVITY_SYNC,
                          .name = "event",
                          .begin = activity_clock(),
                          .end = activity_clock() + 10,
                          .correlation = first + 2});
    kernel(7, 5, 0, activity_clock()); /* of a call that nobody saw */
    usleep(2000);
    trace_leave(ST_OK);
}

static enum status run_rank(struct thread_rank *self)
{
    static const double end_ms[STEPS] = {1.5, 2.5};
    const struct job *job = self->arg;
    const struct rank rank = {self->rank, self->size, self->dev, self->world};
    struct plan *plan;
    TRY(plan_build(&job->setup->problem, &job->setup->spec, self->size, self->rank, &plan));
    TRY(job->observer->rank_begins(job->observer->self, &rank, plan));
    uint64_t tag = capture();
    if (fake.opened) {
        cr_expect_eq(tag >> 32, (uint64_t)self->rank + 1);
        cr_expect_eq(tag & 0xffffffff, 3, "the third range that is written");
    }
    kernel(7, 5, 0, activity_clock()); /* before the loop, the same */
    TRY(job->observer->loop_begins(job->observer->self, &rank));
    cr_expect_eq(fake.recording, fake.opened);
    loop(self->rank, tag);
    TRY(job->observer->loop_ends(job->observer->self, &rank, STEPS, 2.5 + self->rank, end_ms));
    job->observer->rank_ends(job->observer->self, &rank);
    plan_close(plan);
    return ST_OK;
}

static void record(const char *folder)
{
    struct cell cell;
    struct setup *setup;
    struct recorder *recorder;
    struct job job = {.ops = backend()};
    cell_init(&cell);
    strcpy(cell.model, "dit-tiny");
    strcpy(cell.strategy, "cfg=2");
    cell.steps = STEPS;
    cr_assert_eq(setup_open(&cell, NULL, &setup), ST_OK, "%s", status_text());
    cr_assert_eq(recorder_open(folder, &job.ops, 0, RANKS, &recorder), ST_OK, "%s", status_text());
    job.observer = recorder_observer(recorder);
    job.setup = setup;
    cr_assert_eq(threads_run(RANKS, run_rank, &job), ST_OK, "%s", status_text());
    recorder_close(recorder);
    setup_close(setup);
    cr_expect_eq(fake.opened, 0);
}

/* ---- mapping ---- */

static void check_captured(const struct recorded_rank *rank, const struct recorded_item *item)
{
    cr_expect_str_eq(item->name, "captured_kernel");
    cr_expect_eq(item->range, 2);
    cr_expect_str_eq(recording_operation(rank, item->range), "qkv");
    cr_assert_geq(item->launch, 0);
    cr_expect_str_eq(rank->range[item->launch].name, "launch");
    cr_expect_eq(item->step, 1);
    cr_expect_str_eq(rank->call[item->call].name, "cudaGraphLaunch");
}

static void check_items(const struct recorded_rank *rank, int index)
{
    cr_assert_eq(rank->items, 5);
    const struct recorded_item *plain = &rank->item[0];
    const struct recorded_item *copy = &rank->item[1];
    cr_expect_str_eq(plain->name, "plain_kernel");
    cr_expect_str_eq(rank->range[plain->range].name, "linear");
    cr_expect_str_eq(recording_operation(rank, plain->range), "fc1");
    cr_expect(plain->launch == -1 && plain->step == 0 && plain->what == RECORDED_KERNEL);
    cr_expect_eq(rank->call[plain->call].correlation, 100u * (unsigned)(index + 1));
    cr_expect(plain->grid[0] == 8 && plain->grid[2] == 2 && plain->block[0] == 128);
    cr_expect(plain->registers == 96 && plain->shared == 4096);
    cr_expect_eq(copy->what, RECORDED_COPY);
    cr_expect_eq(copy->bytes, 4096);
    cr_expect_str_eq(rank->range[copy->range].name, "fc1");
    cr_expect(rank->track[copy->track].device && rank->track[copy->track].id == 9);
    check_captured(rank, &rank->item[2]);
    cr_expect(recording_transports(rank, &rank->item[3]) && rank->item[3].step == 0);
    cr_expect_gt(rank->item[3].end, rank->item[2].end);
    cr_expect(recording_marks(rank, &rank->item[4]) && rank->item[4].step == 0);
    cr_expect_gt(rank->item[4].end, rank->item[3].end);
}

static void check_rank(const struct recording *recording, int index)
{
    const struct recorded_rank *rank = &recording->rank[index];
    cr_expect(rank->complete);
    cr_expect_eq(rank->ranges,
                 3 + 8); /* the capture's; loop, step, fc1, linear, group, mark, step, launch */
    cr_expect_eq(rank->range[0].kind, TRACE_GRAPH);
    cr_expect_lt(rank->range[0].end, rank->begin);
    cr_expect_eq(rank->calls, 6);
    cr_expect_eq(rank->call[5].kind, RECORDED_SYNC);
    for (int i = 0; i < rank->calls; i++)
        cr_expect_eq(rank->call[i].track, 0, "calls are the rank's thread's");
    check_items(rank, index);
    cr_expect_eq(rank->step_end[0],
                 rank->item[1].end > rank->item[0].end ? rank->item[1].end : rank->item[0].end);
    cr_expect_eq(rank->step_end[1], rank->item[2].end);
    cr_expect(rank->step_ms[0] == 1.5 && rank->step_ms[1] == 2.5);
    cr_expect_eq(rank->dropped, index == 0 ? 7 + RANKS : 0);
}

Test(recorder_activity, work_is_mapped_by_correlation_and_tag)
{
    struct recording *recording;
    struct spool_told told;
    record(program_file("fake"));
    cr_assert_eq(spool_read(program_file("fake"), &recording, &told), ST_OK, "%s", status_text());
    cr_expect(told.incomplete[0] == '\0' && told.no_activity[0] == '\0', "%s", told.incomplete);
    cr_expect_eq(told.loop_ms, 3.5);
    cr_expect_not(recording->on_host);
    for (int r = 0; r < RANKS; r++)
        check_rank(recording, r);
    recording_close(recording);
}

Test(recorder_activity, without_activities_ranges_are_written_and_the_reason)
{
    struct recording *recording;
    struct spool_told told;
    fake.refuses = ST_UNSUPPORTED;
    record(program_file("none"));
    cr_assert_eq(spool_read(program_file("none"), &recording, &told), ST_OK, "%s", status_text());
    cr_expect_str_eq(told.no_activity, "another tool has it");
    cr_expect_str_eq(told.incomplete, "");
    cr_expect(recording->rank[1].complete && recording->rank[1].ranges == 11);
    cr_expect(recording->rank[1].items == 0 && recording->rank[1].calls == 0);
    recording_close(recording);
}

/* ---- damage ---- */

static unsigned char *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(1 << 20);
    cr_assert(file && bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

Test(recorder_activity, a_torn_tail_is_told_and_what_stands_is_read)
{
    size_t size;
    int whole = 0;
    record(program_file("torn"));
    unsigned char *bytes = load(program_file("torn/process-0.spool"), &size);
    for (size_t n = 0; n < size; n++) {
        const struct spool_file file = {"cut.spool", bytes, n};
        struct recording *recording;
        struct spool_told told;
        enum status st = spool_read_bytes(1, &file, &recording, &told);
        if (st != ST_OK) { /* cut before the record of the process */
            cr_assert_eq(st, ST_INVALID);
            cr_expect(strstr(status_message(), "no spool tells"), "%zu: %s", n, status_message());
            continue;
        }
        whole += recording->rank[0].complete;
        cr_expect(told.incomplete[0], "%zu bytes", n);
        recording_close(recording);
    }
    cr_expect_eq(whole, 0);
    free(bytes);
}

/* Every byte counts: changed, the file is refused, with its name and the place. */
Test(recorder_activity, a_damaged_byte_is_found)
{
    size_t size;
    record(program_file("damaged"));
    unsigned char *bytes = load(program_file("damaged/process-0.spool"), &size);
    for (size_t i = 0; i < size; i++) {
        const struct spool_file file = {"damaged.spool", bytes, size};
        struct recording *recording;
        struct spool_told told;
        bytes[i] ^= 0x10;
        enum status st = spool_read_bytes(1, &file, &recording, &told);
        cr_expect_eq(st, ST_INVALID, "byte %zu", i);
        cr_expect(strstr(status_message(), "damaged.spool: byte "), "%s", status_message());
        if (st == ST_OK)
            recording_close(recording);
        bytes[i] ^= 0x10;
    }
    free(bytes);
}

Test(recorder_activity, two_runs_in_one_folder_are_refused)
{
    size_t size;
    struct recording *recording;
    struct spool_told told;
    record(program_file("twice"));
    unsigned char *bytes = load(program_file("twice/process-0.spool"), &size);
    const struct spool_file files[2] = {{"a.spool", bytes, size}, {"b.spool", bytes, size}};
    cr_assert_eq(spool_read_bytes(2, files, &recording, &told), ST_INVALID);
    cr_expect(strstr(status_message(), "b.spool: byte "), "%s", status_message());
    cr_expect(strstr(status_message(), "told twice"), "%s", status_message());
    free(bytes);
}
