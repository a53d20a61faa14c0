/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` prints about a record for people. The numbers are the record's. */
#ifndef HARNESS_REPORT_RUN_REPORT_H
#define HARNESS_REPORT_RUN_REPORT_H

#include "harness/record/record.h"

/* The table's row, the bytes of each axis and collective beside their closed form, the check; on
 * standard output. */
enum status run_report_print(const struct record *record);

#endif
