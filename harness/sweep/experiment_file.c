/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an experiment file with libcyaml, and finding the lines of its keys. Makes no cells. */
#include "harness/sweep/experiment_file.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* ---- schema ---- */

static const cyaml_schema_value_t entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 511)};

#define LIST(key, member, flags)                                                                   \
    {                                                                                              \
        key, offsetof(struct experiment_values, member.v),                                         \
            offsetof(struct experiment_values, member.n), sizeof(unsigned),                        \
        {                                                                                          \
            CYAML_VALUE_SEQUENCE(CYAML_FLAG_POINTER | (flags), char *, &entry, 1,                  \
                                 EXPERIMENT_MAX_ENTRIES)                                           \
        }                                                                                          \
    }
#define TEXT(key, member, flags)                                                                   \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), struct experiment_values, member, 1, \
                           1023)

static const cyaml_schema_field_t fields[] = {
    TEXT("name", name, 0),
    TEXT("description", description, CYAML_FLAG_OPTIONAL),
    LIST("models", models, 0),
    LIST("sizes", sizes, CYAML_FLAG_OPTIONAL),
    LIST("ranks", ranks, CYAML_FLAG_OPTIONAL),
    LIST("strategies", strategies, 0),
    LIST("dtypes", dtypes, CYAML_FLAG_OPTIONAL),
    LIST("steps", steps, CYAML_FLAG_OPTIONAL),
    LIST("requests", requests, CYAML_FLAG_OPTIONAL),
    LIST("exclude", exclude, CYAML_FLAG_OPTIONAL),
    TEXT("backend", backend, CYAML_FLAG_OPTIONAL),
    TEXT("transport", transport, CYAML_FLAG_OPTIONAL),
    TEXT("exchange", exchange, CYAML_FLAG_OPTIONAL),
    TEXT("guidance", guidance, CYAML_FLAG_OPTIONAL),
    TEXT("seed", seed, CYAML_FLAG_OPTIONAL),
    TEXT("warmup_loops", warmup_loops, CYAML_FLAG_OPTIONAL),
    TEXT("repeats", repeats, CYAML_FLAG_OPTIONAL),
    TEXT("threads", threads, CYAML_FLAG_OPTIONAL),
    TEXT("timeout_s", timeout_s, CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct experiment_values, fields)};

/* ---- places in the text ---- */

/* Behind a comment or a quoted text that begins at `at`, or `at` itself. `fresh`: a comment may
 * begin here. */
static size_t skip_opaque(const char *text, size_t at, bool fresh)
{
    char quote = text[at];
    if (quote == '#' && fresh)
        return at + strcspn(text + at, "\n");
    if (quote != '"' && quote != '\'')
        return at;
    for (size_t i = at + 1; text[i]; i++) {
        if (quote == '"' && text[i] == '\\' && text[i + 1])
            i++;
        else if (text[i] == quote)
            return i + 1;
    }
    return at + strlen(text + at);
}

/* "key:" or "'key' :" at `at`. */
static bool key_at(const char *text, size_t at, const char *key)
{
    size_t n = strlen(key);
    const char *p = text + at;
    bool quoted = *p == '"' || *p == '\'';
    p += quoted;
    if (strncmp(p, key, n) != 0)
        return false;
    p += n + (quoted && (p[n] == '"' || p[n] == '\''));
    return p[strspn(p, " \t")] == ':';
}

static int line_of(const char *text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at && text[i]; i++)
        line += text[i] == '\n';
    return line;
}

int experiment_file_line(const char *text, size_t from, const char *key)
{
    bool start = true; /* a key may begin here: a line, a '{' or a ',' was just opened */
    bool fresh = true; /* blanks only, since the line began or a word ended */
    for (size_t i = 0; text[i];) {
        if (i >= from && start && key_at(text, i, key))
            return line_of(text, i);
        size_t behind = fresh ? skip_opaque(text, i, fresh) : i;
        char c = text[i];
        if (behind > i) {
            start = fresh = false;
            i = behind;
            continue;
        }
        bool blank = c == ' ' || c == '\t' || c == '\r';
        bool opens = c == '\n' || c == '{' || c == ',' || c == '?';
        start = opens || (start && blank);
        fresh = blank || opens || c == '[' || c == ':';
        i++;
    }
    return 0;
}

static size_t offset_of(const char *text, int line, int column)
{
    size_t at = 0;
    for (int l = 1; l < line && text[at]; l++)
        at += strcspn(text + at, "\n") + (strchr(text + at, '\n') != NULL);
    for (int c = 1; c < column && text[at] && text[at] != '\n'; c++)
        at++;
    return at;
}

/* The line of the second document's marker: the one after text that is neither blank nor comment.
 */
static int second_document(const char *text)
{
    bool content = false;
    int line = 1;
    for (const char *p = text; *p; line++) {
        size_t n = strcspn(p, "\n");
        bool marker = strncmp(p, "---", 3) == 0 || strncmp(p, "...", 3) == 0;
        if (marker && content)
            return line;
        size_t blank = strspn(p, " \t\r");
        content |= (marker && strncmp(p, "---", 3) == 0) ||
                   (!marker && blank < n && p[blank] != '#' && *p != '%');
        p += n + (p[n] == '\n');
    }
    return line;
}

/* ---- libcyaml's report ---- */

/* libcyaml tells its errors as log lines: a sentence, then from inner to outer where the reader
 * stood. The place of an unknown key is that of the event before it. */
struct report {
    char sentence[300];
    char key[100]; /* top-level field, or the key that does not fit */
    int line, column;
    bool more_documents;
};

static void take_log(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct report *r = context;
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

static bool key_after(const char *sentence, const char *words, char *key, size_t size)
{
    size_t n = strlen(words);
    if (strncmp(sentence, words, n) != 0)
        return false;
    snprintf(key, size, "%.80s", sentence + n);
    return true;
}

static char *known_keys(char *buffer, size_t size)
{
    size_t used = 0;
    for (int i = 0; fields[i].key && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", fields[i].key);
    return buffer;
}

static enum status explain(const char *label, const char *text, const struct report *r,
                           cyaml_err_t error)
{
    char keys[400];
    char key[100];
    size_t after = offset_of(text, r->line, r->column);
    if (key_after(r->sentence, "Unexpected key: ", key, sizeof key))
        return fail(ST_INVALID, "%s:%d: %s: unknown key; legal: %s", label,
                    experiment_file_line(text, after, key), key, known_keys(keys, sizeof keys));
    if (key_after(r->sentence, "Mapping field already seen: ", key, sizeof key))
        return fail(ST_INVALID, "%s:%d: %s: the key is given twice", label,
                    experiment_file_line(text, after, key), key);
    if (key_after(r->sentence, "Missing required mapping field: ", key, sizeof key))
        return fail(ST_INVALID,
                    "%s: %s: the key is missing; name, models and strategies must be given", label,
                    key);
    if (error == CYAML_ERR_LIBYAML_PARSER)
        return fail(ST_INVALID, "%s:%d: not YAML, here or below: %s", label,
                    r->line > 0 ? r->line : 1, r->sentence);
    const char *sentence = error == CYAML_ERR_ALIAS
                               ? "aliases (*name) are not accepted; write the value out"
                           : r->sentence[0] ? r->sentence
                                            : cyaml_strerror(error);
    if (!r->key[0])
        return fail(ST_INVALID, "%s: %s; wanted a mapping with the keys %s", label, sentence,
                    known_keys(keys, sizeof keys));
    return fail(ST_INVALID, "%s:%d: %s: %s", label, experiment_file_line(text, 0, r->key), r->key,
                sentence);
}

enum status experiment_file_parse(const char *label, const char *text, size_t size,
                                  struct experiment_values **out)
{
    struct report report = {.line = 0};
    const cyaml_config_t config = {
        .log_fn = take_log,
        .log_ctx = &report,
        .log_level = CYAML_LOG_WARNING,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    *out = NULL;
    if (strstr(text, "\\0") || strstr(text, "\\x00") || strstr(text, "\\u0000"))
        return fail(ST_INVALID, "%s: an escaped zero byte; no value may hold one", label);
    cyaml_err_t error =
        cyaml_load_data((const uint8_t *)text, size, &config, &schema, (cyaml_data_t **)out, NULL);
    if (error != CYAML_OK) {
        *out = NULL;
        return explain(label, text, &report, error);
    }
    if (!*out)
        return fail(ST_INVALID, "%s: the file is empty; `ditbench list experiments` shows some",
                    label);
    if (report.more_documents) {
        experiment_file_release(*out);
        *out = NULL;
        return fail(ST_INVALID, "%s:%d: ---: a second YAML document; one file is one experiment",
                    label, second_document(text));
    }
    return ST_OK;
}

void experiment_file_release(struct experiment_values *values)
{
    const cyaml_config_t config = {.mem_fn = cyaml_mem};
    cyaml_free(&config, &schema, values, 0);
}
