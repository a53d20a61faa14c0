/* SPDX-License-Identifier: Apache-2.0 */
/* The plan's numbers in the shapes that `plan` shows. */
#include "harness/report/plan_report.h"

#include "strategies/volume.h"

#include <stdio.h>
#include <string.h>

/* ---- JSON ---- */

static json_t *coords_of(const struct plan *plan)
{
    json_t *out = json_object();
    for (int a = 0; a < plan->mesh.n_axes; a++)
        json_object_set_new(out, plan->mesh.name[a], json_integer(plan->coord[a]));
    return out;
}

static json_t *lanes_of(const struct plan *plan)
{
    json_t *out = json_array();
    for (int i = 0; i < plan->n_lanes; i++) {
        struct lane lane = plan_lane(plan, i);
        json_array_append_new(out, json_pack("[i, i]", lane.request, lane.branch));
    }
    return out;
}

/* This rank's tokens of patches first .. end-1; runs that touch are one. */
static json_t *runs_of(const struct plan *plan, int first, int end)
{
    json_t *out = json_array();
    struct token_run last = plan_share(plan, NULL, first);
    for (int m = first + 1; m < end; m++) {
        struct token_run run = plan_share(plan, NULL, m);
        if (last.begin + last.count == run.begin) {
            last.count += run.count;
            continue;
        }
        json_array_append_new(out, json_pack("[i, i]", last.begin, last.count));
        last = run;
    }
    json_array_append_new(out, json_pack("[i, i]", last.begin, last.count));
    return out;
}

static json_t *patches_of(const struct plan *plan)
{
    json_t *out = json_array();
    for (int m = 0; m < plan->n_patches; m++)
        json_array_append_new(out, runs_of(plan, m, m + 1));
    return out;
}

static enum status memory_of(const struct plan *plan, json_t **out)
{
    size_t bytes[ARENA_KINDS];
    size_t total = 0;
    TRY(plan_memory(plan, bytes));
    *out = json_object();
    for (int k = 0; k < ARENA_KINDS; k++) {
        json_object_set_new(*out, arena_kind_name((enum arena_kind)k),
                            json_integer((json_int_t)bytes[k]));
        total += bytes[k];
    }
    json_object_set_new(*out, "total", json_integer((json_int_t)total));
    return ST_OK;
}

static enum status sends_of(const struct plan *plan, json_t **out)
{
    struct volume volume;
    TRY(volume_predict(plan, &volume));
    *out = json_array();
    for (int i = 0; i < volume.n; i++) {
        const struct volume_line *l = &volume.line[i];
        json_array_append_new(
            *out, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "axis", plan->mesh.name[l->axis],
                            "op", comm_op_name(l->op), "when", comm_when_name(l->when), "calls",
                            (json_int_t)l->calls, "api_bytes", (json_int_t)l->api_bytes,
                            "wire_bytes", (json_int_t)l->wire_bytes));
    }
    return ST_OK;
}

static enum status rank_of(const struct plan *plan, json_t **out)
{
    json_t *memory = NULL;
    json_t *sends = NULL;
    enum status st = memory_of(plan, &memory);
    if (st == ST_OK)
        st = sends_of(plan, &sends);
    if (st != ST_OK) {
        json_decref(memory);
        return st;
    }
    *out = json_pack("{s:i, s:o, s:[i,i], s:i, s:o, s:o, s:o, s:o, s:o}", "rank", plan->rank,
                     "coords", coords_of(plan), "layers", plan->shard.layer_begin,
                     plan->shard.layer_end, "heads", plan->heads, "lanes", lanes_of(plan), "tokens",
                     runs_of(plan, 0, plan->n_patches), "patches", patches_of(plan), "memory_bytes",
                     memory, "sends", sends);
    return *out ? ST_OK : fail(ST_OOM, "plan of rank %d: no host memory", plan->rank);
}

/* All ranks; *exact as the plan says. */
static enum status ranks_of(const struct setup *s, json_t *list, bool *exact)
{
    for (int r = 0; r < s->cell.ranks; r++) {
        struct plan *plan;
        json_t *rank = NULL;
        TRY(plan_build(&s->problem, &s->spec, s->cell.ranks, r, &plan));
        *exact = plan->exact;
        enum status st = rank_of(plan, &rank);
        plan_close(plan);
        TRY(st);
        json_array_append_new(list, rank);
    }
    return ST_OK;
}

enum status plan_report(const struct setup *s, json_t **out)
{
    char size[40];
    bool exact = true;
    json_t *list = json_array();
    enum status st = ranks_of(s, list, &exact);
    *out = NULL;
    if (st != ST_OK && st != ST_UNSUPPORTED) {
        json_decref(list);
        return st;
    }
    if (st != ST_OK)
        json_array_clear(list);
    snprintf(size, sizeof size, "%dx%d", s->cell.width, s->cell.height);
    *out = json_pack("{s:s, s:s, s:s, s:i, s:b, s:s?, s:b, s:o}", "model", s->cell.model, "size",
                     size, "strategy", s->cell.strategy, "ranks", s->cell.ranks, "supported",
                     st == ST_OK, "reason", st == ST_OK ? NULL : status_message(), "exact",
                     exact && st == ST_OK, "per_rank", list);
    return *out ? st
                : fail(ST_INVALID, "plan: '%.200s' is not UTF-8 and has no place in JSON",
                       s->cell.model);
}

/* ---- table ---- */

static long long number_at(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* "0-2047 4096-6143", or a count where there are many. */
static void put_tokens(const json_t *runs, char *text, size_t size)
{
    size_t i;
    const json_t *run;
    size_t used = 0;
    long long count = 0;
    text[0] = '\0';
    json_array_foreach(runs, i, run)
    {
        long long begin = (long long)json_integer_value(json_array_get(run, 0));
        long long n = (long long)json_integer_value(json_array_get(run, 1));
        count += n;
        if (n > 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%lld-%lld", used ? " " : "",
                                     begin, begin + n - 1);
    }
    if (used > 24)
        snprintf(text, size, "%lld in %zu runs", count, json_array_size(runs));
}

static void put_coords(const json_t *coords, char *text, size_t size)
{
    const char *axis;
    json_t *index;
    size_t used = 0;
    snprintf(text, size, "-");
    json_object_foreach((json_t *)coords, axis, index) if (used < size) used +=
        (size_t)snprintf(text + used, size - used, "%s%s %lld", used ? ", " : "", axis,
                         (long long)json_integer_value(index));
}

/* "0.0 0.1": request and branch of each lane. */
static void put_lanes(const json_t *lanes, char *text, size_t size)
{
    size_t i;
    const json_t *lane;
    size_t used = 0;
    text[0] = '\0';
    json_array_foreach(lanes, i, lane) if (used < size) used +=
        (size_t)snprintf(text + used, size - used, "%s%lld.%lld", used ? " " : "",
                         (long long)json_integer_value(json_array_get(lane, 0)),
                         (long long)json_integer_value(json_array_get(lane, 1)));
    if (used > 16)
        snprintf(text, size, "%zu lanes", json_array_size(lanes));
}

static double sent_mb(const json_t *sends, const char *when)
{
    size_t i;
    const json_t *line;
    double bytes = 0;
    json_array_foreach(
        sends, i, line) if (strcmp(json_string_value(json_object_get(line, "when")), when) == 0)
        bytes += (double)number_at(line, "wire_bytes");
    return bytes * 1e-6;
}

static void print_rank(const json_t *rank)
{
    char coords[200];
    char tokens[200];
    char lanes[200];
    const json_t *layers = json_object_get(rank, "layers");
    const json_t *memory = json_object_get(rank, "memory_bytes");
    const json_t *sends = json_object_get(rank, "sends");
    put_coords(json_object_get(rank, "coords"), coords, sizeof coords);
    put_tokens(json_object_get(rank, "tokens"), tokens, sizeof tokens);
    put_lanes(json_object_get(rank, "lanes"), lanes, sizeof lanes);
    printf("%4lld  %-28s %3lld-%-3lld %5lld  %-16s %-24s %10.3f %10.3f %10.3f  %10.1f %10.1f "
           "%10.1f %10.1f %10.1f\n",
           number_at(rank, "rank"), coords,
           (long long)json_integer_value(json_array_get(layers, 0)),
           (long long)json_integer_value(json_array_get(layers, 1)) - 1, number_at(rank, "heads"),
           lanes, tokens, sent_mb(sends, "warmup_step"), sent_mb(sends, "step"),
           sent_mb(sends, "once"), 1e-6 * (double)number_at(memory, "weights"),
           1e-6 * (double)number_at(memory, "activations"),
           1e-6 * (double)number_at(memory, "kv_store"),
           1e-6 * (double)number_at(memory, "buffers"), 1e-6 * (double)number_at(memory, "total"));
}

/* The lines of one rank's sends; of all ranks that would be a book. */
static void print_sends(const json_t *rank)
{
    size_t i;
    const json_t *line;
    const json_t *sends = json_object_get(rank, "sends");
    if (json_array_size(sends) > 0)
        printf("\nRank 0 sends, for each step of a kind:\n  %-12s %-12s %-12s %8s %14s %14s\n",
               "axis", "op", "when", "calls", "API MB", "wire MB");
    json_array_foreach(sends, i, line) printf(
        "  %-12s %-12s %-12s %8lld %14.3f %14.3f\n",
        json_string_value(json_object_get(line, "axis")),
        json_string_value(json_object_get(line, "op")),
        json_string_value(json_object_get(line, "when")), number_at(line, "calls"),
        1e-6 * (double)number_at(line, "api_bytes"), 1e-6 * (double)number_at(line, "wire_bytes"));
}

void plan_report_print(const struct setup *s, const json_t *report)
{
    size_t i;
    const json_t *rank;
    const json_t *ranks = json_object_get(report, "per_rank");
    printf("%s, %dx%d px, %d steps, %d request%s, %s, %s, %d rank%s: %s\n\n", s->cell.model,
           s->cell.width, s->cell.height, s->cell.steps, s->cell.requests,
           s->cell.requests == 1 ? "" : "s", s->problem.guided ? "guided" : "unguided",
           s->cell.dtype, s->cell.ranks, s->cell.ranks == 1 ? "" : "s", s->cell.strategy);
    if (json_array_size(ranks) == 0) {
        printf("refused: %s\n", json_string_value(json_object_get(report, "reason")));
        return;
    }
    printf("%s\n\n", json_is_true(json_object_get(report, "exact"))
                         ? "Exact: equal to the serial run."
                         : "Stale: some steps use keys of the step before.");
    printf("%4s  %-28s %7s %5s  %-16s %-24s %32s  %54s\n", "", "", "", "", "", "",
           "MB sent in a step (MB = 1e6)    ", "memory in MB                       ");
    printf("%4s  %-28s %7s %5s  %-16s %-24s %10s %10s %10s  %10s %10s %10s %10s %10s\n", "rank",
           "coordinates", "layers", "heads", "lanes", "tokens", "warm-up", "steady", "once",
           "weights", "activ.", "kv store", "buffers", "total");
    json_array_foreach(ranks, i, rank) print_rank(rank);
    print_sends(json_array_get(ranks, 0));
}
