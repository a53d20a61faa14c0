/* SPDX-License-Identifier: Apache-2.0 */
/* How a row's machine did while it was measured, in words. */
#ifndef HARNESS_REPORT_MACHINE_H
#define HARNESS_REPORT_MACHINE_H

#include "harness/record/record.h"

#include <stddef.h>

/* "SM clock 1755 MHz (1695 to 1980), memory 3201 MHz, 66 C, 698 W of 700 W; throttled: 93% of the
 * measured time (power limit)": medians, and where they differ the smallest and the largest, of the
 * GPU that was throttled most, or else was slowest. On the CPU its clock and governor. "": nothing
 * was sampled. Returns text. */
char *machine_text(const struct record *record, size_t size, char *text);

/* "throttled: 93% of the measured time (power limit)"; "": it was not, or nobody knows. Returns
 * text. */
char *machine_throttle_text(const struct record *record, size_t size, char *text);

#endif
