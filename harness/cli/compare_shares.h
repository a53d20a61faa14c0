/* SPDX-License-Identifier: Apache-2.0 */
/* What changed within the steps of cells that became slower or faster, from the profiles that
 * `sweep --profile` leaves beside results files. Not their kernels: `profile --diff`. */
#ifndef HARNESS_CLI_COMPARE_SHARES_H
#define HARNESS_CLI_COMPARE_SHARES_H

#include "harness/report/compare.h"

/* Fills the shares of pairs that are SLOWER or FASTER and of which both rows have a profile:
 * FILE_WITHOUT_.jsonl.profiles/CELL or CELL.ID, whose profile.json names the row. A
 * breakdown.csv that is not as it should be is left out, and standard error says so. ST_OOM. */
enum status compare_shares_find(struct compare *compare);

#endif
