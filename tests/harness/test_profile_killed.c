/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench profile` of ranks that are killed: what they recorded until then, by whole steps. */
#include "tests/harness/ceilings.h"
#include "tests/harness/pictures.h"
#include "tests/harness/profiled.h"
#include "tests/harness/program.h"
#include "tests/support/trace_reader.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(profile_killed, .init = ceilings_by_hand);

static off_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : 0;
}

static void check_killed_counts(const struct profiled *f, const struct trace_reader *all)
{
    const json_t *counts = json_object_get(f->json, "counts");
    const json_t *tables = json_object_get(f->json, "tables");
    int64_t instances = 0;
    for (int i = 0; i < f->kernels.rows; i++)
        instances += profiled_whole(&f->kernels, i, INSTANCES);
    cr_expect_eq(trace_reader_count(all, "X", "cpu_op", NULL, -1),
                 profiled_count(counts, "kernels"));
    cr_expect_eq(instances, profiled_count(tables, "kernels_instances"));
    cr_expect_eq(f->kernels.rows, profiled_count(tables, "kernels_rows"));
    cr_expect_eq(f->rows, profiled_count(tables, "breakdown_rows"));
    cr_expect_leq(instances, profiled_count(counts, "kernels"));
}

/* Tables are of the steps that both ranks came to the end of. */
static void check_whole_steps(const struct profiled *f)
{
    int64_t whole = profiled_count(f->json, "steps_whole");
    cr_expect_eq(profiled_count(f->json, "steps"), 300);
    cr_assert(whole > 0 && whole < 300, "%lld", (long long)whole);
    cr_expect(f->rows == whole || f->rows == 2 * whole, "%d rows of %lld steps", f->rows,
              (long long)whole); /* of a rank that wrote nothing yet there is none */
    for (int i = 0; i < f->rows; i++) {
        cr_expect_eq(profiled_whole(&f->breakdown, i, STEP), i % whole);
        cr_expect_gt(profiled_number(&f->breakdown, i, COMPUTE), 0);
    }
    char last[40];
    snprintf(last, sizeof last, "step %lld of 300", (long long)whole);
    pictures_data_holds(f->folder, "gantt", last);
    if (pictures_have_gnuplot())
        pictures_are_whole(f->folder, "gantt");
    struct program d = program_run("profile", "--diff", f->folder, f->folder, NULL);
    snprintf(last, sizeof last, "%lld whole of 300 steps", (long long)whole);
    cr_expect(strstr(d.out, last) && strstr(d.out, "A is not complete"), "%s%s", d.out, d.err);
    program_release(&d);
}

/* The last process that is started is killed when it has written a buffer of a rank. */
Test(profile_killed, ranks_that_are_killed_leave_what_they_wrote)
{
    struct trace_reader trace;
    int status;
    struct profiled_place at = profiled_place_of("killed");
    const char *folder = at.path;
    const char *argv[] = {program_path(),
                          "profile",
                          "--model=pixart-tiny",
                          "--size=64",
                          "--steps=300",
                          "--threads=2",
                          "--strategy=ulysses=2",
                          "--repeats=1",
                          "--warmup-loops=0",
                          "--check=off",
                          "--out",
                          folder,
                          NULL};
    char name[80];
    pid_t pid = program_start(argv);
    snprintf(name, sizeof name, "killed/spool-%ld", (long)pid);
    struct profiled_place spool = profiled_place_of(name);
    snprintf(name, sizeof name, "killed/spool-%ld/process-0.spool", (long)pid);
    struct profiled_place path = profiled_place_of(name);
    for (int i = 0; i < 20000 && size_of(path.path) < 900000; i++)
        usleep(2000);
    cr_assert_gt(program_signal_processes(spool.path, SIGKILL), 0);
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5, "%x", (unsigned)status);
    struct profiled f = profiled_open(folder);
    const char *incomplete = json_string_value(json_object_get(f.json, "incomplete"));
    cr_expect(incomplete && strstr(incomplete, "rank") && !strstr(incomplete, "spool"), "%s",
              incomplete);
    check_whole_steps(&f);
    cr_expect(json_is_null(json_object_get(json_object_get(f.json, "latency"), "watched_ms")));
    snprintf(name, sizeof name, "killed/trace.json.gz");
    struct profiled_place timeline = profiled_place_of(name);
    cr_assert_eq(trace_reader_open(timeline.path, 0, &trace), 0);
    check_killed_counts(&f, &trace);
    cr_expect_neq(access(spool.path, F_OK), 0);
    trace_reader_close(&trace);
    profiled_close(&f);
}
