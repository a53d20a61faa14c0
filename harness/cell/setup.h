/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell made ready: defaults filled, the model's shapes read, the specification parsed, the
 * schedule computed. Opens no device and reads no weights, so that `plan` and a sweep's preview are
 * quick.
 */
#ifndef HARNESS_CELL_SETUP_H
#define HARNESS_CELL_SETUP_H

#include "harness/cell/cell.h"
#include "harness/launch/ranks.h"
#include "harness/record/record.h"
#include "models/prompt.h"
#include "models/sampler.h"
#include "models/weights.h"
#include "strategies/plan.h"

struct setup {
    struct cell cell; /* every default filled; strategy in canonical form */
    struct model model;
    struct safetensors *text; /* the file of --text, or NULL */
    struct problem problem;   /* points to model */
    struct spec spec;         /* as parsed */
    struct sampler *sampler;  /* or NULL: the model has none */
    int threads_asked;        /* 0: none were; the cell has at least one for each rank */
    bool mpirun;              /* this process is one of mpirun's */
};

/* place: of this process among those of mpirun or fork_ranks.h; NULL: none of them. ST_INVALID,
 * ST_IO; a specification that the plan may refuse is not looked at beyond its grammar. */
enum status setup_open(const struct cell *asked, const struct rendezvous *place,
                       struct setup **out);
void setup_close(struct setup *setup);

/* ST_UNSUPPORTED where this build or machine lacks the backend, the transport or the dtype; says
 * what is there. */
enum status setup_check_build(const struct setup *setup);

/* Does mpirun start the ranks of this cell? */
bool setup_processes(const struct setup *setup);

/* Does fork_ranks.h start them: one process for each GPU of this host? */
bool setup_forks(const struct setup *setup);

/* Before a rank's process wakes CUDA: where the plan has more streams over NCCL than CUDA has work
 * queues (8, unless CUDA_DEVICE_MAX_CONNECTIONS says otherwise), as many queues as streams, lest a
 * receive that was posted ahead hold up in a shared one what it waits for. No more than that: with
 * 32 strategies that need few took 2 to 8 % longer (results/README.md, "What is chosen for the
 * user"). */
void setup_work_queues(const struct setup *setup, const struct plan *plan);

/* The ranks of the cell, of which this process is the one at `place`, or, where that is NULL, has
 * all as threads. Borrows both. */
struct ranks setup_ranks(const struct setup *setup, const struct rendezvous *place);

/* Seconds that a rank waits for another before it gives up: less than the launcher's clock leaves,
 * so that the row can say who waited for what. 0: only the launcher's clock counts. */
double setup_watch_s(const struct setup *setup);

/* The transport that the ranks really use: a lone rank has nobody to meet, and needs no NCCL. */
const char *setup_transport(const struct setup *setup);

/* The checkpoint, or synthetic weights of the cell's seed. */
enum status setup_weights(const struct setup *setup, struct weights **out);

/* Conditions of all requests: of the file, or synthetic. */
enum status setup_prompt(const struct setup *setup, struct prompt **out);

/* GPUs here that its backend computes on; 0 where it computes on the host. */
int setup_gpus(const struct setup *setup);

/* Reads the file of conditions and lets it go: what no rank could take is refused before there is
 * one. ST_INVALID names file, tensor, found and wanted. */
enum status setup_check_text(const struct setup *setup);

/* The cell as its record has it; texts are borrowed from setup and `weights`. */
struct record_cell setup_record_cell(const struct setup *setup, const char *weights);

/* Fills record->cell with copies. */
void setup_name_record(const struct setup *setup, const char *weights, struct record *record);

#endif
