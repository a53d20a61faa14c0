/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a pack, experiments/paper/NAME.yaml: one YAML document, known keys, lists where lists
 * belong. Texts, not meanings. */
#ifndef HARNESS_PAPER_PACK_FILE_H
#define HARNESS_PAPER_PACK_FILE_H

#include "harness/sweep/experiment_file.h"

/* As they stand in the file. A single value that was not given is NULL, a list has n = 0. */
struct pack_values {
    char *name, *description;
    char *claim;  /* "ratio", "order" */
    char *metric; /* of the CSV's rows: "latency", "memory" */
    /* the protocol as published; only shown */
    char *hardware, *published_steps, *published_sampler, *published_dtype, *published_guidance,
        *published_warmup, *published_timed, *published_loops;
    struct experiment_list sources, figures, models, points, assumed, left_out, also, overrides,
        differs;
    /* of every cell, as in an experiment file */
    char *steps, *frames, *dtype, *backend, *transport, *exchange, *graph, *guidance, *seed,
        *warmup_loops, *repeats, *min_loops, *min_seconds, *max_seconds, *max_noise, *threads,
        *timeout_s, *check;
};

/* text: 0-terminated, without other zeros, `size` bytes before the end. ST_INVALID "label:line:
 * key: ...". */
enum status pack_file_parse(const char *label, const char *text, size_t size,
                            struct pack_values **out);
void pack_file_release(struct pack_values *values);

#endif
