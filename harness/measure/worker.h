/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs and measures one cell on the ranks that live in this process, checks its latents against the
 * one-rank run, and fills a record. Starts no process; prints nothing.
 */
#ifndef HARNESS_MEASURE_WORKER_H
#define HARNESS_MEASURE_WORKER_H

#include "harness/cell/pins.h"
#include "harness/launch/ranks.h"
#include "kernels/comm/rendezvous.h"

/* Looks at measured loops. Each function is called in the rank's own thread. */
struct worker_observer {
    bool every_loop; /* else the last measured one only */
    /* Before the rank opens its run; where it fails on one rank, all ranks leave. */
    enum status (*rank_begins)(void *self, const struct rank *rank, const struct plan *plan);
    /* Collective, right before and after the loop; the status is the same on all ranks. steps,
     * loop_ms and step_end_ms [steps]: as run_loop tells them. */
    enum status (*loop_begins)(void *self, const struct rank *rank);
    enum status (*loop_ends)(void *self, const struct rank *rank, int steps, double loop_ms,
                             const double *step_end_ms);
    /* After a rank_begins that did well, whatever came of the loops. */
    void (*rank_ends)(void *self, const struct rank *rank);
    void *self;
};

struct worker {
    const struct setup *setup;
    /* this process' place among those of mpirun or fork_ranks.h; NULL: all ranks are here */
    const struct rendezvous *place;
    const char *identity; /* of the weights */
    const char *pins;     /* pins_text of the files behind it; NULL: none */
    const char *output;   /* safetensors file for the final latents, or NULL */
    const char *image; /* FILE.png for the last loop's pictures, which last_image_check passed; or
                          NULL */
    /* (optional) what the process that will have the record does now: "load", "reference", "open",
     * "warm-up", "measure" (the measured loops, and nothing else), "gather", "decode"; from any
     * thread, one at a time. The watchdog of every process hears it too. */
    void (*on_phase)(void *self, const char *name);
    /* (optional) steps done of the phase's loops, on the rank that has the result; at times, from
     * its thread */
    void (*on_beat)(void *self, long done, long total);
    /* (optional) the loops failed on a rank that is a process; the failure is in this thread's
     * record. To say so and to end the process: what the rank holds may wait for a peer forever.
     * NULL, or when it returns: it is released */
    void (*on_failure)(void *self, enum status st);
    void *self;
    const struct worker_observer *observer; /* (optional) NULL: nobody looks */
};

/*
 * Collective over the cell's processes. *out: the record, on the process of plan_output_rank; NULL
 * elsewhere. Its id, time, argv, experiment and env are the caller's to fill. ST_WRONG, on every
 * process: the record says why.
 */
enum status worker_run(const struct worker *worker, struct record **out);

#endif
