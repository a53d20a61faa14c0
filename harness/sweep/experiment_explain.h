/* SPDX-License-Identifier: Apache-2.0 */
/* What libcyaml found wrong with an experiment file, in words of this program. For
 * experiment_file.c. */
#ifndef HARNESS_SWEEP_EXPERIMENT_EXPLAIN_H
#define HARNESS_SWEEP_EXPERIMENT_EXPLAIN_H

#include "kernels/base/status.h"

#include <cyaml/cyaml.h>
#include <stdbool.h>

/*
 * libcyaml tells its errors as log lines: a sentence, then from inner to outer where the reader
 * stood. The place of an unknown key is that of the event before it.
 */
struct experiment_report {
    char sentence[300];
    char key[100]; /* top-level field */
    int line, column;
    bool more_documents;
};

/* libcyaml's log function; context: a zeroed report. */
void experiment_report_log(cyaml_log_t level, void *context, const char *format, va_list args);

/* ST_INVALID "label:line: key: ...". fields: the schema, whose lists are sequences. */
enum status experiment_explain(const char *label, const char *text,
                               const struct experiment_report *report, cyaml_err_t error,
                               const cyaml_schema_field_t *fields);

#endif
