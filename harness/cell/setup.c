/* SPDX-License-Identifier: Apache-2.0 */
/* From the options of a cell to what plans and runs take. Runs nothing. */
#include "harness/cell/setup.h"

#include "harness/host/env.h"
#include "harness/host/gpus.h"
#include "kernels/backend.h"
#include "kernels/base/trace_nvtx.h"
#include "kernels/comm/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A process that only starts others must not wake CUDA's driver, which costs time and memory: GPUs
 * are counted without it. */
static bool is_cuda(const struct cell *cell)
{
    return strcmp(cell->backend, "cuda") == 0;
}

static bool is_nccl(const struct cell *cell)
{
    return strcmp(cell->transport, "nccl") == 0;
}

static bool cuda_seen(void)
{
    return backend_find("cuda") && gpus_count() > 0;
}

static void default_word(char word[CELL_NAME], const char *otherwise)
{
    if (word[0] == '\0')
        strcpy(word, otherwise);
}

/* Backend first: the dtype and the transport follow it. In every process that may meet NCCL, and in
 * those that it starts, NVLink multicast stays off. */
static void fill_words(struct cell *cell, int world)
{
    default_word(cell->backend, cell->backend[0] == '\0' && cuda_seen() ? "cuda" : "cpu");
    bool nccl = is_cuda(cell) && comm_ops_find("nccl");
    default_word(cell->dtype, is_cuda(cell) ? "bf16" : "fp32");
    default_word(cell->transport, nccl ? "nccl" : world > 0 ? "mpi" : "local");
    default_word(cell->exchange, "auto");
    default_word(cell->strategy, "serial");
    if (is_nccl(cell))
        setenv("NCCL_NVLS_ENABLE", "0", 1);
}

/* A rank has one thread at least: fewer threads than ranks are not what would run, nor what the
 * record and its id may say. */
static void fill_threads(struct setup *s, int world)
{
    s->threads_asked = s->cell.threads;
    if (s->cell.threads == 0)
        s->cell.threads = env_cores_of_ranks(world > 0);
    if (s->cell.threads < s->cell.ranks)
        s->cell.threads = s->cell.ranks;
}

static enum status fill_strategy(struct setup *s, int world)
{
    struct cell *cell = &s->cell;
    struct spec expanded;
    TRY(spec_parse(cell->strategy, &s->spec));
    /* A composite that does not fit the model keeps its own text; the plan refuses it with the
     * reason. */
    bool fits = spec_expand(&s->spec, problem_facts(&s->problem).heads, &expanded) == ST_OK;
    const struct spec *shown = fits ? &expanded : &s->spec;
    spec_text(shown, cell->strategy);
    if (world > 0 && cell->ranks > 0 && cell->ranks != world)
        return fail(
            ST_INVALID,
            "--ranks %d: mpirun started %d processes, and they are the ranks; use mpirun -n %d",
            cell->ranks, world, cell->ranks);
    if (world > 0)
        cell->ranks = world;
    else if (cell->ranks == 0)
        cell->ranks = spec_ranks(shown);
    return ST_OK;
}

static enum status fill_problem(struct setup *s)
{
    struct cell *cell = &s->cell;
    s->problem = model_problem(&s->model);
    if (cell->text)
        TRY(safetensors_open(cell->text, &s->text));
    s->problem.width = cell->width;
    s->problem.height = cell->height;
    s->problem.frames = cell->frames;
    s->problem.steps = cell->steps;
    s->problem.requests = cell->requests;
    TRY(s->model.kind->ask(&s->problem, &cell->guidance, s->text));
    BUG_ON(!dtype_find(cell->dtype, &s->problem.dtype), "dtype %s is unknown", cell->dtype);
    TRY(problem_check(&s->problem));
    cell->width = s->problem.width;
    cell->height = s->problem.height;
    cell->frames = s->problem.frames;
    cell->steps = s->problem.steps;
    cell->requests = s->problem.requests;
    return s->model.kind->schedule ? s->model.kind->schedule(&s->problem, &s->sampler) : ST_OK;
}

/* Of a pipeline's folder that holds several models, the one that the strategy splits. */
static enum status find_part(struct setup *s)
{
    struct spec spec = {0};
    bool there = false;
    if (s->cell.strategy[0])
        TRY(spec_parse(s->cell.strategy, &spec));
    const struct kind_ops *kind = spec_kind(&spec);
    if (kind && kind != s->model.kind && !s->cell.kind && s->model.folder[0])
        TRY(kind->there(s->cell.model, &there));
    return there ? model_load(s->cell.model, kind, &s->model) : ST_OK;
}

/* Of a rule with a default in it the other number is what was asked for: `--max-seconds 1` is
 * short, `--min-seconds 1000` leaves it to the loops. Whoever is given a whole rule cannot tell
 * more. */
static enum status check_seconds(const struct cell *cell)
{
    struct cell plain;
    if (cell->repeats != CELL_AUTO || cell->min_seconds <= cell->max_seconds)
        return ST_OK;
    cell_init(&plain);
    plain.repeats = CELL_AUTO;
    strcpy(plain.backend, cell->backend);
    TRY(cell_fill_stop(&plain));
    if (cell->min_seconds == plain.min_seconds || cell->max_seconds == plain.max_seconds)
        return ST_OK;
    return fail(ST_INVALID,
                "min-seconds %g is more than max-seconds %g, which ends the loops before; raise "
                "max-seconds, or leave one of them out",
                cell->min_seconds, cell->max_seconds);
}

static enum status setup_fill(struct setup *s, int world)
{
    struct cell *cell = &s->cell;
    if (cell->model[0] == '\0')
        return fail(
            ST_INVALID,
            "no model is given; use --model NAME or --model FOLDER (`ditbench list models`)");
    TRY(model_load(cell->model, cell->kind, &s->model));
    TRY(find_part(s));
    fill_words(cell, world);
    if (world > 0 && strcmp(cell->transport, "local") == 0)
        return fail(
            ST_INVALID,
            "--transport local: the processes under mpirun cannot meet in one; use mpi or nccl, or "
            "start without mpirun");
    if (cell->seed < 0)
        cell->seed = CELL_SEED;
    TRY(cell_fill_stop(cell));
    TRY(check_seconds(cell));
    TRY(fill_problem(s));
    TRY(fill_strategy(s, world));
    fill_threads(s, world);
    return ST_OK;
}

enum status setup_open(const struct cell *asked, const struct rendezvous *place, struct setup **out)
{
    int world = place && !place->folder ? place->size : 0; /* processes under mpirun */
    struct setup *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return fail(ST_OOM, "cell: %zu bytes of host memory", sizeof *s);
    s->cell = *asked;
    s->mpirun = world > 0;
    enum status st = asked->nvtx ? trace_nvtx_check() : ST_OK;
    if (st == ST_OK)
        st = setup_fill(s, world);
    if (st) {
        setup_close(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void setup_close(struct setup *setup)
{
    if (!setup)
        return;
    sampler_close(setup->sampler);
    safetensors_close(setup->text);
    free(setup);
}

static void add_name(char *names, size_t size, const char *name)
{
    size_t used = strlen(names);
    snprintf(names + used, size - used, "%s%s", used ? ", " : "", name);
}

void setup_work_queues(const struct setup *setup, const struct plan *plan)
{
    enum { USUAL = 8, MOST = 32 };
    const struct mesh_shape *mesh = &plan->mesh;
    char number[12];
    int streams = 2; /* the run's, and the world's */
    for (int a = 0; a < mesh->n_axes; a++)
        if (mesh->size[a] > 1)
            streams += mesh->channels[a] > 0 ? mesh->channels[a] : 1;
    if (!is_nccl(&setup->cell) || streams <= USUAL)
        return;
    snprintf(number, sizeof number, "%d", streams < MOST ? streams : MOST);
    setenv("CUDA_DEVICE_MAX_CONNECTIONS", number, 0);
}

int setup_gpus(const struct setup *setup)
{
    return is_cuda(&setup->cell) ? gpus_count() : 0;
}

static enum status count_devices(const struct backend_ops *ops, const struct cell *cell, int *out)
{
    *out = is_cuda(cell) ? gpus_count() : 0;
    return is_cuda(cell) ? ST_OK : ops->count(out);
}

/* bf16 needs compute capability 8.0. */
static bool supports(const struct backend_ops *ops, const struct cell *cell, enum dtype dtype)
{
    if (!is_cuda(cell))
        return ops->supports(dtype);
    int compute = dtype == DTYPE_BF16 ? gpus_compute() : 0;
    return compute == 0 || compute >= 80;
}

static enum status check_backend(const struct cell *cell, enum dtype dtype)
{
    char names[100] = "";
    const struct backend_ops *ops = backend_find(cell->backend);
    for (int i = 0; backend_at(i); i++)
        add_name(names, sizeof names, backend_at(i)->name);
    if (!ops)
        return fail(
            ST_UNSUPPORTED,
            "backend %s is not in this build, which has: %s; `make info` tells what is missing",
            cell->backend, names);
    int devices = 0;
    TRY(count_devices(ops, cell, &devices));
    if (devices == 0)
        return fail(ST_UNSUPPORTED, "backend %s sees no device on this machine; backends: %s",
                    cell->backend, names);
    if (supports(ops, cell, dtype))
        return ST_OK;
    char dtypes[100] = "";
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (supports(ops, cell, (enum dtype)d))
            add_name(dtypes, sizeof dtypes, dtype_name((enum dtype)d));
    return fail(ST_UNSUPPORTED, "backend %s does not compute in %s; use --dtype %s", cell->backend,
                cell->dtype, dtypes);
}

/* Under mpirun the ranks may lie on several hosts, whose GPUs are not seen here. */
static enum status check_nccl(const struct setup *setup)
{
    const struct cell *cell = &setup->cell;
    int gpus = gpus_count();
    if (!is_cuda(cell))
        return fail(ST_UNSUPPORTED,
                    "transport nccl moves the memory of GPUs, and the backend is %s; use --backend "
                    "cuda, or --transport local",
                    cell->backend);
    if (!setup->mpirun && cell->ranks > gpus)
        return fail(ST_UNSUPPORTED,
                    "nccl wants a GPU for each rank: %d ranks, %d GPU%s; use --transport local, "
                    "which lets ranks share a GPU",
                    cell->ranks, gpus, gpus == 1 ? "" : "s");
    return ST_OK;
}

enum status setup_check_build(const struct setup *setup)
{
    const struct cell *cell = &setup->cell;
    char names[100] = "";
    TRY(check_backend(cell, setup->problem.dtype));
    for (int i = 0; comm_ops_at(i); i++)
        add_name(names, sizeof names, comm_ops_at(i)->name);
    if (!comm_ops_find(cell->transport))
        return fail(ST_UNSUPPORTED,
                    "transport %s is not in this build, which has: %s; `make info` tells what is "
                    "missing",
                    cell->transport, names);
    return is_nccl(cell) ? check_nccl(setup) : ST_OK;
}

bool setup_processes(const struct setup *setup)
{
    return strcmp(setup->cell.transport, "mpi") == 0;
}

bool setup_forks(const struct setup *setup)
{
    return is_nccl(&setup->cell) && setup->cell.ranks > 1 && !setup->mpirun;
}

double setup_watch_s(const struct setup *setup)
{
    static const double least = 5;
    static const double otherwise = 300;
    double half = setup->cell.timeout_s / 2;
    if (!is_nccl(&setup->cell))
        return 0;
    return half == 0 ? otherwise : half < least ? least : half;
}

const char *setup_transport(const struct setup *setup)
{
    bool alone = is_nccl(&setup->cell) && setup->cell.ranks == 1 && !setup->mpirun;
    return alone ? "local" : setup->cell.transport;
}

struct ranks setup_ranks(const struct setup *setup, const struct rendezvous *place)
{
    const struct cell *cell = &setup->cell;
    return (struct ranks){
        .backend = cell->backend,
        .transport = setup_transport(setup),
        .n = cell->ranks,
        .threads = cell->threads,
        .timeout_s = place ? setup_watch_s(setup) : 0,
        .place = place,
        .exchange = cell->exchange,
        .nvtx = cell->nvtx,
    };
}

enum status setup_weights(const struct setup *setup, struct weights **out)
{
    if (setup->model.folder[0]) {
        TRY(weights_open_safetensors(setup->model.folder, out));
        enum status st = setup->model.kind->check_weights(&setup->model, *out);
        if (st == ST_OK)
            return st;
        weights_close(*out);
        *out = NULL;
        return st;
    }
    return weights_open_synthetic((uint64_t)setup->cell.seed, out);
}

enum status setup_prompt(const struct setup *setup, struct prompt **out)
{
    const struct kind_ops *kind = setup->model.kind;
    *out = NULL;
    if (!kind->prompt)
        return ST_OK;
    TRY(kind->prompt(&setup->problem, setup->text, (uint64_t)setup->cell.seed, out));
    prompt_set_guidance(*out, (float)setup->cell.guidance);
    return ST_OK;
}

enum status setup_check_text(const struct setup *setup)
{
    struct prompt *prompt = NULL;
    if (!setup->text)
        return ST_OK;
    TRY(setup_prompt(setup, &prompt));
    prompt_close(prompt);
    return ST_OK;
}

static struct record_stop stop_of(const struct cell *c)
{
    if (c->repeats != CELL_AUTO)
        return (struct record_stop){0};
    return (struct record_stop){c->min_loops, c->min_seconds, c->max_seconds, c->max_noise};
}

struct record_cell setup_record_cell(const struct setup *setup, const char *weights)
{
    const struct cell *c = &setup->cell;
    return (struct record_cell){
        .model = c->model,
        .weights = weights,
        .width = c->width,
        .height = c->height,
        .frames = c->frames,
        .steps = c->steps,
        .guidance = c->guidance,
        .requests = c->requests,
        .dtype = c->dtype,
        .backend = c->backend,
        .transport = c->transport,
        .strategy = c->strategy,
        .ranks = c->ranks,
        .seed = (uint64_t)c->seed,
        .warmup_loops = c->warmup_loops,
        .repeats = c->repeats == CELL_AUTO ? RECORD_UNKNOWN : c->repeats,
        .threads = c->threads,
        .exchange = c->exchange,
        .graph = c->graph ? RECORD_YES : RECORD_NO,
        .stop = stop_of(c),
        .round = c->round,
    };
}

void setup_name_record(const struct setup *setup, const char *weights, struct record *record)
{
    struct record_cell cell = setup_record_cell(setup, weights);
    cell.model = record_text(record, cell.model);
    cell.weights = record_text(record, cell.weights);
    cell.dtype = record_text(record, cell.dtype);
    cell.backend = record_text(record, cell.backend);
    cell.transport = record_text(record, cell.transport);
    cell.strategy = record_text(record, cell.strategy);
    cell.exchange = record_text(record, cell.exchange);
    record->cell = cell;
}
