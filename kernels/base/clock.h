/* SPDX-License-Identifier: Apache-2.0 */
/* The clock by which this program waits and measures on the host: it never goes back. */
#ifndef KERNELS_BASE_CLOCK_H
#define KERNELS_BASE_CLOCK_H

/* Seconds since some moment in the past, the same for all threads and processes of a host. */
double clock_seconds(void);

#endif
