/* SPDX-License-Identifier: Apache-2.0 */
/* The clock by which this program waits and measures on the host: it never goes back. */
#ifndef KERNELS_BASE_CLOCK_H
#define KERNELS_BASE_CLOCK_H

#include <time.h>

/* Seconds since some moment in the past, the same for all threads and processes of a host. */
double clock_seconds(void);

/* A moment of clock_seconds for calls that want one of CLOCK_MONOTONIC, such as
 * pthread_cond_timedwait. */
struct timespec clock_moment(double seconds);

#endif
