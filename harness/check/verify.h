/* SPDX-License-Identifier: Apache-2.0 */
/* Computes what a reference file asks for, in parallel where wanted, and compares. Starts no
 * process. */
#ifndef HARNESS_CHECK_VERIFY_H
#define HARNESS_CHECK_VERIFY_H

#include "harness/cell/cell.h"
#include "harness/check/verify_file.h"
#include "kernels/comm/rendezvous.h"

struct verify {
    const struct cell *cell; /* model, strategy, ranks, threads, dtype, backend, transport */
    const struct verify_file *file;
    /* this process' place among those of mpirun or fork_ranks.h; NULL: none of them */
    const struct rendezvous *place;
    double tolerance; /* NaN: the file's in fp32, by the kind in other types */
    /* (optional) on the rank that has the result: steps done, at the end all, before it is judged
     */
    void (*on_progress)(void *self, long done, long total);
    void *on_progress_self;
    bool agreed;   /* out: a failure is the same on every rank, and nobody waits for this one */
    int processes; /* out: > 0: nothing was computed; so many ranks want to be processes */
    double rel_l2; /* out: of the compared tensor; infinite: none was, or not on this rank */
};

/* One line for each compared tensor on standard output, on the rank that has the result. ST_WRONG:
 * an error is above its tolerance; the same on every rank. */
enum status verify_run(struct verify *verify);

#endif
