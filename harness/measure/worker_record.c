/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of a record from the parts of its ranks. Measures nothing. */
#include "harness/measure/worker_record.h"

#include "harness/measure/headroom.h"
#include "strategies/strategy.h"

#include <stdlib.h>

size_t rank_part_size(int loops)
{
    return sizeof(struct rank_part) + (size_t)loops * sizeof(double);
}

const struct rank_part *rank_part_at(const void *parts, int loops, int rank)
{
    return (const void *)((const char *)parts + (size_t)rank * rank_part_size(loops));
}

double worker_record_tolerance(const struct spec *expanded, enum dtype dtype)
{
    bool reorders = false;
    for (int i = 0; i < expanded->n; i++)
        reorders |= expanded->item[i].ops->reorders_sums;
    return dtype != DTYPE_F32 ? 5e-2 : reorders ? 1e-4 : 1e-5;
}

/* ---- time ---- */

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The loop of the (lower) median: `samples` stay as they are, `sorted` is scratch. */
static int median_loop(int n, const double *samples, double *sorted)
{
    for (int i = 0; i < n; i++)
        sorted[i] = samples[i];
    qsort(sorted, (size_t)n, sizeof *sorted, compare_numbers);
    for (int i = 0; i < n; i++)
        if (samples[i] == sorted[(n - 1) / 2])
            return i;
    return 0;
}

static void fill_time(struct record *record, int ranks, int loops, int steps, const void *parts,
                      const double *step_end_ms)
{
    double *samples = record_array(record, (size_t)loops, sizeof *samples);
    double *sorted = record_array(record, (size_t)loops, sizeof *sorted);
    double *step = record_array(record, (size_t)steps, sizeof *step);
    if (!samples || !sorted || !step)
        return;
    for (int i = 0; i < loops; i++)
        for (int r = 0; r < ranks; r++)
            if (rank_part_at(parts, loops, r)->loop_ms[i] > samples[i])
                samples[i] = rank_part_at(parts, loops, r)->loop_ms[i];
    int median = median_loop(loops, samples, sorted);
    int slowest = 0;
    for (int r = 1; r < ranks; r++)
        if (rank_part_at(parts, loops, r)->loop_ms[median] >
            rank_part_at(parts, loops, slowest)->loop_ms[median])
            slowest = r;
    const double *end = step_end_ms + (size_t)median * (size_t)steps;
    for (int i = 0; i < steps; i++)
        step[i] = end[i] - (i > 0 ? end[i - 1] : 0);
    record_set_numbers(record, &record->latency_ms.samples, loops, samples);
    record_set_numbers(record, &record->step_ms.samples, steps, step);
    record->latency_ms.slowest_rank = slowest;
}

/* ---- memory ---- */

static void fill_memory(struct record *record, int ranks, int loops, const void *parts)
{
    struct record_memory *m = &record->memory_bytes;
    struct record_counts *const kind[ARENA_KINDS] = {
        [ARENA_WEIGHTS] = &m->weights,
        [ARENA_ACTIVATIONS] = &m->activations,
        [ARENA_KV_STORE] = &m->kv_store,
        [ARENA_BUFFERS] = &m->buffers,
    };
    uint64_t *peak = record_array(record, (size_t)ranks, sizeof *peak);
    uint64_t *value = record_array(record, (size_t)ranks, sizeof *value);
    if (!peak || !value)
        return;
    for (int k = 0; k < ARENA_KINDS; k++) {
        for (int r = 0; r < ranks; r++) {
            value[r] = rank_part_at(parts, loops, r)->memory[k];
            peak[r] += value[r];
        }
        record_set_counts(record, kind[k], ranks, value);
    }
    record_set_counts(record, &m->peak, ranks, peak);
    for (int r = 0; r < ranks; r++)
        value[r] = rank_part_at(parts, loops, r)->predicted;
    record_set_counts(record, &m->predicted, ranks, value);
    bool told = true;
    for (int r = 0; r < ranks; r++) {
        value[r] = rank_part_at(parts, loops, r)->library;
        told &= value[r] != HEADROOM_UNKNOWN;
    }
    if (told)
        record_set_counts(record, &m->library, ranks, value);
}

/* ---- bytes ---- */

static void add_line(struct record *record, const struct plan *plan, int rank,
                     const struct volume_line *name, const struct volume_line *counted,
                     const struct volume_line *expected)
{
    struct record_comm line = {
        .rank = rank,
        .axis = plan->mesh.name[name->axis],
        .op = comm_op_name(name->op),
        .when = comm_when_name(name->when),
        .calls = counted ? counted->calls : 0,
        .api_bytes = counted ? counted->api_bytes : 0,
        .wire_bytes = counted ? counted->wire_bytes : 0,
        .predicted_wire_bytes = expected ? expected->wire_bytes : 0,
    };
    record_add_comm(record, &line);
}

/* Every line that was counted, then those that were expected and never seen. */
static void fill_bytes(struct record *record, const struct plan *plan, int rank,
                       const struct rank_part *part)
{
    const struct volume *counted = &part->counted;
    const struct volume *expected = &part->expected;
    for (int i = 0; i < counted->n; i++)
        add_line(record, plan, rank, &counted->line[i], &counted->line[i],
                 volume_find(expected, &counted->line[i]));
    for (int i = 0; i < expected->n; i++)
        if (expected->line[i].calls > 0 && !volume_find(counted, &expected->line[i]))
            add_line(record, plan, rank, &expected->line[i], NULL, &expected->line[i]);
}

void worker_record_fill(struct record *record, const struct plan *plan, int ranks, int loops,
                        const void *parts, const double *step_end_ms)
{
    fill_time(record, ranks, loops, plan->problem.steps, parts, step_end_ms);
    record_summarise(record);
    fill_memory(record, ranks, loops, parts);
    for (int r = 0; r < ranks; r++)
        fill_bytes(record, plan, r, rank_part_at(parts, loops, r));
}
