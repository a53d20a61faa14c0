/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns over the rows of a figure, and {gpus}. */
#include "harness/paper/pack_rules.h"

#include "harness/sweep/experiment_text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char arrow[] = " => ";

enum { ROW_TEXT = 1024 };

/* ---- reading ---- */

/* Lines of entries: where the text stands behind its key. */
static int line_of(const struct pack *p, const char *key, const char *entry)
{
    int line = experiment_text_line(p->text, 0, key);
    const char *from = p->text + experiment_text_offset(p->text, line, 1);
    const char *at = strstr(from, entry);
    for (const char *c = from; at && c < at; c++)
        line += *c == '\n';
    return line;
}

enum status pack_rules_read(const struct pack *pack, const char *key,
                            const struct experiment_list *list, struct pack_rules *out)
{
    out->key = key;
    out->v = calloc(list->n + 1, sizeof *out->v);
    if (!out->v)
        return fail(ST_OOM, "%s: no host memory", pack->path);
    for (unsigned i = 0; i < list->n; i++) {
        const char *entry = list->v[i];
        const char *at = strstr(entry, arrow);
        struct pack_rule *rule = &out->v[out->n++];
        rule->line = line_of(pack, key, entry);
        if (!at || at == entry || at[strlen(arrow)] == '\0')
            return fail(ST_INVALID, "%s:%d: %s: found '%.200s', wanted PATTERN => TEXT", pack->path,
                        rule->line, key, entry);
        rule->pattern = strndup(entry, (size_t)(at - entry));
        rule->text = strdup(at + strlen(arrow));
        if (!rule->pattern || !rule->text)
            return fail(ST_OOM, "%s: no host memory", pack->path);
    }
    return ST_OK;
}

void pack_rules_release(struct pack_rules *rules)
{
    for (int i = 0; i < rules->n; i++) {
        free(rules->v[i].pattern);
        free(rules->v[i].text);
    }
    free(rules->v);
    *rules = (struct pack_rules){0};
}

/* ---- {gpus} ---- */

/* False: the result is too long. */
static bool substitute(const char *text, int gpus, size_t size, char *out)
{
    static const char hole[] = "{gpus}";
    char number[20];
    size_t used = 0;
    snprintf(number, sizeof number, "%d", gpus);
    while (*text) {
        bool here = strncmp(text, hole, strlen(hole)) == 0;
        size_t n = here ? strlen(number) : 1;
        if (used + n + 1 > size)
            return false;
        memcpy(out + used, here ? number : text, n);
        used += n;
        text += here ? strlen(hole) : 1;
    }
    out[used] = '\0';
    return true;
}

enum status pack_spec(const struct pack_point *point, int gpus, char *out)
{
    return substitute(point->spec, gpus, SPEC_TEXT, out)
               ? ST_OK
               : fail(ST_INVALID, "'%.60s...' is longer than %d characters", point->spec,
                      SPEC_TEXT - 1);
}

/* ---- matching ---- */

static void describe(const struct pack_point *point, char *out)
{
    const char *strategy = point->line ? point->line->field[PUBLISHED_STRATEGY] : "also";
    const char *config = point->line ? point->line->field[PUBLISHED_CONFIG] : point->spec;
    snprintf(out, ROW_TEXT, "%s%s%s on %d at %d", strategy, config[0] ? " " : "", config,
             point->gpus, point->height);
}

bool pack_rules_fit(const struct pack_rule *rule, const struct pack_point *point)
{
    char row[ROW_TEXT];
    char pattern[ROW_TEXT];
    describe(point, row);
    if (!substitute(rule->pattern, point->gpus, sizeof pattern - 6, pattern))
        return false;
    if (!strstr(pattern, " on ") && !strstr(pattern, " at "))
        strcat(pattern, " on *");
    return fnmatch(pattern, row, 0) == 0;
}

struct pack_rule *pack_rules_find(struct pack_rules *rules, const struct pack_point *point)
{
    for (int i = 0; i < rules->n; i++)
        if (pack_rules_fit(&rules->v[i], point)) {
            rules->v[i].used++;
            return &rules->v[i];
        }
    return NULL;
}

struct pack_rule *pack_rules_exact(struct pack_rules *rules, const char *text)
{
    for (int i = 0; i < rules->n; i++)
        if (strcmp(rules->v[i].pattern, text) == 0) {
            rules->v[i].used++;
            return &rules->v[i];
        }
    return NULL;
}

enum status pack_rules_used(const struct pack *pack, const struct pack_rules *rules)
{
    for (int i = 0; i < rules->n; i++)
        if (rules->v[i].used == 0)
            return fail(ST_INVALID, "%s:%d: %s: '%.200s' takes no row of the sources", pack->path,
                        rules->v[i].line, rules->key, rules->v[i].pattern);
    return ST_OK;
}
