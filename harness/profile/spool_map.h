/* SPDX-License-Identifier: Apache-2.0 */
/* What the devices of a process did, given to its ranks, in its own times: tracks, calls, items,
 * samples. For spool_read.c. */
#ifndef HARNESS_PROFILE_SPOOL_MAP_H
#define HARNESS_PROFILE_SPOOL_MAP_H

#include "harness/profile/spool_parse.h"

/* Ranges that never ended have got an end. ST_OOM. */
enum status spool_map(struct spool_parsed *file, struct recording *recording);

#endif
