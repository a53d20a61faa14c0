/* SPDX-License-Identifier: Apache-2.0 */
/* When a cell's time is up. Ends nobody. */
#include "harness/launch/timeout.h"

#include "kernels/base/clock.h"

double timeout_silence_s(double total_s)
{
    return total_s > 0 ? total_s : TIMEOUT_SILENCE_S;
}

struct timeout timeout_start(double total_s, double silence_s)
{
    double now = clock_seconds();
    return (struct timeout){
        .total_s = total_s,
        .silence_s = silence_s > 0 ? silence_s : timeout_silence_s(total_s),
        .start = now,
        .heard = now,
    };
}

void timeout_restart(struct timeout *timeout)
{
    timeout->start = clock_seconds();
}

void timeout_heard(struct timeout *timeout)
{
    timeout->heard = clock_seconds();
}

bool timeout_ran_out(const struct timeout *timeout, bool *silent, double *limit_s)
{
    double now = clock_seconds();
    bool late = timeout->total_s > 0 && now - timeout->start > timeout->total_s;
    *silent = !late;
    *limit_s = late ? timeout->total_s : timeout->silence_s;
    return late || now - timeout->heard > timeout->silence_s;
}
