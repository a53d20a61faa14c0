/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool as it grows: a buffer for each stream, which goes to the file when it is full and when it
 * is flushed, so that what a killed process leaves is whole but for its last record. A stream
 * belongs to one thread at a time; the file to all. The first failure is kept, and nothing is
 * written from then on.
 */
#ifndef HARNESS_PROFILE_SPOOL_WRITE_H
#define HARNESS_PROFILE_SPOOL_WRITE_H

#include "harness/profile/spool.h"

enum { SPOOL_BUFFER = 1 << 20 }; /* bytes of a stream's */

struct spool;

/* A new file of that path, in the place of an older one. ST_IO, ST_OOM. */
enum status spool_open(const char *path, int streams, struct spool **out);

/* What is in the buffers is written first. */
void spool_close(struct spool *spool);

/* The number of a text in this stream; NULL and "": 0. */
uint32_t spool_text(struct spool *spool, int stream, const char *text);

/* Sets record->stream. */
void spool_put(struct spool *spool, int stream, struct spool_record *record);

void spool_flush(struct spool *spool, int stream);

/* ST_IO, ST_OOM: the file lacks something, and why. */
enum status spool_check(struct spool *spool);

#endif
