/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench verify`: its command line, alone, under mpirun, or as one of the processes that it
 * starts. */
#include "harness/check/verify.h"
#include "harness/base/number.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/launch/fork_ranks.h"
#include "harness/record/record.h"
#include "harness/report/progress.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_REFERENCE = 1, KEY_TOLERANCE };

static const struct args_option own[] = {
    {"reference", KEY_REFERENCE, "FILE", "safetensors file of inputs and expected outputs"},
    {"tolerance", KEY_TOLERANCE, "X", "relative L2 error allowed (default: the file's)"},
    {NULL, 0, NULL, NULL},
};

/* The rest of a cell is in the file. */
static const char *const taken[] = {"model",   "strategy",  "ranks",    "threads", "dtype",
                                    "backend", "transport", "exchange", "graph",   NULL};

struct verify_options {
    const char *reference;
    double tolerance;
};

static enum status take(void *self, int key, const char *value)
{
    struct verify_options *o = self;
    if (key == KEY_TOLERANCE)
        return number_real("--tolerance", value, 0, 1e6, &o->tolerance);
    o->reference = value;
    return ST_OK;
}

/* A line of progress, on the rank that has the result: of several processes only that one begins
 * it, with its first step. It is gone before the verdict is printed. */
struct told {
    struct progress progress;
    const struct cell *cell;
    bool begun;
};

static void begin(struct told *told)
{
    progress_start(&told->progress, 1, 0);
    progress_cell(&told->progress, told->cell->strategy);
    told->begun = true;
}

static void on_progress(void *self, long done, long total)
{
    struct told *told = self;
    if (!told->begun)
        begin(told);
    if (done < total)
        progress_step(&told->progress, "measure", done, total);
    else
        progress_finish(&told->progress);
}

/* *processes > 0: nothing was computed, and so many ranks are to be started. */
static enum status verify_file(const struct cell *cell, const struct verify_options *o,
                               const struct rendezvous *place, bool *agreed, int *processes)
{
    char folder[PATH_MAX];
    struct dit_config config;
    struct verify_file file;
    *agreed = true;
    *processes = 0;
    TRY(dit_config_load(cell->model, &config, folder, sizeof folder));
    enum status st = verify_file_read(o->reference, &config, &file);
    if (st == ST_OK) {
        struct told told = {.cell = cell};
        struct verify verify = {
            .cell = cell,
            .file = &file,
            .place = place,
            .tolerance = o->tolerance,
            .on_progress = on_progress,
            .on_progress_self = &told,
        };
        if (!place)
            begin(&told);
        st = verify_run(&verify);
        progress_finish(&told.progress);
        *agreed = verify.agreed;
        *processes = verify.processes;
    }
    verify_file_release(&file);
    return st;
}

/* As one rank of several. */
static enum status verify_as_rank(const struct cell *cell, const struct verify_options *o,
                                  const struct rendezvous *place)
{
    bool agreed;
    int none;
    enum status st = verify_file(cell, o, place, &agreed, &none);
    if (!agreed) { /* peers may wait for this rank: it dies, and whoever started it ends them */
        fprintf(stderr, "ditbench verify: rank %d: %s\n", place->rank, status_message());
        fflush(NULL);
        _exit(ending_exit_code(st));
    }
    if (st != ST_OK && place->rank == 0) /* one rank says it for all, before the first one ends */
        fprintf(stderr, "ditbench verify: %s\n", status_message());
    status_clear();
    rendezvous_finish();
    return st;
}

/* The ranks say what there is to say; this process ends as they do. */
static enum status start_ranks(char **argv, int ranks)
{
    struct fork_ranks_end end;
    char text[200];
    TRY(command_start_ranks(argv, ranks, &end));
    int code = fork_ranks_code(&end);
    if (code > 128)
        return fail(ST_COMM, "%s", fork_ranks_text(&end, text, sizeof text));
    if (code == 0)
        return ST_OK;
    fflush(NULL);
    _exit(code);
}

static enum status verify_alone(const struct cell *cell, const struct verify_options *o,
                                char **argv)
{
    bool agreed;
    int processes;
    TRY(verify_file(cell, o, NULL, &agreed, &processes));
    return processes > 0 ? start_ranks(argv, processes) : ST_OK;
}

/* `verify` takes a folder: one that bears a preset's name is meant all the same. */
static void prefer_folder(struct cell *cell)
{
    struct stat info;
    size_t n = strlen(cell->model);
    if (strchr(cell->model, '/') || n + 3 > sizeof cell->model || stat(cell->model, &info) != 0 ||
        !S_ISDIR(info.st_mode))
        return;
    memmove(cell->model + 2, cell->model, n + 1);
    memcpy(cell->model, "./", 2);
}

static enum status verify_main(int argc, char **argv)
{
    static const struct args args = {
        .command = "verify",
        .positional = "",
        .about = "Computes what a reference file holds, and compares: exit status 0 when every "
                 "error is within its "
                 "tolerance, 1 when one is not.",
        .own = own,
        .cell = true,
        .loop = true,
        .only = taken,
        .take = take,
    };
    struct verify_options o = {NULL, NAN};
    struct cell cell;
    struct rendezvous place;
    bool among;
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &o));
    if (!cell.model[0])
        return fail(ST_INVALID, "no model is given; use --model FOLDER");
    if (!o.reference)
        return fail(ST_INVALID, "no reference is given; use --reference FILE");
    prefer_folder(&cell);
    TRY(fork_ranks_place(&among, &place));
    if (!among)
        TRY(rendezvous_mpi(&argc, &argv, &among, &place));
    return among ? verify_as_rank(&cell, &o, &place) : verify_alone(&cell, &o, argv);
}

const struct command command_verify = {"verify", "a model's numbers against another framework's",
                                       verify_main};
