/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share at the terminal. No command. */
#include "harness/cli/command.h"

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
