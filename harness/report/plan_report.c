/* SPDX-License-Identifier: Apache-2.0 */
/* The plan's numbers as one JSON object. */
#include "harness/report/plan_report.h"

#include "strategies/volume.h"

#include <stdio.h>
#include <string.h>

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

/* A run in the numbering of the joint sequence, text first. */
static struct token_run joint_run(const struct plan *plan, enum token_set part, int m)
{
    struct token_run run = plan_share(plan, part, NULL, m);
    if (part == TOKENS_TEXT)
        run.begin -= problem_tokens(&plan->problem);
    else
        run.begin += problem_text(&plan->problem);
    return run;
}

/* This rank's tokens of patches first .. end-1; runs that touch are one. */
static json_t *runs_of(const struct plan *plan, int first, int end)
{
    static const enum token_set parts[2] = {TOKENS_TEXT, TOKENS_IMAGE};
    json_t *out = json_array();
    struct token_run last = {0};
    for (int i = 0; i < 2; i++)
        for (int m = first; m < end; m++) {
            struct token_run run = joint_run(plan, parts[i], m);
            bool touches = last.count > 0 && last.begin + last.count == run.begin;
            if (run.count == 0)
                continue;
            if (last.count > 0 && !touches)
                json_array_append_new(out, json_pack("[i, i]", last.begin, last.count));
            last = touches ? (struct token_run){last.begin, last.count + run.count} : run;
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
            *out,
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:i}", "axis", plan->mesh.name[l->axis], "op",
                      comm_op_name(l->op), "when", comm_when_name(l->when), "calls",
                      (json_int_t)l->calls, "api_bytes", (json_int_t)l->api_bytes, "wire_bytes",
                      (json_int_t)l->wire_bytes, "times", plan_steps_of(plan, l->axis, l->when)));
    }
    return ST_OK;
}

/* What is summed over the steps of a loop, and over ranks. */
struct sum {
    uint64_t calls, api_bytes, wire_bytes;
};

static json_t *json_of(const struct sum *sum)
{
    return json_pack("{s:I, s:I, s:I}", "calls", (json_int_t)sum->calls, "api_bytes",
                     (json_int_t)sum->api_bytes, "wire_bytes", (json_int_t)sum->wire_bytes);
}

static enum status loop_of(const struct plan *plan, struct sum *sum)
{
    struct volume volume;
    TRY(volume_predict_loop(plan, &volume));
    *sum = (struct sum){0, 0, 0};
    for (int i = 0; i < volume.n; i++) {
        sum->calls += volume.line[i].calls;
        sum->api_bytes += volume.line[i].api_bytes;
        sum->wire_bytes += volume.line[i].wire_bytes;
    }
    return ST_OK;
}

/* What all ranks come to. */
struct totals {
    struct sum loop;
    int worst_rank;
    uint64_t worst_bytes, bytes; /* memory */
    int output_rank, warmup;
    bool exact;
};

static enum status rank_of(const struct plan *plan, struct totals *totals, json_t **out)
{
    json_t *memory = NULL;
    json_t *sends = NULL;
    struct sum loop;
    enum status st = memory_of(plan, &memory);
    if (st == ST_OK)
        st = sends_of(plan, &sends);
    if (st == ST_OK)
        st = loop_of(plan, &loop);
    if (st != ST_OK) {
        json_decref(memory);
        json_decref(sends);
        return st;
    }
    uint64_t bytes = (uint64_t)json_integer_value(json_object_get(memory, "total"));
    totals->loop.calls += loop.calls;
    totals->loop.api_bytes += loop.api_bytes;
    totals->loop.wire_bytes += loop.wire_bytes;
    totals->bytes += bytes;
    if (bytes > totals->worst_bytes) {
        totals->worst_bytes = bytes;
        totals->worst_rank = plan->rank;
    }
    *out = json_pack("{s:i, s:o, s:[i,i], s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "rank", plan->rank,
                     "coords", coords_of(plan), "layers", plan->shard.layer_begin,
                     plan->shard.layer_end, "heads", plan->heads, "lanes", lanes_of(plan), "tokens",
                     runs_of(plan, 0, plan->n_patches), "patches", patches_of(plan), "memory_bytes",
                     memory, "sends", sends, "loop", json_of(&loop));
    return *out ? ST_OK : fail(ST_OOM, "plan of rank %d: no host memory", plan->rank);
}

/* Those of `only` (-1: all ranks) go into the list, the sums are over all. */
static enum status ranks_of(const struct setup *s, int only, json_t *list, struct totals *totals)
{
    for (int r = 0; r < s->cell.ranks; r++) {
        struct plan *plan;
        json_t *rank = NULL;
        TRY(plan_build(&s->problem, &s->spec, s->cell.ranks, r, &plan));
        totals->exact = plan->exact;
        totals->warmup = plan->warmup;
        totals->output_rank = plan_output_rank(plan);
        enum status st = rank_of(plan, totals, &rank);
        plan_close(plan);
        TRY(st);
        if (only < 0 || r == only)
            json_array_append_new(list, rank);
        else
            json_decref(rank);
    }
    return ST_OK;
}

static json_t *refusal_of(const struct setup *s, const char *size)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:b, s:s, s:b, s:[]}", "model", s->cell.model, "size",
                     size, "strategy", s->cell.strategy, "ranks", s->cell.ranks, "supported", false,
                     "reason", status_message(), "exact", false, "per_rank");
}

enum status plan_report(const struct setup *s, int only, json_t **out)
{
    char size[40];
    struct totals t = {.exact = true};
    json_t *list = json_array();
    enum status st = ranks_of(s, only, list, &t);
    *out = NULL;
    if (st != ST_OK) {
        json_decref(list);
        list = NULL;
    }
    if (st != ST_OK && st != ST_UNSUPPORTED)
        return st;
    snprintf(size, sizeof size, "%dx%d", s->cell.width, s->cell.height);
    if (st != ST_OK)
        *out = refusal_of(s, size);
    else
        *out = json_pack(
            "{s:s, s:s, s:s, s:i, s:b, s:n, s:b, s:o, s:i, s:i, s:i, s:o, s:{s:i, s:I, s:I}}",
            "model", s->cell.model, "size", size, "strategy", s->cell.strategy, "ranks",
            s->cell.ranks, "supported", true, "reason", "exact", t.exact, "per_rank", list, "steps",
            s->cell.steps, "warmup_steps", t.warmup, "output_rank", t.output_rank, "loop",
            json_of(&t.loop), "memory", "worst_rank", t.worst_rank, "worst_bytes",
            (json_int_t)t.worst_bytes, "total_bytes", (json_int_t)t.bytes);
    return *out ? st
                : fail(ST_INVALID, "plan: '%.200s' is not UTF-8 and has no place in JSON",
                       s->cell.model);
}
