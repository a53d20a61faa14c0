/* SPDX-License-Identifier: Apache-2.0 */
/* The ceilings of the device at hand: those that are kept, else measured now and kept. */
#ifndef HARNESS_PROFILE_CEILINGS_KEPT_H
#define HARNESS_PROFILE_CEILINGS_KEPT_H

#include "harness/profile/ceilings_file.h"
#include "harness/profile/ceilings_measure.h"

/*
 * Every set of the device; where none is of measure->dtype, that one is measured, with
 * measure->seconds: CEILINGS_BRIEF_S for the short form. `word` (CEILINGS_WORD bytes): what was
 * damaged or could not be kept, else "". What ceilings_measure_run and ceilings_file_key return.
 */
enum status ceilings_kept_get(const struct ceilings_measure *measure, struct ceilings *out,
                              char *word);

/* Measures whatever is kept, and keeps it in its place. *kept: it could be; if not, or if what was
 * there was damaged, `word` says so. */
enum status ceilings_kept_renew(const struct ceilings_measure *measure, struct ceilings_set *out,
                                bool *kept, char *word);

#endif
