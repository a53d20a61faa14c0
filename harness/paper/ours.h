/* SPDX-License-Identifier: Apache-2.0 */
/* What our rows, and where there are none the plan, say of a point: time, memory, bytes. Judges
 * nothing. */
#ifndef HARNESS_PAPER_OURS_H
#define HARNESS_PAPER_OURS_H

#include "harness/paper/verdicts.h"

/* Sets record, failed, ours, source, memory and bytes of a row whose cell is set and whose values
 * are NaN. Without a cell: nothing. `why` is set where a row has no value to give. */
void ours_take(const struct pack *pack, const struct record_list *records, struct paper_row *row);

#endif
