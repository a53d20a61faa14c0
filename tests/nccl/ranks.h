/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks as processes over the NCCL transport and the fake libraries, and what became of each. */
#ifndef TESTS_NCCL_RANKS_H
#define TESTS_NCCL_RANKS_H

#include "kernels/base/arena.h"
#include "kernels/comm/mesh.h"
#include "tests/nccl/fake.h"

enum { RANKS_TEXT = 1100, RANKS_SMS = 132 }; /* of a rank's GPU */

/* What a rank's function gets; its mesh and arena, if it opens them, are closed for it, and then
 * the world. */
struct rank {
    int rank, size;
    const void *arg;
    struct comm *world;
    struct mesh *mesh;
    struct arena *arena;
    struct device *dev;
    struct queue *q;
};

struct rank_end {
    bool ended; /* by itself, in time */
    int signal; /* that ended it; 0: none */
    enum status status;
    char text[RANKS_TEXT]; /* status_message */
    double ended_s;        /* seconds from the start of all to its end */
    double closing_s;      /* of them, closing mesh, world and queue */
    int left;              /* fake_left at the end */
};

struct ranks_job {
    int ranks;
    double timeout_s;     /* the rendezvous' */
    const char *exchange; /* the same */
    enum status (*body)(struct rank *self);
    const void *arg; /* what the bodies read */
    struct fake_faults faults;
    bool dies; /* the rank `dead`: it is not to end by itself */
    int dead;
};

/* Runs job->body on every rank, and kills those that are there after LIMIT_S. The fakes are open
 * until ranks_close. */
void ranks_run(const struct ranks_job *job, struct rank_end *end /* [ranks] */);
void ranks_close(void);

/* In a rank: until the rank `rank` has ended. */
void ranks_await_end(int rank);

#endif
