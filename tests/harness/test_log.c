/* SPDX-License-Identifier: Apache-2.0 */
/* The gist of logs as mpirun and its ranks really write them. */
#include "harness/launch/log.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define RULER "--------------------------------------------------------------------------\n"
#define ABORTED                                                                                    \
    RULER "Primary job  terminated normally, but 1 process returned\n"                             \
          "a non-zero exit code. Per user-direction, the job has been aborted.\n" RULER
#define DETECTED                                                                                   \
    RULER "mpirun detected that one or more processes exited with non-zero status, thus causing\n" \
          "the job to be terminated. The first process to do so was:\n\n"                          \
          "  Process name: [[14675,1],0]\n  Exit code:    1\n" RULER
#define TRACE                                                                                      \
    "[vm:17816] *** Process received signal ***\n"                                                 \
    "[vm:17816] Signal: Segmentation fault (11)\n"                                                 \
    "[vm:17816] [ 0] /lib/x86_64-linux-gnu/libc.so.6(+0x3c050)[0x7fa0642af050]\n"                  \
    "[a.host:17816] *** End of error message ***\n"

static void gist_is(const char *log, const char *want)
{
    char got[1600];
    char *path = program_file("log");
    program_write(path, log);
    cr_assert_str_eq(log_gist(path, got, sizeof got), want, "%s\nbecame: %s", log, got);
}

Test(log, is_what_our_processes_said_last)
{
    gist_is("", "");
    gist_is("one\n\ntwo\n", "one | two");
    gist_is("1\n2\n3\n4\n5\n6\n7", "3 | 4 | 5 | 6 | 7");
    gist_is("a\033[31mb\tc\n", "a [31mb c");
    gist_is("rank 1: no memory\n" TRACE ABORTED DETECTED, "rank 1: no memory");
    gist_is("[0] is a step, [1:2] another\n", "[0] is a step, [1:2] another");
}

Test(log, is_mpiruns_first_word_where_nobody_else_spoke)
{
    gist_is(RULER "mpirun has seen this.\n\nAnd more.\n" RULER ABORTED DETECTED,
            "mpirun has seen this.");
    gist_is(RULER
            "It was set to a path\nthat could not be found:\n\n  agent: x\n\nCheck it.\n" RULER,
            "It was set to a path that could not be found: agent: x");
    gist_is(TRACE ABORTED RULER "mpirun noticed that process rank 1 exited on signal 11.\n" RULER,
            "mpirun noticed that process rank 1 exited on signal 11.");
    gist_is(RULER
            "mpirun was unable to launch it as it could not access:\n\nExecutable: ./x\nNode: "
            "vm\n\nwhile attempting to start process rank 0.\n" RULER
            "3 total processes failed to start\n",
            "mpirun was unable to launch it as it could not access: Executable: ./x Node: vm");
    gist_is(ABORTED DETECTED, "");
    gist_is(TRACE, "");
}

Test(log, has_the_hint_for_root_and_cores)
{
    char got[1600];
    char *path = program_file("log");
    program_write(path, RULER "mpirun has detected an attempt to run as root.\n\nUse the "
                              "--allow-run-as-root option.\n" RULER);
    log_gist(path, got, sizeof got);
    cr_assert(strncmp(got, "mpirun has detected an attempt to run as root.", 46) == 0, "%s", got);
    cr_assert(strstr(got, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"), "%s", got);
}

Test(log, is_short_whatever_the_log)
{
    char got[1600];
    char *path = program_file("log");
    char *text = malloc(300001);
    memset(text, 'x', 300000);
    text[300000] = '\0';
    program_write(path, text);
    cr_assert_eq(strlen(log_gist(path, got, sizeof got)), 300);
    cr_assert_eq(strlen(log_gist(path, got, 100)), 99);
    strcpy(text + 1000, "\nthe end\n");
    program_write(path, text);
    log_gist(path, got, sizeof got);
    cr_assert_str_eq(got + 300, " | the end");
    free(text);
    cr_assert_str_eq(log_gist("/no/such/log", got, sizeof got), "");
}
