/* SPDX-License-Identifier: Apache-2.0 */
/* Records packed close together, for lists of very many: what is equal in several of them (names,
 * versions, bytes of a cell) is kept once. */
#ifndef HARNESS_RECORD_POOL_H
#define HARNESS_RECORD_POOL_H

#include "harness/record/record.h"

struct record_pool;

enum status record_pool_open(struct record_pool **out);
void record_pool_close(struct record_pool *pool);

/* Closes `record` and gives one that is equal, lives as long as the pool and must not be added to
 * or closed. ST_OOM: *out is NULL. */
enum status record_pool_take(struct record_pool *pool, struct record *record, struct record **out);

#endif
