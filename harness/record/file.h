/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A results file: one record a line (JSON Lines), appended to by one sweep at a time and read by
 * anybody. It is the sweep's memory: a killed sweep leaves at most one torn last line, which
 * reading leaves out and repairing cuts off.
 */
#ifndef HARNESS_RECORD_FILE_H
#define HARNESS_RECORD_FILE_H

#include "harness/record/record.h"

enum { RECORD_LINE_MAX = 64 << 20 }; /* bytes; a longer line is not one of ours */

struct record_list {
    int n;
    struct record **v;
};

/* ---- reading ---- */

/*
 * All records of a file; *out is released with record_list_release whatever the status. Of several
 * lines with one id the last counts, at the place of the first. Empty lines are skipped. *torn (may
 * be NULL): the last line had no '\n' and could not be read; it is left out. ST_IO; ST_INVALID
 * "file: line N: key: ...".
 */
enum status record_file_read(const char *path, struct record_list *out, bool *torn);
void record_list_release(struct record_list *list);

/* The record with that id, or NULL. Borrowed. */
const struct record *record_list_find(const struct record_list *list, const char *id);

/* ---- writing ---- */

struct record_file {
    char *path;
    int fd; /* a forked child that does not exec closes it, for the lock lives as long as any copy
             */
};

/* Opens (creates) and locks. ST_INVALID: another sweep holds it. ST_IO. Folders on the way are
 * created. */
enum status record_file_open(const char *path, struct record_file **out);
void record_file_close(struct record_file *file);

/* Cuts off a torn last line (*cut: how many bytes went, 0: none); one that only lacks its '\n' gets
 * it. ST_IO. */
enum status record_file_repair(struct record_file *file, size_t *cut);

/* One write of one whole line, then fsync. When it fails half way, the half line is taken back. */
enum status record_file_append(struct record_file *file, const struct record *record);

#endif
