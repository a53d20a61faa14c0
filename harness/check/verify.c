/* SPDX-License-Identifier: Apache-2.0 */
/* The run behind `verify`. Reading the file is verify_file.c's business. */
#include "harness/check/verify.h"

#include "harness/cell/setup.h"
#include "harness/check/quality.h"
#include "harness/launch/ranks.h"
#include "strategies/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct verify *verify;
    const struct verify_file *file;
    struct setup *setup;
    struct weights *weights;
    struct prompt *prompt;
    double tolerance;
};

/* ---- what is computed ---- */

/* The file's problem in the words of a cell. A forward's rows are lanes of one step: requests of an
 * unguided problem, or, for a strategy that gives each guidance branch a rank, the two branches of
 * one. */
static struct cell make_cell(const struct verify *v, bool branches)
{
    struct cell cell = *v->cell;
    const struct verify_file *f = v->file;
    cell.width = f->width;
    cell.height = f->height;
    cell.frames = f->frames;
    cell.steps = f->steps;
    cell.requests = branches ? 1 : f->rows;
    if (f->kind == VERIFY_SAMPLE)
        cell.guidance = f->guidance;
    else if (f->kind == VERIFY_FORWARD)
        cell.guidance = branches ? 2 : 1;
    if (!cell.strategy[0] && f->strategy)
        strcpy(cell.strategy, f->strategy);
    return cell;
}

/* The rows of `text` are the file's, not the model's default, but beside a second text. */
static enum status set_text(struct job *job)
{
    const struct safetensors_entry *text = safetensors_find(job->file->file, "text");
    if (job->setup->model.dit.text_dim == 0 || job->setup->model.dit.text2_dim > 0)
        return ST_OK;
    if (!text || text->ndim != 3 || text->dim[1] < 1 || text->dim[1] > 65536) {
        char found[100] = "not in the file";
        if (text)
            verify_file_shape(text->ndim, text->dim, found, sizeof found);
        return fail(ST_INVALID,
                    "%s: tensor \"text\": %s found; wanted [rows, tokens, %d], 1 to 65536 tokens",
                    safetensors_path(job->file->file), found, job->setup->model.dit.text_dim);
    }
    job->setup->problem.text_tokens = (int)text->dim[1];
    return ST_OK;
}

static enum status open_setup(struct job *job, bool branches)
{
    struct cell cell = make_cell(job->verify, branches);
    enum status st = setup_open(&cell, job->verify->place, &job->setup);
    if (st != ST_OK)
        return fail_prefix(st, "reference %s", safetensors_path(job->file->file));
    job->setup->problem.all_channels = job->file->kind == VERIFY_FORWARD;
    return set_text(job);
}

/* The plan's refusal (*planned false), or that of a forward: its rows stay together. */
static enum status check_plan(const struct job *job, bool *planned, bool *splits_branches)
{
    struct plan *plan;
    enum status st = ST_OK;
    *planned = false;
    TRY(plan_build(&job->setup->problem, &job->setup->spec, job->setup->cell.ranks, 0, &plan));
    *planned = true;
    setup_work_queues(job->setup, plan);
    *splits_branches = plan->branch_axis >= 0;
    if (job->file->kind == VERIFY_FORWARD && plan->request_axis >= 0 &&
        plan->mesh.size[plan->request_axis] > 1)
        st = fail(
            ST_UNSUPPORTED,
            "%s=%d splits requests, and the rows of a forward are lanes of one step; leave it out, "
            "or use a reference of kind sample",
            plan->mesh.name[plan->request_axis], plan->mesh.size[plan->request_axis]);
    plan_close(plan);
    return st;
}

/* Opens the setup as the file and the strategy want it: the rows of a forward are requests, or,
 * where that is refused and there are two, the branches of one request. The refusal that is told is
 * the second one's, unless the first plan was good and only a forward cannot have it. */
static enum status choose_problem(struct job *job)
{
    bool planned;
    bool splits = false;
    TRY(open_setup(job, false));
    enum status st = check_plan(job, &planned, &splits);
    if (st != ST_UNSUPPORTED || job->file->kind != VERIFY_FORWARD || job->file->rows != 2 ||
        planned || job->setup->model.dit.distilled)
        return st;
    char first[1000];
    snprintf(first, sizeof first, "%s", status_message());
    setup_close(job->setup);
    TRY(open_setup(job, true));
    TRY(check_plan(job, &planned, &splits));
    return splits ? ST_OK : fail(ST_UNSUPPORTED, "%s", first);
}

static enum status check_noise(const struct job *job)
{
    const struct verify_file *f = job->file;
    const char *path = safetensors_path(f->file);
    if (f->kind != VERIFY_SAMPLE)
        return ST_OK;
    int draws = job->setup->sampler->n_draws;
    if (f->draws == draws)
        return ST_OK;
    if (draws == 0)
        return fail(
            ST_INVALID,
            "%s: tensor \"step_noise\": the model's sampler (%s) draws no noise; leave it out",
            path, sampler_kind_name(job->setup->model.dit.sampler.kind));
    return fail(ST_INVALID,
                "%s: tensor \"step_noise\": found %d rows, wanted %d: the sampler (%s) draws in so "
                "many of %d "
                "steps",
                path, f->draws, draws, sampler_kind_name(job->setup->model.dit.sampler.kind),
                f->steps);
}

/* ---- the verdict ---- */

static double choose_tolerance(const struct job *job)
{
    if (!isnan(job->verify->tolerance))
        return job->verify->tolerance;
    if (job->setup->problem.dtype != DTYPE_F32)
        return job->file->kind == VERIFY_SAMPLE ? 5e-2 : 2e-2;
    return job->file->tolerance;
}

/* A stale step cannot equal a reference: says what would, and what a stale run is compared with. */
static enum status refuse(const struct job *job, const struct plan *plan, double error)
{
    char strategy[SPEC_TEXT];
    char against[SPEC_TEXT];
    struct spec one;
    const struct verify_file *f = job->file;
    if (f->strategy)
        return fail(ST_WRONG,
                    "relative error %.3g is above the tolerance %g; the reference is of a run with "
                    "--strategy %s",
                    error, job->tolerance, f->strategy);
    if (plan->exact || f->kind != VERIFY_SAMPLE)
        return fail(ST_WRONG, "relative error %.3g is above the tolerance %g", error,
                    job->tolerance);
    spec_reference(&plan->spec, &one);
    return fail(ST_WRONG,
                "relative error %.3g is above the tolerance %g: %s cannot equal the reference, for "
                "after %d synchronous step%s it uses keys of the step before; warmup=%d makes all "
                "steps synchronous, and `ditbench run` compares the strategy with its own one-rank "
                "run, %s",
                error, job->tolerance, spec_text(&plan->spec, strategy), plan->warmup,
                plan->warmup == 1 ? "" : "s", f->steps, spec_text(&one, against));
}

/* Elements of the output. */
static size_t output_count(const struct job *job)
{
    const struct verify_file *f = job->file;
    size_t count = 1;
    for (int i = 0; i < f->ndim; i++)
        count *= (size_t)f->dim[i];
    return count;
}

/* "[1, 3, 5, 7]": element `at` of the output, into text; returns it. */
static char *place(const struct job *job, size_t at, char *text, size_t size)
{
    const struct verify_file *f = job->file;
    int64_t index[5];
    for (int i = f->ndim - 1; i >= 0; at /= (size_t)f->dim[i], i--)
        index[i] = (int64_t)(at % (size_t)f->dim[i]);
    return verify_file_shape(f->ndim, index, text, size);
}

static enum status judge(const struct job *job, const struct plan *plan, const float *out)
{
    const struct verify_file *f = job->file;
    char worst[120];
    struct quality q = quality_of(output_count(job), out, f->expected);
    bool pass = quality_pass(&q, job->tolerance);
    job->verify->rel_l2 = q.rel_l2;
    printf("expected: relative L2 %.3g, largest difference %.3g at %s, tolerance %g: %s\n",
           q.rel_l2, q.max_abs, place(job, q.worst, worst, sizeof worst), job->tolerance,
           pass ? "ok" : "WRONG");
    fflush(stdout);
    return pass ? ST_OK : refuse(job, plan, q.rel_l2);
}

/* ---- the run ---- */

static void tell(const struct job *job, long done)
{
    const struct verify *v = job->verify;
    if (v->on_progress)
        v->on_progress(v->on_progress_self, done, job->file->steps);
}

static void on_step(void *self, int step)
{
    tell(self, step + 1);
}

static enum status compute(const struct job *job, struct run *run, float *out)
{
    const struct verify_file *f = job->file;
    double loop_ms;
    if (f->kind == VERIFY_FORWARD)
        return run_forward(run, f->latent, f->timestep, out);
    double *step_ms = calloc((size_t)f->steps, sizeof *step_ms);
    if (!step_ms)
        return fail(ST_OOM, "%d steps: no host memory", f->steps);
    enum status st = run_loop(run, &loop_ms, step_ms);
    free(step_ms);
    return st ? st : run_gather(run, out);
}

static enum status run_rank(const struct job *job, const struct rank *rank, const struct plan *plan,
                            float *out)
{
    const struct verify_file *f = job->file;
    struct run_inputs inputs = {
        .weights = job->weights,
        .prompt = job->prompt,
        .sampler = f->kind == VERIFY_SAMPLE ? job->setup->sampler : NULL,
        .guidance = (float)job->setup->cell.guidance,
        .latent = f->latent,
        .step_noise = f->step_noise,
        .graph = job->setup->cell.graph,
        .on_step = out ? on_step : NULL,
        .on_step_self = (void *)job,
    };
    struct run *run;
    TRY(run_open(plan, &inputs, rank->dev, rank->world, &run));
    enum status st = compute(job, run, out);
    run_close(run);
    TRY(st);
    if (out)
        tell(job, f->steps);
    return comm_agree(rank->world, out ? judge(job, plan, out) : ST_OK);
}

static enum status on_rank(void *self, const struct rank *rank)
{
    const struct job *job = self;
    const struct verify_file *f = job->file;
    struct plan *plan;
    float *out = NULL;
    TRY(plan_build(&job->setup->problem, &job->setup->spec, rank->n, rank->index, &plan));
    enum status st = ST_OK;
    if (rank->index == plan_output_rank(plan)) {
        out = malloc(output_count(job) * sizeof *out);
        if (!out)
            st = fail(ST_OOM, "output of %d rows: no host memory", f->rows);
    }
    st = comm_agree(rank->world, st);
    if (st == ST_OK)
        st = run_rank(job, rank, plan, out);
    free(out);
    plan_close(plan);
    return st;
}

/* Whether the cell can be, and in which processes. */
static enum status look(struct job *job)
{
    TRY(choose_problem(job));
    TRY(setup_check_build(job->setup));
    if (setup_processes(job->setup) && !job->verify->place)
        return fail(ST_INVALID, "--transport mpi: start `verify` under mpirun -n %d",
                    job->setup->cell.ranks);
    if (setup_forks(job->setup) && !job->verify->place)
        job->verify->processes = job->setup->cell.ranks;
    return ST_OK;
}

static enum status prepare(struct job *job)
{
    const struct verify_file *f = job->file;
    job->tolerance = choose_tolerance(job);
    if (isnan(job->tolerance))
        return fail(ST_INVALID, "%s: metadata tolerance: not in the file; use --tolerance",
                    safetensors_path(f->file));
    TRY(check_noise(job));
    const struct problem *p = &job->setup->problem;
    if (!p->kind->prompt)
        return setup_weights(job->setup, &job->weights);
    TRY(prompt_open_file(p->config, f->file, p->requests * problem_branches(p), p->width, p->height,
                         f->kind == VERIFY_FORWARD ? PROMPT_FORWARD : PROMPT_SAMPLE,
                         verify_file_own(f->kind), &job->prompt));
    if (f->kind == VERIFY_SAMPLE)
        prompt_set_guidance(job->prompt, (float)f->guidance);
    return setup_weights(job->setup, &job->weights);
}

enum status verify_run(struct verify *verify)
{
    struct job job = {.verify = verify, .file = verify->file};
    verify->agreed = true;
    verify->processes = 0;
    verify->rel_l2 = INFINITY;
    enum status st = look(&job);
    if (st == ST_OK && verify->processes == 0)
        st = prepare(&job);
    if (st == ST_OK && verify->processes == 0) {
        struct ranks ranks = setup_ranks(job.setup, verify->place);
        st = ranks_each(&ranks, on_rank, &job);
        verify->agreed = st == ST_OK || st == ST_WRONG;
    }
    weights_close(job.weights);
    prompt_close(job.prompt);
    setup_close(job.setup);
    return st;
}
