/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share at the terminal. No command. */
#include "harness/cli/command.h"

#include "harness/base/self.h"
#include "harness/launch/fork_ranks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

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

enum status command_start_ranks(char **argv, int ranks, struct fork_ranks_end *end)
{
    char program[PATH_MAX];
    int n = 0;
    TRY(self_path(program));
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
