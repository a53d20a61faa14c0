/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structs of a record. They mirror the JSON object member by member: a member's name is its
 * key, and their order is the order in the line. What is done with them is in record.h.
 *
 * Absent values: a double that is not finite, a NULL text, an index of -1 and RECORD_UNKNOWN are
 * null in JSON.
 */
#ifndef HARNESS_RECORD_DATA_H
#define HARNESS_RECORD_DATA_H

#include "harness/record/data_list.h"
#include "harness/record/data_machine.h"
#include "harness/record/ending.h"

#include <stdbool.h>
#include <stdint.h>

#define RECORD_SCHEMA "ditbench-record-1"

enum { RECORD_ID_SIZE = 17 }; /* 16 hex digits and the end */

/* When a cell whose loops are not counted beforehand has been measured often enough: n loops, and
 * n >= min_loops or min_seconds gone, and half of the median's 95% interval is at most max_noise
 * percent of it; or max_seconds gone. Seconds count from the start of the first measured loop. */
struct record_stop {
    int min_loops; /* 0: there is no rule, all of it is null */
    double min_seconds, max_seconds;
    double max_noise; /* percent */
};

/* The question. Two cells are the same cell when all of this is equal. */
struct record_cell {
    const char *model;   /* preset, or checkpoint folder as given */
    const char *weights; /* "synthetic", or the hash of the checkpoint's files */
    int width, height;   /* pixels */
    int frames;          /* 1 for an image */
    int steps;           /* denoising steps */
    double guidance;     /* <= 1: unguided */
    int requests;        /* images or videos in one loop */
    const char *dtype;   /* "fp32", "bf16", "fp16" */
    const char *backend; /* "cpu", "cuda" */
    const char *transport;
    const char *strategy; /* canonical specification */
    int ranks;
    uint64_t seed;           /* at most INT64_MAX, JSON's integers here */
    int warmup_loops;        /* loops before the measured ones */
    int repeats;             /* measured loops; RECORD_UNKNOWN: `stop` tells */
    int threads;             /* CPU threads of all ranks together */
    const char *exchange;    /* how rows and sums travel over nccl: "auto", "nccl", "lsa" */
    int graph;               /* steps are captured and launched again, where that can be */
    struct record_stop stop; /* the rule where repeats is null */
    int round;               /* of a sweep in rounds, from 0 */
};

/* Time of a whole denoising loop: barrier to final latent, on the slowest rank. ms. */
struct record_latency {
    struct record_numbers samples; /* one for each measured loop */
    double median, p10, p90, min, max;
    int slowest_rank; /* of the median loop; -1: unknown */
};

/* Time between the ends of two steps on the rank that advances the last patch, in the median loop.
 * ms. */
struct record_steps {
    struct record_numbers samples; /* one for each step */
    double median, p10, p90;
};

/* Bytes, one value for each rank. */
struct record_memory {
    struct record_counts peak;      /* the arenas' high-water mark */
    struct record_counts predicted; /* what the plan said peak would be */
    struct record_counts weights, activations, kv_store, buffers; /* the parts of peak */
    struct record_counts library; /* what the device's libraries took besides */
};

/* Traffic of one rank on one axis over one loop. */
struct record_comm {
    int rank;
    const char *axis; /* the strategy's name */
    const char *op;   /* "all_to_all", "all_reduce", "all_gather", "send" */
    const char *when; /* "warmup_step", "step", "last_step", "once" */
    uint64_t calls;
    uint64_t api_bytes;            /* handed to the communication library */
    uint64_t wire_bytes;           /* counted from the messages that left the rank */
    uint64_t predicted_wire_bytes; /* from the plan's closed form */
};

struct record_comms {
    int n;
    struct record_comm *v;
};

/* Final latents against the one-rank run that they must equal. */
struct record_check {
    const char *against; /* that run's specification; NULL: not checked */
    double rel_l2;       /* ||x - reference|| / ||reference|| */
    double max_abs;
    double tolerance; /* of rel_l2 */
    int pass;
};

/* Final latents against the serial run: how far stale keys lead away. */
struct record_deviation {
    const char *against; /* "serial"; NULL: not computed */
    double rel_l2;
    double max_abs;
    double psnr_db; /* see quality.h; null when equal, for JSON has no infinity */
};

struct record_gpu {
    const char *name, *uuid, *driver;
    const char *pcie;    /* bus address and link, as text; NULL: unknown */
    const char *nvlink;  /* links to the peers, as text; NULL: none or unknown */
    double memory_bytes; /* in all; 0 or NaN: unknown */
};

struct record_gpus {
    int n;
    struct record_gpu *v;
};

/* NVLink multicast, by which NCCL's collectives may go. */
struct record_nvls {
    int enabled;   /* as NCCL_NVLS_ENABLE says; unknown: it leaves it to NCCL, or is not set */
    int supported; /* by the hardware: NVSwitch between all GPUs, compute capability 9 or more */
};

struct record_env {
    const char *host, *os, *cpu;
    int cores; /* CPUs that the ranks of a host may use; under mpirun those online */
    struct record_numbers load; /* runnable threads of the host, the last minute's mean: at the
                                   cell's start and end */
    const char *compiler, *flags;
    const char *commit;          /* of the build; "unknown" outside a repository */
    int dirty;                   /* the build's tree had changes that are not in the commit */
    struct record_map libraries; /* name: version */
    struct record_gpus gpus;
    /* a row a GPU, in the order of `gpus`, words as nvidia-smi topo has them; empty: not told */
    struct record_texts interconnect; /* "X NV18": way to each GPU */
    struct record_texts p2p; /* "X OK": whether one may read and write the other's memory */
    struct record_nvls nvls;
    /* "lsa": heads went for tokens, keys to peers, or sums were made, by one kernel; NULL: by
     * messages, if any */
    const char *exchange;
    struct record_map variables; /* environment variables that steer libraries, sorted */
};

struct record {
    const char *schema; /* RECORD_SCHEMA */
    const char *id;     /* record_cell_id; null in a line of another program: computed on reading */
    const char *experiment;
    const char *time; /* end of the cell, UTC, RFC 3339 */
    struct record_texts argv;
    struct record_cell cell;
    struct record_texts flags; /* what a reader must know before trusting the numbers: "noisy" */
    enum ending status;
    const char *reason; /* NULL when ok */
    struct record_latency latency_ms;
    struct record_steps step_ms;
    double decode_ms; /* of the last loop's latents to pictures, once, without warm-up, on one rank;
                         no part of the latency. Null where no picture was asked for */
    struct record_memory memory_bytes;
    struct record_comms comm;
    int comm_match; /* every wire_bytes equals its prediction */
    struct record_check check;
    struct record_deviation deviation;
    const char *recipe; /* record_recipe: what was asked */
    const char *cohort; /* record_cohort: where it ran */
    struct record_env env;
    struct record_machine machine;

    /* not in JSON */
    int line;                     /* of the file that it was read from, from 1; else 0 */
    struct record_numbers rounds; /* of a row that rounds.h joined: each round's median, ms */
    struct record_block *blocks;  /* private: what the record owns */
    bool out_of_memory;           /* private: some text or array is missing */
};

#endif
