/* SPDX-License-Identifier: Apache-2.0 */
/* A communicator of the fake NCCL, for the fakes only. */
#ifndef TESTS_NCCL_FAKE_NCCL_H
#define TESTS_NCCL_FAKE_NCCL_H

#include <nccl.h>
#include <stdatomic.h>

struct ncclComm {
    int id, rank, size;
    int splits;
    int windows;          /* registered so far, by this process' count */
    atomic_int under_way; /* work on streams */
    atomic_bool ended;    /* given back or given up: must not be used */
    atomic_bool left;     /* given up: host calls leave, and kernels a little later */
    double left_s;        /* clock_seconds then */
};

/* Complains of a call on one that has ended. */
void fake_nccl_check_use(const struct ncclComm *comm, const char *call);

/* What a call answers where a rank is gone. */
ncclResult_t fake_nccl_lost(void);

#endif
