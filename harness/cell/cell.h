/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cell as it was asked for: the same options whether they come from a command line or from an
 * experiment file. Plain data with a text form; whether the model can do it is setup.h's business.
 *
 * Values that were not given stand as 0, "" or NaN until setup_cell fills them.
 */
#ifndef HARNESS_CELL_CELL_H
#define HARNESS_CELL_CELL_H

#include "kernels/base/status.h"
#include "kernels/base/tensor.h"
#include "strategies/spec.h"

enum { CELL_MODEL = 256, CELL_NAME = 16, CELL_LINE = 1600 };

/* In place of a number of loops: a rule says when they are enough. */
enum { CELL_AUTO = -1 };

struct kind_ops;

struct cell {
    char model[CELL_MODEL];      /* preset or folder; "": none given */
    const struct kind_ops *kind; /* of a folder that holds several; NULL: the first */
    int width, height;           /* pixels; 0: the model's own */
    int frames;                  /* 0: one */
    int steps;                   /* 0: the model's own */
    double guidance;             /* NaN: the model's own; <= 1: unguided */
    int requests;                /* 0: one */
    const char *text;            /* file of conditions, borrowed; NULL: synthetic ones */
    int64_t seed;                /* -1: CELL_SEED */
    char dtype[CELL_NAME];       /* "": by the backend */
    char backend[CELL_NAME];
    char transport[CELL_NAME];
    char exchange[CELL_NAME]; /* how nccl exchanges heads: auto, nccl, lsa; "": auto */
    bool graph;               /* capture steps as CUDA graphs */
    char strategy[SPEC_TEXT]; /* "": serial */
    int ranks;                /* 0: the product of the degrees */
    int threads;              /* of all ranks together; 0: the cores, or one a rank if more */

    /* the measurement */
    int warmup_loops;
    int repeats;   /* measured loops, or CELL_AUTO; then the rule, as record_stop has it: */
    int min_loops; /* 0: none given */
    double min_seconds, max_seconds, max_noise; /* NaN: none given */
    int round, rounds; /* which of how many of a sweep, from 0; rounds 0: there are none */
    bool check;
    double timeout_s; /* 0: none */
    bool cache;       /* of one-rank runs: read and written */
    bool nvtx;        /* ranks tell their ranges to NVTX, tool or not */
};

enum { CELL_SEED = 1, CELL_MAX_RANKS = 65536, CELL_AUTO_WARMUP = 2 /* loops, at least */ };

/* Nothing given; one warm-up loop, five measured ones, checked. */
void cell_init(struct cell *cell);

/* Fills the rule and the warm-up loops of a cell of CELL_AUTO, whose backend is known. ST_INVALID:
 * a part of a rule that nothing looks at, for the loops are counted. */
enum status cell_fill_stop(struct cell *cell);

/* "model=... size=WxH steps=... strategy=... ranks=..." in a fixed order: equal for equal cells.
 * buffer of CELL_LINE bytes; returns it. */
char *cell_text(const struct cell *cell, char *buffer);

#endif
