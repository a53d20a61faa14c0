/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ceilings.json in the cache folder: a set of rates for each device, its libraries and dtype.
 *
 * A key fits another where backend and device are the same, and no library that both name differs
 * in version: which libraries a process knows depends on what it has loaded. Two programs that
 * store at one time: the last one's file stands whole, and the other's set is measured again.
 */
#ifndef HARNESS_PROFILE_CEILINGS_FILE_H
#define HARNESS_PROFILE_CEILINGS_FILE_H

#include "harness/profile/ceilings.h"
#include "kernels/base/status.h"

#include <jansson.h>

enum { CEILINGS_WORD = 400 };

/* The first device of a backend, with the driver and what this process has loaded. threads: of the
 * CPU. ST_DEVICE: there is none. */
enum status ceilings_file_key(const char *backend, int threads, struct ceilings_key *out);

bool ceilings_file_fits(const struct ceilings_key *a, const struct ceilings_key *b);

/* Where it lies; "" where no variable names a folder. Into buffer, which is returned. */
char *ceilings_file_path(char *buffer, size_t size);

/*
 * Every dtype's set for that key; of several the last. No file, or none for this key: no sets. A
 * file or a set that is damaged is passed over, and `word` (CEILINGS_WORD bytes) says so, else it
 * is "". ST_OOM.
 */
enum status ceilings_file_read(const struct ceilings_key *key, struct ceilings *out, char *word);

/* Puts the set in the place of those that it fits, and leaves the others; at once or not at all.
 * What is damaged goes. ST_IO. */
enum status ceilings_file_store(const struct ceilings_set *set);

/* A set as the file has it; NULL: no memory. */
json_t *ceilings_file_json(const struct ceilings_set *set);

#endif
