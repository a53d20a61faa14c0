/* SPDX-License-Identifier: Apache-2.0 */
/* Real cells on the CPU, recorded by their worker and read back: structure, bytes, times. */
#include "harness/cell/setup.h"
#include "harness/profile/recorder_clock.h"
#include "harness/profile/recorder_samples.h"
#include "harness/profile/spool_read.h"
#include "kernels/activity.h"
#include "strategies/volume.h"
#include "tests/harness/program.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEPS = 6 };

TestSuite(recorder, .init = program_limit);
TestSuite(recorder_mpi, .init = program_limit);

static struct recording *read_back(const char *folder, struct spool_told *told)
{
    struct recording *recording;
    cr_assert_eq(spool_read(folder, &recording, told), ST_OK, "%s", status_text());
    return recording;
}

static struct recording *record(const char *strategy, const char *folder)
{
    struct spool_told told;
    struct program p = program_run("worker", "--model=pixart-tiny", "--steps=6", "--identity=none",
                                   "--threads=2", "--check=off", "--repeats=1", "--warmup-loops=1",
                                   "--strategy", strategy, "--profile", folder, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    struct recording *recording = read_back(folder, &told);
    cr_expect_str_eq(told.incomplete, "");
    cr_expect_str_eq(told.no_activity, "");
    cr_expect_gt(told.loop_ms, 0);
    return recording;
}

static struct setup *setup_of(const char *strategy)
{
    struct cell cell;
    struct setup *setup;
    cell_init(&cell);
    strcpy(cell.model, "pixart-tiny");
    snprintf(cell.strategy, sizeof cell.strategy, "%s", strategy);
    cell.steps = STEPS;
    cr_assert_eq(setup_open(&cell, NULL, &setup), ST_OK, "%s", status_text());
    return setup;
}

/* ---- structure ---- */

/* A range of the loop may lie right within these kinds. */
static bool fits(const struct recorded_rank *rank, int i)
{
    int at = rank->range[i].parent;
    int parent = at < 0 ? -1 : (int)rank->range[at].kind;
    bool of_all_ranks = strcmp(rank->range[i].name, "wait") != 0;
    switch (rank->range[i].kind) {
    case TRACE_LOOP:
        return parent == -1;
    case TRACE_STEP:
        return parent == TRACE_LOOP;
    case TRACE_PASS:
        return parent == TRACE_STEP;
    case TRACE_LAYER:
        return parent == TRACE_PASS;
    case TRACE_MODEL:
        return parent >= 0 && parent <= (int)TRACE_LAYER;
    case TRACE_OP:
        return parent == TRACE_MODEL || parent == TRACE_COMM;
    case TRACE_COMM:
        return parent == TRACE_MODEL;
    case TRACE_WAIT:
        return of_all_ranks ? parent == TRACE_LOOP : parent == TRACE_MODEL || parent == TRACE_COMM;
    default:
        return false; /* the CPU has no graphs */
    }
}

static void check_ranges(const struct recorded_rank *rank)
{
    int loops = 0;
    int steps = 0;
    for (int i = 0; i < rank->ranges; i++) {
        const struct recorded_range *range = &rank->range[i];
        const struct recorded_range *parent =
            range->parent >= 0 ? &rank->range[range->parent] : range;
        cr_assert_lt(range->parent, i);
        cr_expect(parent->begin <= range->begin && range->begin <= range->end &&
                      range->end <= parent->end,
                  "range %d, %s", i, range->name);
        cr_expect(i == 0 || rank->range[i - 1].begin <= range->begin);
        cr_expect(fits(rank, i), "%s %s within %s", trace_kind_name(range->kind), range->name,
                  parent->name);
        loops += range->kind == TRACE_LOOP;
        if (range->kind == TRACE_STEP)
            cr_expect_eq(range->index, steps++);
    }
    cr_expect_eq(loops, 1);
    cr_expect_eq(steps, STEPS);
    cr_expect_eq(rank->range[0].begin, rank->begin);
    cr_expect_eq(rank->range[0].end, rank->end);
}

/* An item for each operation, in their order. */
static void check_items(const struct recorded_rank *rank)
{
    int item = 0;
    for (int i = 0; i < rank->ranges; i++) {
        if (rank->range[i].kind != TRACE_OP)
            continue;
        cr_assert_lt(item, rank->items);
        const struct recorded_item *of = &rank->item[item++];
        int step = recording_around(rank, i, TRACE_STEP);
        cr_expect(of->range == i && of->begin == rank->range[i].begin &&
                      of->end == rank->range[i].end && of->name == rank->range[i].name,
                  "item %d, %s", item - 1, of->name);
        cr_expect_eq(of->step, step < 0 ? -1 : rank->range[step].index);
    }
    cr_expect_eq(item, rank->items);
    cr_expect_gt(item, STEPS);
}

/* The run's mark of a step's end comes after its last operation, and counts from before the loop's
 * range. */
static void check_steps(const struct recorded_rank *rank)
{
    int64_t last = rank->begin;
    for (int i = 0; i < STEPS; i++) {
        cr_expect(rank->step_end[i] > last && rank->step_end[i] <= rank->end, "step %d", i);
        cr_expect_leq((double)(rank->step_end[i] - rank->begin), 1e6 * rank->step_ms[i] + 1e3,
                      "step %d ends %g ms after the loop's begin, by its mark %g", i,
                      1e-6 * (double)(rank->step_end[i] - rank->begin), rank->step_ms[i]);
        last = rank->step_end[i];
    }
}

/* ---- bytes ---- */

/* The final gather comes after the loop. */
static void check_bytes(const struct recording *recording, const struct setup *setup, int rank)
{
    struct plan *plan;
    struct volume volume;
    uint64_t want[MESH_MAX_AXES] = {0};
    uint64_t got[MESH_MAX_AXES] = {0};
    cr_assert_eq(plan_build(&setup->problem, &setup->spec, recording->ranks, rank, &plan), ST_OK);
    cr_assert_eq(volume_predict_loop(plan, &volume), ST_OK);
    for (int i = 0; i < volume.n; i++)
        if (volume.line[i].op != COMM_ALL_GATHER || volume.line[i].when != COMM_ONCE)
            want[volume.line[i].axis] += volume.line[i].api_bytes;
    const struct recorded_rank *of = &recording->rank[rank];
    for (int i = 0; i < of->ranges; i++) {
        int axis = recording_axis(recording, of->range[i].axis);
        if (of->range[i].kind == TRACE_COMM && axis >= 0 && strcmp(of->range[i].name, "recv") != 0)
            got[axis] += of->range[i].payload;
    }
    cr_assert_eq(recording->shape.n_axes, plan->mesh.n_axes);
    for (int a = 0; a < plan->mesh.n_axes; a++) {
        cr_expect_str_eq(recording->shape.name[a], plan->mesh.name[a]);
        cr_expect_eq(recording->shape.size[a], plan->mesh.size[a]);
        cr_expect_eq(got[a], want[a], "rank %d, %s: %lu bytes, predicted %lu", rank,
                     plan->mesh.name[a], (unsigned long)got[a], (unsigned long)want[a]);
    }
    cr_expect_eq(recording->schedule_axis, plan->schedule ? plan->schedule->axis : -1);
    plan_close(plan);
}

static void check_recording(const struct recording *recording, const char *strategy)
{
    struct setup *setup = setup_of(strategy);
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    cr_assert_eq(recording->ranks, setup->cell.ranks);
    cr_expect_eq(recording->steps, STEPS);
    cr_expect(recording->on_host);
    cr_expect_lt(llabs((long long)recording->epoch / 1000000000 - (long long)time(NULL)), 120);
    int64_t earliest = INT64_MAX;
    for (int r = 0; r < recording->ranks; r++)
        if (recording->rank[r].begin < earliest)
            earliest = recording->rank[r].begin;
    cr_expect_eq(earliest, 0);
    for (int r = 0; r < recording->ranks; r++) {
        const struct recorded_rank *rank = &recording->rank[r];
        char name[20];
        snprintf(name, sizeof name, "rank %d", r);
        cr_expect(rank->complete && rank->dropped == 0 && rank->calls == 0 && rank->samples == 0);
        cr_expect(rank->clock_offset == 0 && rank->clock_error == 0);
        cr_expect_str_eq(rank->track[0].name, name);
        cr_expect_str_eq(rank->host, host);
        cr_expect_lt(llabs((long long)rank->begin), 1000000000); /* after one barrier */
        check_ranges(rank);
        check_items(rank);
        check_steps(rank);
        check_bytes(recording, setup, r);
    }
    setup_close(setup);
}

static void check_threads(const char *strategy)
{
    struct recording *recording = record(strategy, program_file("profile"));
    check_recording(recording, strategy);
    recording_close(recording);
}

Test(recorder, serial)
{
    check_threads("serial");
}

Test(recorder, collectives)
{
    check_threads("ulysses=2");
}

Test(recorder, a_pipeline)
{
    check_threads("pipefusion=2:patches=4");
}

Test(recorder, branches)
{
    check_threads("cfg=2");
}

/* ---- processes ---- */

Test(recorder_mpi, a_file_for_each_process)
{
    struct spool_told told;
    char *folder = program_file("profile-mpi");
    program_needs_mpi();
    const char *argv[] = {"mpirun",
                          "-n",
                          "2",
                          program_path(),
                          "worker",
                          "--model=pixart-tiny",
                          "--steps=6",
                          "--identity=none",
                          "--threads=2",
                          "--strategy=ulysses=2",
                          "--transport=mpi",
                          "--check=off",
                          "--repeats=1",
                          "--profile",
                          folder,
                          NULL};
    struct program p = program_command(argv);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    struct recording *recording = read_back(folder, &told);
    cr_expect_str_eq(told.incomplete, "");
    check_recording(recording, "ulysses=2");
    recording_close(recording);
    cr_assert_eq(remove(program_file("profile-mpi/process-1.spool")), 0);
    recording = read_back(folder, &told);
    cr_expect_str_eq(told.incomplete, "rank 1 of 2 left no record");
    cr_expect(recording->rank[0].complete && !recording->rank[1].complete);
    cr_expect_eq(recording->rank[1].ranges, 0);
    recording_close(recording);
}

static off_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : 0;
}

/* A buffer of a rank has gone to the file once, then the process is gone. */
Test(recorder, a_process_that_is_killed_leaves_what_it_wrote)
{
    struct spool_told told;
    const char *argv[] = {program_path(),
                          "worker",
                          "--model=pixart-tiny",
                          "--steps=120",
                          "--identity=none",
                          "--threads=2",
                          "--check=off",
                          "--repeats=1",
                          "--strategy",
                          "ulysses=2",
                          "--profile",
                          program_file("killed"),
                          NULL};
    char *path = program_file("killed/process-0.spool");
    pid_t pid = program_start(argv);
    for (int i = 0; i < 20000 && size_of(path) < 900000; i++)
        usleep(2000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_assert_geq(size_of(path), 900000);
    struct recording *recording = read_back(argv[11], &told);
    cr_expect(*told.incomplete);
    cr_expect(isnan(told.loop_ms));
    int ranges = 0;
    for (int r = 0; r < 2; r++) {
        const struct recorded_rank *rank = &recording->rank[r];
        cr_expect(!rank->complete && rank->begin <= rank->end);
        for (int i = 0; i < rank->ranges; i++)
            cr_expect(rank->range[i].end <= rank->end);
        for (int i = 0; i < 120; i++)
            cr_expect(rank->step_end[i] <= rank->end);
        ranges += rank->ranges;
    }
    cr_expect_gt(ranges, 5000);
    recording_close(recording);
}

Test(recorder, a_folder_that_cannot_be_made_is_said)
{
    struct program p = program_run("worker", "--model=dit-tiny", "--identity=none", "--profile",
                                   "/dev/null/x", NULL);
    cr_expect_eq(p.status, 2, "%d: %s", p.status, p.err);
    cr_expect(strstr(p.err, "/dev/null"), "%s", p.err);
    program_release(&p);
}

/* ---- clocks ---- */

static int64_t shifted(void *self)
{
    return activity_clock() + *(int64_t *)self;
}

static enum status measure_clock(struct thread_rank *self)
{
    struct recorder_clock *out = self->arg;
    int64_t ahead = self->rank * 5000000000;
    return recorder_clock_measure(self->world, shifted, &ahead, &out[self->rank]);
}

/* The error is a bound, so it holds whatever else the machine does. */
Test(recorder, clocks_of_other_hosts_are_put_right)
{
    struct recorder_clock clock[3];
    cr_assert_eq(threads_run(3, measure_clock, clock), ST_OK, "%s", status_text());
    cr_expect(clock[0].offset == 0 && clock[0].error == 0);
    for (int r = 1; r < 3; r++) {
        cr_expect_leq(llabs((long long)clock[r].offset + r * 5000000000), clock[r].error);
        cr_expect_lt(clock[r].error, 100000000, "%lld ns", (long long)clock[r].error);
    }
}

static enum status ask_differs(struct thread_rank *self)
{
    return recorder_clock_differs(self->world, self->arg);
}

Test(recorder, threads_have_one_clock)
{
    bool differs = true;
    cr_assert_eq(threads_run(1, ask_differs, &differs), ST_OK);
    cr_expect(!differs);
}

Test(recorder, two_measurements_cover_the_drift_between_them)
{
    struct recorder_clock c = recorder_clock_between((struct recorder_clock){1000, 30},
                                                     (struct recorder_clock){1100, 20});
    cr_expect_eq(c.offset, 1050);
    cr_expect_eq(c.error, 80);
}

/* ---- samples ---- */

static int fake_memory(struct nvml_device *device, struct nvml_memory *out)
{
    (void)device;
    out->used = 5 << 20;
    return 0;
}

static int fake_clock(struct nvml_device *device, int which, unsigned *mhz)
{
    *mhz = which == 1 ? 1980 : 0;
    return device ? 0 : 1;
}

static int fake_power(struct nvml_device *device, unsigned *milliwatts)
{
    *milliwatts = 250500;
    return device ? 0 : 1;
}

struct sampled {
    int n[RECORDED_COUNTERS];
    double value[RECORDED_COUNTERS];
    int ordinal;
};

static void on_sample(void *self, int ordinal, enum recorded_counter counter, int64_t at,
                      double value)
{
    struct sampled *sampled = self;
    cr_expect_leq(at, activity_clock());
    sampled->n[counter]++;
    sampled->value[counter] = value;
    sampled->ordinal = ordinal;
}

Test(recorder, samples_are_in_their_units)
{
    const struct nvml nvml = {.memory = fake_memory, .clock = fake_clock, .power = fake_power};
    const struct nvml old = {.memory = fake_memory};
    const struct recorder_sampled device = {3, (struct nvml_device *)&nvml};
    struct recorder_samples *samples;
    struct sampled got = {{0}, {0}, 0};
    cr_assert_eq(recorder_samples_open(&nvml, 1, &device, on_sample, &got, &samples), ST_OK);
    usleep(200000);
    recorder_samples_close(samples);
    cr_expect(got.n[RECORDED_POWER] >= 2 && got.n[RECORDED_POWER] <= 11, "%d", got.n[1]);
    cr_expect_eq(got.value[RECORDED_SM_CLOCK], 1980);
    cr_expect_float_eq(got.value[RECORDED_POWER], 250.5, 1e-9);
    cr_expect_eq(got.value[RECORDED_MEMORY], 5 << 20);
    cr_expect_eq(got.ordinal, 3);
    got = (struct sampled){{0}, {0}, 0};
    cr_assert_eq(recorder_samples_open(&old, 1, &device, on_sample, &got, &samples), ST_OK);
    usleep(50000);
    recorder_samples_close(samples);
    cr_expect(got.n[RECORDED_POWER] == 0 && got.n[RECORDED_MEMORY] > 0);
}
