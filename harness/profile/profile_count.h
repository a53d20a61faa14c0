/* SPDX-License-Identifier: Apache-2.0 */
/* The hardware's counters of a profile: a run of their own, which a failure leaves without figures
 * and the rest of the profile as it is. */
#ifndef HARNESS_PROFILE_PROFILE_COUNT_H
#define HARNESS_PROFILE_PROFILE_COUNT_H

#include "harness/profile/profile.h"

/* Fills profile->counters, or no_counters. code: how the recorded run ended; after a bad end there
 * is nothing to count. */
void profile_count(const struct setup *setup, const struct profile_options *options,
                   enum status code, struct profile *profile);

#endif
