/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cell from its setup to its record, whatever happens on the way: refused, too large, started
 * in processes of its own, watched, ended. `run` and `sweep` share it.
 */
#ifndef HARNESS_MEASURE_OUTCOME_H
#define HARNESS_MEASURE_OUTCOME_H

#include "harness/cell/pins.h"
#include "harness/host/monitor.h"

struct outcome_options {
    const char *experiment; /* name for the record; "" for a single run */
    int argc;
    char **argv;             /* the command and its arguments, for the record */
    const char *identity;    /* of the weights; weights_identity() */
    const struct pins *pins; /* (optional) the files behind it: where one changed, it is an error */
    const char *log;         /* file for what the processes say; removed when all went well */
    const char *output;      /* safetensors file for the latents, or NULL */
    const char *image;       /* FILE.png for pictures of them, or NULL; as struct worker has it */
    const char *profile;     /* (optional) folder: the last loop is recorded there */
    const char *counters;    /* (optional) folder: the hardware's counters of all loops go there */
    void (*on_progress)(void *self, const char *phase, long done, long total); /* (optional) */
    void *on_progress_self;
};

/* *out: always a record, but where the status is ST_OOM (no host memory for one) or ST_IO (nothing
 * could be started). *code: the status that the program would exit with for this cell; its message
 * is the record's reason. */
enum status outcome_run(const struct setup *setup, const struct outcome_options *options,
                        struct record **out, enum status *code);

/* ST_OK, or why the cell is not to be started: its plan's refusal (ST_UNSUPPORTED), or more memory
 * than this machine has now (ST_OOM). predicted [ranks]: bytes of each rank, valid unless the plan
 * refuses. */
enum status outcome_foresee(const struct setup *setup, uint64_t *predicted);

/* Fills id, cell, experiment, argv, env and time of a record of this cell, which began under
 * `load`: env_load(). */
void outcome_name(const struct setup *setup, const struct outcome_options *options, double load,
                  struct record *record);

/* Watches the machine of the cell: on this host, those GPUs that its ranks take. For a process that
 * runs the ranks itself; outcome_run does so too. As monitor_open. */
enum status outcome_watch(const struct setup *setup, struct monitor **out);

/* A named record of a cell that failed with `st` before anything was measured; the reason is the
 * error record's. */
enum status outcome_failed(const struct setup *setup, const struct outcome_options *options,
                           enum status st, struct record **out);

/* The id of the cell's record. */
enum status outcome_id(const struct setup *setup, const char *identity, char id[RECORD_ID_SIZE]);

#endif
