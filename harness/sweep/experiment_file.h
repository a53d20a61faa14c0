/* SPDX-License-Identifier: Apache-2.0 */
/* The form of an experiment file: one YAML document, known keys, lists where lists belong. Texts,
 * not meanings. */
#ifndef HARNESS_SWEEP_EXPERIMENT_FILE_H
#define HARNESS_SWEEP_EXPERIMENT_FILE_H

#include "kernels/base/status.h"

#include <stddef.h>

struct experiment_list {
    char **v;
    unsigned n;
};

/* As they stand in the file. A single value that was not given is NULL, a list has n = 0. */
struct experiment_values {
    char *name, *description;
    struct experiment_list models, sizes, ranks, strategies, dtypes, steps, requests, exclude;
    char *backend, *transport, *exchange, *graph, *guidance, *seed, *warmup_loops, *repeats,
        *min_loops, *min_seconds, *max_seconds, *max_noise, *threads, *timeout_s, *rounds, *shuffle;
};

enum { EXPERIMENT_MAX_BYTES = 1 << 20, EXPERIMENT_MAX_ENTRIES = 1000 };

/* text: 0-terminated, without other zeros, `size` bytes before the end. ST_INVALID "label:line:
 * key: ...". */
enum status experiment_file_parse(const char *label, const char *text, size_t size,
                                  struct experiment_values **out);
void experiment_file_release(struct experiment_values *values);

#endif
