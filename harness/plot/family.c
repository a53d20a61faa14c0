/* SPDX-License-Identifier: Apache-2.0 */
/* Families and labels of strategies, by their text. */
#include "harness/plot/family.h"

#include "strategies/spec.h"

#include <stdio.h>
#include <string.h>

static void set(struct plot_family *out, const char *name, const char *label, int place)
{
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->label, sizeof out->label, "%s", label);
    out->place = place;
}

void plot_family_of(const char *strategy, struct plot_family *out)
{
    struct spec spec;
    const char *composite = spec_parse(strategy, &spec) == ST_OK ? spec_composite(&spec) : NULL;
    if (composite) {
        set(out, composite, composite, 0);
        return;
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
