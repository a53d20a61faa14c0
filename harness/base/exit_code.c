/* SPDX-License-Identifier: Apache-2.0 */
/* The table from what functions return to exit codes, and back. */
#include "harness/base/exit_code.h"

#include <stddef.h>

static const int by_status[] = {
    [ST_OK] = 0,     [ST_INVALID] = 2, [ST_UNSUPPORTED] = 3, [ST_OOM] = 4,   [ST_IO] = 2,
    [ST_DEVICE] = 5, [ST_COMM] = 5,    [ST_TIMEOUT] = 5,     [ST_WRONG] = 1, [ST_INTERRUPTED] = 130,
};

int exit_code_of(enum status st)
{
    BUG_ON((size_t)st >= sizeof by_status / sizeof by_status[0], "status %d", (int)st);
    return by_status[st];
}

enum status exit_code_status(int code)
{
    static const enum status by_code[] = {ST_OK,          ST_WRONG, ST_INVALID,
                                          ST_UNSUPPORTED, ST_OOM,   ST_COMM};
    if (code == exit_code_of(ST_INTERRUPTED))
        return ST_INTERRUPTED;
    return code >= 0 && code <= 5 ? by_code[code] : ST_COMM;
}
