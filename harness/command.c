/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share at the terminal. No command. */
#include "harness/command.h"

#include "harness/fork_ranks.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status command_print_json(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(value);
    if (!text)
        return fail(ST_OOM, "JSON output: no host memory");
    puts(text);
    free(text);
    return ST_OK;
}

bool command_colour(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

enum status command_program(char *path)
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (n < 0)
        return fail(ST_IO, "/proc/self/exe: %s; /proc must be mounted", strerror(errno));
    path[n] = '\0';
    return ST_OK;
}

enum status command_start_ranks(char **argv, int ranks, struct fork_ranks_end *end)
{
    char program[PATH_MAX];
    int n = 0;
    TRY(command_program(program));
    while (argv[n])
        n++;
    const char **again = calloc((size_t)n + 2, sizeof *again);
    if (!again)
        return fail(ST_OOM, "%d ranks: no host memory", ranks);
    again[0] = program;
    for (int i = 0; i < n; i++)
        again[i + 1] = argv[i];
    enum status st = fork_ranks_run(again, ranks, end);
    free(again);
    return st;
}

const char *command_version(void)
{
    return "0.1.0";
}
