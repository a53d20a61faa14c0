/* SPDX-License-Identifier: Apache-2.0 */
/* Counts layers of a quarter, and knows its name. */
#include "models/dit_config_quarter.h"

#include <stdio.h>
#include <string.h>

enum { QUARTER = 4 };

static const char suffix[] = "-quarter";

/* Rounded up: no kind of block is lost. */
static int quarter_of(int count)
{
    return (count + QUARTER - 1) / QUARTER;
}

void dit_config_quarter(const struct dit_config *whole, struct dit_config *out)
{
    /* Halves that skips join, and pairs of a block over space and one over time, stay whole. */
    bool paired = whole->skips || whole->temporal;
    int joint = quarter_of(whole->layers - whole->parallel_layers);
    *out = *whole;
    snprintf(out->name, sizeof out->name, "%.*s%s", (int)(sizeof out->name - sizeof suffix),
             whole->name, suffix);
    out->parallel_layers = quarter_of(whole->parallel_layers);
    out->layers = paired ? 2 * quarter_of(whole->layers / 2) : joint + out->parallel_layers;
    memset(out->dual, 0, sizeof out->dual);
    for (int layer = 0; layer < joint && whole->joint; layer++)
        out->dual[layer] = whole->dual[QUARTER * layer];
}

bool dit_config_is_quarter(const char *name)
{
    size_t length = strlen(name), end = sizeof suffix - 1;
    return length > end && strcmp(name + length - end, suffix) == 0;
}

bool dit_config_find(const char *name, struct dit_config *out)
{
    size_t length = strlen(name), end = sizeof suffix - 1;
    bool quarter = dit_config_is_quarter(name);
    for (int i = 0; dit_config_at(i); i++) {
        const struct dit_config *whole = dit_config_at(i);
        if (strcmp(whole->name, name) == 0) {
            *out = *whole;
            return true;
        }
        if (quarter && strlen(whole->name) == length - end &&
            strncmp(whole->name, name, length - end) == 0) {
            dit_config_quarter(whole, out);
            return true;
        }
    }
    return false;
}
