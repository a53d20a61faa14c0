/* SPDX-License-Identifier: Apache-2.0 */
/* The program: finds the command, runs it, says why it failed, ends with its status. Does nothing
 * else. */
#include "harness/base/exit_code.h"
#include "harness/base/self.h"
#include "harness/cli/command.h"

#include "harness/base/interrupt.h"
#include "harness/base/limits.h"
#include "harness/host/env.h"
#include "harness/launch/place.h"
#include "harness/record/ending.h"
#include "harness/record/record.h"
#include "kernels/base/suggest.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_list,    &command_plan,     &command_run,    &command_decode,
    &command_verify,  &command_sweep,    &command_plot,   &command_comm,
    &command_profile, &command_ceilings, &command_info,   &command_worker,
    &command_compare, &command_costs,    &command_report, &command_reproduce,
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_version(FILE *out, struct argp_state *state)
{
    struct record *record;
    (void)state;
    if (record_open(&record) != ST_OK)
        return;
    env_fill(record);
    fprintf(out, "ditbench %s (commit %s%s)\n", self_version(), record->env.commit,
            record->env.dirty == RECORD_YES ? ", changed" : "");
    record_close(record);
}

static void print_usage(FILE *out)
{
    fputs("Usage: ditbench COMMAND [OPTION...]\n"
          "Measures parallel inference of Diffusion Transformers.\n\n",
          out);
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i]->summary)
            fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n`ditbench COMMAND --help` lists a command's options; `ditbench --version` tells the "
          "version.\n"
          "Exit status: 0 done and right, 1 done and wrong, 2 input that cannot be used, 3 a cell "
          "that\n"
          "its plan refuses, 4 out of memory, 5 a rank failed, died or timed out, 130 "
          "interrupted.\n",
          out);
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static enum status unknown_command(const char *name)
{
    const char *words[COMMANDS + 1] = {NULL};
    char hint[SUGGEST_HINT];
    int n = 0;
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i]->summary)
            words[n++] = commands[i]->name;
    return fail(ST_INVALID, "unknown command '%.60s'%s; `ditbench --help` lists them", name,
                suggest_hint(name, words, hint));
}

/* `help COMMAND` is `COMMAND --help`. */
static enum status help(const char *name)
{
    char own[60];
    char option[] = "--help";
    char *argv[] = {own, option, NULL};
    const struct command *command = find_command(name);
    snprintf(own, sizeof own, "%s", name);
    return command ? command->run(2, argv) : unknown_command(name);
}

static enum status dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return fail(ST_INVALID, "no command is given");
    }
    const char *name = argv[1];
    const struct command *command = find_command(name);
    if (command)
        return command->run(argc - 1, argv + 1);
    if (strcmp(name, "help") == 0 && argc > 2)
        return help(argv[2]);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        print_usage(stdout);
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        print_version(stdout, NULL);
    else
        return unknown_command(name);
    return ST_OK;
}

/* What was printed must have arrived: a full disk or a closed pipe is a failure too. */
static enum status finish_output(enum status st)
{
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && st == ST_OK)
        return fail(ST_IO, "standard output: %s", errno ? strerror(errno) : "a write failed");
    return st;
}

/* OpenBLAS starts threads when it is loaded, unless told otherwise before. Nobody here uses them,
 * and a fork waits for them: for ever, where a memory limit keeps one from its buffer. */
static void without_blas_threads(char **argv)
{
    static const char name[] = "OPENBLAS_NUM_THREADS";
    const char *now = getenv(name);
    if ((now && strcmp(now, "1") == 0) || setenv(name, "1", 1) != 0)
        return;
    self_restart(argv); /* where this fails, the threads stay: slower, and as right */
}

/* No file that is opened later may stand where output goes. One that was closed takes none: a
 * result that goes nowhere is a failure. */
static void hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* the lowest free number, which is fd */
}

int main(int argc, char **argv)
{
    hold_streams();
    without_blas_threads(argv);
    argp_program_version_hook = print_version;
    argp_err_exit_status = exit_code_of(ST_INVALID);
    interrupt_exit();
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a failed write, not a death */
    enum status st = limits_check();
    if (st == ST_OK)
        st = finish_output(dispatch(argc, argv));
    if (st != ST_OK && status_message()[0] && place_speaks())
        fprintf(stderr, "ditbench%s%s: %s\n", argc > 1 && find_command(argv[1]) ? " " : "",
                argc > 1 && find_command(argv[1]) ? argv[1] : "", status_message());
    return exit_code_of(st);
}
