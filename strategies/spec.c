/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the text form of a hybrid. Whether it fits a model is not decided here. */
#include "strategies/spec.h"

#include "kernels/base/suggest.h"
#include "strategies/strategy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *text;
    const char *at;
};

static int position(const struct cursor *c)
{
    return (int)(c->at - c->text) + 1;
}

/* Appends to a bounded text; drops what does not fit. */
static void append(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void append(char *buffer, size_t size, const char *format, ...)
{
    size_t used = strlen(buffer);
    va_list args;
    va_start(args, format);
    vsnprintf(buffer + used, size - used, format, args);
    va_end(args);
}

static const char *strategy_names(char *buffer, size_t size)
{
    buffer[0] = '\0';
    append(buffer, size, "serial");
    for (int i = 0; strategy_at(i); i++)
        append(buffer, size, ", %s", strategy_at(i)->name);
    return buffer;
}

/* The nearest name of a strategy, as suggest_hint says it. */
static const char *strategy_hint(const char *word, char hint[SUGGEST_HINT])
{
    enum { MAX_WORDS = 32 };
    const char *words[MAX_WORDS + 1] = {"serial"};
    for (int i = 0; strategy_at(i) && i + 1 < MAX_WORDS; i++)
        words[i + 1] = strategy_at(i)->name;
    return suggest_hint(word, words, hint);
}

static const char *option_hint(const struct strategy_ops *ops, const char *word,
                               char hint[SUGGEST_HINT])
{
    const char *words[SPEC_MAX_OPTIONS + 1] = {NULL};
    for (int i = 0; i < SPEC_MAX_OPTIONS && ops->options && ops->options[i].name; i++)
        words[i] = ops->options[i].name;
    return suggest_hint(word, words, hint);
}

static const char *option_names(const struct strategy_ops *ops, char *buffer, size_t size)
{
    buffer[0] = '\0';
    for (const struct spec_option *o = ops->options; o && o->name; o++)
        append(buffer, size, "%s%s", buffer[0] ? ", " : "", o->name);
    return buffer[0] ? buffer : "none";
}

/* Takes a run of letters as `word`. */
static void take_word(struct cursor *c, char *word, size_t size)
{
    size_t n = strspn(c->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-0123456789");
    snprintf(word, size, "%.*s", (int)(n < size ? n : size - 1), c->at);
    c->at += n;
}

static enum status take_number(struct cursor *c, const char *what, int min, int *out)
{
    char *end;
    errno = 0;
    long value = strtol(c->at, &end, 10);
    if (c->at[0] < '0' || c->at[0] > '9')
        return fail(
            ST_INVALID,
            "strategy '%.200s': position %d: %s: a whole number from %d is wanted, '%.20s' found",
            c->text, position(c), what, min, c->at);
    if (errno || value < min || value > 1000000)
        return fail(
            ST_INVALID, "strategy '%.200s': position %d: %s is %.*s; from %d to 1000000 is legal",
            c->text, position(c), what, (int)(end - c->at > 30 ? 30 : end - c->at), c->at, min);
    c->at = end;
    *out = (int)value;
    return ST_OK;
}

static enum status take_values(struct cursor *c, const struct spec_option *option,
                               struct spec_value *out)
{
    for (;;) {
        if (out->n == SPEC_MAX_LIST)
            return fail(ST_INVALID, "strategy '%.200s': position %d: more than %d values for '%s'",
                        c->text, position(c), SPEC_MAX_LIST, option->name);
        TRY(take_number(c, option->name, option->min, &out->v[out->n]));
        out->n++;
        if (!option->list || *c->at != '/')
            return ST_OK;
        c->at++;
    }
}

static enum status take_option(struct cursor *c, struct spec_item *item)
{
    char word[40];
    char names[200];
    char hint[SUGGEST_HINT];
    struct cursor start = *c;
    take_word(c, word, sizeof word);
    const struct spec_option *table = item->ops->options;
    for (int i = 0; table && table[i].name; i++) {
        if (strcmp(table[i].name, word) != 0)
            continue;
        if (item->option[i].n > 0)
            return fail(ST_INVALID, "strategy '%.200s': position %d: option '%s' is given twice",
                        c->text, position(&start), word);
        if (*c->at != '=')
            return fail(ST_INVALID,
                        "strategy '%.200s': position %d: '=' and a value are wanted after '%s'",
                        c->text, position(c), word);
        c->at++;
        return take_values(c, &table[i], &item->option[i]);
    }
    return fail(ST_INVALID,
                "strategy '%.200s': position %d: %s has no option '%s'%s; its options: %s", c->text,
                position(&start), item->ops->name, word, option_hint(item->ops, word, hint),
                option_names(item->ops, names, sizeof names));
}

static enum status take_item(struct cursor *c, struct spec_item *item)
{
    char word[40];
    char names[300];
    char hint[SUGGEST_HINT];
    struct cursor start = *c;
    memset(item, 0, sizeof *item);
    take_word(c, word, sizeof word);
    item->ops = strategy_find(word);
    if (strcmp(word, "serial") == 0)
        return fail(ST_INVALID, "strategy '%.200s': position %d: 'serial' stands alone", c->text,
                    position(&start));
    if (!item->ops)
        return fail(ST_INVALID,
                    "strategy '%.200s': position %d: unknown strategy '%s'%s; legal: %s", c->text,
                    position(&start), word,
                    *start.at == ' ' ? " (no blanks)" : strategy_hint(word, hint),
                    strategy_names(names, sizeof names));
    if (*c->at != '=')
        return fail(ST_INVALID,
                    "strategy '%.200s': position %d: '=' and a degree are wanted after '%s'",
                    c->text, position(c), word);
    c->at++;
    TRY(take_number(c, item->ops->name, 1, &item->degree));
    while (*c->at == ':') {
        c->at++;
        TRY(take_option(c, item));
    }
    return ST_OK;
}

/* The item that is given already: the same strategy, one that it stands for, or one that stands for
 * it. */
static const struct spec_item *find_twin(const struct spec *spec, const struct strategy_ops *ops)
{
    for (int i = 0; i < spec->n; i++) {
        const struct strategy_ops *other = spec->item[i].ops;
        if (other == ops)
            return &spec->item[i];
        for (int k = 0; ops->parts && ops->parts[k]; k++)
            if (strcmp(ops->parts[k], other->name) == 0)
                return &spec->item[i];
        for (int k = 0; other->parts && other->parts[k]; k++)
            if (strcmp(other->parts[k], ops->name) == 0)
                return &spec->item[i];
    }
    return NULL;
}

static void insert_sorted(struct spec *spec, const struct spec_item *item)
{
    int at = spec->n++;
    while (at > 0 && strategy_order(spec->item[at - 1].ops) > strategy_order(item->ops)) {
        spec->item[at] = spec->item[at - 1];
        at--;
    }
    spec->item[at] = *item;
}

enum status spec_parse(const char *text, struct spec *out)
{
    struct cursor c = {text, text};
    memset(out, 0, sizeof *out);
    if (strcmp(text, "serial") == 0)
        return ST_OK;
    if (strlen(text) >= SPEC_TEXT)
        return fail(ST_INVALID, "strategy: %zu characters; at most %d are legal", strlen(text),
                    SPEC_TEXT - 1);
    for (;;) {
        struct spec_item item;
        struct cursor start = c;
        TRY(take_item(&c, &item));
        const struct spec_item *twin = find_twin(out, item.ops);
        if (twin)
            return fail(ST_INVALID, "strategy '%s': position %d: '%s' is given twice%s%s", text,
                        position(&start), item.ops->name, twin->ops == item.ops ? "" : ", also by ",
                        twin->ops == item.ops ? "" : twin->ops->name);
        if (out->n == SPEC_MAX_ITEMS)
            return fail(ST_INVALID, "strategy '%s': position %d: more than %d strategies", text,
                        position(&start), SPEC_MAX_ITEMS);
        insert_sorted(out, &item);
        if (*c.at == '\0')
            return ST_OK;
        if (*c.at != ',')
            return fail(
                ST_INVALID,
                "strategy '%s': position %d: ',' or ':' or the end is wanted, '%.20s' found", text,
                position(&c), c.at);
        c.at++;
    }
}

static bool has_option(const struct spec_item *item)
{
    for (int i = 0; i < SPEC_MAX_OPTIONS; i++)
        if (item->option[i].n > 0)
            return true;
    return false;
}

enum status spec_expand(const struct spec *spec, int heads, struct spec *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < spec->n; i++) {
        const struct spec_item *item = &spec->item[i];
        struct spec parts = {.n = 1, .item = {*item}};
        if (item->ops->expand) {
            parts.n = 0;
            TRY(item->ops->expand(item, heads, &parts));
        }
        for (int k = 0; k < parts.n; k++) {
            if (parts.item[k].degree == 1 && !has_option(&parts.item[k]))
                continue;
            if (out->n == SPEC_MAX_ITEMS)
                return fail(ST_INVALID, "more than %d strategies, each part of a composite counted",
                            SPEC_MAX_ITEMS);
            insert_sorted(out, &parts.item[k]);
        }
    }
    return ST_OK;
}

char *spec_text(const struct spec *spec, char *buffer)
{
    buffer[0] = '\0';
    for (int i = 0; i < spec->n; i++) {
        const struct spec_item *item = &spec->item[i];
        append(buffer, SPEC_TEXT, "%s%s=%d", i ? "," : "", item->ops->name, item->degree);
        for (int o = 0; o < SPEC_MAX_OPTIONS; o++) {
            const struct spec_value *value = &item->option[o];
            for (int k = 0; k < value->n; k++) {
                if (k == 0)
                    append(buffer, SPEC_TEXT, ":%s=%d", item->ops->options[o].name, value->v[0]);
                else
                    append(buffer, SPEC_TEXT, "/%d", value->v[k]);
            }
        }
    }
    if (spec->n == 0)
        append(buffer, SPEC_TEXT, "serial");
    return buffer;
}

static int option_index(const struct strategy_ops *ops, const char *name)
{
    for (int i = 0; ops->options && ops->options[i].name; i++)
        if (strcmp(ops->options[i].name, name) == 0)
            return i;
    bug(__FILE__, __LINE__, "%s has no option %s", ops->name, name);
}

int spec_option_value(const struct spec_item *item, const char *name, int otherwise)
{
    const struct spec_value *value = &item->option[option_index(item->ops, name)];
    return value->n > 0 ? value->v[0] : otherwise;
}

void spec_reference(const struct spec *spec, struct spec *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < spec->n; i++) {
        const struct spec_item *item = &spec->item[i];
        if (!item->ops->stale)
            continue;
        struct spec_item one = {.ops = item->ops, .degree = 1};
        one.option[option_index(item->ops, "patches")] =
            (struct spec_value){1, {spec_option_value(item, "patches", item->degree)}};
        one.option[option_index(item->ops, "warmup")] =
            (struct spec_value){1, {spec_option_value(item, "warmup", 1)}};
        insert_sorted(out, &one);
    }
}

const struct kind_ops *spec_kind(const struct spec *spec)
{
    for (int i = 0; i < spec->n; i++)
        if (spec->item[i].ops->kind)
            return spec->item[i].ops->kind;
    return NULL;
}

int spec_ranks(const struct spec *spec)
{
    long ranks = 1;
    for (int i = 0; i < spec->n && ranks <= 1000000; i++)
        ranks *= spec->item[i].degree;
    return ranks > 1000000 ? 1000001 : (int)ranks;
}

const char *spec_composite(const struct spec *spec)
{
    for (int i = 0; strategy_at(i); i++) {
        const char *const *part = strategy_at(i)->parts;
        int n = 0;
        while (part && n < spec->n && part[n] && !has_option(&spec->item[n]) &&
               strcmp(part[n], spec->item[n].ops->name) == 0)
            n++;
        if (part && !part[n] && n == spec->n)
            return strategy_at(i)->name;
    }
    return NULL;
}
