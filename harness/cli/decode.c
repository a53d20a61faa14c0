/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench decode`: its command line, alone, under mpirun, or as one of the processes that it
 * starts. */
#include "harness/measure/decode.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/image/picture_files.h"
#include "harness/launch/place.h"
#include "harness/measure/outcome.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_LATENT = 1, KEY_OUT };

static const struct args_option own[] = {
    {"latent", KEY_LATENT, "FILE.safetensors", "latents, as `ditbench run --output` writes them"},
    {"out", KEY_OUT, "FILE.png", "of several pictures, or frames: FILE-0.png, FILE-1.png, ..."},
    {NULL, 0, NULL, NULL},
};

/* Sizes follow from the latents, a decoder has no steps, and a single loop launches no graph again.
 */
static const char *const taken[] = {"model",   "strategy",  "ranks",    "threads", "dtype",
                                    "backend", "transport", "exchange", "nvtx",    NULL};

struct decode_options {
    const char *latent, *out;
};

static enum status take(void *self, int key, const char *value)
{
    struct decode_options *o = self;
    if (key == KEY_LATENT)
        o->latent = value;
    else
        o->out = value;
    return ST_OK;
}

static void print_pictures(const struct setup *setup, const struct decode *decode)
{
    char name[PATH_MAX];
    int n = setup->cell.requests;
    for (int i = 0; i < n; i++) {
        printf("%s: %dx%d px, %sdecoded in %.1f ms\n", picture_files_name(decode->path, i, n, name),
               setup->cell.width, setup->cell.height, n > 1 ? "all " : "", decode->ms);
    }
}

/* Refusals, before any device is opened; memory too, but under mpirun, whose hosts may be others.
 * *processes > 0: so many ranks are to be started. */
static enum status look(const struct setup *setup, const struct rendezvous *place, int *processes)
{
    struct plan *plan;
    TRY(plan_build(&setup->problem, &setup->spec, setup->cell.ranks, 0, &plan));
    plan_close(plan);
    TRY(setup_check_build(setup));
    if (place)
        return ST_OK;
    if (setup_processes(setup))
        return fail(ST_INVALID, "--transport mpi: start `decode` under mpirun -n %d",
                    setup->cell.ranks);
    if (setup_forks(setup))
        *processes = setup->cell.ranks;
    uint64_t *predicted = calloc((size_t)setup->cell.ranks, sizeof *predicted);
    if (!predicted)
        return fail(ST_OOM, "%d ranks: no host memory", setup->cell.ranks);
    enum status st = outcome_foresee(setup, predicted);
    free(predicted);
    return st;
}

static enum status decode_latents(const struct cell *cell, const struct decode_options *o,
                                  const struct latent *latents, const struct rendezvous *place,
                                  bool *agreed, int *processes)
{
    struct setup *setup;
    TRY(picture_files_check("--out", o->out, latents->n));
    enum status st = decode_open(cell, latents, place, &setup);
    if (st == ST_OK)
        st = look(setup, place, processes);
    if (st == ST_OK && *processes == 0) {
        struct decode decode = {
            .setup = setup, .place = place, .latent = latents->values, .path = o->out};
        st = decode_run(&decode);
        *agreed = decode.agreed;
        if (st == ST_OK && decode.wrote)
            print_pictures(setup, &decode);
    }
    setup_close(setup);
    return st;
}

static enum status decode_file(const struct cell *cell, const struct decode_options *o,
                               const struct rendezvous *place, bool *agreed, int *processes)
{
    struct model model;
    struct latent latents;
    *agreed = true;
    *processes = 0;
    TRY(model_load(cell->model, &kind_decoder, &model));
    TRY(latent_read(o->latent, model.decoder.latent_channels, &latents));
    enum status st = decode_latents(cell, o, &latents, place, agreed, processes);
    latent_release(&latents);
    return st;
}

/* The ranks that it starts say what there is to say. */
static enum status decode_at(const struct cell *cell, const struct decode_options *o,
                             const struct place *place, char **argv)
{
    struct fork_ranks_end end;
    bool agreed;
    int processes;
    enum status st = decode_file(cell, o, place_rendezvous(place), &agreed, &processes);
    if (st == ST_OK && processes > 0)
        return place_start_ranks(argv, processes, &end);
    return place_leave(place, "decode", st, agreed);
}

static enum status decode_main(int argc, char **argv)
{
    static const struct args args = {
        .command = "decode",
        .positional = "",
        .about = "Decodes latents to PNG files. The size follows from the latents; the frames of a "
                 "video are pictures one after the other. A single loop without warm-up: its time "
                 "is told, and `run` with a decoder as --model measures it.",
        .own = own,
        .cell = true,
        .loop = true,
        .only = taken,
        .take = take,
    };
    struct decode_options o = {NULL, NULL};
    struct cell cell;
    struct place place;
    cell_init(&cell);
    cell.check = false;
    cell.graph = false;
    TRY(args_parse(&args, argc, argv, &cell, &o));
    if (!cell.model[0])
        return fail(ST_INVALID, "no decoder is given; use --model FOLDER or --model NAME");
    if (!o.latent)
        return fail(ST_INVALID, "no latents are given; use --latent FILE.safetensors");
    if (!o.out)
        return fail(ST_INVALID, "no name of a picture is given; use --out FILE.png");
    TRY(place_find(PLACE_FORKED | PLACE_MPI, &place));
    return decode_at(&cell, &o, &place, argv);
}

const struct command command_decode = {"decode", "latents of a file to PNG pictures", decode_main};
