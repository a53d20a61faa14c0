/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks as processes, against programs that end well, fail, die, hang and stop. No GPU, no NCCL. */
#include "harness/launch/fork_ranks.h"
#include "kernels/base/clock.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin(void)
{
    program_limit();
    setenv("TMPDIR", program_folder(), 1);
}

TestSuite(fork_ranks, .init = begin);

/* Folders of ranks that are left below `folder`. */
static int folders_left(const char *folder)
{
    int n = 0;
    DIR *at = opendir(folder);
    for (struct dirent *e = at ? readdir(at) : NULL; e; e = readdir(at))
        n += strncmp(e->d_name, "ditbench-ranks-", 15) == 0;
    if (at)
        closedir(at);
    return n;
}

/* Runs a shell script as each of n ranks; $r is its rank. */
static struct fork_ranks_end ranks(const char *body, int n, int code)
{
    char script[2000];
    struct fork_ranks_end end;
    snprintf(script, sizeof script, "r=${DITBENCH_RANK%%/*}; %s", body);
    const char *argv[] = {"sh", "-c", script, NULL};
    cr_assert_eq(fork_ranks_run(argv, n, &end), ST_OK, "%s", status_message());
    cr_assert_eq(fork_ranks_code(&end), code, "%s: %d", body, fork_ranks_code(&end));
    cr_assert_eq(folders_left(program_folder()), 0);
    cr_assert(waitpid(-1, NULL, WNOHANG) < 0, "%s: a rank is left", body);
    return end;
}

Test(fork_ranks, all_end_well)
{
    char text[100];
    struct fork_ranks_end end = ranks("exit 0", 3, 0);
    cr_assert_eq(end.rank, -1);
    cr_assert_str_eq(fork_ranks_text(&end, text, sizeof text), "");
}

/* Whoever lost a peer may end before the peer has said what it died of. */
Test(fork_ranks, a_cause_is_told_before_the_loss_of_a_peer)
{
    struct fork_ranks_end end = ranks("test $r = 1 && { sleep 0.3; exit 4; }; exit 5", 3, 4);
    cr_assert_eq(end.rank, 1);
}

Test(fork_ranks, each_has_its_place_and_one_folder_for_all)
{
    char script[2000];
    char *log = program_file("places");
    snprintf(script, sizeof script,
             "echo $DITBENCH_RANK >$DITBENCH_RENDEZVOUS/$r; until [ -f $DITBENCH_RENDEZVOUS/0 ] && "
             "[ -f $DITBENCH_RENDEZVOUS/1 ] && [ -f $DITBENCH_RENDEZVOUS/2 ]; do sleep 0.01; done; "
             "[ $r = 2 ] && sleep 0.2 && cat $DITBENCH_RENDEZVOUS/? >%s || true",
             log);
    ranks(script, 3, 0);
    char *got = program_read(log);
    cr_assert_str_eq(got, "0/3\n1/3\n2/3\n");
    free(got);
}

Test(fork_ranks, a_failing_rank_ends_the_others)
{
    double start = clock_seconds();
    char text[100];
    struct fork_ranks_end end = ranks("[ $r = 1 ] && exit 3; exec sleep 1000", 3, 3);
    double took = clock_seconds() - start;
    cr_assert_eq(end.rank, 1);
    cr_assert(took >= 1.9 && took < 8, "%g s", took);
    fork_ranks_text(&end, text, sizeof text);
    cr_assert(strstr(text, "rank 1 (process ") && strstr(text, "ended with status 3"), "%s", text);
}

/* What a rank saw may be said within the grace, and none waits for it longer than it takes. */
Test(fork_ranks, the_others_may_end_by_themselves)
{
    double start = clock_seconds();
    struct fork_ranks_end end = ranks("[ $r = 0 ] && exit 4; sleep 0.3; exit 5", 2, 4);
    cr_assert_eq(end.rank, 0);
    cr_assert_lt(clock_seconds() - start, 1.5);
}

Test(fork_ranks, a_death_is_told_by_its_signal)
{
    char text[100];
    struct fork_ranks_end end =
        ranks("[ $r = 0 ] && kill -KILL $$; exec sleep 1000", 2, 128 + SIGKILL);
    cr_assert_eq(end.rank, 0);
    fork_ranks_text(&end, text, sizeof text);
    cr_assert(strstr(text, "rank 0 (process ") && strstr(text, "died of signal 9"), "%s", text);
}

/* A peer that tells of the loss is not its cause, whoever is seen first. */
Test(fork_ranks, a_death_is_the_cause_of_a_lost_peer)
{
    struct fork_ranks_end end =
        ranks("[ $r = 0 ] && exit 5; sleep 0.3; kill -SEGV $$", 2, 128 + SIGSEGV);
    cr_assert_eq(end.rank, 1);
    end = ranks("[ $r = 0 ] && exit 4; sleep 0.3; kill -SEGV $$", 2, 4);
    cr_assert_eq(end.rank, 0);
}

/* The rank that waits in vain says so; the one that was stopped cannot even be asked to end. */
Test(fork_ranks, a_stopped_rank_is_killed)
{
    double start = clock_seconds();
    struct fork_ranks_end end = ranks("[ $r = 1 ] && kill -STOP $$; sleep 0.2; exit 5", 2, 5);
    cr_assert_eq(end.rank, 0);
    cr_assert_lt(clock_seconds() - start, 8);
}

Test(fork_ranks, a_missing_program_is_an_answer)
{
    const char *argv[] = {"/no/such/program", NULL};
    struct fork_ranks_end end;
    cr_assert_eq(fork_ranks_run(argv, 2, &end), ST_IO);
    cr_assert(strstr(status_message(), "/no/such/program"), "%s", status_message());
    cr_assert_eq(folders_left(program_folder()), 0);
}

/* In a process of its own, since a signal is to end it: 130 as its exit status says that
 * fork_ranks_run did what it should. */
static pid_t start_in_child(const char *body)
{
    char script[500];
    program_folder(); /* of this process, not of the child */
    pid_t pid = fork();
    if (pid > 0)
        return pid;
    struct fork_ranks_end end;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(script, sizeof script, "r=${DITBENCH_RANK%%/*}; %s", body);
    const char *argv[] = {"sh", "-c", script, NULL};
    enum status st = fork_ranks_run(argv, 2, &end);
    _exit(st == ST_INTERRUPTED ? 130 : 1);
}

Test(fork_ranks, a_signal_ends_all_at_once)
{
    int status = 0;
    char name[60];
    snprintf(name, sizeof name, "sleep 4321.%d", (int)getpid());
    char body[200];
    snprintf(body, sizeof body, "trap '' TERM; %s & wait", name);
    pid_t pid = start_in_child(body);
    cr_assert(program_wait_for(name, false));
    cr_assert_eq(folders_left(program_folder()), 1);
    kill(pid, SIGTERM);
    /* a signal that waits until the mask is restored may end it before it can exit with 130 */
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 130, "%x", (unsigned)status);
    cr_assert_eq(folders_left(program_folder()), 0);
    program_signal_processes(name, SIGKILL); /* the shells are gone, their children are not ours */
}

Test(fork_ranks, places_are_read_or_refused)
{
    struct rendezvous place;
    bool is = true;
    unsetenv("DITBENCH_RANK");
    cr_assert_eq(fork_ranks_place(&is, &place), ST_OK);
    cr_assert(!is && place.size == 1);
    setenv("DITBENCH_RENDEZVOUS", "/tmp/x", 1);
    setenv("DITBENCH_RANK", "2/4", 1);
    cr_assert_eq(fork_ranks_place(&is, &place), ST_OK);
    cr_assert(is && place.rank == 2 && place.size == 4);
    cr_assert_str_eq(place.folder, "/tmp/x");
    static const char *const bad[] = {"", "4/4", "-1/4", "1", "1/2x", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("DITBENCH_RANK", bad[i], 1);
        cr_assert_eq(fork_ranks_place(&is, &place), ST_INVALID, "%s", bad[i]);
        cr_assert_not(is);
    }
    setenv("DITBENCH_RANK", "0/1", 1);
    unsetenv("DITBENCH_RENDEZVOUS");
    cr_assert_eq(fork_ranks_place(&is, &place), ST_INVALID);
}

/* The program as a starter, on a machine or backend without NCCL: both ranks refuse, and it ends
 * with their status. */
Test(fork_ranks, a_worker_over_nccl_starts_its_ranks)
{
    struct program p =
        program_run("worker", "--model=pixart-tiny", "--size=64", "--steps=2", "--backend=cpu",
                    "--transport=nccl", "--strategy=ring=2", "--ranks=2", NULL);
    cr_assert_eq(p.status, 3, "%d: %s", p.status, p.err);
    cr_assert(strncmp(p.out, "fail unsupported transport nccl", 31) == 0, "%s", p.out);
    cr_assert(strstr(p.err, "(process ") && strstr(p.err, "ended with status 3"), "%s", p.err);
    cr_assert_eq(folders_left(program_folder()), 0);
    program_release(&p);
}
