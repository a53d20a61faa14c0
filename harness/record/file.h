/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A results file: one record a line (JSON Lines), appended to by one sweep at a time and read by
 * anybody. It is the sweep's memory: a killed sweep leaves at most one torn last line, which
 * reading leaves out and repairing cuts off. Nothing is written to a file before all of it was read
 * as records, and only regular files are opened.
 *
 * Others may delete, replace or change the file while it is open (editors and git do). Each append
 * looks first: the file that the path names then is gone on with, and gets the rows of this process
 * that it lacks. Where it cannot be, or the disk is full, these rows go to a new file beside it, or
 * under TMPDIR, which the message names.
 */
#ifndef HARNESS_RECORD_FILE_H
#define HARNESS_RECORD_FILE_H

#include "harness/record/list.h"

/* ---- reading ---- */

/*
 * All records of a file; *out is released with record_list_release whatever the status. Of several
 * lines with one id the last counts, at the place of the first. *torn (may be NULL): the last line
 * is the beginning of a record, and is left out. ST_IO; ST_INVALID "file: line N: key: ...".
 */
enum status record_file_read(const char *path, struct record_list *out, bool *torn);

/* ---- writing ---- */

struct record_file;

/* Opens (creates) and locks. ST_INVALID: another sweep holds it; no regular file. ST_IO. Folders on
 * the way are created. */
enum status record_file_open(const char *path, struct record_file **out);
void record_file_close(struct record_file *file);

/* Reads it as records, then cuts off a torn last line (*cut: how many bytes went, 0: none); one
 * that only lacks its '\n' gets it. ST_INVALID: not all of it are records; nothing was written.
 * ST_IO. */
enum status record_file_repair(struct record_file *file, size_t *cut);

/* One write of one whole line, then fsync. When it fails half way, the half line is taken back. */
enum status record_file_append(struct record_file *file, const struct record *record);

/* The rows appended so far are in the file that the path names now, or are written again. */
enum status record_file_settle(struct record_file *file);

/* What others did to the file since the last call and what became of it, one sentence; NULL:
 * nothing. Valid until the next append. */
const char *record_file_notice(struct record_file *file);

#endif
