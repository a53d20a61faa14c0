/* SPDX-License-Identifier: Apache-2.0 */
/* The table of endings, and which of them a failed function means. */
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

/* How a cell ends whose work returned a status. */
static const enum ending by_status[] = {
    [ST_OK] = ENDING_OK,
    [ST_INVALID] = ENDING_ERROR,
    [ST_UNSUPPORTED] = ENDING_UNSUPPORTED,
    [ST_OOM] = ENDING_OOM,
    [ST_IO] = ENDING_ERROR,
    [ST_DEVICE] = ENDING_ERROR,
    [ST_COMM] = ENDING_ERROR,
    [ST_TIMEOUT] = ENDING_TIMEOUT,
    [ST_WRONG] = ENDING_WRONG,
    [ST_INTERRUPTED] = ENDING_INTERRUPTED,
};

enum ending ending_of(enum status st)
{
    BUG_ON((size_t)st >= sizeof by_status / sizeof by_status[0], "status %d", (int)st);
    return by_status[st];
}
