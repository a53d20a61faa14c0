/* SPDX-License-Identifier: Apache-2.0 */
/* The columns: what each takes out of a record. MB is 1e6 bytes, MiB 2^20. Not how they are
 * printed. */
#include "harness/report/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- texts ---- */

static void copy(char *text, const char *value)
{
    snprintf(text, TABLE_CELL, "%s", value ? value : "");
}

static const char *answer(int flag)
{
    return flag == RECORD_UNKNOWN ? NULL : flag == RECORD_YES ? "yes" : "no";
}

#define TEXT(name, expression)                                                                     \
    static void name(const struct table_row *row, char *text)                                      \
    {                                                                                              \
        const struct record *r = row->record;                                                      \
        copy(text, expression);                                                                    \
    }

TEXT(id, r->id)
TEXT(experiment, r->experiment)
TEXT(when, r->time)
TEXT(model, r->cell.model)
TEXT(weights, r->cell.weights)
TEXT(dtype, r->cell.dtype)
TEXT(backend, r->cell.backend)
TEXT(transport, r->cell.transport)
TEXT(strategy, r->cell.strategy)
TEXT(status, ending_name(r->status))
TEXT(reason, r->reason)
TEXT(match, answer(r->comm_match))
TEXT(against, r->check.against)
TEXT(pass, answer(r->check.pass))
TEXT(host, r->env.host)
TEXT(cpu, r->env.cpu)
TEXT(commit, r->env.commit)
TEXT(dirty, answer(r->env.dirty))

static void bar(const struct table_row *row, char *text)
{
    (void)row;
    copy(text, "|");
}

static void size(const struct table_row *row, char *text)
{
    snprintf(text, TABLE_CELL, "%dx%d", row->record->cell.width, row->record->cell.height);
}

/* A double would lose digits. */
static void seed(const struct table_row *row, char *text)
{
    snprintf(text, TABLE_CELL, "%" PRIu64, row->record->cell.seed);
}

static void gpus(const struct table_row *row, char *text)
{
    const struct record_gpus *list = &row->record->env.gpus;
    if (list->n > 0)
        snprintf(text, TABLE_CELL, "%d x %s", list->n, list->v[0].name ? list->v[0].name : "?");
}

/* ---- numbers ---- */

/* Over all ranks and axes; none where nothing was run. */
static double comm_mb(const struct record *r, bool predicted)
{
    double total = r->comm.n > 0 || r->status == ENDING_OK ? 0 : NAN;
    for (int i = 0; i < r->comm.n; i++)
        total += (double)(predicted ? r->comm.v[i].predicted_wire_bytes : r->comm.v[i].wire_bytes);
    return total / 1e6;
}

/* Of the rank that has most. */
static double mib(const struct record_counts *list)
{
    double most = list->n > 0 ? 0 : NAN;
    for (int i = 0; i < list->n; i++)
        most = fmax(most, (double)list->v[i]);
    return most / 0x1p20;
}

#define NUMBER(name, expression)                                                                   \
    static double name(const struct table_row *row)                                                \
    {                                                                                              \
        const struct record *r = row->record;                                                      \
        return expression;                                                                         \
    }

NUMBER(width, r->cell.width)
NUMBER(height, r->cell.height)
NUMBER(frames, r->cell.frames)
NUMBER(steps, r->cell.steps)
NUMBER(guidance, r->cell.guidance)
NUMBER(requests, r->cell.requests)
NUMBER(ranks, r->cell.ranks)
NUMBER(threads, r->cell.threads)
NUMBER(warmup_loops, r->cell.warmup_loops)
NUMBER(repeats, r->cell.repeats)
NUMBER(samples, r->latency_ms.samples.n)
NUMBER(median, r->latency_ms.median)
NUMBER(p10, r->latency_ms.p10)
NUMBER(p90, r->latency_ms.p90)
NUMBER(shortest, r->latency_ms.min)
NUMBER(longest, r->latency_ms.max)
NUMBER(slowest, r->latency_ms.slowest_rank < 0 ? NAN : r->latency_ms.slowest_rank)
NUMBER(step_median, r->step_ms.median)
NUMBER(step_p10, r->step_ms.p10)
NUMBER(step_p90, r->step_ms.p90)
NUMBER(steps_per_s, r->cell.steps / r->latency_ms.median * 1000)
NUMBER(speedup, row->serial_ms / r->latency_ms.median)
NUMBER(efficiency, 100 * row->serial_ms / r->latency_ms.median / r->cell.ranks)
NUMBER(comm_predicted, comm_mb(r, true))
NUMBER(comm_counted, comm_mb(r, false))
NUMBER(peak, mib(&r->memory_bytes.peak))
NUMBER(predicted, mib(&r->memory_bytes.predicted))
NUMBER(weights_mib, mib(&r->memory_bytes.weights))
NUMBER(activations, mib(&r->memory_bytes.activations))
NUMBER(kv_store, mib(&r->memory_bytes.kv_store))
NUMBER(buffers, mib(&r->memory_bytes.buffers))
NUMBER(library, mib(&r->memory_bytes.library))
NUMBER(rel_l2, r->check.rel_l2)
NUMBER(max_abs, r->check.max_abs)
NUMBER(tolerance, r->check.tolerance)
NUMBER(deviation_rel_l2, r->deviation.rel_l2)
NUMBER(deviation_max_abs, r->deviation.max_abs)
NUMBER(psnr, r->deviation.rel_l2 == 0 ? INFINITY : r->deviation.psnr_db)
NUMBER(cores, r->env.cores)

/* ---- the list ---- */

enum {
    ALL = TABLE_CONSOLE | TABLE_CSV | TABLE_MARKDOWN,
    CONSOLE = TABLE_CONSOLE,
    SHORT = TABLE_CONSOLE | TABLE_CSV,
    PAGE = TABLE_MARKDOWN | TABLE_CSV,
    FILE_ONLY = TABLE_CSV,
};

/* clang-format off */
#define SEPARATOR {"|", "|", TABLE_CONSOLE, TABLE_TEXT, NULL, bar}

const struct table_column table_columns[] = {
    {"id", "", FILE_ONLY, TABLE_TEXT, NULL, id},
    {"experiment", "", FILE_ONLY, TABLE_TEXT, NULL, experiment},
    {"time", "", FILE_ONLY, TABLE_TEXT, NULL, when},
    {"model", "model", ALL, TABLE_TEXT, NULL, model},
    {"weights", "", FILE_ONLY, TABLE_TEXT, NULL, weights},
    {"size", "size", TABLE_CONSOLE | TABLE_MARKDOWN, TABLE_TEXT, NULL, size},
    {"width_px", "", FILE_ONLY, TABLE_COUNT, width, NULL},
    {"height_px", "", FILE_ONLY, TABLE_COUNT, height, NULL},
    {"frames", "", FILE_ONLY, TABLE_COUNT, frames, NULL},
    {"steps", "steps", ALL, TABLE_COUNT, steps, NULL},
    {"guidance", "", FILE_ONLY, TABLE_MEASURE, guidance, NULL},
    {"requests", "requests", PAGE, TABLE_COUNT, requests, NULL},
    {"dtype", "dtype", ALL, TABLE_TEXT, NULL, dtype},
    {"backend", "backend", PAGE, TABLE_TEXT, NULL, backend},
    {"transport", "transport", PAGE, TABLE_TEXT, NULL, transport},
    {"ranks", "ranks", ALL, TABLE_COUNT, ranks, NULL},
    {"strategy", "strategy", ALL, TABLE_TEXT, NULL, strategy},
    {"threads", "", FILE_ONLY, TABLE_COUNT, threads, NULL},
    {"seed", "", FILE_ONLY, TABLE_TEXT, NULL, seed},
    SEPARATOR,
    {"warmup_loops", "warm", SHORT, TABLE_COUNT, warmup_loops, NULL},
    {"repeats", "reps", SHORT, TABLE_COUNT, repeats, NULL},
    {"samples", "", FILE_ONLY, TABLE_COUNT, samples, NULL},
    {"status", "status", PAGE, TABLE_TEXT, NULL, status},
    SEPARATOR,
    {"latency_median_ms", "t_med(ms)", ALL, TABLE_MEASURE, median, NULL},
    {"latency_p10_ms", "t_p10", ALL, TABLE_MEASURE, p10, NULL},
    {"latency_p90_ms", "t_p90", ALL, TABLE_MEASURE, p90, NULL},
    {"latency_min_ms", "", FILE_ONLY, TABLE_MEASURE, shortest, NULL},
    {"latency_max_ms", "", FILE_ONLY, TABLE_MEASURE, longest, NULL},
    {"slowest_rank", "", FILE_ONLY, TABLE_COUNT, slowest, NULL},
    SEPARATOR,
    {"step_median_ms", "step_ms", ALL, TABLE_MEASURE, step_median, NULL},
    {"step_p10_ms", "", FILE_ONLY, TABLE_MEASURE, step_p10, NULL},
    {"step_p90_ms", "", FILE_ONLY, TABLE_MEASURE, step_p90, NULL},
    {"steps_per_s", "it/s", ALL, TABLE_MEASURE, steps_per_s, NULL},
    {"speedup", "speedup", PAGE, TABLE_MEASURE, speedup, NULL},
    {"efficiency_percent", "eff%", PAGE, TABLE_MEASURE, efficiency, NULL},
    SEPARATOR,
    {"comm_predicted_mb", "comm_MB(an)", ALL, TABLE_MEASURE, comm_predicted, NULL},
    {"comm_counted_mb", "comm_MB(meas)", ALL, TABLE_MEASURE, comm_counted, NULL},
    {"comm_match", "", FILE_ONLY, TABLE_TEXT, NULL, match},
    {"memory_peak_mib", "mem_MiB", ALL, TABLE_MEASURE, peak, NULL},
    {"memory_predicted_mib", "mem_MiB(an)", PAGE, TABLE_MEASURE, predicted, NULL},
    {"memory_weights_mib", "", FILE_ONLY, TABLE_MEASURE, weights_mib, NULL},
    {"memory_activations_mib", "", FILE_ONLY, TABLE_MEASURE, activations, NULL},
    {"memory_kv_store_mib", "", FILE_ONLY, TABLE_MEASURE, kv_store, NULL},
    {"memory_buffers_mib", "", FILE_ONLY, TABLE_MEASURE, buffers, NULL},
    {"memory_library_mib", "", FILE_ONLY, TABLE_MEASURE, library, NULL},
    SEPARATOR,
    {"check_against", "", FILE_ONLY, TABLE_TEXT, NULL, against},
    {"check_rel_l2", "rel_l2", ALL, TABLE_ERROR, rel_l2, NULL},
    {"check_max_abs", "maxabs", ALL, TABLE_ERROR, max_abs, NULL},
    {"check_tolerance", "", FILE_ONLY, TABLE_ERROR, tolerance, NULL},
    {"check_pass", "", FILE_ONLY, TABLE_TEXT, NULL, pass},
    {"deviation_rel_l2", "", FILE_ONLY, TABLE_ERROR, deviation_rel_l2, NULL},
    {"deviation_max_abs", "", FILE_ONLY, TABLE_ERROR, deviation_max_abs, NULL},
    {"deviation_psnr_db", "psnr", ALL, TABLE_MEASURE, psnr, NULL},
    {"verdict", "verdict", CONSOLE, TABLE_TEXT, NULL, status},
    {"reason", "", FILE_ONLY, TABLE_TEXT, NULL, reason},
    {"host", "", FILE_ONLY, TABLE_TEXT, NULL, host},
    {"cpu", "", FILE_ONLY, TABLE_TEXT, NULL, cpu},
    {"cores", "", FILE_ONLY, TABLE_COUNT, cores, NULL},
    {"gpus", "", FILE_ONLY, TABLE_TEXT, NULL, gpus},
    {"commit", "", FILE_ONLY, TABLE_TEXT, NULL, commit},
    {"dirty", "", FILE_ONLY, TABLE_TEXT, NULL, dirty},
    {0},
};
/* clang-format on */
