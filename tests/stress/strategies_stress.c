/* SPDX-License-Identifier: Apache-2.0 */
/* Every strategy on 8 thread ranks (or as many as it takes), for the thread sanitizer: no assertion
 * but success. */
#include "tests/support/cells.h"

#include <stdio.h>

static const char *const specs[] = {
    "data=8",
    "cfg=2,data=4",
    "ulysses=4,cfg=2",
    "ring=8",
    "usp=8:ulysses=4",
    "tensor=4,cfg=2",
    "tensor=4:chunks=3,cfg=2",
    "pipefusion=8:patches=4:warmup=1",
    "distrifusion=5:warmup=1",
    "cfg=2,pipefusion=2:patches=4:warmup=1,ulysses=2",
    "cfg=2,pipefusion=2:patches=2:warmup=0,ring=2",
    "distrifusion=2:warmup=1,ring=2,ulysses=2",
};

int main(void)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    setup.requests = 8;
    setup.steps = 3;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct cell_result result;
        if (cell_run(&setup, specs[i], 2, &result) != ST_OK || !result.bytes_match) {
            fprintf(stderr, "%s: %s %s\n", specs[i], status_text(), result.mismatch);
            return 1;
        }
        cell_release(&result);
        fprintf(stderr, "ok %s\n", specs[i]);
    }
    return 0;
}
