/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a pack with libcyaml, and its errors in the words of experiment files. Runs nothing. */
#include "harness/paper/pack_file.h"

#include "harness/sweep/experiment_explain.h"
#include "harness/sweep/experiment_text.h"

#include <cyaml/cyaml.h>
#include <string.h>

static const cyaml_schema_value_t entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 1023)};

/* Nothing is required here: what is missing is said in words of packs, below. */
#define LIST(key)                                                                                  \
    {                                                                                              \
#key, offsetof(struct pack_values, key.v), offsetof(struct pack_values, key.n),            \
            sizeof(unsigned),                                                                      \
        {                                                                                          \
            CYAML_VALUE_SEQUENCE(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *, &entry, 1,      \
                                 EXPERIMENT_MAX_ENTRIES)                                           \
        }                                                                                          \
    }
#define TEXT(key)                                                                                  \
    CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct pack_values,     \
                           key, 1, 1023)

static const cyaml_schema_field_t fields[] = {
    TEXT(name),
    TEXT(description),
    TEXT(claim),
    TEXT(metric),
    TEXT(hardware),
    TEXT(published_steps),
    TEXT(published_sampler),
    TEXT(published_dtype),
    TEXT(published_guidance),
    TEXT(published_warmup),
    TEXT(published_timed),
    TEXT(published_loops),
    LIST(sources),
    LIST(figures),
    LIST(models),
    LIST(points),
    LIST(assumed),
    LIST(left_out),
    LIST(also),
    LIST(overrides),
    LIST(differs),
    TEXT(steps),
    TEXT(frames),
    TEXT(dtype),
    TEXT(backend),
    TEXT(transport),
    TEXT(exchange),
    TEXT(graph),
    TEXT(guidance),
    TEXT(seed),
    TEXT(warmup_loops),
    TEXT(repeats),
    TEXT(min_loops),
    TEXT(min_seconds),
    TEXT(max_seconds),
    TEXT(max_noise),
    TEXT(threads),
    TEXT(timeout_s),
    TEXT(check),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct pack_values, fields)};

/* A protocol with a hole would be a figure without its caption. */
static enum status check_given(const char *label, const struct pack_values *v)
{
    const struct {
        const char *key;
        bool given;
    } must[] = {
        {"name", v->name},
        {"description", v->description},
        {"claim", v->claim},
        {"hardware", v->hardware},
        {"published_steps", v->published_steps},
        {"published_sampler", v->published_sampler},
        {"published_dtype", v->published_dtype},
        {"published_guidance", v->published_guidance},
        {"published_warmup", v->published_warmup},
        {"published_timed", v->published_timed},
        {"published_loops", v->published_loops},
        {"sources", v->sources.n > 0},
        {"models", v->models.n > 0},
        {"points", v->points.n > 0},
        {"differs", v->differs.n > 0},
        {"steps", v->steps},
    };
    for (size_t i = 0; i < sizeof must / sizeof must[0]; i++)
        if (!must[i].given)
            return fail(ST_INVALID,
                        "%s: %s: the key is missing; experiments/paper/README.md lists what a pack "
                        "must say",
                        label, must[i].key);
    return ST_OK;
}

static enum status parse(const char *label, const char *text, size_t size,
                         struct experiment_report *report, struct pack_values **out)
{
    const cyaml_config_t config = {
        .log_fn = experiment_report_log,
        .log_ctx = report,
        .log_level = CYAML_LOG_WARNING,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    cyaml_err_t error =
        cyaml_load_data((const uint8_t *)text, size, &config, &schema, (cyaml_data_t **)out, NULL);
    if (error != CYAML_OK) {
        *out = NULL;
        return experiment_explain(label, text, report, error, fields);
    }
    if (!*out)
        return fail(ST_INVALID, "%s: the file is empty", label);
    if (report->more_documents)
        return fail(ST_INVALID, "%s:%d: ---: a second YAML document; one file is one pack", label,
                    experiment_text_second_document(text));
    return check_given(label, *out);
}

enum status pack_file_parse(const char *label, const char *text, size_t size,
                            struct pack_values **out)
{
    struct experiment_report report = {.line = 0};
    *out = NULL;
    if (strstr(text, "\\0") || strstr(text, "\\x00") || strstr(text, "\\u0000"))
        return fail(ST_INVALID, "%s: an escaped zero byte; no value may hold one", label);
    enum status st = parse(label, text, size, &report, out);
    if (st && *out) {
        pack_file_release(*out);
        *out = NULL;
    }
    return st;
}

void pack_file_release(struct pack_values *values)
{
    const cyaml_config_t config = {.mem_fn = cyaml_mem};
    cyaml_free(&config, &schema, values, 0);
}
