/* SPDX-License-Identifier: Apache-2.0 */
/* The program as `make install` leaves it, in folders with blanks, used from elsewhere. */
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(install, .init = program_limit);

/* A line of shell in the folder of this test. */
static struct program shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static struct program shell(const char *format, ...)
{
    char line[3000];
    va_list args;
    int n = snprintf(line, sizeof line, "cd '%s' && ", program_folder());
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    return program_command(argv);
}

static void does(int status, const char *in_out, struct program p)
{
    cr_assert_eq(p.status, status, "status %d: %s%s", p.status, p.out, p.err);
    cr_assert(strstr(p.out, in_out) || strstr(p.err, in_out), "%s: not in: %s%s", in_out, p.out,
              p.err);
    program_release(&p);
}

/* The program is built, and what links is known: make only copies. */
static struct program make(const char *target)
{
    return shell("unset MAKEFLAGS MAKELEVEL MFLAGS; make -C '" DITBENCH_SOURCE_DIR "' -s %s "
                 "OUT='" DITBENCH_BUILD_DIR "' -o '" DITBENCH_BUILD_DIR "/ditbench' WITH_BLAS=1 "
                 "WITH_JANSSON=1 WITH_CYAML=1 WITH_PNG=1 WITH_MPI=0 WITH_CUDA=0 WITH_CRITERION=0 "
                 "WITH_GNUPLOT=0 PREFIX=\"$PWD/a prefix\" DESTDIR=",
                 target);
}

#define INSTALLED "'../a prefix/bin/ditbench'"
#define TINY                                                                                       \
    "name: mine\nmodels: [pixart-tiny]\nsizes: [64]\nsteps: [1]\nrepeats: 1\nwarmup_loops: 0\n"    \
    "threads: 1\nstrategies: [serial]\n"

Test(install, works_from_any_folder_and_goes_again)
{
    does(0, "", make("install"));
    does(0, "", shell("mkdir work"));
    does(0, "/a prefix/share/ditbench/experiments/quickstart.yaml",
         shell("cd work && " INSTALLED " list experiments"));
    does(0, "\"path\":\"/", shell("cd work && " INSTALLED " list experiments --json"));
    does(0, "cells: ", shell("cd work && " INSTALLED " sweep quickstart --dry-run"));
    does(0, "quickstart: /", shell("cd work && " INSTALLED " sweep quickstart --dry-run"));
    does(2, "did you mean 'quickstart'",
         shell("cd work && " INSTALLED " sweep quikstart --dry-run"));

    /* a file of that name in the working folder wins */
    does(0, "", shell("mkdir work/experiments"));
    program_write(program_file("work/experiments/quickstart.yaml"), TINY);
    does(0, "quickstart: experiments/quickstart.yaml, not /",
         shell("cd work && " INSTALLED " sweep quickstart --dry-run"));
    does(0, "1 of 1 cells", shell("cd work && " INSTALLED " sweep quickstart"));
    does(0, "", shell("test -s work/results/mine.jsonl"));

    /* templates */
    does(0, "plots/mine",
         shell("cd work && " INSTALLED " plot results/mine.jsonl && ls -d "
               "plots/mine"));
    does(0, "", shell("test -s work/plots/mine/table.csv"));

    program_write(program_file("a prefix/share/ditbench/experiments/own.yaml"), TINY);
    does(0, "", make("uninstall"));
    does(0, "share/ditbench/experiments/own.yaml",
         shell("cd 'a prefix' && find . -type f -o -name ditbench"));
    does(1, "", shell("find 'a prefix' -type f ! -name own.yaml | grep ."));
    does(1, "", shell("find 'a prefix' -name plots | grep ."));
}

Test(install, a_bare_copy_says_what_is_missing)
{
    does(0, "", shell("mkdir -p deep/er/bin && cp '%s' deep/er/bin/", program_path()));
    does(2, "neither a file nor the name of an experiment",
         shell("deep/er/bin/ditbench sweep quickstart"));
    does(0, "strategies:", shell("deep/er/bin/ditbench list"));
}
