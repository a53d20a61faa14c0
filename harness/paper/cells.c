/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine can do of a pack. */
#include "harness/paper/cells.h"

#include "harness/host/gpus.h"
#include "harness/measure/headroom.h"
#include "harness/measure/outcome.h"
#include "harness/paper/stand_in.h"
#include "kernels/backend.h"
#include "strategies/volume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double GIB = 1.0 / (1 << 30);

struct paper_machine paper_machine_here(void)
{
    struct paper_machine machine = {.gpus = gpus_count()};
    uint64_t bytes;
    for (int i = 0; i < machine.gpus; i++)
        if (gpus_available(i, &bytes) && (machine.memory == 0 || bytes < machine.memory))
            machine.memory = bytes;
    return machine;
}

/* ---- what a plan says ---- */

struct forecast {
    uint64_t bytes, wire; /* of the largest rank */
    uint64_t *rank;       /* [ranks] bytes */
    int warmup;
};

static enum status forecast_rank(const struct problem *problem, const struct spec *spec, int ranks,
                                 int rank, struct forecast *out)
{
    size_t kind[ARENA_KINDS];
    struct volume volume;
    struct plan *plan;
    uint64_t bytes = 0;
    uint64_t wire = 0;
    TRY(plan_build(problem, spec, ranks, rank, &plan));
    enum status st = plan_memory(plan, kind);
    if (st == ST_OK)
        st = volume_predict_loop(plan, &volume);
    for (int k = 0; k < ARENA_KINDS && st == ST_OK; k++)
        bytes += kind[k];
    for (int i = 0; i < volume.n && st == ST_OK; i++)
        wire += volume.line[i].wire_bytes;
    out->warmup = plan->warmup;
    plan_close(plan);
    out->rank[rank] = bytes;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->wire = wire > out->wire ? wire : out->wire;
    return st;
}

/* Of a loop of `steps`, whatever the cell's own are. out->rank is the caller's to free. */
static enum status forecast(const struct setup *setup, double steps, struct forecast *out)
{
    struct problem problem = setup->problem;
    problem.steps = (int)steps;
    *out = (struct forecast){.rank = calloc((size_t)setup->cell.ranks, sizeof *out->rank)};
    if (!out->rank)
        return fail(ST_OOM, "%d ranks: no host memory", setup->cell.ranks);
    for (int r = 0; r < setup->cell.ranks; r++)
        TRY(forecast_rank(&problem, &setup->spec, setup->cell.ranks, r, out));
    return ST_OK;
}

/* ---- fates ---- */

/* Rank r has GPU r % gpus, as ranks.c deals them out: bytes that the fullest GPU would hold. */
static uint64_t most_of_a_gpu(int ranks, const uint64_t *bytes, int gpus)
{
    uint64_t most = 0;
    for (int gpu = 0; gpu < gpus; gpu++) {
        uint64_t sum = 0;
        for (int r = gpu; r < ranks; r += gpus)
            sum += bytes[r] + HEADROOM_MARGIN;
        most = sum > most ? sum : most;
    }
    return most;
}

/* Ranks of the CPU are threads, as many as are asked for; a stand-in's are kept few. */
static bool too_many(const struct paper_machine *machine, const struct cell *cell)
{
    if (machine->stand_in)
        return cell->ranks > PAPER_STAND_IN_RANKS;
    return backend_wants_gpus(cell->backend) && cell->ranks > machine->gpus;
}

static void judge_machine(const struct paper_machine *machine, const struct forecast *f,
                          struct paper_cell *c)
{
    int ranks = c->cell.ranks;
    uint64_t need = f->bytes + HEADROOM_MARGIN;
    bool on_gpu = !machine->stand_in && backend_wants_gpus(c->cell.backend);
    bool fits = !on_gpu || machine->memory == 0 || need <= machine->memory;
    c->fate = PAPER_RUNS;
    snprintf(c->text, sizeof c->text, "runs");
    if (too_many(machine, &c->cell)) {
        c->fate = PAPER_NEEDS_GPUS;
        snprintf(c->text, sizeof c->text, "needs %d GPU%s", ranks, ranks == 1 ? "" : "s");
        c->count = machine->gpus > 0 && !machine->stand_in && !c->bounded &&
                   (machine->memory == 0 ||
                    most_of_a_gpu(ranks, f->rank, machine->gpus) <= machine->memory);
    } else if (!fits) {
        c->fate = PAPER_NEEDS_MEMORY;
        snprintf(c->text, sizeof c->text, "needs %.1f GiB of memory", (double)need * GIB);
    }
}

/* Threads on one GPU take turns: a few steps tell what they hold and send. */
static enum status name_counted(struct paper_cell *c)
{
    struct setup *setup;
    c->counted = c->cell;
    strcpy(c->counted.transport, "local");
    c->counted.steps = PAPER_COUNTED_STEPS;
    c->counted.repeats = 1;
    c->counted.warmup_loops = 0;
    c->counted.check = false;
    TRY(setup_open(&c->counted, NULL, &setup));
    c->counted = setup->cell;
    enum status st = outcome_id(setup, "synthetic", c->counted_id);
    setup_close(setup);
    return st;
}

static enum status foresee(const struct setup *setup, const struct paper_machine *machine,
                           struct paper_cell *c)
{
    struct forecast f;
    enum status st = forecast(setup, c->steps, &f);
    if (st == ST_OK) {
        c->planned = true;
        c->bytes = f.bytes;
        c->wire = f.wire;
        c->warmup = f.warmup;
        judge_machine(machine, &f, c);
    } else if (st == ST_UNSUPPORTED || st == ST_INVALID) {
        c->fate = PAPER_REFUSED;
        snprintf(c->text, sizeof c->text, "%s", status_message());
        status_clear();
        st = ST_OK;
    }
    free(f.rank);
    bool counts = c->fate == PAPER_NEEDS_GPUS && !machine->stand_in && !c->bounded;
    return st == ST_OK && counts ? name_counted(c) : st;
}

/* ---- the list ---- */

static enum status add_cell(const struct cell *asked, bool bounded, double steps,
                            const struct paper_machine *machine, struct paper_cells *out, int *at)
{
    struct setup *setup;
    struct paper_cell *c = &out->v[out->n];
    *c = (struct paper_cell){.bounded = bounded, .steps = steps, .wanted = true};
    TRY(setup_open(asked, NULL, &setup));
    c->cell = setup->cell;
    enum status st = outcome_id(setup, "synthetic", c->id);
    for (*at = 0; st == ST_OK && strcmp(out->v[*at].id, c->id) != 0;)
        ++*at;
    if (st == ST_OK && *at == out->n) {
        st = foresee(setup, machine, c);
        out->n++;
    }
    setup_close(setup);
    return st;
}

static enum status add_point(const struct pack *pack, int i, const struct paper_machine *machine,
                             struct paper_cells *out)
{
    const struct pack_point *point = &pack->v[i];
    struct cell cell;
    char label[300];
    bool bounded;
    double steps = pack->steps;
    out->of[i] = -1;
    if (!point->spec)
        return ST_OK;
    TRY(pack_cell(pack, point, &cell, &bounded));
    enum status st = pack_spec(point, point->gpus, cell.strategy);
    if (st == ST_OK && machine->stand_in) {
        st = stand_in_cell(pack, point, &cell);
        steps = cell.steps;
        bounded = false;
    }
    if (st == ST_OK)
        st = add_cell(&cell, bounded, steps, machine, out, &out->of[i]);
    return st ? fail_prefix(st, "%s:%d: %s", pack->path, point->rule_line,
                            pack_label(point, sizeof label, label))
              : st;
}

enum status paper_cells_make(const struct pack *pack, const struct paper_machine *machine,
                             struct paper_cells *out)
{
    *out = (struct paper_cells){.v = calloc((size_t)pack->n + 1, sizeof *out->v),
                                .of = calloc((size_t)pack->n + 1, sizeof *out->of)};
    if (!out->v || !out->of)
        return fail(ST_OOM, "%s: no host memory", pack->path);
    for (int i = 0; i < pack->n; i++)
        TRY(add_point(pack, i, machine, out));
    return ST_OK;
}

void paper_cells_release(struct paper_cells *cells)
{
    free(cells->v);
    free(cells->of);
    *cells = (struct paper_cells){0};
}

int paper_cells_choose(struct paper_cells *cells, const struct filter *filter)
{
    int n = 0;
    for (int i = 0; i < cells->n; i++) {
        cells->v[i].wanted = filter_takes(filter, &cells->v[i].cell);
        n += cells->v[i].wanted;
    }
    return n;
}

/* ---- the preview ---- */

static void print_cell(const struct pack *pack, const struct paper_cells *cells, int at)
{
    const struct paper_cell *c = &cells->v[at];
    char text[CELL_LINE];
    char label[300] = "";
    int points = 0;
    for (int i = 0; i < pack->n; i++)
        if (cells->of[i] == at && points++ == 0)
            pack_label(&pack->v[i], sizeof label, label);
    cell_text(&c->cell, text);
    if (c->fate == PAPER_REFUSED)
        printf("%-24s  %s: %s; for: %s", "refused", text, c->text, label);
    else
        printf("%-24s  %s; for: %s", c->text, text, label);
    if (points > 1)
        printf(" and %d more", points - 1);
    if (c->planned && c->fate != PAPER_RUNS)
        printf("; memory and bytes%s: %s, %.2f GB a rank, %.1f MB sent a loop",
               pack->memory ? ", which are judged" : "", c->count ? "thread ranks" : "the plan",
               1e-9 * (double)c->bytes, 1e-6 * (double)c->wire);
    putchar('\n');
}

enum status paper_cells_print(const struct pack *pack, const struct paper_cells *cells)
{
    int fate[PAPER_FATES] = {0};
    int left_out = 0;
    int wanted = 0;
    for (int i = 0; i < cells->n; i++) {
        if (!cells->v[i].wanted)
            continue;
        wanted++;
        print_cell(pack, cells, i);
        fate[cells->v[i].fate]++;
    }
    for (int i = 0; i < pack->n; i++)
        left_out += pack->v[i].left_out != NULL;
    printf("%d points, %d of them left out; %d cells: %d run, %d need more GPUs, %d need more "
           "memory, %d are refused%s\n",
           pack->n, left_out, wanted, fate[PAPER_RUNS], fate[PAPER_NEEDS_GPUS],
           fate[PAPER_NEEDS_MEMORY], fate[PAPER_REFUSED],
           pack->memory ? "; what does not run is judged from the plan or thread ranks" : "");
    return ST_OK;
}
