/* SPDX-License-Identifier: Apache-2.0 */
/* How long a thread must spin so that its work appears slower by a known share. Reads no clock. */
#ifndef TESTS_TOOLS_SLOW_CLOCK_H
#define TESTS_TOOLS_SLOW_CLOCK_H

/*
 * Until when a thread spins, as a moment of its own CPU clock. `now` of that clock, of which `spun`
 * went to spinning and the rest, w = now - spun, to work; afterwards spun' = w percent / 100:
 *
 *     until = now + w percent / 100 - spun        and never before `now`
 *
 * All in seconds. Of two calls the second accounts for the work between them alone, and a spin that
 * ended late makes the next one shorter.
 */
static inline double slow_clock_until(double now, double spun, double percent)
{
    double owed = (now - spun) * percent / 100 - spun;
    return owed > 0 ? now + owed : now;
}

#endif
