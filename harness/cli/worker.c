/* SPDX-License-Identifier: Apache-2.0 */
/* The hidden command behind `run` and `sweep`: the process, or one of the processes, of a cell, or
 * the one that starts those. Speaks the lines of launch.h on standard output. */
#include "harness/measure/worker.h"
#include "harness/base/exit_code.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/host/env.h"
#include "harness/launch/launch.h"
#include "harness/launch/place.h"
#include "harness/launch/watchdog.h"
#include "harness/measure/outcome.h"
#include "harness/profile/counters_watch.h"
#include "harness/profile/recorder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct worker_options {
    const char *identity;
    const char *pins;
    const char *output;
    const char *image;
    const char *profile;
    const char *counters;
};

enum { KEY_IDENTITY = 1, KEY_PINS, KEY_OUTPUT, KEY_IMAGE, KEY_PROFILE, KEY_COUNTERS };

static const struct args_option own[] = {
    {"identity", KEY_IDENTITY, "TEXT", "of the weights"},
    {"pins", KEY_PINS, "TEXT", "of the files behind it"},
    {"output", KEY_OUTPUT, "FILE", "final latents, safetensors"},
    {"image", KEY_IMAGE, "FILE", "their pictures, PNG"},
    {"profile", KEY_PROFILE, "FOLDER", "the last loop is recorded there; it wants one before it"},
    {"counters", KEY_COUNTERS, "FOLDER", "loops without graphs, counted by the hardware there"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    struct worker_options *o = self;
    const char **const to[] = {
        [KEY_IDENTITY] = &o->identity, [KEY_PINS] = &o->pins,       [KEY_OUTPUT] = &o->output,
        [KEY_IMAGE] = &o->image,       [KEY_PROFILE] = &o->profile, [KEY_COUNTERS] = &o->counters};
    if (key == ARGS_POSITIONAL)
        return fail(ST_INVALID, "worker: \"%s\" is no option", value);
    *to[key] = value;
    return ST_OK;
}

/* Where our lines go. What libraries print (NCCL_DEBUG) goes to standard error: in the middle of a
 * long line it would spoil it. */
static int channel = STDOUT_FILENO;

static void keep_channel(void)
{
    int copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
        channel = copy;
}

/* One write for one line, so that lines of several ranks do not mix. */
static void say_line(const char *line, size_t size)
{
    while (size > 0) {
        ssize_t n = write(channel, line, size);
        if (n <= 0)
            return; /* whoever listened is gone, and will have ended us */
        line += n;
        size -= (size_t)n;
    }
}

static void on_phase(void *self, const char *name)
{
    char line[60];
    (void)self;
    say_line(line, (size_t)snprintf(line, sizeof line, "phase %.40s\n", name));
}

static void on_beat(void *self, long done, long total)
{
    char line[60];
    (void)self;
    say_line(line, (size_t)snprintf(line, sizeof line, "beat %ld %ld\n", done, total));
}

static void say_failure(enum status st)
{
    char line[3000];
    int n = snprintf(line, sizeof line - 1, "fail %s %s", status_name(st), status_message());
    if (n >= (int)sizeof line - 1)
        n = (int)sizeof line - 2;
    for (int i = 0; i < n; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[n++] = '\n';
    say_line(line, (size_t)n);
    fprintf(stderr, "%s\n", status_text());
}

/* At once: no buffer, graph or communicator of this rank is worth a wait for its peers. */
static void die(void *self, enum status st)
{
    (void)self;
    say_failure(st);
    _exit(exit_code_of(st));
}

static enum status say_record(const struct record *record)
{
    char *json;
    char *line;
    size_t size;
    TRY(record_write(record, &json, &size));
    int n = asprintf(&line, "record %s", json);
    free(json);
    if (n < 0)
        return fail(ST_OOM, "record: no host memory");
    say_line(line, (size_t)n);
    free(line);
    return ST_OK;
}

/* With a recorder where a profile is wanted, or with counters. A backend that is not in this build
 * is refused by the worker. */
static enum status run_worker(struct worker *worker, const struct worker_options *o,
                              struct record **out)
{
    const struct backend_ops *backend = backend_find(worker->setup->cell.backend);
    struct recorder *recorder = NULL;
    struct counters_watch *watch = NULL;
    int first = worker->place ? worker->place->rank : 0;
    int ranks = worker->place ? 1 : worker->setup->cell.ranks;
    *out = NULL;
    if (o->profile && backend) {
        TRY(recorder_open(o->profile, backend, first, ranks, &recorder));
        worker->observer = recorder_observer(recorder);
    } else if (o->counters && backend) {
        TRY(counters_watch_open(o->counters, backend, first, ranks, &watch));
        worker->observer = counters_watch_observer(watch);
    }
    enum status st = worker_run(worker, out);
    recorder_close(recorder);
    counters_watch_close(watch);
    return st;
}

/* As one process with all ranks, or as one rank. */
static enum status work(const struct cell *cell, const struct worker_options *o,
                        const struct place *place)
{
    struct setup *setup;
    struct record *record;
    keep_channel();
    TRY(setup_open(cell, place_rendezvous(place), &setup));
    struct worker worker = {
        .setup = setup,
        .place = place_rendezvous(place),
        .identity = o->identity,
        .pins = o->pins,
        .output = o->output,
        .image = o->image,
        .on_phase = on_phase,
        .on_beat = on_beat,
        .on_failure = die,
    };
    enum status st = run_worker(&worker, o, &record);
    if (record) {
        /* The parent names it again, with its own command line; a line must be whole to be read. */
        const struct outcome_options options = {.experiment = "", .identity = record->cell.weights};
        env_add_loaded(record, setup->cell.backend);
        outcome_name(setup, &options, env_load(), record);
        enum status said = say_record(record);
        record_close(record);
        st = said ? said : st;
    }
    setup_close(setup);
    return st == ST_WRONG ? ST_OK : st; /* the record says so */
}

/* Ends as the rank that brought the others down, which launch.h understands. */
static enum status start_ranks(int ranks, char **argv)
{
    struct fork_ranks_end end;
    char text[200];
    enum status st = place_start_ranks(argv, ranks, &end);
    if (end.rank < 0)
        return st;
    fprintf(stderr, "%s\n", fork_ranks_text(&end, text, sizeof text));
    fflush(NULL);
    _exit(fork_ranks_code(&end));
}

/* Who starts the ranks of the cell. Only a cell over MPI looks for mpirun: a sweep may run under
 * one itself. */
static enum place_starter starter_of(const struct cell *cell)
{
    if (strcmp(cell->transport, "mpi") == 0)
        return PLACE_MPI;
    return strcmp(cell->transport, "nccl") == 0 && cell->ranks > 1 ? PLACE_FORKED : PLACE_ALONE;
}

/* Ends this process a little later than the launcher would: on a host that is cut off, it cannot.
 */
static enum status watch(const struct cell *cell, int rank)
{
    struct watchdog dog = watchdog_limits(rank, cell->timeout_s, WATCHDOG_GRACE_S);
    dog.end = say_failure;
    return watchdog_start(&dog);
}

static enum status start(struct cell *cell, const struct worker_options *o, char **argv)
{
    struct place place;
    enum place_starter starter = starter_of(cell);
    if (starter == PLACE_MPI) /* its start waits for peers already */
        TRY(watch(cell, rendezvous_mpi_rank()));
    TRY(place_find(starter, &place));
    if (place.starter == PLACE_ALONE && starter == PLACE_MPI)
        return fail(ST_INVALID, "a worker over mpi must be started by mpirun");
    if (place.starter == PLACE_ALONE && starter == PLACE_FORKED)
        return start_ranks(cell->ranks, argv);
    if (starter != PLACE_MPI)
        TRY(watch(cell, place.where.rank));
    enum status st = work(cell, o, &place);
    if (place.starter != PLACE_ALONE && st != ST_OK)
        die(NULL, st); /* peers may wait: whoever started this rank ends them when it dies */
    watchdog_phase("leave", true);
    if (place.starter == PLACE_MPI)
        rendezvous_finish();
    return st;
}

static enum status worker_main(int argc, char **argv)
{
    static const struct args args = {
        .command = "worker",
        .positional = "",
        .about = "Runs the ranks of one cell; started by `run` and `sweep`, and of no use alone.",
        .own = own,
        .cell = true,
        .loop = true,
        .take = take,
    };
    struct worker_options o = {.profile = NULL};
    struct cell cell;
    prctl(PR_SET_PDEATHSIG,
          SIGKILL); /* under mpirun the parent is mpirun's, which dies with the sweep */
    cell_init(&cell);
    enum status st = args_parse(&args, argc, argv, &cell, &o);
    if (st == ST_OK)
        st = start(&cell, &o, argv);
    if (st && status_message()[0])
        say_failure(st);
    status_clear();
    return st;
}

const struct command command_worker = {"worker", NULL, worker_main};
