/* SPDX-License-Identifier: Apache-2.0 */
/* Families and labels of strategies, by their text. */
#include "harness/plot/family.h"

#include "strategies/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "cfg=2,ring=N:x=1" for "cfg=2,ring=4:x=1". Allocated. */
static char *growing(const char *strategy, const char *way)
{
    char *label = NULL;
    const char *item = strrchr(strategy, ',') + 1;
    const char *degree = item + strcspn(item, "=");
    const char *options = item + strcspn(item, ":");
    int n = asprintf(&label, "%.*s%s%s%s", (int)(degree - strategy), strategy, *degree ? "=N" : "",
                     options, way);
    return n < 0 ? NULL : label;
}

/* "pipefusion patches=8" for "pipefusion" and ":patches=8". Allocated. */
static char *joined(const char *name, const char *options, const char *way)
{
    char *label = NULL;
    if (asprintf(&label, "%s%s%s", name, options, way) < 0)
        return NULL;
    size_t end = strlen(name) + strlen(options);
    for (size_t i = strlen(name); i < end; i++)
        if (label[i] == ':')
            label[i] = ' ';
    return label;
}

/* "usp" for ring x ulysses; NULL: a list without a name. */
static const char *composite_of(const char *strategy)
{
    struct spec spec;
    return spec_parse(strategy, &spec) == ST_OK ? spec_composite(&spec) : NULL;
}

static void open_list(const char *strategy, bool each, const char *way, struct plot_family *out)
{
    const char *composite = composite_of(strategy);
    snprintf(out->name, sizeof out->name, "%s", composite ? composite : "hybrid");
    out->place = composite && !each ? 0 : 1;
    out->several = !each;
    out->label =
        each ? growing(strategy, way) : joined(composite ? composite : "best hybrid", "", way);
}

/* "xy ring" for "ring". ST_OOM. */
static enum status prefix(const char *who, struct plot_family *out)
{
    char *label = out->label;
    if (label && *who && asprintf(&out->label, "%s %s", who, label) < 0)
        out->label = NULL;
    if (label && *who)
        free(label);
    return out->label ? ST_OK : fail(ST_OOM, "plot: no memory for a label");
}

enum status plot_family_open(const char *who, const char *strategy, bool each, const char *way,
                             struct plot_family *out)
{
    size_t length = strcspn(strategy, "=:");
    *out = (struct plot_family){0};
    if (strchr(strategy, ',')) {
        open_list(strategy, each, way, out);
    } else {
        snprintf(out->name, sizeof out->name, "%.*s", (int)length, strategy);
        out->place = strcmp(out->name, "serial") == 0 ? -1 : 0;
        out->label = joined(out->name, strategy + strcspn(strategy, ":"), way);
    }
    return prefix(who, out);
}

void plot_family_close(struct plot_family *family)
{
    free(family->label);
    *family = (struct plot_family){0};
}
