/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs and measures one cell on the ranks that live in this process, checks its latents against the
 * one-rank run, and fills a record. Starts no process; prints nothing.
 */
#ifndef HARNESS_MEASURE_WORKER_H
#define HARNESS_MEASURE_WORKER_H

#include "harness/cell/pins.h"
#include "kernels/comm/rendezvous.h"

struct worker {
    const struct setup *setup;
    /* this process' place among those of mpirun or fork_ranks.h; NULL: all ranks are here */
    const struct rendezvous *place;
    const char *identity; /* of the weights */
    const char *pins;     /* pins_text of the files behind it; NULL: none */
    const char *output;   /* safetensors file for the final latents, or NULL */
    /* (optional) what the process that will have the record does now: "load", "reference", "open",
     * "measure"; from any thread, one at a time. The watchdog of every process hears it too. */
    void (*on_phase)(void *self, const char *name);
    /* (optional) steps done of all loops, on the rank that has the result; at times, from its
     * thread */
    void (*on_beat)(void *self, long done, long total);
    /* (optional) the loops failed on a rank that is a process; the failure is in this thread's
     * record. To say so and to end the process: what the rank holds may wait for a peer forever.
     * NULL, or when it returns: it is released */
    void (*on_failure)(void *self, enum status st);
    void *self;
};

/*
 * Collective over the cell's processes. *out: the record, on the process of plan_output_rank; NULL
 * elsewhere. Its id, time, argv, experiment and env are the caller's to fill. ST_WRONG, on every
 * process: the record says why.
 */
enum status worker_run(const struct worker *worker, struct record **out);

#endif
