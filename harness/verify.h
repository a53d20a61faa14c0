/* SPDX-License-Identifier: Apache-2.0 */
/* Computes what a reference file asks for, in parallel where wanted, and compares. Starts no
 * process. */
#ifndef HARNESS_VERIFY_H
#define HARNESS_VERIFY_H

#include "harness/cell.h"
#include "harness/verify_file.h"
#include "kernels/comm/rendezvous.h"

struct verify {
    const struct cell *cell; /* model, strategy, ranks, threads, dtype, backend, transport */
    const struct verify_file *file;
    const struct rendezvous *mpi; /* this process' place under mpirun; NULL: ranks are threads */
    double tolerance;             /* NaN: the file's in fp32, by the kind in other types */
    bool agreed; /* out: a failure is the same on every rank, and nobody waits for this one */
};

/* One line for each compared tensor on standard output, on the rank that has the result. ST_WRONG:
 * an error is above its tolerance; the same on every rank. */
enum status verify_run(struct verify *verify);

#endif
