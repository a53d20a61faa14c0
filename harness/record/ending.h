/* SPDX-License-Identifier: Apache-2.0 */
/* How a cell ends, as its record's `status` has it, and the exit code of the program that ends so.
 * Not what a function returns: that is enum status. */
#ifndef HARNESS_RECORD_ENDING_H
#define HARNESS_RECORD_ENDING_H

#include "kernels/base/status.h"

#include <stdbool.h>

/* Every status but ENDING_INTERRUPTED is final: a sweep does not run such a cell again by itself.
 */
enum ending {
    ENDING_OK,
    ENDING_WRONG,       /* the check failed, or the bytes counted differ from the closed form */
    ENDING_UNSUPPORTED, /* refused by the plan; nothing was started */
    ENDING_OOM,
    ENDING_TIMEOUT,
    ENDING_CRASH,       /* a rank died of a signal */
    ENDING_ERROR,       /* a rank ended with another failure */
    ENDING_INTERRUPTED, /* stopped by the user */
    ENDINGS,
};

const char *ending_name(enum ending ending); /* "ok", "wrong", ... */
bool ending_find(const char *name, enum ending *out);
bool ending_final(enum ending ending);

/* How a cell ends that failed with `st`. */
enum ending ending_of(enum status st);

#endif
