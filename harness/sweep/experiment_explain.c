/* SPDX-License-Identifier: Apache-2.0 */
/* From libcyaml's sentences to messages that say what was meant. Finds nothing wrong itself. */
#include "harness/sweep/experiment_explain.h"

#include "harness/sweep/experiment_text.h"
#include "kernels/base/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEYS = 40, SHOWN = 60 };

void experiment_report_log(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct experiment_report *r = context;
    char text[600];
    (void)level;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    const char *said = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
    const char *field = strstr(said, "in mapping field '");
    const char *place = strstr(said, "(line: ");
    if (strstr(said, "Ignoring documents"))
        r->more_documents = true;
    if (field && !r->key[0])
        sscanf(field, "in mapping field '%99[^']'", r->key);
    if (place)
        sscanf(place, "(line: %d, column: %d)", &r->line, &r->column);
    if (!place && !r->sentence[0] && !strstr(said, "Backtrace"))
        snprintf(r->sentence, sizeof r->sentence, "%.290s", said);
}

/* What follows `words` at the sentence's start, or NULL. */
static const char *after(const struct experiment_report *r, const char *words)
{
    size_t n = strlen(words);
    return strncmp(r->sentence, words, n) == 0 ? r->sentence + n : NULL;
}

/* ---- keys ---- */

static enum status explain_unknown(const char *label, const char *text,
                                   const struct experiment_report *r, const char *key,
                                   const cyaml_schema_field_t *fields)
{
    const char *words[MAX_KEYS + 1] = {NULL};
    char hint[SUGGEST_HINT];
    char names[400] = "";
    size_t used = 0;
    size_t from = experiment_text_offset(text, r->line, r->column);
    for (int i = 0; fields[i].key && i < MAX_KEYS && used < sizeof names; i++) {
        words[i] = fields[i].key;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 fields[i].key);
    }
    return fail(ST_INVALID, "%s:%d: %s: unknown key%s; legal: %s", label,
                experiment_text_line(text, from, key), key, suggest_hint(key, words, hint), names);
}

/* ---- values ---- */

static bool is_list(const cyaml_schema_field_t *fields, const char *key)
{
    for (int i = 0; fields[i].key; i++)
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].value.type == CYAML_SEQUENCE;
    return false;
}

static bool may_be_left_out(const cyaml_schema_field_t *fields, const char *key)
{
    for (int i = 0; fields[i].key; i++)
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].value.flags & CYAML_FLAG_OPTIONAL;
    return false;
}

/* A scalar where a list is wanted. Quoted it is one entry; so is what YAML would cut or misread. */
static enum status explain_list(const char *at, const char *key, const char *value)
{
    if (value[0] == '\0')
        return fail(ST_INVALID, "%s: nothing behind the key, wanted a list: %s: [A, B]", at, key);
    bool whole = strpbrk(value, "{}:#") || (strchr(value, ',') && !strstr(value, ", "));
    const char *quote = whole && value[0] != '"' && value[0] != '\'' ? "\"" : "";
    return fail(ST_INVALID, "%s: found '%.*s', wanted a list: %s: [%s%.*s%s]", at, SHOWN, value,
                key, quote, SHOWN, value, quote);
}

static enum status explain_value(const char *at, const char *text,
                                 const struct experiment_report *r,
                                 const cyaml_schema_field_t *fields)
{
    char value[200];
    bool list = is_list(fields, r->key);
    const char *max = after(r, "STRING length > ");
    experiment_text_value(text, r->key, value, sizeof value);
    if (after(r, "Expecting SEQUENCE, got event: SCALAR"))
        return explain_list(at, r->key, value);
    if (after(r, "Expecting SEQUENCE"))
        return fail(ST_INVALID, "%s: found a mapping, wanted a list: %s: [A, B]", at, r->key);
    if (after(r, "Expecting STRING, got event: MAPPING"))
        return fail(ST_INVALID,
                    "%s: found a mapping where one value is wanted; text that holds '{' or ': ' "
                    "must be quoted",
                    at);
    if (after(r, "Expecting STRING"))
        return fail(ST_INVALID,
                    list ? "%s: found a list inside the list; each entry is one value"
                         : "%s: found a list, wanted one value",
                    at);
    if (after(r, "STRING length < "))
        return fail(ST_INVALID,
                    list ? "%s: an empty entry; leave it out, or write its value"
                         : "%s: nothing behind the key; leave the key out, or write its value",
                    at);
    if (max)
        return fail(ST_INVALID, "%s: a text is longer than %d characters", at, atoi(max));
    if (after(r, "Insufficient entries"))
        return fail(ST_INVALID,
                    may_be_left_out(fields, r->key)
                        ? "%s: the list is empty; leave the key out for the default"
                        : "%s: the list is empty; wanted at least one entry",
                    at);
    if (after(r, "Excessive entries"))
        return fail(ST_INVALID, "%s: more entries than a list may have (%s", at,
                    r->sentence + strlen("Excessive entries ("));
    return fail(ST_INVALID, "%s: %s", at, r->sentence);
}

/* ---- what is no YAML ---- */

static const struct {
    const char *libyaml, *meant;
} trap[] = {
    {"mapping values are not allowed", "text that holds ': ' must be quoted"},
    {"could not find expected ':'", "a key wants a ':' and a blank behind it"},
    {"did not find expected ',' or ']'", "a list is not closed with ']', or an entry needs quotes"},
    {"did not find expected ',' or '}'", "a '{' is not closed, or text that holds it needs quotes"},
    {"block sequence entries are not allowed",
     "entries that begin with '- ' have lines of their own"},
    {"did not find expected key", "keys must be indented alike"},
    {"did not find expected '-' indicator", "the entries of a list must be indented alike"},
    {"did not find expected node content", "an entry is empty"},
    {"found unexpected end of stream", "a quote is not closed"},
};

static enum status explain_yaml(const char *label, const char *text,
                                const struct experiment_report *r)
{
    const char *said = after(r, "libyaml: ");
    const char *meant = NULL;
    char entry[100];
    int line = r->line > 0 ? r->line : 1;
    int hole;
    int tab = experiment_text_tab(text, line);
    said = said ? said : r->sentence;
    if (tab > 0 && (strstr(said, "cannot start any token") || strstr(said, "tab character")))
        return fail(ST_INVALID, "%s:%d: not YAML: a tab in the indentation; indent with blanks",
                    label, tab);
    if (strstr(said, "expected ','") &&
        experiment_text_hole(text, line, &hole, entry, sizeof entry))
        return fail(ST_INVALID, "%s:%d: strategies: what holds {ranks} must be quoted: \"%s\"",
                    label, hole, entry);
    for (size_t i = 0; i < sizeof trap / sizeof trap[0] && !meant; i++)
        if (strstr(said, trap[i].libyaml))
            meant = trap[i].meant;
    return fail(ST_INVALID, "%s:%d: not YAML, here or below: %s%s%s", label, line,
                meant ? meant : said, meant ? ": " : "", meant ? said : "");
}

/* ---- all of it ---- */

enum status experiment_explain(const char *label, const char *text,
                               const struct experiment_report *r, cyaml_err_t error,
                               const cyaml_schema_field_t *fields)
{
    char at[600];
    const char *unknown = after(r, "Unexpected key: ");
    const char *twice = after(r, "Mapping field already seen: ");
    const char *missing = after(r, "Missing required mapping field: ");
    if (unknown)
        return explain_unknown(label, text, r, unknown, fields);
    if (twice)
        return fail(
            ST_INVALID, "%s:%d: %s: the key is given twice; the first is in line %d", label,
            experiment_text_line(text, experiment_text_offset(text, r->line, r->column), twice),
            twice, experiment_text_line(text, 0, twice));
    if (missing)
        return fail(ST_INVALID,
                    "%s: %s: the key is missing; name, models and strategies must be given", label,
                    missing);
    if (error == CYAML_ERR_LIBYAML_PARSER)
        return explain_yaml(label, text, r);
    if (!r->key[0])
        return fail(ST_INVALID, "%s: no mapping; wanted lines like `models: [pixart-tiny]`", label);
    snprintf(at, sizeof at, "%.400s:%d: %s", label, experiment_text_line(text, 0, r->key), r->key);
    if (error == CYAML_ERR_ALIAS)
        return fail(ST_INVALID, "%s: aliases (*name) are not accepted; write the value out", at);
    if (!r->sentence[0])
        return fail(ST_INVALID, "%s: %s", at, cyaml_strerror(error));
    return explain_value(at, text, r, fields);
}
