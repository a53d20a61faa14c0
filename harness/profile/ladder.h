/* SPDX-License-Identifier: Apache-2.0 */
/* Which shapes are measured: a table. The shapes are those that models have. */
#ifndef HARNESS_PROFILE_LADDER_H
#define HARNESS_PROFILE_LADDER_H

#include "harness/profile/ceilings.h"

enum ladder_op { LADDER_LINEAR, LADDER_ATTENTION, LADDER_COPY, LADDER_GATE_ADD_NORM, LADDER_OPS };

struct ladder_rung {
    enum ladder_op op;
    bool brief; /* in the short form too */
    int lanes, rows;
    int in, out; /* LINEAR: features; ATTENTION: heads and their elements; others: out is C */
};

enum { LADDER_SHORT_S = 15 }; /* with less time than this: the short form */

/* Rung `index` of the ladder of that form, for the host's processors or a GPU; NULL past the end.
 */
const struct ladder_rung *ladder_at(bool on_host, bool brief, int index);

const char *ladder_name(enum ladder_op op); /* "linear" */

/* What a rate tells of the rung: kind, name, shape and head. */
void ladder_describe(const struct ladder_rung *rung, struct ceilings_rate *out);

#endif
