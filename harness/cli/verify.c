/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench verify`: its command line, alone, under mpirun, or as one of the processes that it
 * starts. */
#include "harness/check/verify.h"
#include "harness/base/number.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/launch/place.h"
#include "harness/report/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_REFERENCE = 1, KEY_TOLERANCE };

static const struct args_option own[] = {
    {"reference", KEY_REFERENCE, "FILE", "safetensors file of inputs and expected outputs"},
    {"tolerance", KEY_TOLERANCE, "X", "relative L2 error allowed (default: the file's)"},
    {NULL, 0, NULL, NULL},
};

/* The rest of a cell is in the file. */
static const char *const taken[] = {"model",     "strategy", "ranks", "threads", "dtype", "backend",
                                    "transport", "exchange", "graph", "nvtx",    NULL};

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

/* What the name stands for; of a pipeline's folder, the part that the file is about. */
static enum status find_model(const char *name, const char *reference, struct model *out)
{
    const struct kind_ops *kind;
    TRY(model_load(name, NULL, out));
    TRY(verify_file_about(reference, &kind));
    if (kind == out->kind)
        return ST_OK;
    enum status st = model_load(name, kind, out);
    return st ? fail_prefix(st, "%s is the reference of a %s", reference, kind->name) : ST_OK;
}

/* *processes > 0: nothing was computed, and so many ranks are to be started. */
static enum status verify_file(const struct cell *cell, const struct verify_options *o,
                               const struct rendezvous *place, bool *agreed, int *processes)
{
    struct model model;
    struct cell about = *cell;
    struct verify_file file;
    *agreed = true;
    *processes = 0;
    TRY(find_model(cell->model, o->reference, &model));
    about.kind = model.kind;
    enum status st = verify_file_read(o->reference, &model, &file);
    if (st == ST_OK) {
        struct told told = {.cell = cell};
        struct verify verify = {
            .cell = &about,
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

/* The ranks that it starts say what there is to say. */
static enum status verify_at(const struct cell *cell, const struct verify_options *o,
                             const struct place *place, char **argv)
{
    struct fork_ranks_end end;
    bool agreed;
    int processes;
    enum status st = verify_file(cell, o, place_rendezvous(place), &agreed, &processes);
    if (st == ST_OK && processes > 0)
        return place_start_ranks(argv, processes, &end);
    return place_leave(place, "verify", st, agreed);
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
                 "error is within its tolerance, 1 when one is not. A file that is of a stale "
                 "strategy names it: then that is the default of --strategy.",
        .own = own,
        .cell = true,
        .loop = true,
        .only = taken,
        .take = take,
    };
    struct verify_options o = {NULL, NAN};
    struct cell cell;
    struct place place;
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &o));
    if (!cell.model[0])
        return fail(ST_INVALID, "no model is given; use --model FOLDER");
    if (!o.reference)
        return fail(ST_INVALID, "no reference is given; use --reference FILE");
    prefer_folder(&cell);
    TRY(place_find(PLACE_FORKED | PLACE_MPI, &place));
    return verify_at(&cell, &o, &place, argv);
}

const struct command command_verify = {"verify", "a model's numbers against another framework's",
                                       verify_main};
