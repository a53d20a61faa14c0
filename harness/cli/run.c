/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench run`: one cell, in processes of its own, or as one of the processes that mpirun
 * started. */
#include "harness/base/fold.h"
#include "harness/base/interrupt.h"
#include "harness/base/writable.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/host/env.h"
#include "harness/image/picture_files.h"
#include "harness/launch/place.h"
#include "harness/launch/scratch.h"
#include "harness/launch/watchdog.h"
#include "harness/measure/last_image.h"
#include "harness/measure/outcome.h"
#include "harness/measure/worker.h"
#include "harness/report/progress.h"
#include "harness/report/run_report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run_options {
    const char *output, *image;
    bool json;
};

enum { KEY_OUTPUT = 1, KEY_IMAGE, KEY_JSON };

static const struct args_option own[] = {
    {"output", KEY_OUTPUT, "FILE", "write the final latents as safetensors"},
    {"image", KEY_IMAGE, "FILE.png",
     "decode the last loop's latents by the decoder of the same folder, outside the latency; of "
     "several pictures, or frames: FILE-0.png, ..."},
    {"json", KEY_JSON, NULL, "print the record, JSON on one line"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    struct run_options *o = self;
    if (key == KEY_JSON)
        o->json = true;
    else if (key == KEY_IMAGE)
        o->image = value;
    else
        o->output = value;
    return ST_OK;
}

/* "a.png", or the first and the last of several. */
static void print_image(const struct record *record, const char *path)
{
    const struct record_cell *c = &record->cell;
    char first[PATH_MAX], last[PATH_MAX], text[2 * PATH_MAX + 200];
    int n = c->requests * c->frames;
    if (!path || isnan(record->decode_ms))
        return;
    snprintf(text, sizeof text,
             "image%s: %s%s%s, %dx%d px, decoded in %.1f ms, which are not in the latency",
             n > 1 ? "s" : "", picture_files_name(path, 0, n, first), n > 1 ? " to " : "",
             n > 1 ? picture_files_name(path, n - 1, n, last) : "", c->width, c->height,
             record->decode_ms);
    putchar('\n');
    fold_print(0, 0, text);
}

static enum status print_record(const struct record *record, const struct run_options *o)
{
    char *line;
    size_t size;
    if (!o->json) {
        TRY(run_report_print(record));
        print_image(record, o->image);
        return ST_OK;
    }
    TRY(record_write(record, &line, &size));
    fwrite(line, 1, size, stdout);
    free(line);
    return ST_OK;
}

/* Prints the record and turns how the cell ended into how the command ends. */
static enum status conclude(const struct record *record, enum status code,
                            const struct run_options *o)
{
    TRY(print_record(record, o));
    if (code == ST_OK)
        return ST_OK;
    return fail(code, "%s: %s", ending_name(record->status), record->reason ? record->reason : "");
}

/* ---- in processes of its own ---- */

static enum status temporary_log(char *path, size_t size)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/ditbench-XXXXXX.log", folder && folder[0] ? folder : "/tmp");
    int fd = mkstemps(path, 4);
    if (fd < 0)
        return fail(ST_IO, "%s: %s; set TMPDIR to a folder that takes files", path,
                    strerror(errno));
    close(fd);
    return ST_OK;
}

/* What is measured is not quite what was asked for. */
static void note_threads(const struct setup *setup)
{
    if (setup->threads_asked > 0 && setup->threads_asked < setup->cell.threads)
        fprintf(stderr,
                "ditbench run: %d ranks have a thread each, so %d run and are recorded, not the %d "
                "of --threads\n",
                setup->cell.ranks, setup->cell.threads, setup->threads_asked);
}

static enum status run_pinned(const struct setup *setup, const struct run_options *o,
                              const char *identity, const struct pins *pins, int argc, char **argv)
{
    char log[4096];
    struct progress progress;
    struct record *record = NULL;
    enum status code;
    TRY(temporary_log(log, sizeof log));
    scratch_remove_orphans();
    note_threads(setup);
    interrupt_catch();
    progress_start(&progress, 1, 0);
    progress_cell(&progress, setup->cell.strategy);
    const struct outcome_options options = {
        .experiment = "",
        .argc = argc,
        .argv = argv,
        .identity = identity,
        .pins = pins,
        .log = log,
        .output = o->output,
        .image = o->image,
        .on_progress = progress_step,
        .on_progress_self = &progress,
    };
    enum status st = outcome_run(setup, &options, &record, &code);
    progress_finish(&progress);
    if (st == ST_OK)
        st = conclude(record, code, o);
    command_drop_log("run", log, st == ST_OK || st == ST_WRONG || st == ST_INTERRUPTED);
    record_close(record);
    return st;
}

static enum status run_launched(const struct setup *setup, const struct run_options *o, int argc,
                                char **argv)
{
    char identity[PINS_IDENTITY];
    struct pins pins;
    enum status st = pins_identify(setup, identity, &pins);
    if (st == ST_OK)
        st = run_pinned(setup, o, identity, &pins, argc, argv);
    pins_release(&pins);
    return st;
}

/* ---- as one of mpirun's processes ---- */

static void say_why(enum status st)
{
    (void)st;
    fprintf(stderr, "ditbench run: %s\n", status_message());
}

/* Refusals are the same on every rank, and nobody waits yet. *output: the rank that will have the
 * record. */
static enum status check_plan(const struct setup *setup, int *output)
{
    struct plan *plan;
    TRY(plan_build(&setup->problem, &setup->spec, setup->cell.ranks, 0, &plan));
    *output = plan_output_rank(plan);
    plan_close(plan);
    return setup_check_build(setup);
}

/* What rank 0 tells the others about the files of the cell. */
struct shared {
    char identity[PINS_IDENTITY];
    enum status status; /* of hashing them */
    size_t size;        /* of the text of the pins, which follows */
};

/* Rank 0 is the driver here: it hashes, and all hold their files to its. *text: allocated. */
static enum status share_pins(const struct setup *setup, const struct rendezvous *where,
                              struct shared *out, char **text)
{
    *out = (struct shared){.status = ST_OK};
    *text = NULL;
    if (where->rank == 0) {
        struct pins pins;
        out->status = pins_identify(setup, out->identity, &pins);
        *text = pins_text(&pins);
        out->size = *text ? strlen(*text) + 1 : 0;
        pins_release(&pins);
    }
    TRY(rendezvous_broadcast(where, "files", out, sizeof *out));
    if (out->status != ST_OK)
        return where->rank == 0 ? out->status
                                : fail(out->status, "rank 0 could not hash the files");
    if (where->rank > 0)
        *text = malloc(out->size + 1);
    if (!*text)
        return fail(ST_OOM, "list of files: no host memory");
    return rendezvous_broadcast(where, "pins", *text, out->size);
}

static void on_phase(void *self, const char *name)
{
    struct monitor *monitor = self;
    if (monitor)
        monitor_phase(monitor, name);
}

/* Nobody but the ranks is there: the one that will have the record watches its own host. */
static enum status run_watched(const struct setup *setup, struct worker *worker, bool watches,
                               struct record **out)
{
    struct monitor *monitor = NULL;
    if (watches)
        TRY(outcome_watch(setup, &monitor));
    worker->on_phase = on_phase;
    worker->self = monitor;
    enum status st = worker_run(worker, out);
    if (monitor)
        monitor_end(monitor);
    if (monitor && *out)
        monitor_fill(monitor, *out);
    monitor_close(monitor);
    return st;
}

/* *agreed: a failure is the same on every rank, and nobody waits for this one. */
static enum status run_as_rank(const struct setup *setup, const struct run_options *o,
                               const struct outcome_options *options, const struct place *place,
                               bool *agreed)
{
    struct record *record = NULL;
    struct shared shared;
    char *pins;
    int output = 0;
    enum status st = check_plan(setup, &output);
    if (st != ST_OK) {
        if (place->where.rank > 0)
            return st;
        TRY(outcome_failed(setup, options, st, &record));
        st = conclude(record, st, o);
        record_close(record);
        return st;
    }
    if (place->where.rank == 0)
        note_threads(setup);
    double load = env_load();
    struct watchdog dog = watchdog_limits(place->where.rank, setup->cell.timeout_s, 0);
    dog.end = say_why;
    TRY(watchdog_start(&dog));
    st = share_pins(setup, &place->where, &shared, &pins);
    *agreed = shared.status != ST_OK;
    struct worker worker = {
        .setup = setup,
        .place = &place->where,
        .identity = shared.identity,
        .pins = pins,
        .output = o->output,
        .image = o->image,
    };
    if (st == ST_OK) {
        st = run_watched(setup, &worker, place->where.rank == output, &record);
        *agreed = st == ST_OK || st == ST_WRONG;
    }
    watchdog_phase("leave", true);
    free(pins);
    if (record) {
        struct outcome_options named = *options;
        named.identity = record->cell.weights;
        env_add_loaded(record, setup->cell.backend);
        outcome_name(setup, &named, load, record);
        st = conclude(record, st, o);
    }
    record_close(record);
    return st;
}

static enum status run_under_mpi(const struct cell *cell, const struct run_options *o, int argc,
                                 char **argv, const struct place *place)
{
    struct setup *setup;
    bool agreed = true;
    const struct outcome_options options = {
        .experiment = "", .argc = argc, .argv = argv, .identity = "unknown"};
    enum status st = setup_open(cell, &place->where, &setup);
    if (st == ST_OK && o->image)
        st = last_image_check(setup, o->image, o->output);
    if (st == ST_OK)
        st = run_as_rank(setup, o, &options, place, &agreed);
    setup_close(setup);
    return place_leave(place, "run", st, agreed);
}

/* ---- the command ---- */

static enum status run(struct cell *cell, const struct run_options *o, int argc, char **argv)
{
    struct place place;
    struct setup *setup;
    if (o->output)
        TRY(writable_file(o->output));
    TRY(place_find(PLACE_MPI, &place));
    if (place.starter == PLACE_MPI)
        return run_under_mpi(cell, o, argc, argv, &place);
    TRY(setup_open(cell, NULL, &setup));
    enum status st = setup_check_text(setup);
    if (st == ST_OK && o->image)
        st = last_image_check(setup, o->image, o->output);
    if (st == ST_OK)
        st = run_launched(setup, o, argc, argv);
    setup_close(setup);
    return st;
}

static enum status run_main(int argc, char **argv)
{
    static const struct args args = {
        .command = "run",
        .positional = "",
        .about = "Runs one cell: latency, memory, bytes, and a check against the one-rank run.",
        .own = own,
        .cell = true,
        .loop = true,
        .take = take,
    };
    struct run_options o = {.json = false};
    struct cell cell;
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &o));
    return run(&cell, &o, argc, argv);
}

const struct command command_run = {"run", "one cell: latency, memory, bytes, check", run_main};
