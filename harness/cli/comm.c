/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench comm`: what each operation between ranks costs, by size, in the columns of nccl-tests.
 * Measures no model. */
#include "harness/base/number.h"
#include "harness/cell/setup.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/host/gpus.h"
#include "harness/launch/place.h"
#include "harness/measure/comm_bench.h"
#include "harness/measure/comm_case.h"
#include "kernels/base/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMS_WHERE_POSSIBLE, FORM_DIRECT, FORM_GRAPH, FORMS_BOTH };

struct comm_options {
    struct comm_bench bench;
    int64_t max; /* 0: by the backend */
    int forms;
    int ranks; /* 0: as many as there are GPUs, or two */
    bool json;
    /* on rank 0 */
    const struct cell *cell;
    int printed;  /* rows */
    json_t *rows; /* with json */
};

enum {
    KEY_MIN = 1,
    KEY_MAX,
    KEY_FACTOR,
    KEY_ITERS,
    KEY_WARMUP,
    KEY_OP,
    KEY_GRAPH,
    KEY_RANKS,
    KEY_JSON
};
enum { MAX_ITERS = 100000, MAX_FACTOR = 1 << 20, LOOPS_TIMEOUT_S = 60 };

static const int64_t most_bytes = INT64_C(1) << 40;

static const struct args_option own[] = {
    {"min", KEY_MIN, "SIZE", "smallest size (default: 1K); K, M, G are powers of 1024"},
    {"max", KEY_MAX, "SIZE", "largest size (default: 4M on the CPU, 64M on GPUs)"},
    {"factor", KEY_FACTOR, "F", "from one size to the next (default: 4)"},
    {"iters", KEY_ITERS, "N", "samples of each (default: 20)"},
    {"warmup", KEY_WARMUP, "N", "samples before them (default: 5)"},
    {"op", KEY_OP, "NAME",
     "this one only: all_reduce, all_gather, all_to_all, send, to_heads, to_tokens"},
    {"graph", KEY_GRAPH, "on|off|both",
     "as captured graphs, one by one, or both (default: both where graphs can be captured)"},
    {"ranks", KEY_RANKS, "N", "ranks (default: the GPUs that are seen, else 2)"},
    {"json", KEY_JSON, NULL, "JSON on one line"},
    {NULL, 0, NULL, NULL},
};

/* ---- the command line ---- */

static enum status take_op(struct comm_options *o, const char *value)
{
    enum { MAX_OPS = 16 };
    const char *words[MAX_OPS + 1] = {NULL};
    for (int i = 0; comm_case_at(i) && i < MAX_OPS; i++) {
        words[i] = comm_case_at(i)->name;
        if (strcmp(value, words[i]) != 0)
            continue;
        o->bench.op = words[i];
        return ST_OK;
    }
    return suggest_refuse("--op", value, words);
}

static enum status take_graph(struct comm_options *o, const char *value)
{
    static const char *const words[] = {"on", "off", "both", NULL};
    static const int forms[] = {FORM_GRAPH, FORM_DIRECT, FORMS_BOTH};
    for (int i = 0; words[i]; i++) {
        if (strcmp(value, words[i]) != 0)
            continue;
        o->forms = forms[i];
        return ST_OK;
    }
    return suggest_refuse("--graph", value, words);
}

static enum status take(void *self, int key, const char *value)
{
    struct comm_options *o = self;
    switch (key) {
    case KEY_MIN:
        return number_bytes("--min", value, 1, most_bytes, &o->bench.min);
    case KEY_MAX:
        return number_bytes("--max", value, 1, most_bytes, &o->max);
    case KEY_FACTOR:
        return number_int("--factor", value, 2, MAX_FACTOR, &o->bench.factor);
    case KEY_ITERS:
        return number_int("--iters", value, 1, MAX_ITERS, &o->bench.iters);
    case KEY_WARMUP:
        return number_int("--warmup", value, 0, MAX_ITERS, &o->bench.warmup);
    case KEY_OP:
        return take_op(o, value);
    case KEY_GRAPH:
        return take_graph(o, value);
    case KEY_RANKS:
        return number_int("--ranks", value, 1, PROBLEM_MAX_REQUESTS, &o->ranks);
    default:
        o->json = true;
        return ST_OK;
    }
}

/* ---- rows ---- */

static void print_head(const struct comm_options *o)
{
    const struct cell *cell = o->cell;
    printf("# %s over %s, %d ranks, exchange %s; median, p10 and p90 of %d samples, each the mean\n"
           "# of %d operations in a row, on the slowest rank; GB = 1e9 bytes\n"
           "#%10s %10s %4s %-10s %-5s %9s %9s %9s %7s %7s %7s\n",
           cell->backend, cell->transport, cell->ranks, cell->exchange, o->bench.iters,
           COMM_BENCH_CHAIN, "size(B)", "count", "type", "op", "graph", "time(us)", "p10", "p90",
           "algbw", "busbw", "#wrong");
}

static void on_row(void *self, const struct comm_bench_row *row)
{
    struct comm_options *o = self;
    const char *dtype = dtype_name(o->bench.dtype);
    if (o->json) {
        json_t *line = json_pack(
            "{s:s, s:s, s:I, s:I, s:b, s:f, s:f, s:f, s:f, s:f, s:I}", "op", row->op, "dtype",
            dtype, "bytes", (json_int_t)row->bytes, "count", (json_int_t)row->count, "graph",
            row->graph, "time_us", row->median_us, "p10_us", row->p10_us, "p90_us", row->p90_us,
            "algbw_GBps", row->algbw, "busbw_GBps", row->busbw, "wrong", (json_int_t)row->wrong);
        json_array_append_new(o->rows, line);
        return;
    }
    if (o->printed++ == 0)
        print_head(o);
    printf("%11lld %10lld %4s %-10s %-5s %9.2f %9.2f %9.2f %7.2f %7.2f %7lld\n",
           (long long)row->bytes, (long long)row->count, dtype, row->op, row->graph ? "on" : "off",
           row->median_us, row->p10_us, row->p90_us, row->algbw, row->busbw, (long long)row->wrong);
    fflush(stdout);
}

static enum status print_json(struct comm_options *o, const struct cell *cell)
{
    return command_print_json(
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:O}", "backend", cell->backend, "transport",
                  cell->transport, "exchange", cell->exchange, "ranks", cell->ranks, "iters",
                  o->bench.iters, "chain", COMM_BENCH_CHAIN, "rows", o->rows));
}

/* ---- on the ranks ---- */

/* Each rank has an own copy: what it can capture is its device's to say. */
static enum status measure(void *self, const struct rank *rank)
{
    const struct comm_options *o = self;
    struct comm_bench bench = o->bench;
    bool captures = comm_bench_captures(rank);
    if (!captures && (o->forms == FORM_GRAPH || o->forms == FORMS_BOTH))
        return fail(ST_UNSUPPORTED, "--graph: this backend and transport capture no graphs; "
                                    "use --graph off");
    bench.direct = o->forms != FORM_GRAPH;
    bench.graph = captures && o->forms != FORM_DIRECT;
    return comm_bench_run(&bench, rank);
}

static enum status run_here(struct comm_options *o, const struct setup *setup,
                            const struct rendezvous *place)
{
    struct ranks ranks = setup_ranks(setup, place);
    bool first = !place || place->rank == 0;
    ranks.timeout_s = LOOPS_TIMEOUT_S;
    o->bench.on_row = on_row;
    o->bench.self = o;
    o->cell = &setup->cell;
    o->rows = json_array();
    enum status st = ranks_each(&ranks, measure, o);
    if (first && o->json && (st == ST_OK || st == ST_WRONG)) {
        enum status printed = print_json(o, o->cell);
        st = st ? st : printed;
    }
    json_decref(o->rows);
    return st;
}

/* ---- the command ---- */

/* Defaults and refusals are those of a cell; this one gives each rank a request of its own. */
static enum status fill(struct comm_options *o, struct cell *cell, const struct rendezvous *place,
                        struct setup **out)
{
    bool gpus = strcmp(cell->backend, "cpu") != 0 && backend_find("cuda") && gpus_count() > 1;
    if (cell->ranks == 0)
        cell->ranks = o->ranks > 0 ? o->ranks : place ? place->size : gpus ? gpus_count() : 2;
    if (cell->ranks > PROBLEM_MAX_REQUESTS)
        return fail(ST_INVALID, "%d processes under mpirun; `comm` takes at most %d", cell->ranks,
                    PROBLEM_MAX_REQUESTS);
    cell->requests = cell->ranks;
    snprintf(cell->model, sizeof cell->model, "dit-tiny");
    if (cell->ranks > 1)
        snprintf(cell->strategy, sizeof cell->strategy, "data=%d", cell->ranks);
    TRY(setup_open(cell, place, out));
    *cell = (*out)->cell;
    o->bench.dtype = (*out)->problem.dtype;
    o->bench.max = o->max                              ? o->max
                   : strcmp(cell->backend, "cpu") == 0 ? INT64_C(4) << 20
                                                       : INT64_C(64) << 20;
    if (o->bench.min > o->bench.max)
        return fail(ST_INVALID, "--min: %lld bytes are more than --max, %lld",
                    (long long)o->bench.min, (long long)o->bench.max);
    return setup_check_build(*out);
}

/* *agreed: a failure is the same on every rank, and nobody waits for this one. */
static enum status run_at(struct comm_options *o, struct cell *cell, const struct place *place,
                          char **argv, bool *agreed)
{
    struct setup *setup = NULL;
    struct fork_ranks_end end;
    const struct rendezvous *where = place_rendezvous(place);
    enum status st = fill(o, cell, where, &setup);
    if (st == ST_OK && setup_processes(setup) && !where)
        st = fail(ST_INVALID, "transport mpi: start it as `mpirun -n %d ditbench comm`",
                  cell->ranks);
    else if (st == ST_OK && setup_forks(setup) && !where)
        st = place_start_ranks(argv, cell->ranks, &end);
    else if (st == ST_OK) {
        st = run_here(o, setup, where);
        *agreed = st == ST_OK || st == ST_WRONG || st == ST_UNSUPPORTED;
    }
    setup_close(setup);
    return st;
}

static enum status run(struct comm_options *o, struct cell *cell, char **argv)
{
    struct place place;
    bool agreed = true;
    TRY(place_find(PLACE_FORKED | PLACE_MPI, &place));
    enum status st = run_at(o, cell, &place, argv, &agreed);
    return place_leave(&place, "comm", st, agreed);
}

static enum status comm_main(int argc, char **argv)
{
    static const char *const only[] = {"backend", "transport", "exchange", "threads",
                                       "dtype",   "nvtx",      NULL};
    static const struct args args = {
        .command = "comm",
        .positional = "",
        .about = "Times the operations between ranks by size, in the columns of nccl-tests, and "
                 "checks their results: exit status 1 when an element is wrong.",
        .own = own,
        .cell = true,
        .only = only,
        .take = take,
    };
    struct comm_options o = {.bench = {.min = 1024, .factor = 4, .iters = 20, .warmup = 5}};
    struct cell cell;
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &o));
    return run(&o, &cell, argv);
}

const struct command command_comm = {"comm", "what each operation between ranks costs, by size",
                                     comm_main};
