/* SPDX-License-Identifier: Apache-2.0 */
/* Values of ours from rows and plans. */
#include "harness/paper/ours.h"

#include "harness/base/stats.h"
#include "harness/report/sheet.h"
#include "kernels/backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double MS = 1e-3, GB = 1e-9, MB = 1e-6;

static bool is_good(const struct record *record)
{
    return record && record->status == ENDING_OK && !sheet_distrusts(record);
}

static const struct record *good(const struct record_list *records, const char *id)
{
    const struct record *record = record_list_find(records, id);
    return is_good(record) ? record : NULL;
}

/* What a reader must know before trusting the number. */
static void add_flags(struct paper_row *row)
{
    static const char *const flag[] = {RECORD_NOISY, RECORD_DRIFT, RECORD_THROTTLED};
    for (size_t i = 0; i < sizeof flag / sizeof flag[0]; i++) {
        size_t used = strlen(row->source);
        if (record_has_flag(row->record, flag[i]))
            snprintf(row->source + used, sizeof row->source - used, ", %s", flag[i]);
    }
}

/* A bounded loop's synchronous steps count once, its steady ones stand for all others. False: it
 * has no steady step. */
static bool stretch(const struct paper_cell *c, const struct record *r, struct paper_row *row)
{
    const struct record_numbers *steps = &r->step_ms.samples;
    double *sorted = calloc((size_t)steps->n + 1, sizeof *sorted);
    double sum = 0;
    int steady = steps->n - c->warmup;
    bool times = true, good_enough = sorted && steady > 0;
    for (int i = 0; i < steps->n; i++)
        times &= record_is_time(steps->v[i]);
    good_enough &= times;
    for (int i = 0; i < steps->n && good_enough; i++) {
        if (i < c->warmup)
            sum += steps->v[i];
        else
            sorted[i - c->warmup] = steps->v[i];
    }
    if (good_enough) {
        stats_sort(steady, sorted);
        double rest = c->steps - c->warmup;
        row->ours.value = MS * (sum + rest * stats_percentile(steady, sorted, 50));
        row->ours.low = MS * (sum + rest * sorted[0]);
        row->ours.high = MS * (sum + rest * sorted[steady - 1]);
        snprintf(row->source, sizeof row->source,
                 "bounded run of %d step%s, stretched to %.0f by the median step%s%s",
                 r->cell.steps, r->cell.steps == 1 ? "" : "s", c->steps,
                 c->warmup ? " behind the synchronous ones" : "",
                 steady > 1 ? "; range by its shortest and longest step" : "");
    } else {
        snprintf(row->why, sizeof row->why, "the bounded run %s",
                 times ? "has no steady step" : "has a step that is no time");
    }
    free(sorted);
    return good_enough;
}

static void take_latency(struct paper_row *row)
{
    const struct record *r = row->record;
    if (!r)
        return;
    if (row->cell->bounded) {
        if (stretch(row->cell, r, row))
            add_flags(row);
        return;
    }
    row->ours.value = MS * r->latency_ms.median;
    row->ours.low = MS * r->latency_ms.p10;
    row->ours.high = MS * r->latency_ms.p90;
    snprintf(row->source, sizeof row->source, "median of %d loop%s", r->latency_ms.samples.n,
             r->latency_ms.samples.n == 1 ? "" : "s");
    add_flags(row);
}

static uint64_t largest(const struct record_counts *counts)
{
    uint64_t most = 0;
    for (int i = 0; i < counts->n; i++)
        most = counts->v[i] > most ? counts->v[i] : most;
    return most;
}

/* Bytes of the rank that sent most, as its messages were counted. */
static uint64_t most_sent(const struct record_comms *comm)
{
    uint64_t most = 0;
    for (int i = 0; i < comm->n; i++) {
        uint64_t sum = 0;
        for (int k = 0; k < comm->n; k++)
            sum += comm->v[k].rank == comm->v[i].rank ? comm->v[k].wire_bytes : 0;
        most = sum > most ? sum : most;
    }
    return most;
}

/* Arenas that were really opened and bytes that were counted, else what the plan says of them.
 * Threads and bounded runs are too short for the bytes of a whole loop. */
static void take_memory(const struct record_list *records, struct paper_row *row)
{
    const struct paper_cell *c = row->cell;
    const struct record *counted = c->counted_id[0] ? good(records, c->counted_id) : NULL;
    const struct record *r = row->record ? row->record : counted;
    if (!c->planned)
        return;
    bool opened = r && r->memory_bytes.peak.n > 0;
    bool counted_all = row->record && !c->bounded && row->record->comm.n > 0;
    bool sent = counted_all || (row->record && c->wire == 0); // a rank alone sends nothing
    row->memory_gb = GB * (double)(opened ? largest(&r->memory_bytes.peak) : c->bytes);
    row->wire_mb = MB * (double)(counted_all ? most_sent(&row->record->comm) : c->wire);
    snprintf(row->memory_source, sizeof row->memory_source, "%s%s",
             !opened       ? "plan"
             : row->record ? "run"
                           : "thread ranks on shared GPUs",
             opened == sent ? ""
             : sent         ? "; bytes of the run"
                            : "; bytes as the plan says");
}

void ours_take(const struct pack *pack, const struct record_list *records, struct paper_row *row)
{
    const struct paper_cell *c = row->cell;
    if (!c)
        return;
    const struct record *r = record_list_find(records, c->id); // whichever machine ran it
    if (is_good(r))
        row->record = r;
    else
        row->failed = r;
    take_memory(records, row);
    if (!pack->memory) {
        take_latency(row);
        return;
    }
    row->ours.value = row->ours.low = row->ours.high = row->memory_gb;
    if (isfinite(row->memory_gb))
        snprintf(row->source, sizeof row->source, "%s", row->memory_source);
}

/* ---- where rows are from ---- */

static const char *known(const char *text)
{
    return text ? text : "unknown";
}

static bool on_gpus(const struct record *r)
{
    return r->cell.backend && backend_wants_gpus(r->cell.backend) && r->env.gpus.n > 0;
}

const char *ours_device(const struct record *r)
{
    return known(on_gpus(r) ? r->env.gpus.v[0].name : r->env.cpu);
}

/* Whether each GPU of `a` is of a kind that `b` has. */
static bool kinds_of(const struct record *a, const struct record *b)
{
    bool all = true;
    for (int i = 0; i < a->env.gpus.n && all; i++) {
        bool found = false;
        for (int k = 0; k < b->env.gpus.n && !found; k++)
            found = strcmp(known(a->env.gpus.v[i].name), known(b->env.gpus.v[k].name)) == 0;
        all = found;
    }
    return all;
}

bool ours_other_device(const struct record *a, const struct record *b)
{
    if (on_gpus(a) && on_gpus(b))
        return !kinds_of(a, b) || !kinds_of(b, a);
    return strcmp(ours_device(a), ours_device(b)) != 0;
}

char *ours_build(const struct record *r, size_t size, char *text)
{
    snprintf(text, size, "%s%s", known(r->env.commit),
             r->env.dirty == RECORD_YES ? " (dirty)" : "");
    return text;
}

bool ours_other_build(const struct record *a, const struct record *b)
{
    return strcmp(known(a->env.commit), known(b->env.commit)) != 0 || a->env.dirty != b->env.dirty;
}

bool ours_other_host(const struct record *a, const struct record *b)
{
    return strcmp(known(a->env.cpu), known(b->env.cpu)) != 0;
}
