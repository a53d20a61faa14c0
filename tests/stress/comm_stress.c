/* SPDX-License-Identifier: Apache-2.0 */
/* Random traffic between eight thread ranks for some seconds, for the thread sanitizer. Usage:
 * comm_stress [SECONDS] */
#include "tests/support/ranks.h"
#include "tests/support/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct stress {
    int rounds;
    uint64_t seed;
};

static enum status drive(struct rank *self)
{
    const struct stress *stress = self->arg;
    uint64_t digest;
    TRY(traffic_run(self->world, self->queue, stress->seed, stress->rounds, 20000, &digest));
    return comm_agree(self->world, ST_OK);
}

/* All ranks but one wait when that one gives up. */
static enum status give_up(struct rank *self)
{
    const struct stress *stress = self->arg;
    uint64_t digest;
    int culprit = (int)(stress->seed % (uint64_t)self->size);
    if (self->rank == culprit)
        return fail(ST_OOM, "on purpose");
    return traffic_run(self->world, self->queue, stress->seed, stress->rounds, 20000, &digest);
}

int main(int argc, char **argv)
{
    enum { RANKS = 8, ROUNDS = 100 };
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
    struct stress stress = {.rounds = ROUNDS};
    while (time(NULL) < end) {
        stress.seed++;
        enum status st = ranks_run(RANKS, drive, &stress);
        if (st != ST_OK) {
            fprintf(stderr, "seed %d: %s\n", (int)stress.seed, status_text());
            return 1;
        }
        st = ranks_run(RANKS, give_up, &stress);
        if (st != ST_OOM) {
            fprintf(stderr, "seed %d, abort: %s\n", (int)stress.seed, status_text());
            return 1;
        }
    }
    printf("comm_stress: %d rounds on %d ranks, and as many aborts, are right\n",
           ROUNDS * (int)stress.seed, RANKS);
    return 0;
}
