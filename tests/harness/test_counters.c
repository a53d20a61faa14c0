/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a device that is made up: which ranges it is told of in which pass, what rows come of
 * its numbers, and that each failing call ends in a reason and nothing else. */
#include "harness/cell/setup.h"
#include "harness/profile/counters_file.h"
#include "harness/profile/counters_watch.h"
#include "harness/profile/profile_json.h"
#include "kernels/base/trace.h"
#include "kernels/identity.h"
#include "tests/harness/program.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 3, PASSES = 2, MB = 1000000 };

TestSuite(counters, .init = program_limit);

/* ---- a device with counters: time and DRAM in pass 0, NVLink in pass 1 where it is wanted ---- */

enum call { OPEN, BEGIN, PUSH, POP, END, CALLS };

static struct {
    enum call fails; /* CALLS: none does */
    int fails_at;    /* the n-th call of the kind, from 0 */
    int calls[CALLS], closed;
    bool two_passes; /* for one rank, too */
    bool one_gpu;    /* all ordinals are the same piece of hardware */
    uint32_t wanted;
} fake = {.fails = CALLS};

static enum status called(enum call call)
{
    static const char *const name[CALLS] = {"open", "begin", "push", "pop", "end"};
    int n = __atomic_fetch_add(&fake.calls[call], 1, __ATOMIC_RELAXED);
    return call == fake.fails && n == fake.fails_at ? fail(ST_DEVICE, "toolCall%s (7)", name[call])
                                                    : ST_OK;
}

static enum status fake_open(struct device *dev, uint32_t wanted, int ranges, int passes,
                             struct counters **out)
{
    (void)dev;
    TRY(called(OPEN));
    cr_assert_eq(passes, COUNTERS_LOOPS);
    cr_assert_geq(ranges, 1);
    struct counters *c = calloc(1, sizeof *c);
    cr_assert(c);
    fake.wanted = wanted;
    bool two = fake.two_passes || (wanted & COUNTER_BIT(COUNTER_NVLINK_SENT));
    c->passes = two ? PASSES : 1;
    c->metric[COUNTER_TIME] = "time.sum";
    c->metric[COUNTER_TENSOR] = "pipe.pct";
    c->metric[COUNTER_SM_ACTIVE] = "active.avg";
    c->metric[COUNTER_DRAM_READ] = "read.sum";
    c->metric[COUNTER_DRAM_WRITE] = "write.sum";
    if (c->passes == PASSES)
        c->metric[COUNTER_NVLINK_SENT] = "sent.sum";
    snprintf(c->reason[COUNTER_L2_HIT], COUNTERS_REASON, "no such metric");
    *out = c;
    return ST_OK;
}

static void fake_close(struct counters *c)
{
    __atomic_fetch_add(&fake.closed, 1, __ATOMIC_RELAXED);
    free(c);
}

static enum status fake_begin(struct counters *c, int pass)
{
    (void)c, (void)pass;
    return called(BEGIN);
}

static enum status fake_push(struct counters *c)
{
    (void)c;
    return called(PUSH);
}

static enum status fake_pop(struct counters *c)
{
    (void)c;
    return called(POP);
}

/* Range i: 1000 (i + 1) ns, i + 1 MB read and half of that written, 100 (i + 1) cycles of which the
 * tensor pipe has 10 (i + 1) %; 5 MB sent. Range 1 has no multiprocessor at work. */
static enum status fake_end(struct counters *c, int pass, double (*value)[COUNTERS])
{
    TRY(called(END));
    for (int i = 0; i < c->opened; i++) {
        if (pass == 1) {
            value[i][COUNTER_NVLINK_SENT] = 5 * MB;
            continue;
        }
        value[i][COUNTER_TIME] = 1000 * (i + 1);
        value[i][COUNTER_TENSOR] = i == 1 ? (double)NAN : 10 * (i + 1);
        value[i][COUNTER_SM_ACTIVE] = i == 1 ? 0 : 100 * (i + 1);
        value[i][COUNTER_DRAM_READ] = MB * (i + 1);
        value[i][COUNTER_DRAM_WRITE] = 0.5 * MB * (i + 1);
    }
    return ST_OK;
}

static const struct counters_ops fake_ops = {
    .open = fake_open,
    .close = fake_close,
    .begin = fake_begin,
    .push = fake_push,
    .pop = fake_pop,
    .end = fake_end,
};

static enum status fake_identify(int ordinal, struct identity *out)
{
    snprintf(out->id, sizeof out->id, "GPU-%d", fake.one_gpu ? 0 : ordinal);
    return ST_OK;
}

/* ---- what a rank does ---- */

struct job {
    const struct worker_observer *observer;
    const struct setup *setup;
    struct backend_ops ops;
    int loops;  /* measured ones */
    bool grows; /* the last loop has another operation */
};

static void operation(const char *name)
{
    trace_enter(TRACE_MODEL, name, -1);
    trace_enter(TRACE_MODEL, "inner", -1); /* the outermost one counts */
    trace_leave(ST_OK);
    trace_leave(ST_OK);
}

/* "qkv", "copy", "qkv" in each step, and a message of 1 MB. */
static void loop(bool more)
{
    trace_enter(TRACE_LOOP, "loop", -1);
    operation("begin"); /* in no step */
    for (int s = 0; s < STEPS; s++) {
        trace_enter(TRACE_STEP, "step", s);
        operation("qkv");
        operation(more ? "other" : "copy");
        operation("qkv");
        const struct trace_range message = {
            .kind = TRACE_COMM, .name = "send", .index = -1, .peer = 1, .wire = MB};
        if (trace_on())
            trace_push(&message);
        trace_leave(ST_OK);
        trace_leave(ST_OK);
    }
    trace_leave(ST_OK);
}

static enum status loops(const struct job *job, const struct rank *rank)
{
    static const double end_ms[STEPS] = {1, 2, 3};
    loop(false); /* warm-up */
    for (int i = 0; i < job->loops; i++) {
        TRY(job->observer->loop_begins(job->observer->self, rank));
        loop(job->grows && i == job->loops - 1);
        TRY(job->observer->loop_ends(job->observer->self, rank, STEPS, 3, end_ms));
    }
    return ST_OK;
}

static enum status run_rank(struct thread_rank *self)
{
    const struct job *job = self->arg;
    struct device dev = {.ops = &job->ops, .options = {.ordinal = self->rank, .threads = 1}};
    const struct rank rank = {self->rank, self->size, &dev, self->world};
    struct plan *plan;
    TRY(plan_build(&job->setup->problem, &job->setup->spec, self->size, self->rank, &plan));
    enum status st = job->observer->rank_begins(job->observer->self, &rank, plan);
    if (st == ST_OK) {
        st = loops(job, &rank);
        job->observer->rank_ends(job->observer->self, &rank);
    }
    plan_close(plan);
    return st;
}

static enum status count(const char *folder, int ranks, struct job job)
{
    struct cell cell;
    struct setup *setup;
    struct counters_watch *watch;
    job.ops = *backend_find("cpu");
    job.ops.counters = &fake_ops;
    job.ops.identify = fake_identify;
    cell_init(&cell);
    strcpy(cell.model, "dit-tiny");
    strcpy(cell.strategy, ranks == 2 ? "cfg=2" : "serial");
    cell.steps = STEPS;
    cr_assert_eq(setup_open(&cell, NULL, &setup), ST_OK, "%s", status_text());
    cr_assert_eq(counters_watch_open(folder, &job.ops, 0, ranks, &watch), ST_OK);
    job.observer = counters_watch_observer(watch);
    job.setup = setup;
    enum status st = threads_run(ranks, run_rank, &job);
    counters_watch_close(watch);
    setup_close(setup);
    return st;
}

static struct counters_table counted(const char *folder, int ranks)
{
    struct counters_table table;
    counters_table_init(&table);
    cr_assert_eq(counters_file_read(folder, ranks, &table), ST_OK, "%s", status_text());
    return table;
}

/* ---- one rank: operations of the last step ---- */

Test(counters, operations_of_one_name_add_up)
{
    const char *folder = program_file("one");
    cr_assert_eq(count(folder, 1, (struct job){.loops = COUNTERS_LOOPS}), ST_OK, "%s",
                 status_text());
    struct counters_table table = counted(folder, 1);
    cr_expect_eq(fake.wanted & COUNTER_BIT(COUNTER_NVLINK_SENT), 0, "one rank has no peers");
    cr_expect(fake.calls[OPEN] == 1 && fake.calls[BEGIN] == 1 && fake.calls[END] == 1);
    cr_expect(fake.calls[PUSH] == 3 && fake.calls[POP] == 3 && fake.closed == 1);
    cr_expect_str_eq(table.mode, "operations of step 2");
    cr_expect_eq(table.passes, 1);
    cr_expect_str_eq(table.metric[COUNTER_DRAM_READ], "read.sum");
    cr_expect_str_eq(table.reason[COUNTER_L2_HIT], "no such metric");
    cr_assert_eq(table.rows, 2);
    const struct counters_row *qkv = &table.row[0], *copy = &table.row[1];
    cr_expect(strcmp(qkv->name, "qkv") == 0 && qkv->instances == 2);
    cr_expect(strcmp(copy->name, "copy") == 0 && copy->instances == 1);
    cr_expect_float_eq(counters_row_column(qkv, COLUMN_TIME_US), 1 + 3, 1e-9);
    /* (10 % of 100 cycles and 30 % of 300) of 400 */
    cr_expect_float_eq(counters_row_column(qkv, COLUMN_TENSOR_PCT), 25, 1e-9);
    cr_expect_float_eq(counters_row_column(qkv, COLUMN_READ_MB), 1 + 3, 1e-9);
    cr_expect_float_eq(counters_row_column(qkv, COLUMN_WRITTEN_MB), 2, 1e-9);
    cr_expect_float_eq(counters_row_column(qkv, COLUMN_GBS), 6e6 / 4e3, 1e-9);
    cr_expect(isnan(counters_row_column(copy, COLUMN_TENSOR_PCT)), "nothing worked there");
    cr_expect(isnan(counters_row_column(qkv, COLUMN_L2_HIT_PCT)), "not counted");
    cr_expect(isnan(counters_table_total(&table, COUNTER_NVLINK_SENT)));
    counters_table_release(&table);
}

Test(counters, a_share_without_its_weight_is_not_told)
{
    struct counters_table table;
    double value[COUNTERS];
    counters_table_init(&table);
    for (int k = 0; k < COUNTERS; k++)
        value[k] = 1;
    value[COUNTER_L2_HIT] = 3;
    cr_assert_eq(counters_table_add(&table, "a", value), ST_OK);
    cr_expect_float_eq(counters_row_column(&table.row[0], COLUMN_L2_HIT_PCT), 75, 1e-9);
    value[COUNTER_SM_ACTIVE] = (double)NAN;
    cr_assert_eq(counters_table_add(&table, "a", value), ST_OK);
    cr_expect(isnan(counters_row_column(&table.row[0], COLUMN_TENSOR_PCT)));
    counters_table_release(&table);
}

Test(counters, csv_has_empty_fields_for_what_is_not_there)
{
    const char *folder = program_file("csv");
    cr_assert_eq(count(folder, 1, (struct job){.loops = COUNTERS_LOOPS}), ST_OK);
    struct counters_table table = counted(folder, 1);
    cr_assert_eq(counters_table_write(&table, program_file("counters.csv")), ST_OK);
    char *text = program_read(program_file("counters.csv"));
    cr_expect_str_eq(text, "Range,Instances,Time (us),Tensor pipe (%),DRAM read (MB),DRAM write "
                           "(MB),DRAM (GB/s),L2 hit (%),NVLink sent (MB),NVLink received (MB)\n"
                           "qkv,2,4,25,4,2,1500,,,\n"
                           "copy,1,2,,2,1,1500,,,\n");
    free(text);
    counters_table_release(&table);
    cr_expect_eq(counters_table_write(&table, "/dev/null/x.csv"), ST_IO);
}

/* ---- two ranks: the whole loop, beside the ledger ---- */

Test(counters, loops_of_ranks_add_up_beside_the_ledger)
{
    const char *folder = program_file("two");
    cr_assert_eq(count(folder, 2, (struct job){.loops = COUNTERS_LOOPS}), ST_OK, "%s",
                 status_text());
    struct counters_table table = counted(folder, 2);
    cr_expect(fake.calls[OPEN] == 2 && fake.calls[PUSH] == 2 * PASSES && fake.closed == 2);
    cr_assert_eq(table.rows, 1);
    cr_expect_str_eq(table.row[0].name, "loop");
    cr_expect_eq(table.row[0].instances, 2);
    cr_expect_eq(table.passes, PASSES);
    cr_expect_float_eq(counters_row_column(&table.row[0], COLUMN_SENT_MB), 10, 1e-9);
    cr_expect_float_eq(table.wire, 2.0 * STEPS * MB, 1e-9, "one loop's, of both: %g", table.wire);
    counters_table_release(&table);
    cr_expect_eq(counters_file_read(folder, 3, &table), ST_IO, "rank 2 wrote nothing");
    counters_table_release(&table);
    counters_file_remove(folder, 2);
    cr_expect_eq(counters_file_read(folder, 2, &table), ST_IO);
    cr_expect(strstr(status_message(), "rank-0.json"), "%s", status_message());
}

Test(counters, ranks_that_share_a_gpu_are_refused)
{
    fake.one_gpu = true;
    cr_assert_eq(count(program_file("shared"), 2, (struct job){.loops = 1}), ST_UNSUPPORTED);
    cr_expect(strstr(status_message(), "ranks share a GPU (0 and 1"), "%s", status_message());
    cr_expect_eq(fake.calls[OPEN], 0);
}

Test(counters, tables_that_were_counted_differently_do_not_add_up)
{
    struct counters_table a, b;
    counters_table_init(&a);
    counters_table_init(&b);
    a.passes = b.passes = 1;
    strcpy(b.metric[COUNTER_TIME], "time.sum");
    cr_expect_eq(counters_table_merge(&a, &b), ST_INVALID);
    cr_expect(strstr(status_message(), "time by \"\" and by \"time.sum\""), "%s", status_message());
}

/* ---- what goes wrong ---- */

static void fails(enum call call, int at, int ranks)
{
    char folder[40];
    struct counters_table table;
    snprintf(folder, sizeof folder, "fails-%d-%d-%d", (int)call, at, ranks);
    memset(&fake, 0, sizeof fake);
    fake.fails = call;
    fake.fails_at = at;
    cr_expect_eq(count(program_file(folder), ranks, (struct job){.loops = COUNTERS_LOOPS}),
                 ST_DEVICE);
    cr_expect(strstr(status_message(), "toolCall") && strstr(status_message(), "(7)"), "%s: %s",
              folder, status_message());
    cr_expect_eq(fake.closed, call == OPEN ? ranks - 1 : ranks, "%s: %d", folder, fake.closed);
    counters_table_init(&table);
    cr_expect_neq(counters_file_read(program_file(folder), ranks, &table), ST_OK);
    counters_table_release(&table);
}

Test(counters, each_failing_call_ends_all_ranks_with_its_reason)
{
    for (int call = 0; call < CALLS; call++) {
        fails((enum call)call, 0, 1);
        fails((enum call)call, 0, 2);
        fails((enum call)call, 1, 2);
    }
    fails(PUSH, 1, 1); /* in the middle of a step */
    fails(POP, 2, 1);
}

Test(counters, passes_of_different_work_are_refused)
{
    const struct job job = {.loops = PASSES, .grows = true};
    fake.two_passes = true;
    cr_expect_eq(count(program_file("grows"), 1, job), ST_INVALID);
    cr_expect(strstr(status_message(), "operation 2 of step 2 is \"other\" in pass 2, and was "
                                       "\"copy\" before"),
              "%s", status_message());
}

Test(counters, the_cpu_has_none)
{
    struct counters_watch *watch;
    cr_assert_eq(counters_watch_open(program_file("cpu"), backend_find("cpu"), 0, 1, &watch),
                 ST_UNSUPPORTED);
    cr_expect_null(watch);
}

Test(counters, a_damaged_file_is_refused)
{
    const char *const text[] = {"{", "{}", "{\"schema\":\"ditbench-counters-1\",\"mode\":\"m\"}",
                                "[1]"};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        struct counters_table table;
        counters_table_init(&table);
        program_write(program_file("rank-0.json"), text[i]);
        cr_expect_eq(counters_file_read(program_folder(), 1, &table), ST_INVALID, "%s", text[i]);
        cr_expect(strstr(status_message(), "rank-0.json"), "%s", status_message());
        counters_table_release(&table);
    }
}

/* ---- the profile ---- */

static char *run_profile(const char *folder, const char *option)
{
    char out[300];
    snprintf(out, sizeof out, "--out=%s", folder);
    struct program p = program_run("profile", "--model=dit-tiny", "--size=64", "--steps=2",
                                   "--repeats=1", "--warmup-loops=1", out, option, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    snprintf(out, sizeof out, "%s/profile.json", folder);
    char *text = program_read(out);
    cr_assert(text);
    return text;
}

Test(counters, a_profile_says_why_there_are_none)
{
    char *on = run_profile(program_file("on"), "--counters=on");
    char *off = run_profile(program_file("off"), "--counters=off");
    cr_expect(strstr(on, "the CPU backend has no counters that are read"), "%s", on);
    cr_expect(strstr(off, "\"why_not\": \"--counters off\""), "%s", off);
    free(on);
    free(off);
}
