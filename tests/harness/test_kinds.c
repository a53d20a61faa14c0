/* SPDX-License-Identifier: Apache-2.0 */
/* A FIFO, a device or a folder in the place of any file is named at once and never waited for; and
 * a file that is cut off while it is read ends no process. */
#include "tests/harness/checkpoint.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void limit(void)
{
    alarm(60);
}

TestSuite(kinds, .init = limit);

#define QUICK "--steps=1", "--repeats=1", "--threads=2", "--backend=cpu", "--transport=local"

/* The command with this file in it, whose name is the last word. */
static struct program with(const char *command, const char *path)
{
    if (strcmp(command, "--text") == 0)
        return program_run("run", "--model=pixart-tiny", "--size=64", QUICK, "--text", path, NULL);
    if (strcmp(command, "--output") == 0)
        return program_run("run", "--model=pixart-tiny", "--size=64", QUICK, "--output", path,
                           NULL);
    if (strcmp(command, "--reference") == 0)
        return program_run("verify", "--model", DITBENCH_SOURCE_DIR "/tests/golden/dit",
                           "--reference", path, NULL);
    return program_run(command, path, NULL);
}

static void refuses(struct program r, const char *path)
{
    cr_assert(r.status == 2 && strstr(r.err, path), "%s: %d: %s", path, r.status, r.err);
    program_release(&r);
}

Test(kinds, only_regular_files_are_taken)
{
    static const char *const commands[] = {"--text", "--output", "--reference", "sweep", "plot"};
    char *fifo = strdup(program_file("a-fifo"));
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        refuses(with(commands[i], fifo), fifo);
        refuses(with(commands[i], "/dev/zero"), "/dev/zero");
        refuses(with(commands[i], program_folder()), program_folder());
    }
    free(fifo);
}

Test(kinds, the_files_of_a_checkpoint_are_regular_ones)
{
    static const char *const files[] = {"transformer/config.json", "model_index.json",
                                        "scheduler/scheduler_config.json", CHECKPOINT_WEIGHTS,
                                        CHECKPOINT_WEIGHTS ".index.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *copy = checkpoint_copy("dit");
        char *path = checkpoint_file(copy, files[i]);
        unlink(path);
        cr_assert_eq(mkfifo(path, 0600), 0);
        refuses(program_run("run", "--model", copy, QUICK, NULL), path);
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(mkdir(path, 0700), 0);
        refuses(program_run("run", "--model", copy, QUICK, NULL), path);
    }
}

/* Cuts a file off and restores it, as long as it lives. */
static void cut(const char *path, const char *whole)
{
    char command[1000];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(command, sizeof command, "while :; do truncate -s 5000 %s; cp %s %s; done", path,
             whole, path);
    execlp("sh", "sh", "-c", command, (char *)NULL);
    _exit(1);
}

/* Not 128 + SIGBUS: whatever it reads, it ends by itself. */
Test(kinds, a_checkpoint_that_is_cut_off_kills_nobody)
{
    const char *copy = checkpoint_copy("dit");
    char *path = checkpoint_file(copy, CHECKPOINT_WEIGHTS);
    char *whole = checkpoint_file(copy, "whole");
    char command[1000];
    snprintf(command, sizeof command, "cp %s %s", path, whole);
    cr_assert_eq(system(command), 0);
    pid_t pid = fork();
    if (pid == 0)
        cut(path, whole);
    for (int i = 0; i < 20; i++) {
        struct program r = program_run("run", "--model", copy, QUICK, "--json", NULL);
        cr_assert(r.status == 0 || r.status == 2, "%d: %s", r.status, r.err);
        cr_assert_null(strstr(r.err, "signal"), "%s", r.err);
        program_release(&r);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
