/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that this process has for a results file, as lines, kept until it ends: a file that
 * somebody deletes or replaces meanwhile gets them again. Writes nothing. */
#ifndef HARNESS_RECORD_KEPT_H
#define HARNESS_RECORD_KEPT_H

#include "harness/record/list.h"

struct record_kept_row {
    char *id, *time; /* of the record */
    enum ending status;
    char *line; /* with its '\n' */
    size_t size;
    bool stored; /* the file has it */
};

struct record_kept {
    int n;
    struct record_kept_row *v;
};

/* Adds a row that is not stored yet. ST_OOM; as record_write. */
enum status record_kept_add(struct record_kept *kept, const struct record *record);

/* Marks as stored what `list` has: the row, or a newer one of its id. How many rows were stored,
 * and are no more. */
int record_kept_compare(struct record_kept *kept, const struct record_list *list);

/* How many rows are not stored. */
int record_kept_missing(const struct record_kept *kept);

void record_kept_release(struct record_kept *kept);

#endif
