/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share at the terminal. No command. */
#include "harness/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

void command_drop_log(const char *command, const char *log, bool fine)
{
    struct stat info;
    if (stat(log, &info) != 0)
        return;
    if (fine || info.st_size == 0)
        unlink(log);
    else
        fprintf(stderr, "ditbench %s: what the processes said is in %s\n", command, log);
}
