/* SPDX-License-Identifier: Apache-2.0 */
/* The columns: what each takes out of a record. MB is 1e6 bytes. Not how they are printed. */
#include "harness/report/table.h"

#include "harness/record/rounds.h"
#include "harness/report/memory.h"

#include <inttypes.h>
#include <math.h>

/* ---- texts ---- */

static void bar(const struct sheet_row *row, char *text)
{
    (void)row;
    snprintf(text, TABLE_CELL, "|");
}

static void run(const struct sheet_row *row, char *text)
{
    snprintf(text, TABLE_CELL, "%s", row->run ? row->run : "");
}

static void left_out(const struct sheet_row *row, char *text)
{
    snprintf(text, TABLE_CELL, "%s", row->left_out ? row->left_out : "");
}

static void size(const struct sheet_row *row, char *text)
{
    snprintf(text, TABLE_CELL, "%dx%d", row->record->cell.width, row->record->cell.height);
}

/* A double would lose digits. */
static void seed(const struct sheet_row *row, char *text)
{
    snprintf(text, TABLE_CELL, "%" PRIu64, row->record->cell.seed);
}

static void status(const struct sheet_row *row, char *text)
{
    snprintf(text, TABLE_CELL, "%s", ending_name(row->record->status));
}

static void flags(const struct sheet_row *row, char *text)
{
    const struct record_texts *list = &row->record->flags;
    size_t length = 0;
    for (int i = 0; i < list->n && length < TABLE_CELL; i++)
        length +=
            (size_t)snprintf(text + length, TABLE_CELL - length, "%s%s", i ? "," : "", list->v[i]);
}

static void verdict(const struct sheet_row *row, char *text)
{
    const char *name = ending_name(row->record->status);
    char more[TABLE_CELL] = "";
    flags(row, more);
    snprintf(text, TABLE_CELL, "%s%s%s", name, more[0] ? "," : "", more);
}

static void gpus(const struct sheet_row *row, char *text)
{
    const struct record_gpus *list = &row->record->env.gpus;
    if (list->n > 0)
        snprintf(text, TABLE_CELL, "%d x %s", list->n, list->v[0].name ? list->v[0].name : "?");
}

/* ---- numbers ---- */

static double samples(const struct sheet_row *row)
{
    return row->record->latency_ms.samples.n;
}

/* Loops of a failed cell, too: as many as were asked for, where that is a number. */
static double loops(const struct sheet_row *row)
{
    const struct record *r = row->record;
    if (r->cell.repeats < 0 || r->rounds.n > 0)
        return r->latency_ms.samples.n > 0 ? r->latency_ms.samples.n : NAN;
    return r->cell.repeats;
}

static double round_of(const struct sheet_row *row)
{
    return row->record->rounds.n > 0 ? NAN : row->record->cell.round;
}

static double rounds(const struct sheet_row *row)
{
    return row->record->rounds.n > 0 ? row->record->rounds.n : NAN;
}

static double rounds_spread(const struct sheet_row *row)
{
    return record_rounds_spread(row->record);
}

static double ms_per_step(const struct sheet_row *row)
{
    return row->record->latency_ms.median / row->record->cell.steps;
}

static double images_per_s(const struct sheet_row *row)
{
    return row->record->cell.requests / row->record->latency_ms.median * 1000;
}

static double its_per_s(const struct sheet_row *row)
{
    return row->record->cell.steps * images_per_s(row);
}

static double speedup(const struct sheet_row *row)
{
    return row->serial ? row->serial->latency_ms.median / row->record->latency_ms.median : NAN;
}

static double speedup_low(const struct sheet_row *row)
{
    return row->serial ? row->serial->latency_ms.p10 / row->record->latency_ms.p90 : NAN;
}

static double speedup_high(const struct sheet_row *row)
{
    return row->serial ? row->serial->latency_ms.p90 / row->record->latency_ms.p10 : NAN;
}

static double efficiency(const struct sheet_row *row)
{
    return 100 * speedup(row) / row->record->cell.ranks;
}

static double load(const struct sheet_row *row, int i)
{
    const struct record_numbers *list = &row->record->env.load;
    return i < list->n ? list->v[i] : NAN;
}

static double load_begin(const struct sheet_row *row)
{
    return load(row, 0);
}

static double load_end(const struct sheet_row *row)
{
    return load(row, 1);
}

/* Over all ranks and axes; none where nothing was run. */
static double comm_mb(const struct record *r, bool predicted)
{
    bool counted = r->status == ENDING_OK && r->comm_match != RECORD_UNKNOWN; // if it was none
    double total = r->comm.n > 0 || counted ? 0 : NAN;
    for (int i = 0; i < r->comm.n; i++)
        total += (double)(predicted ? r->comm.v[i].predicted_wire_bytes : r->comm.v[i].wire_bytes);
    return total / 1e6;
}

static double comm_predicted(const struct sheet_row *row)
{
    return comm_mb(row->record, true);
}

static double comm_counted(const struct sheet_row *row)
{
    return comm_mb(row->record, false);
}

/* Equal latents have an infinite PSNR, which JSON writes as null. */
static double psnr(const struct sheet_row *row)
{
    const struct record_deviation *d = &row->record->deviation;
    return d->rel_l2 == 0 && isnan(d->psnr_db) ? INFINITY : d->psnr_db;
}

/* ---- the columns ---- */

enum {
    CONSOLE = TABLE_CONSOLE,
    FILE_ONLY = TABLE_CSV,
    PAGE = TABLE_CSV | TABLE_MARKDOWN,
    DIFFERS = TABLE_CSV | TABLE_VARIES,
    FILLED = TABLE_CSV | TABLE_FILLED,
    ALL = CONSOLE | PAGE,
    SHORT = TABLE_CONSOLE | TABLE_CSV,
};

#define AT(source, member) source, offsetof(struct record, member), NULL, NULL
#define SHARE(member)      TABLE_MEMORY, offsetof(struct memory_share, member), NULL, NULL
#define VALUE(function)    TABLE_CALL, 0, function, NULL
#define PUT(function)      TABLE_CALL, 0, NULL, function
#define SEPARATOR                                                                                  \
    {                                                                                              \
        "|", "|", CONSOLE, TABLE_TEXT, PUT(bar)                                                    \
    }

/* clang-format off */
const struct table_column table_columns[] = {
    {"id", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, id)},
    {"run", "run", DIFFERS, TABLE_TEXT, PUT(run)},
    {"experiment", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, experiment)},
    {"time", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, time)},
    {"recipe", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, recipe)},
    {"cohort", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, cohort)},
    {"model", "model", ALL, TABLE_TEXT, AT(TABLE_TEXTS, cell.model)},
    {"weights", "weights", DIFFERS, TABLE_TEXT, AT(TABLE_TEXTS, cell.weights)},
    {"size", "size", TABLE_CONSOLE | TABLE_MARKDOWN, TABLE_TEXT, PUT(size)},
    {"width_px", "", FILE_ONLY, TABLE_COUNT, AT(TABLE_INTS, cell.width)},
    {"height_px", "", FILE_ONLY, TABLE_COUNT, AT(TABLE_INTS, cell.height)},
    {"frames", "frames", DIFFERS, TABLE_COUNT, AT(TABLE_INTS, cell.frames)},
    {"steps", "steps", ALL, TABLE_COUNT, AT(TABLE_INTS, cell.steps)},
    {"guidance", "guidance", DIFFERS, TABLE_MEASURE, AT(TABLE_NUMBER, cell.guidance)},
    {"requests", "requests", PAGE, TABLE_COUNT, AT(TABLE_INTS, cell.requests)},
    {"dtype", "dtype", ALL, TABLE_TEXT, AT(TABLE_TEXTS, cell.dtype)},
    {"backend", "backend", PAGE, TABLE_TEXT, AT(TABLE_TEXTS, cell.backend)},
    {"transport", "transport", PAGE, TABLE_TEXT, AT(TABLE_TEXTS, cell.transport)},
    {"threads", "threads", DIFFERS, TABLE_COUNT, AT(TABLE_INTS, cell.threads)},
    {"exchange", "exchange", DIFFERS, TABLE_TEXT, AT(TABLE_TEXTS, cell.exchange)},
    {"graph", "graph", DIFFERS, TABLE_TEXT, AT(TABLE_FLAG, cell.graph)},
    {"ranks", "ranks", ALL, TABLE_COUNT, AT(TABLE_INTS, cell.ranks)},
    {"strategy", "strategy", ALL, TABLE_TEXT, AT(TABLE_TEXTS, cell.strategy)},
    {"seed", "seed", DIFFERS, TABLE_TEXT, PUT(seed)},
    SEPARATOR,
    {"warmup_loops", "warm", SHORT, TABLE_COUNT, AT(TABLE_INTS, cell.warmup_loops)},
    {"repeats", "", FILE_ONLY, TABLE_COUNT, AT(TABLE_INDEX, cell.repeats)},
    {"loops", "reps", CONSOLE, TABLE_COUNT, VALUE(loops)},
    {"round", "round", DIFFERS, TABLE_COUNT, VALUE(round_of)},
    {"rounds", "rounds", FILLED, TABLE_COUNT, VALUE(rounds)},
    {"rounds_spread_percent", "spread%", FILLED, TABLE_MEASURE, VALUE(rounds_spread)},
    {"samples", "n", PAGE, TABLE_COUNT, VALUE(samples)},
    {"status", "status", PAGE, TABLE_TEXT, PUT(status)},
    {"flags", "flags", PAGE, TABLE_TEXT, PUT(flags)},
    SEPARATOR,
    {"latency_median_ms", "t_med(ms)", ALL, TABLE_MEASURE, AT(TABLE_NUMBER, latency_ms.median)},
    {"latency_p10_ms", "t_p10", ALL, TABLE_MEASURE, AT(TABLE_NUMBER, latency_ms.p10)},
    {"latency_p90_ms", "t_p90", ALL, TABLE_MEASURE, AT(TABLE_NUMBER, latency_ms.p90)},
    {"latency_min_ms", "", FILE_ONLY, TABLE_MEASURE, AT(TABLE_NUMBER, latency_ms.min)},
    {"latency_max_ms", "", FILE_ONLY, TABLE_MEASURE, AT(TABLE_NUMBER, latency_ms.max)},
    {"slowest_rank", "", FILE_ONLY, TABLE_COUNT, AT(TABLE_INDEX, latency_ms.slowest_rank)},
    SEPARATOR,
    {"ms_per_step", "ms/step", ALL, TABLE_MEASURE, VALUE(ms_per_step)},
    {"step_med_ms", "step_med", ALL, TABLE_MEASURE, AT(TABLE_NUMBER, step_ms.median)},
    {"step_p10_ms", "", FILE_ONLY, TABLE_MEASURE, AT(TABLE_NUMBER, step_ms.p10)},
    {"step_p90_ms", "", FILE_ONLY, TABLE_MEASURE, AT(TABLE_NUMBER, step_ms.p90)},
    {"it_per_s", "it/s", ALL, TABLE_MEASURE, VALUE(its_per_s)},
    {"img_per_s", "img/s", ALL, TABLE_MEASURE, VALUE(images_per_s)},
    {"speedup", "speedup", PAGE, TABLE_MEASURE, VALUE(speedup)},
    {"speedup_low", "", FILE_ONLY, TABLE_MEASURE, VALUE(speedup_low)},
    {"speedup_high", "", FILE_ONLY, TABLE_MEASURE, VALUE(speedup_high)},
    {"efficiency_percent", "eff%", PAGE, TABLE_MEASURE, VALUE(efficiency)},
    SEPARATOR,
    {"comm_predicted_mb", "comm_MB(an)", ALL, TABLE_MEASURE, VALUE(comm_predicted)},
    {"comm_counted_mb", "comm_MB(meas)", ALL, TABLE_MEASURE, VALUE(comm_counted)},
    {"comm_match", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_FLAG, comm_match)},
    {"memory_total_mb", "mem_MB", ALL, TABLE_MEASURE, SHARE(total)},
    {"memory_library_mb", "lib_MB", PAGE, TABLE_MEASURE, SHARE(library)},
    {"memory_own_mb", "own_MB", PAGE, TABLE_MEASURE, SHARE(own)},
    {"memory_predicted_mb", "own_MB(an)", PAGE, TABLE_MEASURE, SHARE(predicted)},
    {"memory_weights_mb", "", FILE_ONLY, TABLE_MEASURE, SHARE(weights)},
    {"memory_activations_mb", "", FILE_ONLY, TABLE_MEASURE, SHARE(activations)},
    {"memory_kv_store_mb", "", FILE_ONLY, TABLE_MEASURE, SHARE(kv_store)},
    {"memory_buffers_mb", "", FILE_ONLY, TABLE_MEASURE, SHARE(buffers)},
    SEPARATOR,
    {"check_against", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, check.against)},
    {"check_rel_l2", "rel_l2", ALL, TABLE_ERROR, AT(TABLE_NUMBER, check.rel_l2)},
    {"check_max_abs", "maxabs", ALL, TABLE_ERROR, AT(TABLE_NUMBER, check.max_abs)},
    {"check_tolerance", "", FILE_ONLY, TABLE_ERROR, AT(TABLE_NUMBER, check.tolerance)},
    {"check_pass", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_FLAG, check.pass)},
    {"deviation_rel_l2", "", FILE_ONLY, TABLE_ERROR, AT(TABLE_NUMBER, deviation.rel_l2)},
    {"deviation_max_abs", "", FILE_ONLY, TABLE_ERROR, AT(TABLE_NUMBER, deviation.max_abs)},
    {"deviation_psnr_db", "psnr", ALL, TABLE_MEASURE, VALUE(psnr)},
    {"verdict", "verdict", CONSOLE, TABLE_TEXT, PUT(verdict)},
    {"reason", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, reason)},
    {"left_out", "", FILE_ONLY, TABLE_TEXT, PUT(left_out)},
    {"host", "host", DIFFERS, TABLE_TEXT, AT(TABLE_TEXTS, env.host)},
    {"cpu", "", FILE_ONLY, TABLE_TEXT, AT(TABLE_TEXTS, env.cpu)},
    {"cores", "", FILE_ONLY, TABLE_COUNT, AT(TABLE_INTS, env.cores)},
    {"load_begin", "", FILE_ONLY, TABLE_MEASURE, VALUE(load_begin)},
    {"load_end", "", FILE_ONLY, TABLE_MEASURE, VALUE(load_end)},
    {"gpus", "", FILE_ONLY, TABLE_TEXT, PUT(gpus)},
    {"commit", "commit", DIFFERS, TABLE_TEXT, AT(TABLE_TEXTS, env.commit)},
    {"dirty", "changed", DIFFERS, TABLE_TEXT, AT(TABLE_FLAG, env.dirty)},
    {0},
};
/* clang-format on */
