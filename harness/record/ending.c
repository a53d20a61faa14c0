/* SPDX-License-Identifier: Apache-2.0 */
/* The table of endings, and the one from what functions return to endings and exit codes. */
#include "harness/record/ending.h"

#include <string.h>

static const struct {
    const char *name;
    bool final;
} ending_table[ENDINGS] = {
    [ENDING_OK] = {"ok", true},
    [ENDING_WRONG] = {"wrong", true},
    [ENDING_UNSUPPORTED] = {"unsupported", true},
    [ENDING_OOM] = {"oom", true},
    [ENDING_TIMEOUT] = {"timeout", true},
    [ENDING_CRASH] = {"crash", true},
    [ENDING_ERROR] = {"error", true},
    [ENDING_INTERRUPTED] = {"interrupted", false},
};

const char *ending_name(enum ending ending)
{
    BUG_ON((unsigned)ending >= ENDINGS, "ending %d", (int)ending);
    return ending_table[ending].name;
}

bool ending_find(const char *name, enum ending *out)
{
    for (int i = 0; i < ENDINGS; i++) {
        if (strcmp(name, ending_table[i].name) == 0) {
            *out = (enum ending)i;
            return true;
        }
    }
    return false;
}

bool ending_final(enum ending ending)
{
    BUG_ON((unsigned)ending >= ENDINGS, "ending %d", (int)ending);
    return ending_table[ending].final;
}

/* What each outcome of a function means for a cell and for the program. */
static const struct {
    enum ending ending;
    int exit_code;
} outcome[] = {
    [ST_OK] = {ENDING_OK, 0},
    [ST_INVALID] = {ENDING_ERROR, 2},
    [ST_UNSUPPORTED] = {ENDING_UNSUPPORTED, 3},
    [ST_OOM] = {ENDING_OOM, 4},
    [ST_IO] = {ENDING_ERROR, 2},
    [ST_DEVICE] = {ENDING_ERROR, 5},
    [ST_COMM] = {ENDING_ERROR, 5},
    [ST_TIMEOUT] = {ENDING_TIMEOUT, 5},
    [ST_WRONG] = {ENDING_WRONG, 1},
    [ST_INTERRUPTED] = {ENDING_INTERRUPTED, 130},
};

enum ending ending_of(enum status st)
{
    BUG_ON((size_t)st >= sizeof outcome / sizeof outcome[0], "status %d", (int)st);
    return outcome[st].ending;
}

int ending_exit_code(enum status st)
{
    BUG_ON((size_t)st >= sizeof outcome / sizeof outcome[0], "status %d", (int)st);
    return outcome[st].exit_code;
}

enum status ending_exit_status(int code)
{
    static const enum status by_code[] = {ST_OK,          ST_WRONG, ST_INVALID,
                                          ST_UNSUPPORTED, ST_OOM,   ST_COMM};
    if (code == ending_exit_code(ST_INTERRUPTED))
        return ST_INTERRUPTED;
    return code >= 0 && code <= 5 ? by_code[code] : ST_COMM;
}
