/* SPDX-License-Identifier: Apache-2.0 */
/* A record's memory, its statistics and its judgement. Not its JSON. */
#include "harness/record/record.h"
#include "harness/base/stats.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double NOISY = 1.25;                    /* p90 over p10 */
static const double THROTTLED = 0.05;                /* of the samples during the loops */
static const double LEAST_MS = 1e-9, MOST_MS = 1e12; /* of a loop */
static const double OUTLIERS = 5;                    /* percent of the median, at least */
static const double DRIFT = 1.5;                     /* percent, where no rule says what noise is */
enum { THIRDS = 3, LEAST_OF_A_THIRD = 3 };           /* samples */

/* Memory that a record hands out from its start; what is large has one of its own. */
struct record_block {
    struct record_block *next;
    size_t used, room; /* bytes of data */
    max_align_t data[];
};

enum status record_open(struct record **out)
{
    struct record *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return fail(ST_OOM, "record: %zu bytes of host memory", sizeof *r);
    r->schema = RECORD_SCHEMA;
    r->id = "";
    r->status = ENDING_ERROR;
    r->cell = (struct record_cell){.model = "",
                                   .weights = "",
                                   .dtype = "",
                                   .backend = "",
                                   .transport = "",
                                   .strategy = "",
                                   .exchange = "auto",
                                   .graph = RECORD_YES,
                                   .guidance = NAN};
    r->latency_ms.slowest_rank = RECORD_UNKNOWN;
    r->decode_ms = NAN;
    r->comm_match = RECORD_UNKNOWN;
    r->check = (struct record_check){
        .rel_l2 = NAN, .max_abs = NAN, .tolerance = NAN, .pass = RECORD_UNKNOWN};
    r->deviation = (struct record_deviation){.rel_l2 = NAN, .max_abs = NAN, .psnr_db = NAN};
    r->env.dirty = RECORD_UNKNOWN;
    r->env.nvls = (struct record_nvls){RECORD_UNKNOWN, RECORD_UNKNOWN};
    record_reset_machine(r);
    record_summarise(r);
    return ST_OK;
}

void record_close(struct record *record)
{
    if (!record)
        return;
    while (record->blocks) {
        struct record_block *next = record->blocks->next;
        free(record->blocks);
        record->blocks = next;
    }
    free(record);
}

/* Zeroed memory in the newest block, or in a new one. */
static void *allocate(struct record *record, size_t bytes)
{
    enum { ROOM = 4096 };
    const size_t align = sizeof(max_align_t);
    struct record_block *block = record->blocks;
    if (bytes > SIZE_MAX - sizeof *block - align)
        return NULL;
    bytes = (bytes + align - 1) / align * align;
    if (!block || block->room - block->used < bytes) {
        size_t room = bytes > ROOM ? bytes : ROOM;
        block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->room = room;
        block->next = record->blocks;
        record->blocks = block;
    }
    char *memory = (char *)block->data + block->used;
    block->used += bytes;
    return memory;
}

/* Room is always a power of two elements, so that grow() can tell a full array by its length. */
void *record_array(struct record *record, size_t count, size_t size)
{
    size_t bytes, room = 1;
    void *memory = NULL;
    if (count == 0)
        return NULL;
    while (room < count && room <= SIZE_MAX / 2)
        room *= 2;
    count = room < count ? count : room; // above the largest power of two nothing fits anyway
    if (!__builtin_mul_overflow(count, size, &bytes))
        memory = allocate(record, bytes);
    record->out_of_memory |= !memory;
    return memory;
}

const char *record_text(struct record *record, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = allocate(record, size);
    record->out_of_memory |= !copy;
    return copy ? memcpy(copy, text, size) : NULL;
}

const char *record_text_format(struct record *record, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        record->out_of_memory = true;
        return NULL;
    }
    const char *copy = record_text(record, text);
    free(text);
    return copy;
}

void record_set_numbers(struct record *record, struct record_numbers *list, int n,
                        const double *values)
{
    list->v = record_array(record, (size_t)n, sizeof *values);
    list->n = list->v ? n : 0;
    if (list->v)
        memcpy(list->v, values, (size_t)n * sizeof *values);
}

void record_set_counts(struct record *record, struct record_counts *list, int n,
                       const uint64_t *values)
{
    list->v = record_array(record, (size_t)n, sizeof *values);
    list->n = list->v ? n : 0;
    if (list->v)
        memcpy(list->v, values, (size_t)n * sizeof *values);
}

/* Room for one more element: an array whose length is a power of two is full. Returns the array, or
 * NULL. */
static void *grow(struct record *record, const void *v, int n, size_t size)
{
    if (n & (n - 1))
        return (void *)v;
    void *wider = record_array(record, n ? 2 * (size_t)n : 1, size);
    if (wider && n)
        memcpy(wider, v, (size_t)n * size);
    return wider;
}

void record_add_text(struct record *record, struct record_texts *list, const char *text)
{
    const char **v = grow(record, list->v, list->n, sizeof *v);
    if (!v)
        return;
    list->v = v;
    list->v[list->n++] = record_text(record, text);
}

void record_add_pair(struct record *record, struct record_map *map, const char *name,
                     const char *value)
{
    struct record_pair *v = grow(record, map->v, map->n, sizeof *v);
    if (!v)
        return;
    map->v = v;
    map->v[map->n++] = (struct record_pair){record_text(record, name), record_text(record, value)};
}

void record_add_comm(struct record *record, const struct record_comm *line)
{
    struct record_comm *v = grow(record, record->comm.v, record->comm.n, sizeof *v);
    if (!v)
        return;
    record->comm.v = v;
    struct record_comm *added = &v[record->comm.n++];
    *added = *line;
    added->axis = record_text(record, line->axis);
    added->op = record_text(record, line->op);
    added->when = record_text(record, line->when);
}

void record_add_gpu(struct record *record, const struct record_gpu *gpu)
{
    struct record_gpus *list = &record->env.gpus;
    struct record_gpu *v = grow(record, list->v, list->n, sizeof *v);
    if (!v)
        return;
    list->v = v;
    v[list->n++] = (struct record_gpu){
        .name = record_text(record, gpu->name),
        .uuid = record_text(record, gpu->uuid),
        .driver = record_text(record, gpu->driver),
        .pcie = record_text(record, gpu->pcie),
        .nvlink = record_text(record, gpu->nvlink),
        .memory_bytes = gpu->memory_bytes > 0 ? gpu->memory_bytes : NAN,
    };
}

void record_set_time(struct record *record)
{
    char text[32];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    record->time = record_text(record, text);
}

void record_summarise(struct record *record)
{
    struct record_latency *loop = &record->latency_ms;
    struct record_steps *step = &record->step_ms;
    double *scratch =
        record_array(record, (size_t)loop->samples.n + (size_t)step->samples.n, sizeof *scratch);
    struct stats loops = stats_of(scratch ? loop->samples.n : 0, loop->samples.v, scratch);
    struct stats steps = stats_of(scratch ? step->samples.n : 0, step->samples.v, scratch);
    loop->median = loops.median;
    loop->p10 = loops.p10;
    loop->p90 = loops.p90;
    loop->min = loops.min;
    loop->max = loops.max;
    step->median = steps.median;
    step->p10 = steps.p10;
    step->p90 = steps.p90;
}

bool record_has_flag(const struct record *record, const char *flag)
{
    for (int i = 0; i < record->flags.n; i++)
        if (strcmp(record->flags.v[i], flag) == 0)
            return true;
    return false;
}

bool record_shares_gpu(const struct record *record)
{
    const struct record_cell *c = &record->cell;
    if (record_has_flag(record, RECORD_SHARED_GPU))
        return true;
    return c->backend && strcmp(c->backend, "cuda") == 0 && c->transport &&
           strcmp(c->transport, "local") == 0 && record->env.gpus.n > 0 &&
           c->ranks > record->env.gpus.n;
}

bool record_is_time(double ms)
{
    return ms >= LEAST_MS && ms <= MOST_MS;
}

int record_wrong_sample(const struct record *record)
{
    const struct record_numbers *samples = &record->latency_ms.samples;
    for (int i = 0; i < samples->n; i++)
        if (!record_is_time(samples->v[i]))
            return i;
    return -1;
}

char *record_wrong_sample_text(const struct record *record, int i, size_t size, char *text)
{
    char found[32] = "null";
    double sample = record->latency_ms.samples.v[i];
    if (!isnan(sample))
        snprintf(found, sizeof found, "%g", sample);
    snprintf(text, size, "latency_ms.samples[%d]: found %s, wanted a time from %g to %g ms", i,
             found, LEAST_MS, MOST_MS);
    return text;
}

/* Some of the samples in ascending order. NULL: none, or no memory. */
static double *sorted_samples(struct record *record, int begin, int n)
{
    double *sorted = record_array(record, (size_t)n, sizeof *sorted);
    if (!sorted)
        return NULL;
    memcpy(sorted, record->latency_ms.samples.v + begin, (size_t)n * sizeof *sorted);
    stats_sort(n, sorted);
    return sorted;
}

/* The rule ended with its time, not with a narrow interval. */
static bool is_wide(struct record *record)
{
    int n = record->latency_ms.samples.n;
    if (record->cell.stop.min_loops == 0 || n == 0)
        return false;
    const double *sorted = sorted_samples(record, 0, n);
    return sorted && !(stats_median_noise(n, sorted) <= record->cell.stop.max_noise);
}

static struct stats_interval interval_of(int n, const double *sorted)
{
    if (n < STATS_LEAST_INTERVAL)
        return (struct stats_interval){sorted[0], sorted[n - 1]};
    return stats_median_interval(n, sorted);
}

static bool drifts(struct record *record)
{
    const struct record_latency *t = &record->latency_ms;
    int n = t->samples.n / THIRDS;
    if (n < LEAST_OF_A_THIRD)
        return false;
    const double *first = sorted_samples(record, 0, n);
    const double *last = sorted_samples(record, t->samples.n - n, n);
    if (!first || !last)
        return false;
    double limit = record->cell.stop.min_loops > 0 ? record->cell.stop.max_noise : DRIFT;
    double moved = stats_percentile(n, last, 50) - stats_percentile(n, first, 50);
    struct stats_interval a = interval_of(n, first);
    struct stats_interval b = interval_of(n, last);
    return fabs(moved) > limit / 100 * t->median && (a.high < b.low || b.high < a.low);
}

static bool has_outliers(struct record *record)
{
    int n = record->latency_ms.samples.n;
    const double *sorted = n > 0 ? sorted_samples(record, 0, n) : NULL;
    return sorted && stats_far_out(n, sorted, OUTLIERS) > 0;
}

void record_flag(struct record *record)
{
    record->flags = (struct record_texts){0};
    if (record->latency_ms.p90 > NOISY * record->latency_ms.p10 || is_wide(record))
        record_add_text(record, &record->flags, RECORD_NOISY);
    if (drifts(record))
        record_add_text(record, &record->flags, RECORD_DRIFT);
    if (has_outliers(record))
        record_add_text(record, &record->flags, RECORD_OUTLIERS);
    if (record->latency_ms.samples.n > 0 && record_shares_gpu(record))
        record_add_text(record, &record->flags, RECORD_SHARED_GPU);
    if (record->latency_ms.samples.n > 0 && record_throttled_share(record) >= THROTTLED)
        record_add_text(record, &record->flags, RECORD_THROTTLED);
}

void record_judge(struct record *record)
{
    record_flag(record);
    const struct record_comm *differs = NULL;
    for (int i = 0; i < record->comm.n && !differs; i++)
        if (record->comm.v[i].wire_bytes != record->comm.v[i].predicted_wire_bytes)
            differs = &record->comm.v[i];
    if (record->status == ENDING_OK || record->comm.n > 0)
        record->comm_match = differs ? RECORD_NO : RECORD_YES;
    if (record->status != ENDING_OK)
        return;
    if (record->check.pass == RECORD_NO) {
        record->status = ENDING_WRONG;
        record->reason = record_text_format(
            record, "relative error %.3g against %s is not within %.3g", record->check.rel_l2,
            record->check.against ? record->check.against : "the reference",
            record->check.tolerance);
    } else if (differs) {
        record->status = ENDING_WRONG;
        record->reason = record_text_format(
            record, "rank %d, %s %s (%s): %" PRIu64 " bytes left the rank, the plan says %" PRIu64,
            differs->rank, differs->axis, differs->op, differs->when, differs->wire_bytes,
            differs->predicted_wire_bytes);
    }
}
