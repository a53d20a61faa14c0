/* SPDX-License-Identifier: Apache-2.0 */
/* What our rows, and where there are none the plan, say of a point: time, memory, bytes. Judges
 * nothing. */
#ifndef HARNESS_PAPER_OURS_H
#define HARNESS_PAPER_OURS_H

#include "harness/paper/verdicts.h"

/* Sets record, failed, ours, source, memory and bytes of a row whose cell is set and whose values
 * are NaN. Without a cell: nothing. `why` is set where a row has no value to give. */
void ours_take(const struct pack *pack, const struct record_list *records, struct paper_row *row);

/* Whether two rows are of other kinds of GPU, or of other CPUs where these computed: their times
 * are then no ratio and have no order. */
bool ours_other_device(const struct record *a, const struct record *b);

/* Whether two rows are of other commits, or of one with and without changes; of hosts with other
 * CPUs. */
bool ours_other_build(const struct record *a, const struct record *b);
bool ours_other_host(const struct record *a, const struct record *b);

/* What ranks computed on, "unknown" where the row does not say; the build, such as "0123456789ab
 * (dirty)", into `text`, which is returned. */
const char *ours_device(const struct record *record);
char *ours_build(const struct record *record, size_t size, char *text);

#endif
