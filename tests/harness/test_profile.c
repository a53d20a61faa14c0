/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench profile` as a user runs it: its files, and what must agree between them. Times are not
 * judged, only that they add up. */
#include "tests/harness/ceilings.h"
#include "tests/harness/pictures.h"
#include "tests/harness/profiled.h"
#include "tests/harness/program.h"
#include "tests/support/trace_reader.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS = 4, LAYERS = 12 /* of pixart-tiny */ };

TestSuite(profile, .init = ceilings_by_hand);
TestSuite(profile_mpi, .init = ceilings_by_hand);
TestSuite(profile_first, .init = program_limit);

/* ---- a profile and its files ---- */

static const char *path_in(const char *folder, const char *name)
{
    static char path[8][400];
    static int next;
    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static bool there(const char *folder, const char *name)
{
    return access(path_in(folder, name), F_OK) == 0;
}

/* ---- what must agree ---- */

static void read_trace(const struct profiled *f, const char *name, struct trace_reader *out)
{
    cr_assert_eq(trace_reader_open(path_in(f->folder, name), 0, out), 0, "%s/%s: %d faults",
                 f->folder, name, out->faults);
}

static int items_of(const struct trace_reader *trace)
{
    return trace_reader_count(trace, "X", "cpu_op", NULL, -1);
}

/* The same operations in the timeline, in those of the ranks, in the table and in the count. */
static void check_counts(const struct profiled *f, const struct trace_reader *all)
{
    struct trace_reader one;
    int64_t kernels = profiled_count(json_object_get(f->json, "counts"), "kernels");
    int64_t instances = 0;
    int64_t of_ranks = 0;
    for (int i = 0; i < f->kernels.rows; i++)
        instances += profiled_whole(&f->kernels, i, INSTANCES);
    for (int r = 0; r < f->ranks; r++) {
        char name[40];
        snprintf(name, sizeof name, "rank/%d.json.gz", r);
        read_trace(f, name, &one);
        cr_expect(json_equal(json_object_get(f->json, "cell"),
                             json_object_get(json_object_get(f->json, "record"), "cell")));
        cr_expect(json_object_get(json_object_get(f->json, "cell"), "model"));
        cr_expect_eq(one.starts, 0, "arrows to other files");
        of_ranks += items_of(&one);
        trace_reader_close(&one);
    }
    cr_expect_gt(kernels, 0);
    cr_expect_eq(instances, kernels);
    cr_expect_eq(items_of(all), kernels);
    cr_expect_eq(of_ranks, kernels);
    cr_expect_eq(profiled_count(json_object_get(f->json, "counts"), "dropped"), 0);
}

/* A row for each rank and step, whose shares are the step. Milliseconds have six digits. */
static void check_rows(const struct profiled *f, int first, int steps)
{
    cr_assert_eq(f->rows, f->ranks * steps);
    for (int i = 0; i < f->rows; i++) {
        double sum = 0;
        for (int c = COMPUTE; c < COLUMNS; c++)
            if (c != COMM && c != HTA && c != OSU)
                sum += profiled_number(&f->breakdown, i, c);
        cr_expect_eq(profiled_whole(&f->breakdown, i, RANK), i / steps);
        cr_expect_eq(profiled_whole(&f->breakdown, i, STEP), first + i % steps);
        cr_expect_float_eq(sum, profiled_number(&f->breakdown, i, TOTAL), 1e-5, "row %d: %g", i,
                           sum);
        cr_expect_gt(profiled_number(&f->breakdown, i, COMPUTE), 0);
    }
}

/* The steps of a rank are its loop. */
static void check_loop(const struct profiled *f, const struct trace_reader *all)
{
    for (int r = 0; r < f->ranks; r++) {
        double sum = profiled_sum(f, r, TOTAL);
        const json_t *loop = trace_reader_find(all, "X", "user_annotation", "loop", r, 0);
        double ms = loop ? 1e-6 * (double)trace_reader_ns(loop, "dur") : (double)NAN;
        cr_expect_float_eq(sum, ms, 1e-4, "rank %d: %g of %g ms", r, sum, ms);
    }
}

static void check_pictures(const char *folder)
{
    static const char *const names[] = {"gantt", "step", "roofline"};
    for (int i = 0; i < 3; i++) {
        pictures_data_holds(folder, names[i], "64 x 64 px");
        if (pictures_have_gnuplot())
            pictures_are_whole(folder, names[i]);
    }
}

/* messages: those of all ranks together. */
static void check_profile(const char *folder, int ranks, int messages)
{
    struct trace_reader trace;
    struct profiled f = profiled_open(folder);
    cr_assert_eq(f.ranks, ranks);
    cr_expect(json_is_null(json_object_get(f.json, "incomplete")));
    cr_expect(json_is_null(json_object_get(f.json, "no_ceilings")));
    cr_expect_eq(profiled_count(f.json, "steps"), STEPS);
    read_trace(&f, "trace.json.gz", &trace);
    check_counts(&f, &trace);
    check_rows(&f, 0, STEPS);
    check_loop(&f, &trace);
    cr_expect_eq(trace_reader_count(&trace, "s", "comm_flow", NULL, -1), messages);
    cr_expect_eq(trace_reader_count(&trace, "f", "comm_flow", NULL, -1), messages);
    check_pictures(folder);
    trace_reader_close(&trace);
    profiled_close(&f);
}

/* Runs until nobody else had the processors in the moment of one. */
enum { QUIET_TRIES = 20 };

/* What a busy machine may spoil: `other` is the largest part of a rank's time that nothing
 * explains, for whoever wakes a peer in a send may be put aside for it; `off` how far the slowest
 * rank's steps are from the loop by the run's own clock, which stops a moment before the loop's
 * range ends. */
struct quiet {
    double other, off;
};

static struct quiet quiet_of(const char *folder)
{
    struct quiet q = {0, 0};
    double slowest = 0;
    struct profiled f = profiled_open(folder);
    for (int r = 0; r < f.ranks; r++) {
        double sum = profiled_sum(&f, r, TOTAL);
        q.other = fmax(q.other, profiled_sum(&f, r, OTHER) / sum);
        slowest = fmax(slowest, sum);
    }
    q.off = fabs(slowest / json_number_value(
                               json_object_get(json_object_get(f.json, "latency"), "watched_ms")) -
                 1);
    profiled_close(&f);
    return q;
}

static void check_strategy(const char *strategy, const char *more, const char *transport, int ranks,
                           int messages)
{
    struct profiled_place at = profiled_place_of("p");
    struct quiet q = {1, 1};
    for (int i = 0; i < QUIET_TRIES && (q.other > 0.25 || q.off > 0.02); i++) {
        struct program p = profiled_run(strategy, at.path, more, transport);
        profiled_done(&p);
        cr_expect_str_eq(program_json(p.out, "schema"), "ditbench-profile-1");
        cr_expect_str_eq(program_json(p.out, "record.status"), "ok");
        cr_expect_str_eq(program_json(p.out, "record.cell.strategy"), strategy);
        program_release(&p);
        q = quiet_of(at.path);
    }
    cr_expect_leq(q.other, 0.25, "%g of a rank's time is other", q.other);
    cr_expect_leq(q.off, 0.02, "the steps are off the loop by %g", q.off);
    check_profile(at.path, ranks, messages);
}

/* ---- strategies; messages by the plan's schedule ---- */

Test(profile, serial)
{
    check_strategy("serial", NULL, "local", 1, 0);
}

Test(profile, requests_apart)
{
    check_strategy("data=2", "--requests=2", "local", 2, 0);
}

/* Each gives the other its noise once a step. */
Test(profile, branches)
{
    check_strategy("cfg=2", NULL, "local", 2, 2 * STEPS);
}

/* Q, K and V together, then the output. */
Test(profile, heads_for_tokens)
{
    check_strategy("ulysses=2", NULL, "local", 2, 2 * 2 * LAYERS * STEPS);
}

/* K and V, each N - 1 times. */
Test(profile, a_ring)
{
    check_strategy("ring=2", NULL, "local", 2, 2 * 2 * LAYERS * STEPS);
}

/* K and V of two lanes. */
Test(profile, gathered_keys)
{
    check_strategy("allgather=2", NULL, "local", 2, 2 * 2 * 2 * LAYERS * STEPS);
}

/* After attention and after the MLP. */
Test(profile, split_weights)
{
    check_strategy("tensor=2", NULL, "local", 2, 2 * 2 * LAYERS * STEPS);
}

/* Activations go on once in the step of warm-up and then patch by patch; so does the latent go
 * back, but after the last step. */
Test(profile, a_pipeline)
{
    check_strategy("pipefusion=2:patches=4", NULL, "local", 2,
                   (1 + (STEPS - 1) * 4) + (1 + (STEPS - 2) * 4));
}

/* K and V of two lanes, but in the last step. */
Test(profile, stale_keys)
{
    check_strategy("distrifusion=2", NULL, "local", 2, 2 * 2 * 2 * LAYERS * (STEPS - 1));
}

Test(profile_mpi, processes)
{
    program_needs_mpi();
    check_strategy("ring=2", NULL, "mpi", 2, 2 * 2 * LAYERS * STEPS);
}

/* ---- a part of the steps ---- */

static void check_window(const struct profiled *f)
{
    struct trace_reader trace;
    read_trace(f, "trace.json.gz", &trace);
    check_rows(f, 1, 2);
    check_counts(f, &trace);
    const json_t *first = trace_reader_find(&trace, "X", "user_annotation", "step 1", 0, 0);
    const json_t *last = trace_reader_find(&trace, "X", "user_annotation", "step 2", 0, 0);
    cr_assert(first && last);
    cr_expect_null(trace_reader_find(&trace, "X", NULL, "step 0", -1, 0));
    cr_expect_null(trace_reader_find(&trace, "X", NULL, "step 3", -1, 0));
    for (int i = 0; i < items_of(&trace); i++) {
        const json_t *item = trace_reader_find(&trace, "X", "cpu_op", NULL, 0, i);
        if (!item)
            break;
        int64_t begin = trace_reader_ns(item, "ts");
        int64_t end = trace_reader_ns(last, "ts") + trace_reader_ns(last, "dur");
        cr_expect(begin >= trace_reader_ns(first, "ts") && begin < end, "item %d at %lld", i,
                  (long long)begin);
    }
    trace_reader_close(&trace);
}

Test(profile, a_window_holds_its_steps_alone)
{
    struct profiled_place at = profiled_place_of("w");
    const char *folder = at.path;
    struct program p = profiled_run("ulysses=2", folder, "--window=1-2", "local");
    profiled_done(&p);
    struct profiled f = profiled_open(folder);
    cr_expect_str_eq(program_json(p.out, "window"), "[1,2]");
    check_window(&f);
    profiled_close(&f);
    program_release(&p);
}

/* Before the first step the loop copies and reads its condition; behind the last one it ends. What
 * is of no step is of the window in whose time it lies. */
static void count_window(const char *window, int first, int steps)
{
    struct profiled_place at = profiled_place_of("w");
    struct trace_reader trace;
    struct program p = profiled_run("ulysses=2", at.path, window, "local");
    profiled_done(&p);
    struct profiled f = profiled_open(at.path);
    read_trace(&f, "trace.json.gz", &trace);
    check_rows(&f, first, steps);
    check_counts(&f, &trace);
    int64_t ranges = profiled_count(json_object_get(f.json, "counts"), "ranges");
    int drawn = trace_reader_count(&trace, "X", "user_annotation", NULL, -1) -
                f.ranks * steps; /* a step is drawn twice */
    drawn += items_of(&trace) + trace_reader_count(&trace, "X", "comm", NULL, -1);
    cr_expect_eq(ranges, drawn, "%s: %lld ranges, %d in the timeline", window, (long long)ranges,
                 drawn);
    trace_reader_close(&trace);
    profiled_close(&f);
    program_release(&p);
}

Test(profile, any_window_has_the_same_counts_in_all_files)
{
    count_window("--window=0-0", 0, 1);
    count_window("--window=0-2", 0, 3);
    count_window("--window=3-3", 3, 1);
    count_window("--window=0-3", 0, STEPS);
}

/* ---- refusals and failures ---- */

static void refuse(const char *option, int status, const char *text)
{
    struct program p = profiled_run("serial", program_file("no"), option, "local");
    cr_expect_eq(p.status, status, "%s: %d", option, p.status);
    cr_expect(strstr(p.err, text), "%s: %s", option, p.err);
    cr_expect_not(there(program_folder(), "no"), "%s: a folder is left", option);
    program_release(&p);
}

Test(profile, refusals)
{
    refuse("--window=3", 2, "--window=3: two steps");
    refuse("--window=2-1", 2, "--window=2-1: the first");
    refuse("--window=1-", 2, "--window: found ''");
    refuse("--window=0-4", 2, "--window: step 4 of a loop of 4 steps");
    refuse("--counters=some", 2, "--counters=some");
    refuse("--md", 2, "--md goes with --diff");
    refuse("elsewhere", 2, "elsewhere");
}

/* As `run` ends on that cell, in words and status. */
static void ends_as_run(const char *model, const char *strategy, const char *more, int status,
                        const char *text)
{
    struct profiled_place at = profiled_place_of("failed");
    const char *folder = at.path;
    struct program r = program_run("run", model, strategy, more, NULL);
    struct program p = program_run("profile", model, strategy, more, "--out", folder, NULL);
    cr_expect(r.status == status && p.status == status, "run %d, profile %d", r.status, p.status);
    cr_expect(strstr(r.err, text) && strstr(p.err, text), "%s\n%s", r.err, p.err);
    cr_expect_not(there(folder, "."), "a folder is left");
    program_release(&r);
    program_release(&p);
}

Test(profile, a_cell_that_fails_fails_as_in_a_run)
{
    ends_as_run("--model=flux-tiny", "--strategy=cfg=2", "--steps=2", 3, "unsupported: cfg=2");
    ends_as_run("--model=pixart-tiny", "--requests=1024", "--size=2048", 4, "oom: 1 rank needs");
    ends_as_run("--model=pixart-tiny", "--size=1024", "--timeout=0.5", 5,
                "timeout: not done within 0.5 s");
}

Test(profile, without_gnuplot_all_but_the_pictures_is_there)
{
    struct profiled_place at = profiled_place_of("bare");
    const char *folder = at.path;
    mkdir(folder, 0700);
    program_write(path_in(folder, "gantt.svg"), "of an earlier profile");
    setenv("PATH", program_folder(), 1);
    struct program p = profiled_run("serial", folder, NULL, "local");
    cr_assert_eq(p.status, 2, "%d: %s", p.status, p.err);
    const char *said = strstr(p.err, "gnuplot is not installed");
    cr_assert(said && !strstr(said + 1, "gnuplot is not installed"), "%s", p.err);
    cr_expect_not(there(folder, "gantt.svg"), "a picture of an earlier profile");
    check_profile(folder, 1, 0);
    program_release(&p);
}

/* ---- ceilings ---- */

Test(profile_first, ceilings_are_measured_once_and_kept)
{
    char *kept[2];
    for (int i = 0; i < 2; i++) {
        struct program p = profiled_run("serial", program_file("p"), NULL, "local");
        profiled_done(&p);
        cr_expect_str_eq(program_json(p.out, "no_ceilings"), "null");
        kept[i] = program_read(program_file("ceilings.json"));
        cr_assert_not_null(kept[i]);
        program_release(&p);
    }
    cr_expect_str_eq(kept[0], kept[1]);
    struct profiled_place at = profiled_place_of("p");
    struct profiled f = profiled_open(at.path);
    double ceiling;
    cr_expect_eq(csv_optional(&f.kernels, 0, CEILING, 0, 1e6, &ceiling), ST_OK, "%s",
                 status_text());
    cr_expect(isfinite(ceiling));
    profiled_close(&f);
    free(kept[0]);
    free(kept[1]);
}
