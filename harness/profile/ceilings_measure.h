/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures the rates of ceilings.h on the devices at hand. Prints and keeps nothing.
 *
 * A sample is the time, by the device's events, from the first to the last of several calls in a
 * row, captured as a graph where the device captures, divided by their number. Operands are random
 * and cold (operands.h). A rate is that of the median sample.
 */
#ifndef HARNESS_PROFILE_CEILINGS_MEASURE_H
#define HARNESS_PROFILE_CEILINGS_MEASURE_H

#include "harness/profile/ceilings.h"
#include "kernels/base/status.h"

enum { CEILINGS_BRIEF_S = 5, CEILINGS_FULL_S = 30 };

struct ceilings_measure {
    const char *backend;
    enum dtype dtype;
    int threads;    /* of the CPU */
    int devices;    /* GPUs that are seen; exchanges take all of them */
    double seconds; /* in all, about; below LADDER_SHORT_S: the short form */
    bool nvtx;
    /* (optional) after each rate, from the thread that measured it */
    void (*on_rate)(void *self, const struct ceilings_rate *rate);
    void *self;
};

/* Fills all but the key. ST_OOM, ST_DEVICE, ...: no rates. Exchanges that fail do not fail the
 * rest: no_exchange says why. */
enum status ceilings_measure_run(const struct ceilings_measure *measure, struct ceilings_set *out);

#endif
