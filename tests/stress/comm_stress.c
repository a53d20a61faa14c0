/* SPDX-License-Identifier: Apache-2.0 */
/* Random traffic between eight thread ranks for some seconds, for the thread sanitizer. Usage:
 * comm_stress [SECONDS] */
#include "tests/support/threads.h"
#include "tests/support/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RANKS = 8, ROUNDS = 400, LONGEST = 2000 };

struct stress {
    int rounds;
    uint64_t seed;
};

static enum status drive(struct thread_rank *self)
{
    const struct stress *stress = self->arg;
    uint64_t digest;
    TRY(traffic_run(self->world, self->queue, stress->seed, stress->rounds, LONGEST, &digest));
    return comm_agree(self->world, ST_OK);
}

/* One rank gives up half way, with the others in the middle of their traffic. */
static enum status give_up(struct thread_rank *self)
{
    const struct stress *stress = self->arg;
    uint64_t digest;
    bool culprit = self->rank == (int)(stress->seed % (uint64_t)self->size);
    int rounds = culprit ? stress->rounds / 2 : stress->rounds;
    TRY(traffic_run(self->world, self->queue, stress->seed, rounds, LONGEST, &digest));
    if (culprit)
        return fail(ST_OOM, "on purpose");
    return comm_agree(self->world, ST_OK);
}

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
    struct stress stress = {.rounds = ROUNDS};
    int aborts = 0;
    while (time(NULL) < end) {
        stress.seed++;
        bool abort_too = stress.seed % 8 == 1;
        enum status st = threads_run(RANKS, drive, &stress);
        enum status end_of_abort = abort_too ? threads_run(RANKS, give_up, &stress) : ST_OOM;
        if (st != ST_OK || end_of_abort != ST_OOM) {
            fprintf(stderr, "seed %d: %s, with an abort %s: %s\n", (int)stress.seed,
                    status_name(st), status_name(end_of_abort), status_text());
            return 1;
        }
        aborts += abort_too;
    }
    printf("comm_stress: %d rounds on %d ranks are right, and so are %d aborts\n",
           ROUNDS * (int)stress.seed, RANKS, aborts);
    return 0;
}
