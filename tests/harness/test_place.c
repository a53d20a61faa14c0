/* SPDX-License-Identifier: Apache-2.0 */
/* A process' place among its peers, and the program started again as ranks; this test program plays
 * it. */
#include "harness/base/exit_code.h"
#include "harness/base/self.h"
#include "harness/launch/place.h"
#include "harness/record/ending.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void begin(void)
{
    static const char *const variables[] = {"DITBENCH_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK",
                                            "SLURM_STEP_ID"};
    program_limit();
    setenv("TMPDIR", program_folder(), 1);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

TestSuite(place, .init = begin);
TestSuite(place_mpi, .init = begin);

Test(place, a_lone_process_is_rank_0_of_1)
{
    struct place place;
    cr_assert_eq(place_find(PLACE_FORKED | PLACE_MPI, &place), ST_OK);
    cr_assert(place.starter == PLACE_ALONE && place.where.rank == 0 && place.where.size == 1);
    cr_assert_null(place_rendezvous(&place));
    cr_assert(place_speaks());
    fail(ST_OOM, "kept");
    cr_assert_eq(place_leave(&place, "run", ST_OOM, true), ST_OOM);
    cr_assert_str_eq(status_message(), "kept");
}

Test(place, only_the_starters_asked_for_are_looked_at)
{
    struct place place;
    setenv("DITBENCH_RANK", "2/4", 1);
    setenv("DITBENCH_RENDEZVOUS", "/tmp/x", 1);
    cr_assert_eq(place_find(PLACE_ALONE, &place), ST_OK);
    cr_assert_eq(place.starter, PLACE_ALONE);
    cr_assert_eq(place_find(PLACE_FORKED, &place), ST_OK);
    cr_assert(place.starter == PLACE_FORKED && place.where.rank == 2 && place.where.size == 4);
    cr_assert_eq(place_rendezvous(&place), &place.where);
    setenv("DITBENCH_RANK", "4/4", 1);
    cr_assert_eq(place_find(PLACE_FORKED | PLACE_MPI, &place), ST_INVALID);
}

Test(place, an_early_word_is_rank_0s)
{
    program_needs_mpi();
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    cr_assert(place_speaks());
    setenv("OMPI_COMM_WORLD_RANK", "3", 1);
    cr_assert_not(place_speaks());
}

Test(place, exit_codes_become_statuses)
{
    static const enum status all[] = {ST_OK,  ST_WRONG, ST_INVALID,    ST_UNSUPPORTED,
                                      ST_OOM, ST_COMM,  ST_INTERRUPTED};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        cr_assert_eq(exit_code_status(exit_code_of(all[i])), all[i]);
    cr_assert_eq(exit_code_status(6), ST_COMM);
    cr_assert_eq(exit_code_status(-1), ST_COMM);
    cr_assert_eq(exit_code_status(255), ST_COMM);
}

Test(place, this_program_is_started_again_with_the_same_words)
{
    char path[PATH_MAX];
    char *words[] = {(char *)"comm", (char *)"--ranks=2", NULL};
    char **again;
    cr_assert_eq(self_path(path), ST_OK);
    cr_assert_eq(self_words(words, &again), ST_OK);
    cr_assert_str_eq(again[0], path);
    cr_assert_str_eq(again[1], "comm");
    cr_assert_str_eq(again[2], "--ranks=2");
    cr_assert_null(again[3]);
    free(again);
}

/* This program as a rank: it ends as the variable says, before its tests begin. */
__attribute__((constructor)) static void end_as_told(void)
{
    const char *code = getenv("TEST_PLACE_CODE");
    if (code && getenv("DITBENCH_RANK"))
        atoi(code) < 0 ? (void)raise(-atoi(code)) : _exit(atoi(code));
}

static enum status started(const char *code, int rank)
{
    struct fork_ranks_end end;
    char *words[] = {(char *)"comm", NULL};
    setenv("TEST_PLACE_CODE", code, 1);
    enum status st = place_start_ranks(words, 2, &end);
    cr_assert_eq(end.rank >= 0, rank >= 0);
    return st;
}

Test(place, it_ends_as_its_ranks)
{
    cr_assert_eq(started("0", -1), ST_OK, "%s", status_message());
    fail(ST_IO, "older");
    cr_assert_eq(started("3", 0), ST_UNSUPPORTED);
    cr_assert_str_eq(status_message(), ""); /* the rank has said it */
    cr_assert_eq(started("-9", 0), ST_COMM);
    cr_assert(strstr(status_message(), "died of signal 9"), "%s", status_message());
}

static int times(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        n++;
    return n;
}

/* What all ranks would say is said once, whenever it is found out. */
Test(place_mpi, refusals_are_said_once)
{
    static const struct {
        const char *words[5];
        const char *text;
        int status;
    } cases[] = {
        {{"run", "--sizee=3"}, "unknown option", 2},
        {{"run", "--model=pixart-tiny", "--size=250"}, "240 and 256", 2},
        {{"run", "--model=pixart-tiny", "--transport=local"}, "cannot meet", 2},
        {{"run", "--model=pixart-tiny", "--strategy=ulysses=3"}, "ditbench run: unsupported", 3},
        {{"comm", "--graph=on"}, "capture no graphs", 3},
        {{"verify", "--model=/no/such/x", "--reference=y"}, "/no/such/x", 2},
    };
    program_needs_mpi();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *argv[10] = {"mpirun", "-n", "2", program_path()};
        memcpy(argv + 4, cases[i].words, sizeof cases[i].words);
        struct program p = program_command(argv);
        cr_expect_eq(p.status, cases[i].status, "%s: %d", cases[i].text, p.status);
        cr_expect_eq(times(p.err, cases[i].text), 1, "%zu: %s", i, p.err);
        program_release(&p);
    }
}
