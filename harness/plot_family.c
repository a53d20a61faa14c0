/* SPDX-License-Identifier: Apache-2.0 */
/* Families and labels of strategies, by their text alone. */
#include "harness/plot_family.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Lists that have a name of their own. */
static const struct {
    const char *first, *second, *name;
} composite[] = {
    {"ring=", ",ulysses=", "usp"},
};

/* "ring=2,ulysses=4" and nothing else: two items with these names, no options. */
static bool is_composite(const char *strategy, const char *first, const char *second)
{
    size_t length = strlen(first);
    if (strncmp(strategy, first, length) != 0)
        return false;
    strategy += length + strspn(strategy + length, "0123456789");
    length = strlen(second);
    if (strncmp(strategy, second, length) != 0)
        return false;
    strategy += length;
    return strategy[strspn(strategy, "0123456789")] == '\0';
}

static void set(struct plot_family *out, const char *name, const char *label, int place)
{
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->label, sizeof out->label, "%s", label);
    out->place = place;
}

void plot_family_of(const char *strategy, struct plot_family *out)
{
    for (size_t i = 0; i < sizeof composite / sizeof composite[0]; i++) {
        if (is_composite(strategy, composite[i].first, composite[i].second)) {
            set(out, composite[i].name, composite[i].name, 0);
            return;
        }
    }
    if (strchr(strategy, ',')) {
        set(out, "hybrid", "best hybrid", 1);
        return;
    }
    size_t length = strcspn(strategy, "=:");
    snprintf(out->name, sizeof out->name, "%.*s", (int)length, strategy);
    out->place = strcmp(out->name, "serial") == 0 ? -1 : 0;
    const char *options = strchr(strategy, ':');
    snprintf(out->label, sizeof out->label, "%s%s", out->name, options ? options : "");
    for (char *colon = out->label; (colon = strchr(colon, ':'));)
        *colon = ' ';
}
