/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a pack's cells: those of the pack, then its overrides. Knows no machine. */
#include "harness/cell/options.h"
#include "harness/paper/pack_rules.h"
#include "harness/sweep/experiment.h"
#include "harness/sweep/experiment_text.h"
#include "kernels/base/suggest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OVERRIDE_TEXT = 1024, MOST_OPTIONS = 60 };

/* Keys of experiment files are the command line's options, but for these. */
static const char *option_of(const char *key, char out[60])
{
    snprintf(out, 60, "%s", strcmp(key, "timeout_s") == 0 ? "timeout" : key);
    for (char *c = out; *c; c++)
        if (*c == '_')
            *c = '-';
    return out;
}

/* Of the measurement, and of how a cell is run; what it is comes from its row. */
static enum status check_option(const char *option, const char *key)
{
    static const char *const rows[] = {"model", "size", "strategy", "ranks", "requests"};
    const char *words[MOST_OPTIONS + 1] = {NULL};
    int n = 0;
    bool known = false;
    for (int i = 0; cell_option_at(i) && n < MOST_OPTIONS; i++) {
        const char *name = cell_option_at(i)->name;
        bool of_row = false;
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
            of_row |= strcmp(name, rows[k]) == 0;
        if (!of_row)
            words[n++] = name;
        known |= !of_row && strcmp(name, option) == 0;
    }
    return known ? ST_OK : suggest_refuse("key", key, words);
}

static enum status set(const struct pack *p, int line, struct cell *cell, const char *key,
                       const char *value)
{
    char option[60];
    enum status st = check_option(option_of(key, option), key);
    if (st == ST_OK)
        st = cell_set(cell, option, key, value);
    return st ? fail_prefix(st, "%s:%d", p->path, line) : st;
}

static enum status set_values(const struct pack *p, struct cell *cell)
{
    const struct pack_values *v = p->values;
    const struct {
        const char *key, *value;
    } single[] = {
        {"steps", v->steps},
        {"frames", v->frames},
        {"dtype", v->dtype},
        {"backend", v->backend},
        {"transport", v->transport},
        {"exchange", v->exchange},
        {"graph", v->graph},
        {"guidance", v->guidance},
        {"seed", v->seed},
        {"warmup_loops", v->warmup_loops},
        {"repeats", v->repeats},
        {"min_loops", v->min_loops},
        {"min_seconds", v->min_seconds},
        {"max_seconds", v->max_seconds},
        {"max_noise", v->max_noise},
        {"threads", v->threads},
        {"timeout_s", v->timeout_s},
        {"check", v->check},
    };
    cell_init(cell);
    cell->timeout_s = EXPERIMENT_TIMEOUT_S;
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (single[i].value)
            TRY(set(p, experiment_text_line(p->text, 0, single[i].key), cell, single[i].key,
                    single[i].value));
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
