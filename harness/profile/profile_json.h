/* SPDX-License-Identifier: Apache-2.0 */
/* profile.json: what was looked at, what was counted, what looking cost, how far clocks agree. */
#ifndef HARNESS_PROFILE_PROFILE_JSON_H
#define HARNESS_PROFILE_PROFILE_JSON_H

#include "harness/profile/profile.h"

#include <jansson.h>

#define PROFILE_SCHEMA "ditbench-profile-1"

/* NULL: no memory. */
json_t *profile_json(const struct profile_options *options, const struct profile *profile);

/* Percent by which the recorded loop was slower than the plain run's median. NAN: not known. */
double profile_overhead(const struct record *plain, const struct profile *profile);

/* How far, at most and in percent of the loop, the end of a step by the records lies from its end
 * by the run's own marks. NAN: not known. */
double profile_clock_error(const struct profile *profile);

#endif
