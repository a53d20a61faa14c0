/* SPDX-License-Identifier: Apache-2.0 */
/* Records in the order of a file's lines, each id once. Opens and repairs no file. */
#ifndef HARNESS_RECORD_LIST_H
#define HARNESS_RECORD_LIST_H

#include "harness/record/pool.h"

#include <stdio.h>

enum { RECORD_LINE_MAX = 64 << 20 }; /* bytes; a longer line is not one of ours */

struct record_list {
    int n;
    struct record **v;        /* they live in the pool */
    struct record **by_id;    /* private: the same, sorted */
    struct record_pool *pool; /* private */
    int again;                /* earlier rows of ids that came again */
};

/* What stands behind the last '\n' of a file. */
struct record_tail {
    size_t size; /* bytes; 0: nothing */
    bool torn;   /* the beginning of a record; else a record that only lacks its '\n' */
};

/*
 * Reads to the end. Of several lines with one id the last counts, at the place of the first. Empty
 * lines are skipped, and so is a torn last line: one without '\n' that is no record, behind at
 * least one that is, or that begins as a record does. Release *out whatever the status. ST_IO;
 * ST_INVALID "line N: key: ..."; ST_OOM.
 */
enum status record_list_read(FILE *in, struct record_list *out, struct record_tail *tail);
void record_list_release(struct record_list *list);

/* The record with that id, or NULL. Borrowed. */
const struct record *record_list_find(const struct record_list *list, const char *id);

#endif
