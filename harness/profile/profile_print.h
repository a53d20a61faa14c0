/* SPDX-License-Identifier: Apache-2.0 */
/* A profile at the terminal: what looking cost, where the steps' time went, what could be won. */
#ifndef HARNESS_PROFILE_PROFILE_PRINT_H
#define HARNESS_PROFILE_PROFILE_PRINT_H

#include "harness/profile/profile.h"

#include <stdio.h>

/* ST_OOM. */
enum status profile_print(const struct setup *setup, const struct profile_options *options,
                          const struct profile *profile, FILE *out);

#endif
