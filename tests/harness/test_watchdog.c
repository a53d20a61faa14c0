/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that end themselves, each in a child: its clock is one for a process. */
#include "harness/launch/watchdog.h"
#include "kernels/base/clock.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(watchdog, .init = program_limit);

static void say(enum status st)
{
    dprintf(STDOUT_FILENO, "%s: %s", status_name(st), status_message());
}

static void say_for_ever(enum status st)
{
    (void)st;
    for (;;)
        pause();
}

/* Runs `live` in a child with this watchdog: its wait status, what it said and how long it took. */
static int child(struct watchdog dog, void (*live)(void), char *said, size_t size, double *took)
{
    int status = 0;
    int out[2];
    double begin = clock_seconds();
    cr_assert_eq(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        if (watchdog_start(&dog) == ST_OK)
            live();
        _exit(0);
    }
    close(out[1]);
    ssize_t n = read(out[0], said, size - 1);
    said[n > 0 ? n : 0] = '\0';
    close(out[0]);
    waitpid(pid, &status, 0);
    *took = clock_seconds() - begin;
    return status;
}

static void compute(void)
{
    watchdog_phase("measure", true);
    usleep(20000000);
}

static void wait_for_a_peer(void)
{
    watchdog_phase("open", false);
    usleep(20000000);
}

static void step(void)
{
    watchdog_phase("measure", true);
    for (int i = 0; i < 15; i++, usleep(100000))
        watchdog_beat();
}

Test(watchdog, ends_what_takes_too_long)
{
    char said[200];
    double took;
    struct watchdog dog = {.rank = 3, .limit_s = 0.4, .end = say};
    int status = child(dog, compute, said, sizeof said, &took);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5, "%x", (unsigned)status);
    cr_assert_str_eq(said, "timeout: rank 3: not done within 0.4 s in phase measure");
    cr_assert(took >= 0.4 && took < 5, "%g s", took);
}

Test(watchdog, ends_what_is_silent_but_not_what_steps)
{
    char said[200];
    double took;
    struct watchdog dog = {.rank = 0, .silence_s = 0.6, .end = say};
    int status = child(dog, compute, said, sizeof said, &took);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5, "%x", (unsigned)status);
    cr_assert_str_eq(said, "timeout: rank 0: no step for 0.6 s in phase measure");
    status = child(dog, step, said, sizeof said, &took);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", (unsigned)status, said);
}

/* Another rank has a limit of its own for it, and is silent meanwhile. */
Test(watchdog, waits_for_the_one_rank_run)
{
    char said[200];
    double took;
    struct watchdog dog = {.rank = 1, .limit_s = 0.5, .wait_s = 1, .silence_s = 0.1, .end = say};
    child(dog, wait_for_a_peer, said, sizeof said, &took);
    cr_assert(took >= 1 && took < 6, "%g s", took);
    cr_assert(strstr(said, "not done within 1 s in phase open"), "%s", said);
}

static void decode(void)
{
    watchdog_phase("measure", true);
    usleep(600000);
    watchdog_phase("decode", true);
    usleep(600000);
}

Test(watchdog, the_decode_has_a_clock_of_its_own)
{
    char said[200];
    double took;
    struct watchdog dog = {.rank = 0, .limit_s = 1, .end = say};
    int status = child(dog, decode, said, sizeof said, &took);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", (unsigned)status, said);
}

Test(watchdog, ends_even_where_nobody_hears_why)
{
    char said[200];
    double took;
    struct watchdog dog = {.rank = 0, .limit_s = 0.2, .end = say_for_ever};
    int status = child(dog, compute, said, sizeof said, &took);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM, "%x", (unsigned)status);
    cr_assert(took >= WATCHDOG_LAST_WORDS_S && took < WATCHDOG_LAST_WORDS_S + 4, "%g s", took);
}

Test(watchdog, has_the_limits_of_the_launcher_and_a_grace)
{
    struct watchdog dog = watchdog_limits(2, 60, 5);
    cr_assert(dog.rank == 2 && dog.limit_s == 65 && dog.silence_s == 65 && dog.wait_s == 65);
    dog = watchdog_limits(2, 60, 0);
    cr_assert(dog.limit_s == 60 && dog.wait_s > 60);
    dog = watchdog_limits(0, 0, 5);
    cr_assert(dog.limit_s == 0 && dog.wait_s == 0 && dog.silence_s == 905);
}
