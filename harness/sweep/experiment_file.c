/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an experiment file with libcyaml. Makes no cells. */
#include "harness/sweep/experiment_file.h"

#include "harness/sweep/experiment_explain.h"
#include "harness/sweep/experiment_text.h"

#include <cyaml/cyaml.h>
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
    TEXT("graph", graph, CYAML_FLAG_OPTIONAL),
    TEXT("guidance", guidance, CYAML_FLAG_OPTIONAL),
    TEXT("seed", seed, CYAML_FLAG_OPTIONAL),
    TEXT("warmup_loops", warmup_loops, CYAML_FLAG_OPTIONAL),
    TEXT("repeats", repeats, CYAML_FLAG_OPTIONAL),
    TEXT("min_loops", min_loops, CYAML_FLAG_OPTIONAL),
    TEXT("min_seconds", min_seconds, CYAML_FLAG_OPTIONAL),
    TEXT("max_seconds", max_seconds, CYAML_FLAG_OPTIONAL),
    TEXT("max_noise", max_noise, CYAML_FLAG_OPTIONAL),
    TEXT("threads", threads, CYAML_FLAG_OPTIONAL),
    TEXT("timeout_s", timeout_s, CYAML_FLAG_OPTIONAL),
    TEXT("rounds", rounds, CYAML_FLAG_OPTIONAL),
    TEXT("shuffle", shuffle, CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct experiment_values, fields)};

enum status experiment_file_parse(const char *label, const char *text, size_t size,
                                  struct experiment_values **out)
{
    struct experiment_report report = {.line = 0};
    const cyaml_config_t config = {
        .log_fn = experiment_report_log,
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
        return experiment_explain(label, text, &report, error, fields);
    }
    if (!*out)
        return fail(ST_INVALID, "%s: the file is empty; `ditbench list experiments` shows some",
                    label);
    if (report.more_documents) {
        experiment_file_release(*out);
        *out = NULL;
        return fail(ST_INVALID, "%s:%d: ---: a second YAML document; one file is one experiment",
                    label, experiment_text_second_document(text));
    }
    return ST_OK;
}

void experiment_file_release(struct experiment_values *values)
{
    const cyaml_config_t config = {.mem_fn = cyaml_mem};
    cyaml_free(&config, &schema, values, 0);
}
