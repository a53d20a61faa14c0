/* SPDX-License-Identifier: Apache-2.0 */
/* A set of round rates. */
#include "tests/harness/ceilings.h"

#include "harness/profile/ceilings_file.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void ceilings_by_hand(void)
{
    /* 100 GFLOP/s of products and of attention, 10 GB/s */
    static const struct ceilings_rate rate[] = {
        {CEILINGS_PRODUCT, "linear", "1x2", 0, 1e9, 1e7, 3, 1e4, 1e4, 1e4},
        {CEILINGS_ATTENTION, "attention", "1x2", 64, 1e9, 1e7, 3, 1e4, 1e4, 1e4},
        {CEILINGS_TRAFFIC, "copy", "1x2", 0, 0, 1e8, 3, 1e4, 1e4, 1e4},
    };
    struct ceilings_set set = {.dtype = DTYPE_F32, .seconds = 5, .n = 3};
    program_limit();
    setenv("DITBENCH_CACHE", program_folder(), 1);
    strcpy(set.time, "2026-01-02T03:04:05Z");
    memcpy(set.rate, rate, sizeof rate);
    cr_assert_eq(ceilings_file_key("cpu", 2, &set.key), ST_OK, "%s", status_text());
    cr_assert_eq(ceilings_file_store(&set), ST_OK, "%s", status_text());
}
