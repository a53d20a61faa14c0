/* SPDX-License-Identifier: Apache-2.0 */
/* What a cell is called beside others: what all share is said once. */
#include "harness/base/text.h"
#include "harness/report/compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum field {
    MODEL,
    WEIGHTS,
    SIZE,
    STRATEGY,
    DTYPE,
    STEPS,
    GUIDANCE,
    REQUESTS,
    BACKEND,
    TRANSPORT,
    EXCHANGE,
    GRAPH,
    THREADS,
    SEED,
    FIELDS
};

enum { PART = 320 };

static const char *last_part(const char *path)
{
    const char *at = path + strlen(path);
    while (at > path && at[-1] == '/')
        at--;
    while (at > path && at[-1] != '/')
        at--;
    return at;
}

static void say_size(const struct record_cell *c, char text[PART])
{
    int n = snprintf(text, PART, "%dx%d", c->width, c->height);
    if (c->frames > 1)
        snprintf(text + n, PART - (size_t)n, "x%d", c->frames);
}

/* "20 steps": everything says what it is, and is one line that can be shown. */
static char *say(const struct record_cell *c, enum field field, char text[PART])
{
    char raw[PART] = "";
    switch (field) {
    case MODEL:
        snprintf(raw, PART, "%s", last_part(c->model));
        break;
    case WEIGHTS:
        snprintf(raw, PART, "weights %s", c->weights);
        break;
    case SIZE:
        say_size(c, raw);
        break;
    case STRATEGY:
        snprintf(raw, PART, "%s", c->strategy);
        break;
    case DTYPE:
        snprintf(raw, PART, "%s", c->dtype);
        break;
    case STEPS:
        snprintf(raw, PART, "%d step%s", c->steps, c->steps == 1 ? "" : "s");
        break;
    case GUIDANCE:
        snprintf(raw, PART, "guidance unknown");
        if (!isnan(c->guidance))
            snprintf(raw, PART, "guidance %g", c->guidance);
        break;
    case REQUESTS:
        snprintf(raw, PART, "%d request%s", c->requests, c->requests == 1 ? "" : "s");
        break;
    case BACKEND:
        snprintf(raw, PART, "%s", c->backend);
        break;
    case TRANSPORT:
        snprintf(raw, PART, "%s", c->transport);
        break;
    case EXCHANGE:
        snprintf(raw, PART, "exchange %s", c->exchange);
        break;
    case GRAPH:
        snprintf(raw, PART, "graph %s", c->graph == RECORD_YES ? "on" : "off");
        break;
    case THREADS:
        snprintf(raw, PART, "%d thread%s", c->threads, c->threads == 1 ? "" : "s");
        break;
    case SEED:
        snprintf(raw, PART, "seed %" PRIu64, c->seed);
        break;
    case FIELDS:
        break;
    }
    return text_shown(raw, false, PART, text);
}

unsigned compare_name_varying(const struct compare *compare)
{
    char first[FIELDS][PART], text[PART];
    unsigned varying = 1U << STRATEGY;
    bool any = false;
    for (int f = 0; f < 2; f++) {
        for (int i = 0; i < compare->file[f].cells; i++, any = true) {
            const struct record_cell *cell = &compare->file[f].cell[i].record->cell;
            for (enum field k = MODEL; k < FIELDS; k++) {
                if (!any)
                    say(cell, k, first[k]);
                else if (strcmp(first[k], say(cell, k, text)) != 0)
                    varying |= 1U << k;
            }
        }
    }
    return varying;
}

static char *list(const struct record_cell *cell, unsigned fields, const char *between, char *text)
{
    size_t used = 0;
    char part[PART];
    text[0] = '\0';
    for (enum field f = MODEL; f < FIELDS; f++)
        if (fields >> f & 1 && used + PART + 4 < COMPARE_NAME)
            used += (size_t)snprintf(text + used, COMPARE_NAME - used, "%s%s", used ? between : "",
                                     say(cell, f, part));
    return text;
}

char *compare_name(const struct compare *compare, const struct record_cell *cell, char *text)
{
    return list(cell, compare->varying, " ", text);
}

char *compare_name_common(const struct compare *compare, char *text)
{
    text[0] = '\0';
    for (int f = 0; f < 2; f++)
        if (compare->file[f].cells > 0)
            return list(&compare->file[f].cell[0].record->cell, ~compare->varying, ", ", text);
    return text;
}
