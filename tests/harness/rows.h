/* SPDX-License-Identifier: Apache-2.0 */
/* Records for tests of what is done with records: plausible, and a pure function of the arguments.
 */
#ifndef TESTS_HARNESS_ROWS_H
#define TESTS_HARNESS_ROWS_H

#include "harness/record/record.h"

/*
 * A row of model "pixart-tiny" at 256 x 256 with status ok: five samples around `median` ms (their
 * p10 and p90 are 0.98 and 1.04 times it), 20 steps, 1000 bytes by one send of each rank on the
 * axis "ring" where ranks > 1, 4000 + rank bytes of memory. Aborts the test without memory.
 */
struct record *rows_ok(const char *strategy, int ranks, double median);

/* The same cell with another status and a reason, and no numbers. */
struct record *rows_failed(const char *strategy, int ranks, enum ending status, const char *reason);

/* As if it had run on `gpus` GPUs; the id anew. */
void rows_set_gpus(struct record *record, const char *transport, int gpus);

/* Sets the size, and the id anew. */
void rows_set_size(struct record *record, int width, int height);
void rows_set_model(struct record *record, const char *model);

/* Writes n records into folder/name, with their ids anew. The path, allocated. */
char *rows_write(const char *folder, const char *name, int n, struct record *const *records);

/* A fresh folder under /tmp, allocated; and its removal with everything in it. */
char *rows_folder(void);
void rows_folder_remove(char *folder);

/* A whole file with a zero at its end, allocated; NULL: it cannot be read. */
char *rows_file_text(const char *folder, const char *name, size_t *size);

#endif
