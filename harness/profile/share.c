/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the shares of a step. */
#include "harness/profile/breakdown.h"

const char *share_name(enum share share)
{
    static const char *const name[SHARES] = {
        [SHARE_COMPUTE] = "compute", [SHARE_EXPOSED] = "exposed_comm",
        [SHARE_BUBBLE] = "bubble",   [SHARE_WAIT] = "wait",
        [SHARE_GAPS] = "gaps",       [SHARE_OTHER] = "other",
    };
    BUG_ON((unsigned)share >= SHARES, "share %d does not exist", (int)share);
    return name[share];
}
