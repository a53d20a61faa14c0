/* SPDX-License-Identifier: Apache-2.0 */
/* The measurement of one cell: warm-up loops, measured loops, the check. Numbers of the record are
 * worker_record.c's. */
#include "harness/measure/worker.h"

#include "harness/check/quality.h"
#include "harness/check/reference.h"
#include "harness/launch/ranks.h"
#include "harness/launch/watchdog.h"
#include "harness/measure/headroom.h"
#include "harness/measure/last_image.h"
#include "harness/measure/samples.h"
#include "harness/measure/worker_record.h"
#include "kernels/base/clock.h"
#include "strategies/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BEAT_MS = 100 /* beats come no faster */, FIRST_ROOM = 64 /* loops, under a rule */ };

/* What all ranks of this process share. */
struct job {
    const struct worker *worker;
    const struct setup *setup;
    struct weights *weights;
    struct pins pins; /* the files that this process has open */
    struct prompt *prompt;
    struct spec expanded;
    struct spec against; /* the one-rank run of the check */
    int output;          /* plan_output_rank */
    bool keeps;          /* it is here: this process will have the record */
    struct headroom headroom;
    float *reference; /* [count] latents of `against`; NULL: not checked, or not here */
    float *serial;    /* of the serial run; may be the same array */
    struct record *record;

    /* steps, on this process' output rank or in the one-rank run; total 0: nobody knows */
    long done, total;
    double last_beat; /* seconds */
};

/* ---- signs of life ---- */

/* computes: this process does, and does not wait for another's one-rank run. */
static void phase(const struct job *job, const char *name, bool computes)
{
    watchdog_phase(name, computes);
    if (job->keeps && job->worker->on_phase)
        job->worker->on_phase(job->worker->self, name);
}

static void on_step(void *self, int step)
{
    struct job *job = self;
    double now = clock_seconds();
    (void)step;
    job->done++;
    if (now - job->last_beat < 1e-3 * BEAT_MS)
        return;
    job->last_beat = now;
    watchdog_beat();
    if (job->keeps && job->worker->on_beat)
        job->worker->on_beat(job->worker->self, job->done, job->total);
}

static void start_beats(struct job *job, long loops)
{
    job->done = 0;
    job->total = loops * job->setup->problem.steps;
    job->last_beat = 0;
}

/* ---- one-rank runs ---- */

static enum status one_rank(struct job *job, const struct spec *spec, float **out)
{
    const struct rendezvous *place = job->worker->place;
    struct reference reference = {
        .setup = job->setup,
        .weights = job->weights,
        .identity = job->worker->identity,
        .pins = &job->pins,
        .prompt = job->prompt,
        .device = place ? place->rank : 0, /* this rank's own */
        .on_step = on_step,
        .on_step_self = job,
    };
    start_beats(job, 1);
    *out = malloc(problem_result_count(&job->setup->problem) * sizeof **out);
    if (!*out)
        return fail(ST_OOM, "result of the one-rank run: no host memory");
    enum status st = reference_latents(&reference, spec, *out);
    char text[SPEC_TEXT];
    return st ? fail_prefix(st, "the one-rank run behind the check (%s; --check off does without)",
                            spec_text(spec, text))
              : ST_OK;
}

static enum status get_references(struct job *job)
{
    static const struct spec serial = {.n = 0};
    if (!job->setup->cell.check || !job->keeps)
        return ST_OK;
    phase(job, "reference", job->keeps);
    TRY(one_rank(job, &job->against, &job->reference));
    if (job->against.n > 0)
        return one_rank(job, &serial, &job->serial);
    job->serial = job->reference;
    return ST_OK;
}

/* ---- the check ---- */

static void check(const struct job *job, const float *latent)
{
    struct record *record = job->record;
    char text[SPEC_TEXT];
    size_t n = problem_result_count(&job->setup->problem);
    if (!job->reference)
        return;
    struct quality got = quality_of(n, latent, job->reference);
    record->check.against = record_text(record, spec_text(&job->against, text));
    record->check.rel_l2 = got.rel_l2;
    record->check.max_abs = got.max_abs;
    record->check.tolerance = worker_record_tolerance(&job->expanded, job->setup->problem.dtype);
    record->check.pass = quality_pass(&got, record->check.tolerance) ? RECORD_YES : RECORD_NO;
    got = quality_of(n, latent, job->serial);
    record->deviation.against = record_text(record, "serial");
    record->deviation.rel_l2 = got.rel_l2;
    record->deviation.max_abs = got.max_abs;
    record->deviation.psnr_db = got.psnr_db;
}

/* Asked of every latent, checked or not; false: there is nothing to look at. */
static bool check_finite(const struct job *job, const float *latent)
{
    struct record *record = job->record;
    size_t n = problem_result_count(&job->setup->problem);
    size_t bad = quality_not_finite(n, latent);
    if (bad == 0)
        return true;
    record->status = ENDING_WRONG;
    record->reason =
        record_text_format(record, "%zu of the final %s's %zu elements are NaN or infinite", bad,
                           job->setup->problem.kind->result, n);
    return false;
}

static enum status write_output(const struct job *job, const float *latent)
{
    const struct problem *p = &job->setup->problem;
    struct safetensors_item item = {.name = p->kind->result, .data = latent};
    item.ndim = problem_result_dims(p, item.dim);
    if (!job->worker->output)
        return ST_OK;
    return safetensors_write(job->worker->output, 1, &item, 0, NULL);
}

/* The peers wait. A picture that is wrong makes a right cell wrong. */
static enum status write_image(const struct job *job, const struct rank *rank, const float *latent)
{
    struct record *record = job->record;
    double ms;
    if (!job->worker->image)
        return ST_OK;
    enum status st = last_image_write(job->setup, job->worker->image, latent, rank->index, &ms);
    if (st == ST_OK)
        record->decode_ms = ms;
    if (st != ST_WRONG)
        return st;
    if (record->status == ENDING_OK)
        record->reason = record_text(record, status_message());
    record->status = ENDING_WRONG;
    return ST_OK;
}

/* On the output rank: all that a record says about this cell. */
static enum status make_record(struct job *job, const struct rank *rank, const struct plan *plan,
                               const struct samples *s, const float *latent)
{
    TRY(record_open(&job->record));
    struct record *record = job->record;
    record->status = ENDING_OK;
    record->env.exchange = comm_exchange_form(rank->world);
    worker_record_fill(record, plan, s->ranks, s->n, s->parts, s->step_end_ms);
    check(job, latent);
    bool finite = check_finite(job, latent);
    record_judge(record);
    TRY(write_output(job, latent));
    if (finite)
        TRY(write_image(job, rank, latent));
    return record->status == ENDING_WRONG ? fail(ST_WRONG, "%s", record->reason) : ST_OK;
}

/* ---- loops ---- */

/* Buffers of one rank. */
struct measure {
    struct samples samples;
    float *latent; /* on the output rank */
};

static enum status measure_allocate(const struct job *job, bool output, struct measure *m)
{
    const struct cell *cell = &job->setup->cell;
    bool rule = cell->repeats == CELL_AUTO;
    TRY(samples_init(&m->samples, cell->ranks, cell->steps, rule ? FIRST_ROOM : cell->repeats,
                     rule));
    m->latent =
        output ? malloc(problem_result_count(&job->setup->problem) * sizeof *m->latent) : NULL;
    if (output && !m->latent)
        return fail(ST_OOM, "final %s: no host memory", job->setup->problem.kind->result);
    return ST_OK;
}

static void measure_release(struct measure *m)
{
    samples_release(&m->samples);
    free(m->latent);
}

/* One loop, before the observer's eyes. */
static enum status observed_loop(const struct job *job, const struct rank *rank, struct run *run,
                                 double *loop_ms, double *step_end_ms)
{
    const struct worker_observer *o = job->worker->observer;
    TRY(o->loop_begins(o->self, rank));
    TRY(run_loop(run, loop_ms, step_end_ms));
    return o->loop_ends(o->self, rank, job->setup->cell.steps, *loop_ms, step_end_ms);
}

static bool is_looked_at(const struct job *job, int loop)
{
    const struct worker_observer *o = job->worker->observer;
    return o && loop >= 0 && (o->every_loop || loop == job->setup->cell.repeats - 1);
}

static enum status fixed_loops(const struct job *job, const struct rank *rank, struct run *run,
                               struct samples *s)
{
    int repeats = job->setup->cell.repeats;
    for (; s->n < repeats; s->n++)
        TRY(is_looked_at(job, s->n)
                ? observed_loop(job, rank, run, samples_loop(s), samples_steps(s))
                : run_loop(run, samples_loop(s), samples_steps(s)));
    return ST_OK;
}

/* Nobody looks at the last one, which is known as such only when it is over. */
static enum status loops_of_a_rule(const struct job *job, const struct rank *rank, struct run *run,
                                   struct samples *s)
{
    const struct record_stop rule = setup_record_cell(job->setup, NULL).stop;
    BUG_ON(job->worker->observer, "an observer of loops that nobody counted");
    samples_begin(s);
    for (bool enough = false; !enough;) {
        TRY(run_loop(run, samples_loop(s), samples_steps(s)));
        TRY(samples_agree(s, rank, &rule, &enough));
    }
    return ST_OK;
}

/* `loops` of them come (0: nobody knows), or none any more. Whoever listens may look at the machine
 * in the phase "measure", for it holds the measured loops and nothing else. */
static void loops_phase(struct job *job, const struct rank *rank, const char *name, long loops)
{
    bool output = rank->index == job->output;
    if (output)
        start_beats(job, loops);
    if (output || job->worker->place)
        phase(job, name, true);
}

static enum status measure_loops(struct job *job, const struct rank *rank, struct run *run,
                                 struct measure *m)
{
    const struct cell *cell = &job->setup->cell;
    struct samples *s = &m->samples;
    loops_phase(job, rank, "warm-up", cell->warmup_loops);
    for (int i = 0; i < cell->warmup_loops; i++)
        TRY(run_loop(run, samples_loop(s), samples_steps(s)));
    loops_phase(job, rank, "measure", cell->repeats == CELL_AUTO ? 0 : cell->repeats);
    TRY(cell->repeats == CELL_AUTO ? loops_of_a_rule(job, rank, run, s)
                                   : fixed_loops(job, rank, run, s));
    loops_phase(job, rank, "gather", 0);
    TRY(run_gather(run, m->latent));
    TRY(run_volume(run, &s->part->counted));
    uint64_t arenas = 0;
    for (int k = 0; k < ARENA_KINDS; k++) {
        s->part->memory[k] = run_memory(run, (enum arena_kind)k);
        arenas += s->part->memory[k];
    }
    return headroom_library(&job->headroom, rank, arenas, &s->part->library);
}

/* The plan's own numbers for this rank. */
static enum status predict(const struct plan *plan, struct rank_part *part)
{
    size_t bytes[ARENA_KINDS];
    TRY(plan_memory(plan, bytes));
    for (int k = 0; k < ARENA_KINDS; k++)
        part->predicted += bytes[k];
    return volume_predict_loop(plan, &part->expected);
}

static enum status measure_with(struct job *job, const struct rank *rank, const struct plan *plan,
                                struct measure *m)
{
    const struct cell *cell = &job->setup->cell;
    bool output = rank->index == plan_output_rank(plan);
    struct run_inputs inputs = {
        .weights = job->weights,
        .prompt = job->prompt,
        .sampler = job->setup->sampler,
        .guidance = (float)cell->guidance,
        .seed = (uint64_t)cell->seed,
        .on_step = output || job->worker->place ? on_step : NULL,
        .on_step_self = job,
        .graph = cell->graph,
    };
    struct run *run;
    enum status st = measure_allocate(job, output, m);
    if (st == ST_OK)
        st = predict(plan, m->samples.part);
    TRY(comm_agree(rank->world, st));
    TRY(headroom_check(&job->headroom, rank, m->samples.part->predicted));
    TRY(run_open(plan, &inputs, rank->dev, rank->world, &run));
    st = comm_agree(rank->world, pins_hold(&job->pins)); /* now that all bytes are read */
    if (st != ST_OK) {
        run_close(run);
        return st;
    }
    st = measure_loops(job, rank, run, m);
    if (st != ST_OK && job->worker->place && job->worker->on_failure)
        job->worker->on_failure(job->worker->self, st);
    run_close(run);
    TRY(st);
    TRY(samples_gather(&m->samples, rank));
    if (job->worker->image && (output || job->worker->place))
        phase(job, "decode", output);
    st = output ? make_record(job, rank, plan, &m->samples, m->latent) : ST_OK;
    return comm_agree(rank->world, st);
}

static enum status measure_observed(struct job *job, const struct rank *rank,
                                    const struct plan *plan, struct measure *m)
{
    const struct worker_observer *o = job->worker->observer;
    if (!o)
        return measure_with(job, rank, plan, m);
    enum status began = o->rank_begins(o->self, rank, plan);
    enum status st = comm_agree(rank->world, began);
    if (st == ST_OK)
        st = measure_with(job, rank, plan, m);
    if (began == ST_OK)
        o->rank_ends(o->self, rank);
    return st;
}

/* Are the files that are open here those that were hashed? On another host than that, where they
 * have other numbers, they are hashed again. */
static enum status check_files(struct job *job)
{
    const struct worker *w = job->worker;
    char host[100] = "this host";
    bool elsewhere = false;
    TRY(pins_take(job->setup, job->weights, &job->pins));
    if (w->pins)
        TRY(pins_compare(&job->pins, w->pins, &elsewhere));
    const char *identity;
    if (!elsewhere)
        return ST_OK;
    TRY(weights_identity(job->weights, &identity));
    if (strcmp(identity, w->identity) == 0)
        return ST_OK;
    gethostname(host, sizeof host - 1);
    return fail(ST_INVALID, "%s: on %s it is not the checkpoint that was hashed",
                job->setup->cell.model, host);
}

/* What the loops need and, where the record will be, what they are checked against. */
static enum status prepare(struct job *job)
{
    phase(job, "load", job->keeps);
    TRY(setup_weights(job->setup, &job->weights));
    TRY(setup_prompt(job->setup, &job->prompt));
    TRY(check_files(job));
    TRY(get_references(job));
    phase(job, "open", job->keeps);
    return ST_OK;
}

/* Over MPI a wait for a peer has no end, so the ranks can meet before there is anything to compute.
 */
static bool prepares_late(const struct job *job)
{
    return job->worker->place && !job->worker->place->folder;
}

/* The one-rank run may take longer than a rank waits for another, so ranks that meet in a folder
 * wait there for the output rank, before any of them opens its device. The launcher's clock runs.
 */
static enum status prepare_early(struct job *job)
{
    static const double long_enough = 1e6;
    TRY(prepare(job));
    if (!job->worker->place)
        return ST_OK;
    struct rendezvous place = *job->worker->place;
    char done = 1;
    place.rank =
        (place.rank + place.size - job->output) % place.size; /* the output rank is first */
    place.timeout_s = long_enough;
    return rendezvous_broadcast(&place, "prepared", &done, sizeof done);
}

static enum status measure(void *self, const struct rank *rank)
{
    struct job *job = self;
    struct measure m = {0};
    struct plan *plan;
    if (prepares_late(job)) /* the others wait for the one-rank run, or hear that it failed */
        TRY(comm_agree(rank->world, prepare(job)));
    TRY(plan_build(&job->setup->problem, &job->setup->spec, rank->n, rank->index, &plan));
    enum status st = measure_observed(job, rank, plan, &m);
    measure_release(&m);
    plan_close(plan);
    return st;
}

/* ---- the cell ---- */

static enum status foresee(struct job *job)
{
    struct plan *plan;
    const struct cell *cell = &job->setup->cell;
    TRY(setup_check_build(job->setup));
    TRY(plan_build(&job->setup->problem, &job->setup->spec, cell->ranks, 0, &plan));
    setup_work_queues(job->setup, plan);
    const struct rendezvous *place = job->worker->place;
    job->output = plan_output_rank(plan);
    job->keeps = !place || place->rank == job->output;
    job->expanded = plan->spec;
    plan_close(plan);
    spec_reference(&job->expanded, &job->against);
    return ST_OK;
}

static enum status run_cell(struct job *job)
{
    struct ranks ranks = setup_ranks(job->setup, job->worker->place);
    TRY(foresee(job));
    TRY(headroom_look(ranks.backend, &job->headroom));
    if (!prepares_late(job))
        TRY(prepare_early(job));
    enum status st = ranks_each(&ranks, measure, job);
    if (st != ST_OK && st != ST_WRONG)
        return st;
    if (job->record)
        setup_name_record(job->setup, job->worker->identity, job->record);
    return st;
}

enum status worker_run(const struct worker *worker, struct record **out)
{
    struct job *job = calloc(1, sizeof *job);
    *out = NULL;
    if (!job)
        return fail(ST_OOM, "worker: no host memory");
    job->worker = worker;
    job->setup = worker->setup;
    enum status st = run_cell(job);
    if (st == ST_OK || st == ST_WRONG)
        *out = job->record;
    else
        record_close(job->record);
    if (job->serial != job->reference)
        free(job->serial);
    free(job->reference);
    prompt_close(job->prompt);
    pins_release(&job->pins);
    weights_close(job->weights);
    free(job);
    return st;
}
