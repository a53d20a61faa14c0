/* SPDX-License-Identifier: Apache-2.0 */
/* What the fake libraries' processes share: messages, meetings, who is gone. For the fakes only. */
#ifndef TESTS_NCCL_FAKE_WIRE_H
#define TESTS_NCCL_FAKE_WIRE_H

#include "tests/nccl/fake.h"

#include <stdatomic.h>
#include <stddef.h>

enum wire_kind { WIRE_MESSAGE, WIRE_GATHER, WIRE_SUM };

/* Half of a message on a communicator: the data's end here. */
struct wire_half {
    bool sends;
    enum wire_kind kind;
    int peer;
    void *data;
    size_t bytes;
    bool asked; /* of a receive: the sender may see it */
    bool done;
};

/* One rank's word in a meeting of a communicator. */
struct wire_vote {
    int color, key;
    bool fails;
};

/* What came of a meeting: the communicator of my color. */
struct wire_child {
    int id, rank, size;
    bool broken; /* a rank of it fails */
};

/* The rank of this process in the world, -1 in the parent; its faults. */
int wire_me(void);
const struct fake_faults *wire_faults(void);

/* True for the nth of `count` (counted here) where the fault is this rank's. */
bool wire_strikes(const struct fake_fault *fault, int *count);

/* A communicator that nobody has used. */
int wire_new(void);

/* It is that of all processes. */
void wire_world(int comm, int size);

/* Does what can be done now for half a message of `rank`. */
void wire_step(int comm, int rank, struct wire_half *half);

/* The `round`th meeting (from 0) of all ranks, on the host. False: a rank is gone, or `*left`
 * became true. */
bool wire_meet(int comm, int rank, int round, const struct wire_vote *mine, const atomic_bool *left,
               struct wire_child *out);

/* This rank gives the communicator up, or back; what it is then missed by. */
void wire_leave(int comm, int rank, bool gives_up);
bool wire_lost(int comm);     /* some rank gave up, or its process ended */
bool wire_all_left(int comm); /* each rank left it, or its process ended */

#endif
