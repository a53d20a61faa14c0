/* SPDX-License-Identifier: Apache-2.0 */
/* The profile of a row of a results file, where `sweep --profile` put it. Reads profile.json only
 * as far as to know whose it is. */
#ifndef HARNESS_PROFILE_PROFILE_FIND_H
#define HARNESS_PROFILE_PROFILE_FIND_H

#include "harness/record/record.h"

#include <limits.h>
#include <stdbool.h>

/* The folder of a row's profile beside its results file; false: it has none. */
bool profile_find(const char *results, const struct record *record, char folder[PATH_MAX]);

#endif
