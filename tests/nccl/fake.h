/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CUDA runtime and an NCCL for processes without a GPU: what the transport's own objects are
 * linked with here. Streams run in order behind the caller's back, a message leaves its sender only
 * when its receive was posted, and what a real library would hang or crash on is complained of.
 * They move bytes and sum floats; there is no kernel but that of kernels/cuda/exchange_lsa.h, and
 * there are no graphs.
 *
 * Ranks are processes forked after fake_open. All they share is the memory that it maps.
 */
#ifndef TESTS_NCCL_FAKE_H
#define TESTS_NCCL_FAKE_H

#include <stdbool.h>

enum { FAKE_RANKS = 8 };

/* The nth such call of that rank fails, counted from 1; 0: none does. */
struct fake_fault {
    int rank, nth;
};

struct fake_faults {
    struct fake_fault split;         /* ncclCommSplit, of its color; the peers there lose it */
    struct fake_fault send;          /* ncclSend of anything but bytes */
    struct fake_fault host_memory;   /* cudaHostAlloc */
    struct fake_fault gpu_memory;    /* cudaMalloc */
    struct fake_fault window_memory; /* ncclMemAlloc */
    struct fake_fault allocation;    /* calloc and malloc, of all but the fakes */
    unsigned other_version; /* bit r: the rank r of the world was compiled with another NCCL, */
    unsigned small_team;    /* shares its memory with nobody, */
    unsigned no_window;     /* gets no window where it registers one */
    bool loss_is_told;      /* peers' ends are asynchronous errors, as over a network; else, as over
                               NVLink, who waits for such a peer waits for ever */
    double abort_s;         /* what ncclCommAbort takes once its kernels have left */
};

/* Before the ranks are forked, and when they are gone. */
void fake_open(void);
void fake_close(void);

/* First thing in a rank's process. faults: borrowed. */
void fake_enter(int rank, const struct fake_faults *faults);

/* A process that ended, as its parent or itself knows; true once it has. */
void fake_end(int rank);
bool fake_ended(int rank);

/* The first complaint of any rank; NULL: none. Told apart from statuses: it is a test's failure,
 * whatever the ranks make of it. */
const char *fake_complaint(void);
void fake_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True when a fault has struck some rank. */
bool fake_struck(void);

/* Of this process: streams, events, allocations and communicators that were not given back; groups
 * of this thread that are open. */
int fake_left(void);
int fake_groups_open(void);

#endif
