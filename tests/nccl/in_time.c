/* SPDX-License-Identifier: Apache-2.0 */
/* The one judge of in_time.h. */
#include "tests/nccl/in_time.h"

#include <criterion/criterion.h>

void run_in_time(struct ranks_job job, struct rank_end *end)
{
    if (job.timeout_s == 0)
        job.timeout_s = job.faults.loss_is_told ? UNUSED_TIMEOUT_S : TIMEOUT_S;
    ranks_run(&job, end);
    cr_assert_null(fake_complaint(), "%s", fake_complaint());
    for (int r = 0; r < job.ranks; r++) {
        if (job.dies && r == job.dead)
            continue;
        cr_assert(end[r].ended, "rank %d did not end: signal %d", r, end[r].signal);
        cr_assert_lt(end[r].ended_s, ENDED_S, "rank %d: %s", r, end[r].text);
        cr_assert_lt(end[r].closing_s, CLOSING_S, "rank %d: %s", r, end[r].text);
    }
}
