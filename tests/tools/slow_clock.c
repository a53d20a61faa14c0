/* SPDX-License-Identifier: Apache-2.0 */
/* A library to preload, which makes a program slower by SLOW_PERCENT % of what its threads compute,
 * so that a comparison has a known answer. Never linked to anything. */
#include "tests/tools/slow_clock.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of this thread's CPU time; what threads wait is not made longer. */
static _Thread_local double spun;

static int read_clock(clockid_t clock, struct timespec *at)
{
    return (int)syscall(SYS_clock_gettime, clock, at);
}

static double worked_s(void)
{
    struct timespec at;
    read_clock(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

/* The C library's, but a thread that reads the time first pays for the work since its last reading.
 * So whatever lies between two readings is longer, wherever a program takes them. */
int clock_gettime(clockid_t clock, struct timespec *at)
{
    const char *percent = getenv("SLOW_PERCENT");
    double begin = worked_s(), now = begin;
    double until = slow_clock_until(begin, spun, percent ? strtod(percent, NULL) : 0);
    while (now < until)
        now = worked_s();
    spun += now - begin;
    return read_clock(clock, at);
}
