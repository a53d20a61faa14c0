/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher against workers that end well, fail, die, hang, babble and leave children behind. */
#include "harness/launch/launch.h"
#include "kernels/base/clock.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(launch, .init = program_limit);

#define RECORD "echo 'record {\"a\": 1}'\n"

/* Runs a shell script as the worker. */
static struct launch_end launch_script(const char *script, double timeout_s, double silence_s)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    char *log = program_file("log");
    struct launch launch = {
        .argv = argv, .log = log, .timeout_s = timeout_s, .silence_s = silence_s};
    struct launch_end end;
    cr_assert_eq(launch_run(&launch, &end), ST_OK, "%s", status_message());
    return end;
}

static void ends(const char *script, enum ending status, enum status code, const char *reason)
{
    struct launch_end end = launch_script(script, 20, 0);
    cr_assert_eq(end.status, status, "%s: %s: %s", script, ending_name(end.status), end.reason);
    cr_assert_eq(end.code, code, "%s: %s", script, status_name(end.code));
    cr_assert(strstr(end.reason, reason), "%s: not in: %s", reason, end.reason);
    launch_end_release(&end);
}

Test(launch, gives_the_record_of_a_good_worker)
{
    struct launch_end end = launch_script("echo phase load\necho beat 1 2\n" RECORD, 20, 0);
    cr_assert_eq(end.status, ENDING_OK);
    cr_assert_eq(end.code, ST_OK);
    cr_assert_str_eq(end.record, "{\"a\": 1}");
    cr_assert_eq(end.record_size, 8);
    cr_assert_str_eq(end.reason, "");
    launch_end_release(&end);
}

Test(launch, takes_a_last_line_without_its_end)
{
    struct launch_end end = launch_script("printf 'record {\"b\": 2}'", 20, 0);
    cr_assert_str_eq(end.record, "{\"b\": 2}");
    launch_end_release(&end);
}

Test(launch, maps_exit_statuses)
{
    ends("exit 0", ENDING_ERROR, ST_COMM, "without a record");
    ends("echo sorry >&2; exit 2", ENDING_ERROR, ST_INVALID, "sorry");
    ends("exit 3", ENDING_UNSUPPORTED, ST_UNSUPPORTED, "status 3");
    ends("echo no room >&2; exit 4", ENDING_OOM, ST_OOM, "no room");
    ends("exit 5", ENDING_ERROR, ST_COMM, "status 5");
    ends("exit 42", ENDING_ERROR, ST_COMM, "status 42");
    ends(RECORD "exit 7", ENDING_ERROR, ST_COMM, "status 7");
}

Test(launch, believes_a_worker_that_says_why)
{
    ends("echo fail oom kv store of 9 bytes; exit 4", ENDING_OOM, ST_OOM, "kv store of 9 bytes");
    ends("echo fail invalid bad file; exit 2", ENDING_ERROR, ST_INVALID, "bad file");
    ends("echo fail comm peer lost; echo fail oom the cause; exit 5", ENDING_OOM, ST_OOM,
         "the cause");
    ends("echo fail oom the cause; echo fail comm peer lost; exit 5", ENDING_OOM, ST_OOM,
         "the cause");
}

Test(launch, tells_a_crash_by_its_signal)
{
    ends("echo deep in the loop >&2; kill -SEGV $$", ENDING_CRASH, ST_COMM, "signal 11");
    ends("echo deep in the loop >&2; kill -SEGV $$", ENDING_CRASH, ST_COMM, "deep in the loop");
    ends("kill -ABRT $$", ENDING_CRASH, ST_COMM, "signal 6");
    ends("echo phase measure; kill -KILL $$", ENDING_CRASH, ST_COMM,
         "signal 9 (Killed) in phase measure; that is how the kernel ends one when memory runs "
         "out");
    ends("exit 139", ENDING_CRASH, ST_COMM, "signal 11"); /* as mpirun tells it */
    ends("echo 2 total processes failed to start >&2; exit 139", ENDING_ERROR, ST_COMM,
         "status 139");
    ends(RECORD "kill -SEGV $$", ENDING_CRASH, ST_COMM, "signal 11");
}

Test(launch, ends_a_worker_that_hangs)
{
    double start = clock_seconds();
    struct launch_end end = launch_script("echo phase measure; echo beat 3 40; sleep 1000", 0.5, 0);
    double took = clock_seconds() - start;
    cr_assert_eq(end.status, ENDING_TIMEOUT);
    cr_assert_eq(end.code, ST_TIMEOUT);
    cr_assert(strstr(end.reason, "0.5 s") && strstr(end.reason, "measure") &&
                  strstr(end.reason, "3 of 40"),
              "%s", end.reason);
    cr_assert(took >= 0.5 && took < 5, "%g s", took);
    launch_end_release(&end);
}

Test(launch, ends_a_worker_that_will_not_listen)
{
    double start = clock_seconds();
    struct launch_end end = launch_script("trap '' TERM; while :; do sleep 0.1; done", 0.3, 0);
    double took = clock_seconds() - start;
    cr_assert_eq(end.status, ENDING_TIMEOUT);
    cr_assert(took >= 2 && took < 8, "%g s", took);
    launch_end_release(&end);
}

Test(launch, beats_do_not_stop_the_total_clock)
{
    struct launch_end end = launch_script("while :; do echo beat 1 2; sleep 0.1; done", 0.6, 0);
    cr_assert_eq(end.status, ENDING_TIMEOUT);
    cr_assert(strstr(end.reason, "not done within"), "%s", end.reason);
    launch_end_release(&end);
}

Test(launch, silence_counts_from_the_last_line)
{
    const char *slow = "for i in 1 2 3 4 5 6; do echo beat $i 6; sleep 0.3; done\n" RECORD;
    struct launch_end end = launch_script(slow, 0, 1);
    cr_assert_eq(end.status, ENDING_OK, "%s", end.reason);
    launch_end_release(&end);
    end = launch_script("echo beat 1 2; while :; do echo noise; sleep 0.1; done", 0, 0.6);
    cr_assert_eq(end.status, ENDING_TIMEOUT);
    cr_assert(strstr(end.reason, "no sign of life"), "%s", end.reason);
    launch_end_release(&end);
}

Test(launch, the_one_rank_run_has_a_clock_of_its_own)
{
    const char *script = "echo phase reference; sleep 0.8; echo phase open; sleep 0.8\n" RECORD;
    struct launch_end end = launch_script(script, 1.2, 0);
    cr_assert_eq(end.status, ENDING_OK, "%s", end.reason);
    launch_end_release(&end);
}

Test(launch, the_decode_has_a_clock_of_its_own)
{
    const char *script = "echo phase measure; sleep 0.8; echo phase decode; sleep 0.8\n" RECORD;
    struct launch_end end = launch_script(script, 1.2, 0);
    cr_assert_eq(end.status, ENDING_OK, "%s", end.reason);
    launch_end_release(&end);
    end = launch_script("echo phase decode; sleep 1000", 0.5, 0);
    cr_assert_eq(end.status, ENDING_TIMEOUT);
    cr_assert(strstr(end.reason, "decode"), "%s", end.reason);
    launch_end_release(&end);
}

Test(launch, survives_babble)
{
    /* long lines, zeros, half lines of the protocol, then a record */
    const char *script =
        "head -c 40000000 /dev/zero | tr '\\0' 'x'; echo\n"
        "head -c 100000 /dev/urandom; echo\n"
        "echo beat; echo beat x y; echo fail; echo fail nonsense; echo record; echo record none\n"
        "printf 'record \\0{}\\n'\n" RECORD;
    struct launch_end end = launch_script(script, 30, 0);
    cr_assert_eq(end.status, ENDING_OK, "%s", end.reason);
    cr_assert_str_eq(end.record, "{\"a\": 1}");
    launch_end_release(&end);
}

Test(launch, bounds_the_log)
{
    struct stat info;
    const char *script = "for i in 1 2 3 4 5 6; do head -c 30000000 /dev/zero | tr '\\0' 'x' >&2; "
                         "sleep 0.3; done; echo >&2; echo the end >&2; exit 9";
    struct launch_end end = launch_script(script, 60, 0);
    cr_assert_eq(end.status, ENDING_ERROR);
    cr_assert(strstr(end.reason, "the end"), "%s", end.reason);
    cr_assert(stat(program_file("log"), &info) == 0 && info.st_size < LAUNCH_LOG_MAX + 30000000,
              "%lld bytes", (long long)info.st_size);
    launch_end_release(&end);
}

Test(launch, a_worker_may_close_its_output)
{
    ends("exec >&-; exit 0", ENDING_ERROR, ST_COMM, "without a record");
    struct launch_end end = launch_script("exec >&- 2>&-; sleep 1000", 0.5, 0);
    cr_assert_eq(end.status, ENDING_TIMEOUT, "%s", end.reason);
    launch_end_release(&end);
}

Test(launch, a_reason_holds_no_control_characters)
{
    struct launch_end end = launch_script("printf 'a\\033[31mb\\tc\\n\\nd\\n' >&2; exit 9", 20, 0);
    for (const char *p = end.reason; *p; p++)
        cr_assert(*p >= ' ', "character %d in: %s", *p, end.reason);
    launch_end_release(&end);
}

Test(launch, kills_what_left_the_group)
{
    struct launch_end end =
        launch_script("setsid sleep 98765 & setsid sleep 98765 & sleep 0.2\n" RECORD, 20, 0);
    cr_assert_eq(end.status, ENDING_OK, "%s", end.reason);
    cr_assert_eq(program_count_processes("sleep 98765"), 0);
    launch_end_release(&end);
    end = launch_script("setsid sleep 98764 & sleep 1000", 0.5, 0);
    cr_assert_eq(end.status, ENDING_TIMEOUT);
    cr_assert_eq(program_count_processes("sleep 98764"), 0);
    launch_end_release(&end);
}

Test(launch, does_not_wait_for_children_that_hold_the_pipe)
{
    double start = clock_seconds();
    struct launch_end end = launch_script("sleep 98763 &\n" RECORD, 20, 0);
    cr_assert_eq(end.status, ENDING_OK, "%s", end.reason);
    cr_assert_lt(clock_seconds() - start, 10);
    cr_assert_eq(program_count_processes("sleep 98763"), 0);
    launch_end_release(&end);
}

Test(launch, gives_mpiruns_hint)
{
    ends("echo 'There are not enough slots available' >&2; exit 1", ENDING_ERROR, ST_COMM,
         "OMPI_MCA_rmaps_base_oversubscribe=1");
}

Test(launch, says_what_cannot_be_started)
{
    const char *argv[] = {"/no/such/program", NULL};
    char *log = program_file("log");
    struct launch launch = {.argv = argv, .log = log};
    struct launch_end end;
    cr_assert_eq(launch_run(&launch, &end), ST_IO);
    cr_assert(strstr(status_message(), "/no/such/program"));
    launch.log = "/no/such/folder/log";
    cr_assert_eq(launch_run(&launch, &end), ST_IO);
    cr_assert(strstr(status_message(), "/no/such/folder/log"));
}

Test(launch, workers_die_with_their_parent)
{
    program_folder();
    pid_t parent = fork();
    if (parent == 0) {
        launch_script("exec sleep 98762", 0, 0);
        _exit(0);
    }
    cr_assert(program_wait_for("sleep 98762", false));
    kill(parent, SIGKILL);
    cr_assert(program_wait_for("sleep 98762", true));
}
