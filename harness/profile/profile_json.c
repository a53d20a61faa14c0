/* SPDX-License-Identifier: Apache-2.0 */
/* profile.json, from a profile. Reckons counts, overhead and the clocks' agreement. */
#include "harness/profile/profile_json.h"

#include <math.h>
#include <stdlib.h>

double profile_overhead(const struct record *plain, const struct profile *profile)
{
    return plain ? 100 * (profile->loop_ms / plain->latency_ms.median - 1) : (double)NAN;
}

double profile_clock_error(const struct profile *profile)
{
    const struct recording *r = profile->recording;
    double worst = (double)NAN;
    for (int k = 0; k < r->ranks; k++) {
        const struct recorded_rank *rank = &r->rank[k];
        double loop = 1e-6 * (double)(rank->end - rank->begin);
        for (int s = 0; s < r->steps && rank->complete; s++) {
            double ms = 1e-6 * (double)(rank->step_end[s] - rank->begin);
            double off = 100 * fabs(ms - rank->step_ms[s]) / loop;
            if (isfinite(off) && !(off <= worst))
                worst = off;
        }
    }
    return worst;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

/* The record as the results file would have it. */
static json_t *record_json(const struct record *record)
{
    char *line;
    size_t size;
    if (!record || record_write(record, &line, &size) != ST_OK)
        return json_null();
    json_t *out = json_loadb(line, size, 0, NULL);
    free(line);
    return out ? out : json_null();
}

/* Of all ranks. */
static json_t *counts_json(const struct recording *r)
{
    json_int_t what[RECORDED_FILL + 1] = {0};
    json_int_t ranges = 0;
    json_int_t calls = 0;
    json_int_t samples = 0;
    json_int_t dropped = 0;
    for (int k = 0; k < r->ranks; k++) {
        const struct recorded_rank *rank = &r->rank[k];
        for (int i = 0; i < rank->items; i++)
            what[rank->item[i].what]++;
        for (int i = 0; i < rank->ranges; i++)
            ranges += rank->range[i].track != RECORDED_NONE; /* others are of other steps */
        calls += rank->calls;
        samples += rank->samples;
        dropped += (json_int_t)rank->dropped;
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "kernels", what[RECORDED_KERNEL],
                     "copies", what[RECORDED_COPY], "fills", what[RECORDED_FILL], "ranges", ranges,
                     "calls", calls, "samples", samples, "dropped", dropped);
}

/* Lines of the tables and what kernels.csv counts, by which a file that was cut off is known. */
static json_t *tables_json(const struct profile *p)
{
    json_int_t instances = 0;
    for (int i = 0; i < p->hot.rows; i++)
        instances += p->hot.row[i].instances;
    return json_pack("{s:i, s:I, s:i}", "kernels_rows", p->hot.rows, "kernels_instances", instances,
                     "breakdown_rows", p->breakdown.rows);
}

static json_t *ranks_json(const struct recording *r)
{
    json_t *out = json_array();
    for (int k = 0; k < r->ranks; k++) {
        const struct recorded_rank *rank = &r->rank[k];
        json_array_append_new(
            out, json_pack("{s:i, s:s, s:i, s:s, s:b, s:f, s:f, s:I}", "rank", k, "host",
                           rank->host, "device", rank->device, "device_name", rank->device_name,
                           "complete", rank->complete, "clock_offset_us",
                           1e-3 * (double)rank->clock_offset, "clock_error_us",
                           1e-3 * (double)rank->clock_error, "dropped", (json_int_t)rank->dropped));
    }
    return out;
}

static json_t *latency_json(const struct record *plain, const struct profile *p)
{
    return json_pack("{s:o, s:o, s:o}", "plain_ms",
                     number(plain ? plain->latency_ms.median : (double)NAN), "watched_ms",
                     number(p->loop_ms), "overhead_pct", number(profile_overhead(plain, p)));
}

/* Bytes of a counter over all rows, as MB. */
static json_t *megabytes(const struct counters_table *table, enum counter counter)
{
    return number(1e-6 * counters_table_total(table, counter));
}

static json_t *counters_json(const struct profile *p)
{
    const struct counters_table *table = &p->counters;
    if (table->passes == 0)
        return json_pack("{s:s}", "why_not", p->no_counters);
    json_t *metrics = json_object();
    json_t *missing = json_object();
    for (int k = 0; k < COUNTERS; k++) {
        const char *name = counters_name((enum counter)k);
        if (table->metric[k][0])
            json_object_set_new(metrics, name, json_string(table->metric[k]));
        else if (table->reason[k][0])
            json_object_set_new(missing, name, json_string(table->reason[k]));
    }
    return json_pack("{s:o, s:o, s:i, s:s, s:o, s:o, s:f}", "metrics", metrics, "missing", missing,
                     "passes", table->passes, "mode", table->mode, "nvlink_sent_mb",
                     megabytes(table, COUNTER_NVLINK_SENT), "nvlink_received_mb",
                     megabytes(table, COUNTER_NVLINK_RECEIVED), "ledger_wire_mb",
                     1e-6 * table->wire);
}

json_t *profile_json(const struct profile_options *options, const struct profile *p)
{
    const struct recording *r = p->part;
    const struct record *plain = options->plain ? options->plain : p->plain;
    json_t *record = record_json(plain);
    json_t *cell = json_object_get(record, "cell");
    return json_pack(
        "{s:s, s:O, s:i, s:i, s:i, s:[i, i], s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o}",
        "schema", PROFILE_SCHEMA, "cell", cell ? cell : json_null(), "ranks", r->ranks, "steps",
        r->steps, "steps_whole", p->whole, "window", p->first, p->last, "mode",
        r->on_host          ? "ranges"
        : p->no_activity[0] ? "ranges without activity"
                            : "ranges and activity",
        "latency", latency_json(plain, p), "counts", counts_json(r), "tables", tables_json(p),
        "rank", ranks_json(r), "step_clock_error_pct", number(profile_clock_error(p)),
        "no_activity", text_or_null(p->no_activity), "incomplete", text_or_null(p->incomplete),
        "no_ceilings", text_or_null(p->no_ceilings), "counters", counters_json(p), "record",
        record);
}
