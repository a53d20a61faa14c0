/* SPDX-License-Identifier: Apache-2.0 */
/* What one rank counted, from its process to the one that started it: FOLDER/rank-N.json. */
#ifndef HARNESS_PROFILE_COUNTERS_FILE_H
#define HARNESS_PROFILE_COUNTERS_FILE_H

#include "harness/profile/counters_table.h"

/* The folder is made. ST_IO, ST_OOM. */
enum status counters_file_write(const char *folder, int rank, const struct counters_table *table);

/* Adds the files of all ranks to `out`, an empty table. ST_IO: one is missing; ST_INVALID: it is
 * none of ours, or ranks were counted differently. */
enum status counters_file_read(const char *folder, int ranks, struct counters_table *out);

/* The files and the folder; what else lies there stays. */
void counters_file_remove(const char *folder, int ranks);

#endif
