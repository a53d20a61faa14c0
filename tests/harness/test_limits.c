/* SPDX-License-Identifier: Apache-2.0 */
/* The program under limits (ulimit): it works, or says which one is too low. */
#include "harness/base/limits.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

TestSuite(limits, .init = program_limit);
TestSuite(limits_mpi, .init = program_limit);

#define SMALL "run --model=pixart-tiny --size=64 --steps=2 --repeats=1 --threads=2 "

static void ends(const char *limit, const char *words, int status, const char *in_err)
{
    char script[600];
    snprintf(script, sizeof script, "ulimit %s; exec timeout -k 1 60 '%s' %s", limit,
             program_path(), words);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct program p = program_command(argv);
    cr_expect_eq(p.status, status, "ulimit %s: status %d: %s", limit, p.status, p.err);
    cr_expect(strstr(p.err, in_err), "ulimit %s: %s", limit, p.err);
    program_release(&p);
}

/* Sanitizers need more of each than we do. */
static void needs_a_plain_build(void)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("the address sanitizer needs more than these limits leave");
#endif
}

Test(limits, a_small_stack)
{
    needs_a_plain_build();
    ends("-s 64", SMALL, 2, "the limit on the stack is 64 KiB");
    ends("-s 64", "list", 2, "ulimit -s 8192");
    ends("-s 512", SMALL "--strategy=ring=2", 0, "");
}

Test(limits, few_open_files)
{
    ends("-n 10", SMALL, 2, "the limit on open files is 10");
    ends("-n 16", SMALL "--strategy=ring=2", 0, "");
    ends("-S -n 10", SMALL, 0, ""); /* which may be raised */
}

/* At any size: OpenBLAS, left to itself, waits for its buffers for ever. */
Test(limits, little_address_space)
{
    needs_a_plain_build();
    static const int kib[] = {60000, 100000, 300000, 450000};
    for (size_t i = 0; i < sizeof kib / sizeof kib[0]; i++) {
        char limit[30];
        char wanted[30];
        snprintf(limit, sizeof limit, "-v %d", kib[i]);
        snprintf(wanted, sizeof wanted, "below ulimit -v %d", kib[i]);
        ends(limit, SMALL, 4, wanted);
    }
}

/* Where the system does not tell how much memory is free, none is made up. */
Test(limits, memory_that_is_not_told)
{
    char script[600];
    snprintf(script, sizeof script,
             "unshare %s sh -c 'mount -t tmpfs none /proc || exit 77; exec \"%s\" info'",
             geteuid() == 0 ? "-m" : "-Urm", program_path());
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct program p = program_command(argv);
    if (p.status == 77 || p.status == 1 || p.status == 127)
        cr_skip_test("no mount namespace: %s", p.err);
    cr_assert(strstr(p.out, "free memory not known"), "%s", p.out);
    program_release(&p);
}

Test(limits, of_mpirun)
{
    program_needs_mpi();
    ends("-n 64", SMALL "--transport=mpi --strategy=data=8 --requests=8", 2,
         "mpirun with 8 ranks here needs 88");
}

Test(limits_mpi, a_small_stack_is_enough)
{
    needs_a_plain_build();
    program_needs_mpi();
    ends("-s 512", SMALL "--transport=mpi --strategy=ring=2", 0, "");
}

Test(limits, are_hinted_at)
{
    cr_assert(strstr(limits_hint(EAGAIN), "ulimit -u"));
    cr_assert(strstr(limits_hint(EMFILE), "ulimit -n"));
    cr_assert(strstr(limits_hint(ENOMEM), "ulimit -v"));
    cr_assert_str_eq(limits_hint(ENOENT), "");
    cr_assert_str_eq(limits_hint(0), "");
}

Test(limits, of_files_are_raised_where_they_may_be)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit low = {40, limit.rlim_max < 100 ? limit.rlim_max : 100};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    cr_assert_eq(limits_files(30, "a test"), ST_OK);
    getrlimit(RLIMIT_NOFILE, &limit);
    cr_assert_eq(limit.rlim_cur, 40);
    cr_assert_eq(limits_files(90, "a test"), ST_OK);
    getrlimit(RLIMIT_NOFILE, &limit);
    cr_assert_eq(limit.rlim_cur, 90);
    cr_assert_eq(limits_files(101, "a test"), ST_INVALID);
    cr_assert(strstr(status_message(), "is 100 and a test needs 101"), "%s", status_message());
}
