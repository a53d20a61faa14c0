/* SPDX-License-Identifier: Apache-2.0 */
/* From what the ranks measured to the numbers of a record. For worker.c. */
#ifndef HARNESS_MEASURE_WORKER_RECORD_H
#define HARNESS_MEASURE_WORKER_RECORD_H

#include "harness/cell/setup.h"
#include "strategies/volume.h"

/* One rank's part of a measurement, as it travels between ranks: plain bytes. */
struct rank_part {
    uint64_t memory[ARENA_KINDS];
    uint64_t predicted;     /* of the sum of memory */
    uint64_t library;       /* HEADROOM_UNKNOWN: not told */
    struct volume counted;  /* over one loop */
    struct volume expected; /* the same from the plan's closed forms */
    double loop_ms[];       /* [loops] */
};

size_t rank_part_size(int loops);
const struct rank_part *rank_part_at(const void *parts, int loops, int rank);

/* parts: of all ranks; step_end_ms [loops * steps]: of the rank that advances the last patch.
 * Fills latency, steps, memory and bytes. */
void worker_record_fill(struct record *record, const struct plan *plan, int ranks, int loops,
                        const void *parts, const double *step_end_ms);

/* rel_l2 allowed: fp32 1e-5, or 1e-4 where the specification adds in another order; bf16 and fp16
 * 5e-2. */
double worker_record_tolerance(const struct spec *expanded, enum dtype dtype);

#endif
