/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a pack's cells: those of the pack, then its overrides. Knows no machine. */
#include "harness/cell/options.h"
#include "harness/paper/pack_rules.h"
#include "harness/sweep/experiment.h"
#include "harness/sweep/experiment_text.h"
#include "kernels/base/suggest.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { OVERRIDE_TEXT = 1024 };

/* Keys of experiment files are the command line's options, but for these. */
static const char *option_of(const char *key, char out[60])
{
    snprintf(out, 60, "%s", strcmp(key, "timeout_s") == 0 ? "timeout" : key);
    for (char *c = out; *c; c++)
        if (*c == '_')
            *c = '-';
    return out;
}

/* The keys of a pack that say how a cell is run; what it is comes from its row. */
static const struct {
    const char *key;
    size_t at; /* of its text in struct pack_values */
} keys[] = {
#define KEY(name)                                                                                  \
    {                                                                                              \
#name, offsetof(struct pack_values, name)                                                  \
    }
    KEY(steps),    KEY(frames),    KEY(dtype),       KEY(backend),     KEY(transport),
    KEY(exchange), KEY(graph),     KEY(guidance),    KEY(seed),        KEY(warmup_loops),
    KEY(repeats),  KEY(min_loops), KEY(min_seconds), KEY(max_seconds), KEY(max_noise),
    KEY(threads),  KEY(timeout_s), KEY(check),
#undef KEY
};

enum { KEYS = sizeof keys / sizeof keys[0] };

static enum status check_key(const char *key)
{
    const char *words[KEYS + 1] = {NULL};
    for (int i = 0; i < KEYS; i++) {
        if (strcmp(keys[i].key, key) == 0)
            return ST_OK;
        words[i] = keys[i].key;
    }
    return suggest_refuse("key", key, words);
}

static enum status set(const struct pack *p, int line, struct cell *cell, const char *key,
                       const char *value)
{
    char option[60];
    enum status st = check_key(key);
    if (st == ST_OK)
        st = cell_set(cell, option_of(key, option), key, value);
    return st ? fail_prefix(st, "%s:%d", p->path, line) : st;
}

static enum status set_values(const struct pack *p, struct cell *cell)
{
    cell_init(cell);
    cell->timeout_s = EXPERIMENT_TIMEOUT_S;
    for (int i = 0; i < KEYS; i++) {
        const char *value = *(char *const *)((const char *)p->values + keys[i].at);
        if (value)
            TRY(set(p, experiment_text_line(p->text, 0, keys[i].key), cell, keys[i].key, value));
    }
    return ST_OK;
}

/* "KEY=VALUE KEY=VALUE ..." */
static enum status set_override(const struct pack *p, const struct pack_rule *rule,
                                struct cell *cell)
{
    char text[OVERRIDE_TEXT];
    char *rest = NULL;
    snprintf(text, sizeof text, "%s", rule->text);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *equal = strchr(word, '=');
        if (!equal)
            return fail(ST_INVALID, "%s:%d: overrides: found '%.60s', wanted KEY=VALUE", p->path,
                        rule->line, word);
        *equal = '\0';
        TRY(set(p, rule->line, cell, word, equal + 1));
    }
    /* a rule of the base that counted loops no longer look at */
    if (cell->repeats != CELL_AUTO) {
        cell->min_loops = 0;
        cell->min_seconds = cell->max_seconds = cell->max_noise = NAN;
    }
    return ST_OK;
}

enum status pack_cell(const struct pack *pack, const struct pack_point *point, struct cell *cell,
                      bool *bounded)
{
    TRY(set_values(pack, cell));
    int steps = cell->steps;
    for (int i = 0; i < pack->overrides.n; i++)
        if (pack_rules_fit(&pack->overrides.v[i], point))
            TRY(set_override(pack, &pack->overrides.v[i], cell));
    *bounded = cell->steps != steps;
    if (snprintf(cell->model, sizeof cell->model, "%s", point->model) >= (int)sizeof cell->model)
        return fail(ST_INVALID, "%s: '%.80s...': the model's name is too long", pack->path,
                    point->model);
    cell->width = point->width;
    cell->height = point->height;
    if (point->frames > 1)
        cell->frames = point->frames;
    return ST_OK;
}
