/* SPDX-License-Identifier: Apache-2.0 */
/* Runs small cells; what is asserted about them is in the tests. */
#include "tests/support/cells.h"

#include "kernels/base/rng.h"
#include "tests/support/near.h"
#include "tests/support/threads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cell_setup decoder_setup(const struct vae_config *config)
{
    return (struct cell_setup){.kind = &kind_decoder,
                               .decoder = *config,
                               .width = 56,
                               .height = 44,
                               .steps = 1,
                               .requests = 2,
                               .seed = 7};
}

struct cell_setup cell_setup_of(const char *preset)
{
    struct cell_setup setup = {
        .kind = &kind_transformer, .width = 96, .height = 80, .requests = 2, .seed = 7};
    char folder[8];
    if (vae_config_find(preset, &setup.decoder))
        return decoder_setup(&setup.decoder);
    BUG_ON(dit_config_load(preset, &setup.config, folder, sizeof folder) != ST_OK, "%s",
           status_text());
    setup.steps = hybrid_most_ranks() < 4 ? 3 : 5;
    setup.config.layers = 8;
    setup.config.text_tokens = setup.config.text_dim ? 9 : 0;
    return setup;
}

void cell_set_layers(struct cell_setup *setup, int layers)
{
    struct dit_config *c = &setup->config;
    c->parallel_layers = c->parallel_layers * layers / c->layers;
    c->layers = layers + (c->skips && layers % 2);
}

struct problem cell_problem(const struct cell_setup *setup)
{
    if (setup->kind == &kind_decoder)
        return (struct problem){
            .kind = &kind_decoder,
            .decoder = &setup->decoder,
            .width = setup->width,
            .height = setup->height,
            .frames = setup->frames ? setup->frames : 1,
            .steps = setup->steps,
            .requests = setup->requests,
            .dtype = setup->dtype,
        };
    return (struct problem){
        .kind = &kind_transformer,
        .config = &setup->config,
        .width = setup->width,
        .height = setup->height,
        .frames = setup->frames ? setup->frames : dit_frames(&setup->config),
        .steps = setup->steps,
        .requests = setup->requests,
        .guided = problem_guides(&setup->config, 4.0),
        .text_tokens = setup->config.text_tokens,
        .dtype = setup->dtype,
        .all_channels = setup->forward,
    };
}

const char *cell_model(const struct cell_setup *setup)
{
    return setup->kind == &kind_decoder ? setup->decoder.name : setup->config.name;
}

/* The specification of a text, with the test's own strategy. */
static enum status parse(const struct cell_setup *setup, const char *text, struct spec *out)
{
    TRY(spec_parse(text, out));
    if (setup->own)
        out->item[out->n++] = *setup->own;
    return ST_OK;
}

/* `what` names a line of one side; the other must have it too, unless it is empty. */
static void match_line(const struct plan *plan, const struct volume_line *counted,
                       const struct volume_line *formula, const struct volume_line *what,
                       struct cell_result *out)
{
    static const struct volume_line none;
    const struct volume_line *c = counted ? counted : &none;
    const struct volume_line *f = formula ? formula : &none;
    if (c->calls == f->calls && c->api_bytes == f->api_bytes && c->wire_bytes == f->wire_bytes)
        return;
    out->bytes_match = false;
    snprintf(out->mismatch, sizeof out->mismatch,
             "rank %d %s %s %s: counted %lu calls %lu api %lu wire, formula %lu %lu %lu",
             plan->rank, plan->mesh.name[what->axis], comm_op_name(what->op),
             comm_when_name(what->when), (unsigned long)c->calls, (unsigned long)c->api_bytes,
             (unsigned long)c->wire_bytes, (unsigned long)f->calls, (unsigned long)f->api_bytes,
             (unsigned long)f->wire_bytes);
}

static void match_bytes(const struct run *run, struct cell_result *out)
{
    const struct plan *plan = run_plan(run);
    struct volume counted;
    struct volume formula;
    out->bytes_match =
        run_volume(run, &counted) == ST_OK && volume_predict_loop(plan, &formula) == ST_OK;
    for (int i = 0; out->bytes_match && i < counted.n; i++) {
        const struct volume_line *line = &counted.line[i];
        match_line(plan, line, volume_find(&formula, line), line, out);
    }
    for (int i = 0; out->bytes_match && i < formula.n; i++) {
        const struct volume_line *line = &formula.line[i];
        match_line(plan, volume_find(&counted, line), line, line, out);
    }
}

static void match_memory(const struct run *run, struct cell_result *out)
{
    size_t predicted[ARENA_KINDS];
    out->memory_match = plan_memory(run_plan(run), predicted) == ST_OK;
    for (int k = 0; k < ARENA_KINDS; k++)
        if (predicted[k] != run_memory(run, k)) {
            out->memory_match = false;
            snprintf(out->mismatch, sizeof out->mismatch, "%s: predicted %zu, held %zu",
                     arena_kind_name(k), predicted[k], run_memory(run, k));
        }
}

static enum status loop_and_gather(struct run *run, int loops, struct cell_result *out)
{
    double *ends = malloc(sizeof *ends * (size_t)run_plan(run)->problem.steps);
    enum status st = ST_OK;
    double ms;
    for (int l = 0; l < loops && st == ST_OK; l++)
        st = run_loop(run, &ms, ends);
    free(ends);
    if (st == ST_OK)
        st = run_gather(run, out->latent);
    if (st == ST_OK) {
        match_bytes(run, out);
        match_memory(run, out);
    }
    return st;
}

/* One bare call on a latent of each lane's own. */
static enum status forward(struct run *run, uint64_t seed, struct cell_result *out)
{
    const struct problem *p = &run_plan(run)->problem;
    struct latent_geometry g = problem_geometry(p);
    int rows = p->requests * problem_branches(p);
    int64_t count = (int64_t)rows * g.channels * g.frames * g.height * g.width;
    float *x = malloc((size_t)count * sizeof *x);
    float *timestep = malloc((size_t)rows * sizeof *timestep);
    BUG_ON(!x || !timestep, "no memory for %lld latents", (long long)count);
    rng_uniform(seed, 99, 0, count, x);
    for (int r = 0; r < rows; r++)
        timestep[r] = 700.0f - 100.0f * (float)r;
    enum status st = run_forward(run, x, timestep, out->latent);
    free(x);
    free(timestep);
    out->bytes_match = true; /* closed forms are those of a loop */
    match_memory(run, out);
    return st;
}

static enum status open_inputs(const struct cell_setup *setup, const struct problem *p,
                               struct run_inputs *in)
{
    struct prompt *prompt = NULL;
    struct sampler *sampler = NULL;
    TRY(weights_open_synthetic(setup->seed, &in->weights));
    in->seed = setup->seed;
    in->graph = setup->graph;
    if (setup->kind == &kind_decoder)
        return ST_OK;
    TRY(prompt_open_synthetic(&setup->config, p->requests, p->guided, p->width, p->height,
                              setup->seed, &prompt));
    in->prompt = prompt;
    if (!setup->forward)
        TRY(sampler_open(&setup->config.sampler, p->steps, problem_tokens(p), &sampler));
    in->sampler = sampler;
    in->guidance = 4.0f;
    return ST_OK;
}

enum status cell_run_rank(const struct cell_setup *setup, const char *text, struct comm *world,
                          struct device *dev, int loops, struct cell_result *out)
{
    struct problem problem = cell_problem(setup);
    struct run_inputs in = {0};
    struct spec spec;
    struct plan *plan = NULL;
    struct run *run = NULL;
    enum status st = parse(setup, text, &spec);
    if (st == ST_OK)
        st = plan_build(&problem, &spec, comm_size(world), comm_rank(world), &plan);
    if (st == ST_OK)
        st = open_inputs(setup, &problem, &in);
    if (st == ST_OK)
        st = run_open(plan, &in, dev, world, &run);
    if (st == ST_OK)
        st = setup->forward ? forward(run, setup->seed, out) : loop_and_gather(run, loops, out);
    run_close(run);
    plan_close(plan);
    prompt_close((struct prompt *)in.prompt);
    sampler_close((struct sampler *)in.sampler);
    weights_close(in.weights);
    return st;
}

struct thread_cell {
    const struct cell_setup *setup;
    const char *spec;
    int loops;
    struct cell_result *result; /* [ranks] */
};

/* The local transport takes messages of any device, whichever its world was opened with. */
static enum status run_cell_rank(struct thread_rank *self)
{
    struct thread_cell *t = self->arg;
    struct device *dev = t->setup->devices ? t->setup->devices[self->rank] : self->dev;
    return cell_run_rank(t->setup, t->spec, self->world, dev, t->loops, &t->result[self->rank]);
}

size_t cell_count(const struct cell_setup *setup)
{
    struct problem p = cell_problem(setup);
    struct latent_geometry g = problem_geometry(&p);
    if (!setup->forward)
        return problem_result_count(&p);
    return (size_t)(p.requests * problem_branches(&p) * g.frames) *
           (size_t)setup->config.out_channels * (size_t)g.height * (size_t)g.width;
}

enum status cell_run(const struct cell_setup *setup, const char *spec, int loops,
                     struct cell_result *out)
{
    struct cell_result result[THREADS_MAX] = {0};
    int ranks = cell_ranks(setup, spec);
    memset(out, 0, sizeof *out);
    out->count = cell_count(setup);
    out->latent = malloc(out->count * sizeof *out->latent);
    out->bytes_match = out->memory_match = true;
    for (size_t i = 0; i < out->count; i++)
        out->latent[i] = NAN;
    for (int r = 0; r < ranks; r++)
        result[r].latent = out->latent;
    enum status st =
        threads_run(ranks, run_cell_rank, &(struct thread_cell){setup, spec, loops, result});
    for (int r = 0; r < ranks && st == ST_OK; r++) {
        out->bytes_match &= result[r].bytes_match;
        out->memory_match &= result[r].memory_match;
        if (result[r].mismatch[0])
            memcpy(out->mismatch, result[r].mismatch, sizeof out->mismatch);
    }
    return st;
}

void cell_release(struct cell_result *result)
{
    free(result->latent);
    result->latent = NULL;
}

static void expanded(const struct cell_setup *setup, const char *text, struct spec *out)
{
    struct problem problem = cell_problem(setup);
    struct spec spec;
    BUG_ON(parse(setup, text, &spec) != ST_OK, "%s", status_text());
    BUG_ON(spec_expand(&spec, problem_facts(&problem).heads, out) != ST_OK, "%s", status_text());
}

const char *cell_reference(const struct cell_setup *setup, const char *spec, char *text)
{
    struct spec whole;
    struct spec reference;
    expanded(setup, spec, &whole);
    spec_reference(&whole, &reference);
    return spec_text(&reference, text);
}

int cell_ranks(const struct cell_setup *setup, const char *text)
{
    struct spec spec;
    expanded(setup, text, &spec);
    return spec_ranks(&spec);
}

int cell_output_rank(const struct cell_setup *setup, const char *text)
{
    struct problem problem = cell_problem(setup);
    struct spec spec;
    struct plan *plan;
    BUG_ON(parse(setup, text, &spec) != ST_OK, "%s", status_text());
    BUG_ON(plan_build(&problem, &spec, cell_ranks(setup, text), 0, &plan) != ST_OK, "%s",
           status_text());
    int rank = plan_output_rank(plan);
    plan_close(plan);
    return rank;
}

double cell_distance(const struct cell_result *got, const struct cell_result *want)
{
    double *wanted = malloc(want->count * sizeof *wanted);
    BUG_ON(!wanted, "no memory for %zu elements", want->count);
    for (size_t i = 0; i < want->count; i++)
        wanted[i] = (double)want->latent[i];
    struct near near = near_measure(got->latent, wanted, (int64_t)want->count);
    free(wanted);
    return near.rel_l2;
}

double cell_tolerance(const char *text)
{
    struct spec spec;
    BUG_ON(spec_parse(text, &spec) != ST_OK, "%s", status_text());
    for (int i = 0; i < spec.n; i++)
        if (spec.item[i].ops->reorders_sums)
            return 1e-4;
    return 1e-5;
}
