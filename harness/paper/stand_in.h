/* SPDX-License-Identifier: Apache-2.0 */
/* A pack with tiny models on the CPU, so that all of it can be tested from end to end in seconds.
 * Its numbers are compared with nothing. */
#ifndef HARNESS_PAPER_STAND_IN_H
#define HARNESS_PAPER_STAND_IN_H

#include "harness/paper/pack.h"

/*
 * Turns the cell of a point into one of its family's tiny model: fp32 on the CPU over threads, the
 * pack's k-th size becomes 64 (k + 1) pixels, the specification's {gpus} at most
 * PAPER_STAND_IN_RANKS, two steps, one loop. ST_INVALID: the family has no tiny model.
 */
enum status stand_in_cell(const struct pack *pack, const struct pack_point *point,
                          struct cell *cell);

#endif
