/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranges of whole loops, for every strategy and family: how they nest, what their work and
 * their bytes add up to, and that they end when a loop does not.
 */
#include "tests/support/cells.h"
#include "tests/support/ranges.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RANKS = 8 };

struct traced {
    struct cell_setup setup;
    const char *spec;
    int ranks;
    int aborting; /* step in which rank 1 leaves, or -1 */
    int failing;  /* allocation of every rank that fails, or -1 */
    struct ranges ranges[MOST_RANKS];
    int open[MOST_RANKS]; /* what was open after the run */
    enum status status[MOST_RANKS];
    bool bytes_match[MOST_RANKS]; /* the counters are what the plan foresees */
};

/* A sink that aborts its rank's world. */
struct bomb {
    struct trace_sink sink;
    struct comm *world;
    int step;
};

static void bomb_push(void *self, const struct trace_range *range)
{
    struct bomb *bomb = self;
    if (range->kind == TRACE_STEP && range->index == bomb->step)
        comm_abort(bomb->world);
}

static void bomb_pop(void *self)
{
    (void)self;
}

static enum status run_rank(struct thread_rank *self)
{
    struct traced *t = self->arg;
    struct cell_result result = {.latent = calloc(cell_count(&t->setup), sizeof(float))};
    struct ranges *ranges = &t->ranges[self->rank];
    struct bomb bomb = {.world = self->world, .step = self->rank == 1 ? t->aborting : -1};
    bomb.sink = (struct trace_sink){.push = bomb_push, .pop = bomb_pop, .self = &bomb};
    trace_add(&bomb.sink);
    ranges_begin(ranges);
    arena_fail_after(t->failing);
    t->status[self->rank] = cell_run_rank(&t->setup, t->spec, self->world, self->dev, 1, &result);
    arena_fail_after(-1);
    t->open[self->rank] = ranges->open;
    t->bytes_match[self->rank] = result.bytes_match;
    ranges_end(ranges);
    trace_remove(&bomb.sink);
    free(result.latent);
    return t->aborting < 0 && t->failing < 0 ? t->status[self->rank] : ST_OK;
}

static struct traced *traced_open(const char *preset, const char *spec)
{
    struct traced *t = calloc(1, sizeof *t);
    cr_assert(t);
    t->setup = cell_setup_of(preset);
    t->spec = spec;
    t->ranks = cell_ranks(&t->setup, spec);
    t->aborting = t->failing = -1;
    cr_assert_leq(t->ranks, MOST_RANKS);
    return t;
}

static void traced_run(struct traced *t)
{
    struct threads_result result;
    cr_assert_eq(threads_run_within(t->ranks, 60, run_rank, t, &result), ST_OK, "%s %s: %s",
                 cell_model(&t->setup), t->spec, status_text());
}

static void traced_close(struct traced *t)
{
    for (int r = 0; r < t->ranks; r++)
        ranges_release(&t->ranges[r]);
    free(t);
}

/* NULL: the model cannot do it. */
static struct plan *plan_of(const struct traced *t, int rank)
{
    struct problem problem = cell_problem(&t->setup);
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse(t->spec, &spec), ST_OK);
    enum status st = plan_build(&problem, &spec, t->ranks, rank, &plan);
    cr_assert(st == ST_OK || st == ST_UNSUPPORTED, "%s", status_text());
    return st == ST_OK ? plan : NULL;
}

/* ---- nesting ---- */

/* A range may lie right within these kinds; -1: within none. */
static bool fits(const struct ranges *r, int i)
{
    const struct trace_range *range = &r->v[i].range;
    int at = r->v[i].parent;
    int parent = at < 0 ? -1 : (int)r->v[at].range.kind;
    bool of_all_ranks = range->kind == TRACE_WAIT && strcmp(range->name, "wait") != 0;
    switch (range->kind) {
    case TRACE_LOOP:
        return parent == -1;
    case TRACE_STEP:
        return parent == TRACE_LOOP;
    case TRACE_PASS:
        return parent == TRACE_STEP;
    case TRACE_LAYER:
        return parent == TRACE_PASS;
    case TRACE_MODEL:
        return parent <= (int)TRACE_LAYER;
    case TRACE_OP:
        return parent == TRACE_MODEL || (parent == TRACE_COMM && ranges_around(r, i, TRACE_MODEL));
    case TRACE_COMM:
        return parent == TRACE_MODEL;
    case TRACE_WAIT:
        return of_all_ranks ? parent <= (int)TRACE_LOOP
                            : parent == TRACE_MODEL || parent == TRACE_COMM;
    default:
        return false; /* the CPU has no graphs */
    }
}

static void check_nesting(const struct traced *t, int rank)
{
    const struct ranges *r = &t->ranges[rank];
    cr_expect(t->open[rank] == -1 && r->pops == 0, "%s: a range of rank %d is open", t->spec, rank);
    for (int i = 0; i < r->n; i++) {
        const struct trace_range *range = &r->v[i].range;
        int parent = r->v[i].parent;
        cr_expect(r->v[i].closed, "%s: %s is open", t->spec, range->name);
        cr_expect(fits(r, i), "%s, rank %d: %s %s within %s %s", t->spec, rank,
                  trace_kind_name(range->kind), range->name,
                  parent < 0 ? "-" : trace_kind_name(r->v[parent].range.kind),
                  parent < 0 ? "-" : r->v[parent].range.name);
    }
}

/* Steps, passes and layers in the order of their numbers; a decoder's pass takes image after image.
 */
static void check_structure(const struct traced *t, const struct plan *plan)
{
    const struct ranges *r = &t->ranges[plan->rank];
    const struct dit_shard *shard = &plan->shard;
    int steps = plan->problem.steps;
    int warm = plan->warmup < steps ? plan->warmup : steps;
    int step = 0;
    int pass = 0;
    int layer = shard->layer_end;
    int images = plan->problem.kind == &kind_decoder ? plan->requests : 1;
    for (int i = 0; i < r->n; i++) {
        const struct trace_range *range = &r->v[i].range;
        if (range->kind == TRACE_STEP)
            cr_expect_eq(range->index, step++, "%s: step %d", t->spec, range->index);
        if (range->kind == TRACE_PASS) {
            cr_expect_eq(layer, shard->layer_end, "%s: %d layers", t->spec, layer);
            layer = shard->layer_begin;
            pass++;
        }
        if (range->kind == TRACE_LAYER && range->index == 0 && images > 1 &&
            layer == shard->layer_end)
            layer = shard->layer_begin;
        if (range->kind == TRACE_LAYER)
            cr_expect_eq(range->index, layer++, "%s: layer %d", t->spec, range->index);
    }
    cr_expect_eq(ranges_count(r, TRACE_LOOP, NULL), 1);
    cr_expect_eq(step, steps, "%s: %d steps", t->spec, step);
    cr_expect_eq(pass, warm + (steps - warm) * plan->n_patches, "%s: %d passes", t->spec, pass);
    cr_expect_eq(layer, shard->layer_end, "%s: %d layers", t->spec, layer);
}

/* ---- bytes ---- */

/* What the counters have is what the plan foresees (asserted), so the ranges are held to that. */
static void check_bytes(const struct traced *t, const struct plan *plan)
{
    const struct ranges *r = &t->ranges[plan->rank];
    struct volume volume;
    cr_assert_eq(volume_predict_loop(plan, &volume), ST_OK);
    cr_assert(t->bytes_match[plan->rank]);
    for (int a = 0; a < plan->mesh.n_axes; a++)
        for (int op = 0; op < COMM_OPS; op++) {
            uint64_t want[2] = {0, 0};
            uint64_t got[2] = {0, 0};
            for (int i = 0; i < volume.n; i++) {
                bool meant = volume.line[i].axis == a && (int)volume.line[i].op == op;
                want[0] += meant ? volume.line[i].api_bytes : 0;
                want[1] += meant ? volume.line[i].wire_bytes : 0;
            }
            for (int i = 0; i < r->n; i++) {
                const struct trace_range *range = &r->v[i].range;
                if (range->kind != TRACE_COMM || strcmp(range->axis, plan->mesh.name[a]) != 0 ||
                    strcmp(range->name, comm_op_name(op)) != 0)
                    continue;
                got[0] += range->payload;
                got[1] += range->wire;
            }
            cr_expect(got[0] == want[0] && got[1] == want[1],
                      "%s, rank %d, %s %s: %lu bytes, %lu on the wire, not %lu and %lu", t->spec,
                      plan->rank, plan->mesh.name[a], comm_op_name(op), (unsigned long)got[0],
                      (unsigned long)got[1], (unsigned long)want[0], (unsigned long)want[1]);
        }
}

/* ---- pairs ---- */

/* The next send or receive from range `from` on with this peer and channel of a pipe, or -1. */
static int next_message(const struct ranges *r, int from, const char *name, int channel, int peer)
{
    for (; from < r->n; from++) {
        const struct trace_range *range = &r->v[from].range;
        if (range->kind == TRACE_COMM && strcmp(range->name, name) == 0 &&
            range->channel == channel && range->peer == peer)
            return from;
    }
    return -1;
}

/* By axis, channel and peers, the n-th send is the n-th receive: what a picture draws an arrow by.
 * On an axis that is the whole world. */
static void check_pairs(const struct traced *t, int from, int to, int channel)
{
    int sent = next_message(&t->ranges[from], 0, "send", channel, to);
    int got = next_message(&t->ranges[to], 0, "recv", channel, from);
    int pairs = 0;
    for (; sent >= 0 && got >= 0; pairs++) {
        cr_expect_eq(t->ranges[from].v[sent].range.payload, t->ranges[to].v[got].range.payload,
                     "%s: message %d of channel %d from %d to %d", t->spec, pairs, channel, from,
                     to);
        sent = next_message(&t->ranges[from], sent + 1, "send", channel, to);
        got = next_message(&t->ranges[to], got + 1, "recv", channel, from);
    }
    cr_expect(sent == -1 && got == -1, "%s: one without the other after %d messages", t->spec,
              pairs);
}

/* Two stages: activations one way, latents the other, long skips beside the activations; uneven
 * patches, so that a wrong pair shows. */
Test(trace, sends_match_receives)
{
    struct traced *t = traced_open("hunyuandit-tiny", "pipefusion=2:patches=3:warmup=1");
    traced_run(t);
    for (int channel = 0; channel < 3; channel++) {
        check_pairs(t, 0, 1, channel);
        check_pairs(t, 1, 0, channel);
    }
    cr_expect_geq(next_message(&t->ranges[0], 0, "send", 0, 1), 0);
    cr_expect_geq(next_message(&t->ranges[0], 0, "send", 2, 1), 0);
    cr_expect_geq(next_message(&t->ranges[1], 0, "send", 1, 0), 0);
    traced_close(t);
}

static void check_spec(const char *preset, const char *spec)
{
    struct traced *t = traced_open(preset, spec);
    struct plan *plan = plan_of(t, 0);
    if (!plan) {
        traced_close(t);
        return;
    }
    plan_close(plan);
    traced_run(t);
    for (int r = 0; r < t->ranks; r++) {
        plan = plan_of(t, r);
        check_nesting(t, r);
        check_structure(t, plan);
        check_bytes(t, plan);
        plan_close(plan);
    }
    traced_close(t);
}

static void check_preset(const char *preset)
{
    check_spec(preset, "serial");
    for (int i = 0; hybrid_strategy(i); i++) {
        check_spec(preset, hybrid_alone(hybrid_strategy(i), true));
        if (hybrid_alone(hybrid_strategy(i), false))
            check_spec(preset, hybrid_alone(hybrid_strategy(i), false));
    }
    check_spec(preset, "pipefusion=2:patches=3:warmup=1,ulysses=2");
}

Test(trace, ranges_of_a_decoder)
{
    check_spec("vae-tiny", "serial");
    check_spec("vae-tiny", "rows=1:chunk=3");
    check_spec("vae-tiny", "rows=3:chunk=2");
    check_spec("vae-tiny", "data=2,rows=2:chunk=5");
}

#define PRESET(family)                                                                             \
    Test(trace, ranges_of_##family)                                                                \
    {                                                                                              \
        check_preset(#family "-tiny");                                                             \
    }
PRESET(pixart)
PRESET(dit)
PRESET(sd3)
PRESET(flux)
PRESET(hunyuandit)
PRESET(latte)

Test(trace, ranges_of_hybrids)
{
    check_spec("pixart-tiny", "cfg=2,ring=2,ulysses=2");
    check_spec("pixart-tiny", "distrifusion=2,ulysses=2");
    check_spec("pixart-tiny", "tensor=2,ulysses=2");
    check_spec("pixart-tiny", "pipefusion=2:patches=3:warmup=1,allgather=2");
}

/* ---- FLOPs ---- */

/* Of products or attentions (op) within operations of the model of this name. */
static double flops_of(const struct ranges *r, const char *op, const char *name)
{
    double sum = 0;
    for (int i = 0; i < r->n; i++) {
        const struct trace_range *range = &r->v[i].range;
        if (range->kind != TRACE_OP || strncmp(range->name, op, strlen(op)) != 0)
            continue;
        const struct trace_range *around = ranges_around(r, i, TRACE_MODEL);
        sum += !name || strcmp(around->name, name) == 0 ? range->work.flops : 0;
    }
    return sum;
}

/* A bare forward: every parameter that stands in a product is used once for each row that it
 * meets. */
Test(trace, products_of_a_forward_are_twice_its_parameters_for_each_row)
{
    struct traced *t = traced_open("dit-tiny", "serial");
    const struct dit_config *c = &t->setup.config;
    t->setup.forward = true;
    struct problem p = cell_problem(&t->setup);
    double lanes = p.requests * problem_branches(&p);
    double rows = lanes * problem_tokens(&p);
    double C = dit_channels(c);
    double in = c->in_channels * c->patch * c->patch;
    double out = c->out_channels * c->patch * c->patch;
    double of_rows = c->layers * (4 * C * C + 2 * C * c->mlp) + in * C + C * out;
    double of_lanes =
        (c->layers + 1) * (256 * C + C * C) + c->layers * 6 * C * C + 2 * C * C; /* adaLN-Zero */
    traced_run(t);
    const struct ranges *r = &t->ranges[0];
    cr_expect_eq(t->open[0], -1);
    cr_expect_eq(flops_of(r, "linear", NULL), 2 * (of_rows * rows + of_lanes * lanes));
    cr_expect_eq(flops_of(r, "linear", "modulation"), 2 * of_lanes * lanes);
    cr_expect_eq(flops_of(r, "attention", NULL), 4 * rows * problem_tokens(&p) * C * c->layers);
    traced_close(t);
}

/* Text meets the weights of keys and values, and of its projection, once a loop. */
Test(trace, products_with_text_are_twice_its_parameters_for_each_row)
{
    struct traced *t = traced_open("pixart-tiny", "serial");
    const struct dit_config *c = &t->setup.config;
    t->setup.forward = true;
    struct problem p = cell_problem(&t->setup);
    double lanes = p.requests * problem_branches(&p);
    double rows = lanes * problem_tokens(&p);
    double C = dit_channels(c);
    double text = c->text_dim * C + C * C + c->layers * 2 * C * C;
    traced_run(t);
    const struct ranges *r = &t->ranges[0];
    cr_expect_eq(flops_of(r, "linear", "text"), 2 * text * lanes * c->text_tokens);
    cr_expect_eq(flops_of(r, "linear", "cross q"), 2 * C * C * c->layers * rows);
    cr_expect_eq(flops_of(r, "linear", "cross out"), 2 * C * C * c->layers * rows);
    cr_expect_eq(flops_of(r, "linear", "fc1+gelu"), 2 * C * c->mlp * c->layers * rows);
    traced_close(t);
}

/* What is split is split without a remainder, and nothing is done twice. */
Test(trace, ranks_share_the_work_of_one)
{
    static const char *const specs[] = {"data=2",
                                        "cfg=2",
                                        "ulysses=2",
                                        "ring=2",
                                        "allgather=2",
                                        "tensor=2",
                                        "pipefusion=2:patches=2:warmup=1",
                                        "distrifusion=2"};
    static const char *const names[] = {"qkv", "attention", "out", "fc1+gelu", "fc2"};
    struct traced *one = traced_open("pixart-tiny", "serial");
    traced_run(one);
    for (int s = 0; s < 8; s++) {
        struct traced *t = traced_open("pixart-tiny", specs[s]);
        traced_run(t);
        for (int k = 0; k < 5; k++) {
            const char *op = k == 1 ? "attention" : "linear";
            double sum = 0;
            for (int r = 0; r < t->ranks; r++)
                sum += flops_of(&t->ranges[r], op, names[k]);
            cr_expect_eq(sum, flops_of(&one->ranges[0], op, names[k]), "%s: %s", specs[s],
                         names[k]);
        }
        traced_close(t);
    }
    traced_close(one);
}

/* ---- failures ---- */

Test(trace, ranges_end_when_a_loop_fails)
{
    static const char *const specs[] = {
        "ulysses=2",     "ring=2", "tensor=2", "cfg=2", "pipefusion=2:patches=3:warmup=1",
        "distrifusion=2"};
    for (int s = 0; s < 6; s++) {
        struct traced *t = traced_open("pixart-tiny", specs[s]);
        t->aborting = 2;
        traced_run(t);
        for (int r = 0; r < t->ranks; r++) {
            cr_expect_eq(t->status[r], ST_COMM, "%s: rank %d says %s", specs[s], r,
                         status_name(t->status[r]));
            check_nesting(t, r);
        }
        traced_close(t);
    }
}

Test(trace, ranges_end_when_a_run_cannot_be_opened)
{
    for (int nth = 3; nth < 200; nth += 20) {
        struct traced *t = traced_open("pixart-tiny", "serial");
        t->failing = nth;
        traced_run(t);
        cr_expect(t->status[0] == ST_OOM || nth > 20, "allocation %d", nth);
        check_nesting(t, 0);
        traced_close(t);
    }
}
