/* SPDX-License-Identifier: Apache-2.0 */
/* A child process that answers through a pipe. */
#include "harness/base/child.h"

#include "harness/base/interrupt.h"
#include "harness/base/self.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 16 };

/* "ditbench comm --op=send" */
static const char *command_line(const char *const *words, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "ditbench");
    for (int i = 0; words[i] && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, " %s", words[i]);
    return text;
}

static enum status start(const char *const *words, int out, pid_t *child)
{
    char program[PATH_MAX];
    char *argv[WORDS + 2] = {program};
    posix_spawn_file_actions_t actions;
    TRY(self_path(program));
    for (int i = 0; words[i]; i++) {
        BUG_ON(i == WORDS, "more than %d words", WORDS);
        argv[i + 1] = (char *)words[i]; // posix_spawn writes into none
    }
    if (posix_spawn_file_actions_init(&actions) != 0)
        return fail(ST_OOM, "%s: no host memory", program);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int error = posix_spawn(child, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error ? fail(ST_IO, "%s: %s", program, strerror(error)) : ST_OK;
}

/* A signal that ends this program ends the child first. */
static char *read_all(int in, pid_t child)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    char piece[4096];
    ssize_t n;
    while ((n = read(in, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0 && interrupt_signal())
            kill(child, SIGTERM);
        if (to && n > 0)
            fwrite(piece, 1, (size_t)n, to);
    }
    if (to && fclose(to) != 0) {
        free(text);
        text = NULL;
    }
    return text;
}

enum status child_run(const char *const *words, char **output)
{
    char line[400];
    int end[2];
    int status = -1;
    pid_t child;
    if (output)
        *output = NULL;
    if (pipe2(end, O_CLOEXEC) != 0)
        return fail(ST_IO, "pipe: %s", strerror(errno));
    enum status st = start(words, end[1], &child);
    close(end[1]);
    char *text = st == ST_OK ? read_all(end[0], child) : NULL;
    close(end[0]);
    TRY(st);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != 0)
        st = fail(ST_IO, "`%s` failed; run it to see why", command_line(words, line, sizeof line));
    else if (output && !text)
        st = fail(ST_OOM, "`%s`: no host memory", command_line(words, line, sizeof line));
    if (st == ST_OK && output)
        *output = text;
    else
        free(text);
    return st;
}
