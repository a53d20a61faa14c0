/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cells of a pack on a machine: what of them it can run, and what each rank would hold and
 * send, by its plan. Runs nothing.
 *
 * Points of one cell share it. A cell of more ranks than the machine has GPUs is not run for its
 * speed; where its ranks fit on the GPUs that there are, a bounded run of them as threads (`count`)
 * tells memory and bytes, else the plan does.
 */
#ifndef HARNESS_PAPER_CELLS_H
#define HARNESS_PAPER_CELLS_H

#include "harness/cell/filter.h"
#include "harness/paper/pack.h"
#include "harness/record/list.h"

enum paper_fate { PAPER_RUNS, PAPER_NEEDS_GPUS, PAPER_NEEDS_MEMORY, PAPER_REFUSED, PAPER_FATES };

/* Where a pack is reproduced. */
struct paper_machine {
    int gpus;        /* 0: none */
    uint64_t memory; /* bytes free on the one that has the least; 0: unknown */
    bool stand_in;   /* tiny models on the CPU take the place of all */
};

/* In a stand-in: what more ranks than these are cut to, where the specification says {gpus}. */
enum { PAPER_STAND_IN_RANKS = 4, PAPER_COUNTED_STEPS = 3, PAPER_FATE_TEXT = 600 };

struct paper_cell {
    struct cell cell; /* every default filled */
    char id[RECORD_ID_SIZE];
    enum paper_fate fate;
    char text[PAPER_FATE_TEXT]; /* "runs", "needs 8 GPUs", the plan's refusal */
    bool bounded;               /* fewer steps than were published */
    double steps;               /* of the loop that it stands for */
    int warmup;                 /* synchronous steps of a stale strategy, 0: none */
    bool planned;               /* the plan takes it, and so: */
    uint64_t bytes;             /* of the rank that holds most */
    uint64_t wire;              /* that the rank that sends most sends in a loop of `steps` */
    struct cell counted;        /* the same as threads that share GPUs, for memory and bytes: */
    char counted_id[RECORD_ID_SIZE]; /* "": it needs none, or would be too long */
    bool count;                      /* fits this machine, and is to be run */
    bool wanted;                     /* of a filter; true without one */
};

struct paper_cells {
    int n;
    struct paper_cell *v;
    int *of; /* by point of the pack: its cell, or -1 */
};

/* As this machine is now. */
struct paper_machine paper_machine_here(void);

/* Release *out whatever the status. ST_INVALID: a cell that no machine could set up. */
enum status paper_cells_make(const struct pack *pack, const struct paper_machine *machine,
                             struct paper_cells *out);
void paper_cells_release(struct paper_cells *cells);

/* Sets `wanted`, by the text of `cell`. How many are. */
int paper_cells_choose(struct paper_cells *cells, const struct filter *filter);

/* One line a cell that is wanted on standard output, and their number by fate. ST_OOM. */
enum status paper_cells_print(const struct pack *pack, const struct paper_cells *cells);

#endif
