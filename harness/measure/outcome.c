/* SPDX-License-Identifier: Apache-2.0 */
/* A cell's way to its record: plan, memory, processes. Measures nothing itself. */
#include "harness/measure/outcome.h"

#include "harness/base/limits.h"
#include "harness/host/env.h"
#include "harness/host/gpus.h"
#include "harness/host/interconnect.h"
#include "harness/host/monitor.h"
#include "harness/launch/hostfile.h"
#include "harness/launch/launch.h"
#include "harness/launch/mpirun.h"
#include "harness/measure/headroom.h"
#include "harness/measure/outcome_argv.h"
#include "kernels/backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status outcome_id(const struct setup *setup, const char *identity, char id[RECORD_ID_SIZE])
{
    struct record_cell cell = setup_record_cell(setup, identity);
    return record_cell_id(&cell, id);
}

/* ---- before anything starts ---- */

static enum status predict(const struct setup *s, const struct spec *spec, int ranks, int rank,
                           uint64_t *bytes)
{
    size_t kind[ARENA_KINDS];
    struct plan *plan;
    TRY(plan_build(&s->problem, spec, ranks, rank, &plan));
    enum status st = plan_memory(plan, kind);
    plan_close(plan);
    *bytes = 0;
    for (int k = 0; k < ARENA_KINDS && st == ST_OK; k++)
        *bytes += kind[k];
    return st;
}

/* Bytes of the one-rank run that the check needs; 0 without a check. */
static enum status predict_reference(const struct setup *s, uint64_t *bytes)
{
    *bytes = 0;
    if (!s->cell.check)
        return ST_OK;
    struct spec *spec = calloc(2, sizeof *spec); /* expanded, and what it is checked against */
    if (!spec)
        return fail(ST_OOM, "specification: no host memory");
    enum status st = spec_expand(&s->spec, problem_facts(&s->problem).heads, &spec[0]);
    if (st == ST_OK) {
        spec_reference(&spec[0], &spec[1]);
        st = predict(s, &spec[1], 1, 0, bytes);
    }
    free(spec);
    return st;
}

static enum status capacity(const struct setup *s, size_t *bytes)
{
    struct device *dev;
    const struct device_options options = {.ordinal = 0, .threads = s->cell.threads};
    TRY(device_open(backend_find(s->cell.backend), &options, &dev));
    enum status st = device_capacity(dev, bytes);
    device_close(dev);
    return st;
}

static enum status check_reference(uint64_t reference, uint64_t available)
{
    char limit[LIMITS_TEXT];
    if (reference <= available)
        return ST_OK;
    return fail(ST_OOM,
                "the one-rank run behind the check needs %.1f MB and %.1f MB are available%s; "
                "--check off does without",
                1e-6 * (double)reference, 1e-6 * (double)available, limits_space(limit));
}

/* By what NVML says, since this process must not wake CUDA's driver. The ranks look again, closer,
 * once their devices are open. */
static enum status check_gpus(const struct setup *s, const uint64_t *predicted, uint64_t reference)
{
    uint64_t available;
    TRY(headroom_foresee(s->cell.ranks, predicted));
    return gpus_available(0, &available) ? check_reference(reference, available) : ST_OK;
}

/* "1 rank needs 9.5 MB" */
static enum status check_ranks(const struct setup *s, int n, uint64_t bytes, uint64_t available)
{
    char limit[LIMITS_TEXT];
    if (bytes <= available)
        return ST_OK;
    return fail(ST_OOM,
                "%d rank%s %.1f MB%s%s and %.1f MB are available%s; use a smaller size or fewer "
                "requests",
                n, n == 1 ? " needs" : "s need", 1e-6 * (double)bytes, n == 1 ? "" : " together",
                n < s->cell.ranks ? " on this host" : "", 1e-6 * (double)available,
                limits_space(limit));
}

/* False: the ranks are on several hosts, and nobody knows which of them are here. */
static bool ranks_here(const struct setup *s, int *begin, int *n)
{
    static bool said;
    *begin = 0;
    *n = s->cell.ranks;
    if (!setup_processes(s) || hostfile_ranks_here(s->cell.ranks, begin, n))
        return true;
    if (!said)
        fprintf(stderr, "ditbench: how many ranks mpirun puts on this host is not known, so their "
                        "memory is not foreseen\n");
    said = true;
    return false;
}

static enum status check_memory(const struct setup *s, const uint64_t *predicted)
{
    size_t available;
    int begin;
    int n;
    uint64_t reference;
    uint64_t sum = 0;
    TRY(predict_reference(s, &reference));
    if (!backend_on_host(backend_find(s->cell.backend)))
        return check_gpus(s, predicted, reference);
    if (!ranks_here(s, &begin, &n))
        return ST_OK;
    for (int r = begin; r < begin + n; r++)
        sum += predicted[r];
    TRY(capacity(s, &available));
    TRY(check_ranks(s, n, sum, available));
    /* it runs where the latent ends, which may be elsewhere */
    return n < s->cell.ranks ? ST_OK : check_reference(reference, available);
}

enum status outcome_foresee(const struct setup *setup, uint64_t *predicted)
{
    for (int r = 0; r < setup->cell.ranks; r++)
        TRY(predict(setup, &setup->spec, setup->cell.ranks, r, &predicted[r]));
    TRY(setup_check_build(setup));
    if (setup_processes(setup))
        TRY(mpirun_check_limits(setup->cell.ranks));
    return check_memory(setup, predicted);
}

/* ---- the record ---- */

/* Versions of libraries that only the process of a rank has loaded are what it said. */
static void fill_env(const struct setup *s, struct record *record)
{
    struct record_map told = record->env.libraries;
    env_fill(record);
    if (backend_on_host(backend_find(s->cell.backend)))
        return;
    env_add_libraries(record, &told);
    gpus_fill(record);
    interconnect_fill(record);
}

void outcome_name(const struct setup *s, const struct outcome_options *o, double load,
                  struct record *record)
{
    setup_name_record(s, o->identity, record);
    record->experiment = record_text(record, o->experiment);
    record->argv = (struct record_texts){0};
    record_add_text(record, &record->argv, program_invocation_name);
    for (int i = 0; i < o->argc; i++)
        record_add_text(record, &record->argv, o->argv[i]);
    fill_env(s, record);
    record_flag(record); /* some of them look at the GPUs */
    env_add_load(record, load);
    if (record_identify(record) != ST_OK)
        record->out_of_memory = true;
    record_set_time(record);
}

static void set_failure(struct record *record, enum ending status, const char *reason)
{
    record->status = status;
    record->reason = record_text(record, reason);
}

static enum status failed_record(enum ending status, const char *reason, int ranks,
                                 const uint64_t *predicted, struct record **out)
{
    char *text = strdup(reason); /* it may be the error record's own */
    enum status st = text ? record_open(out) : fail(ST_OOM, "record: no host memory");
    if (st == ST_OK) {
        set_failure(*out, status, text);
        if (ranks > 0)
            record_set_counts(*out, &(*out)->memory_bytes.predicted, ranks, predicted);
    }
    free(text);
    return st;
}

/* A cell whose files changed under it failed for that, whatever its ranks died of. */
static void blame_files(const struct pins *pins, struct record *record, enum status *code)
{
    char why[4000];
    bool failed = record->status == ENDING_ERROR || record->status == ENDING_CRASH ||
                  record->status == ENDING_TIMEOUT;
    if (!failed || !pins || pins_hold(pins) == ST_OK)
        return;
    snprintf(why, sizeof why, "%s", status_message());
    if (record->reason && strcmp(record->reason, why) != 0)
        snprintf(why, sizeof why, "%.1900s; %.1900s", status_message(), record->reason);
    set_failure(record, ENDING_ERROR, why);
    *code = ST_INVALID;
}

/* A wrong result is a strategy's only where the checkpoint still has the bytes that were hashed:
 * writes through a mapping may move no time. */
static void blame_bytes(const struct setup *setup, const struct outcome_options *o,
                        struct record *record)
{
    char now[PINS_IDENTITY];
    struct pins pins;
    if (record->status != ENDING_WRONG || !o->pins || o->pins->n == 0 ||
        pins_identify(setup, now, &pins) != ST_OK)
        return;
    pins_release(&pins);
    if (strcmp(now, o->identity) != 0)
        set_failure(record, ENDING_ERROR,
                    record_text_format(record, "%s: its bytes changed since they were hashed; %s",
                                       setup->cell.model, record->reason));
}

enum status outcome_failed(const struct setup *setup, const struct outcome_options *options,
                           enum status st, struct record **out)
{
    *out = NULL;
    TRY(failed_record(ending_of(st), status_message(), 0, NULL, out));
    blame_files(options->pins, *out, &st);
    outcome_name(setup, options, env_load(), *out);
    return ST_OK;
}

/* ---- processes ---- */

/* The record that the worker wrote; one that cannot be read is an error of the cell, not of the
 * program. */
static enum status take_record(struct launch_end *end, struct record **out)
{
    enum status st = record_read(end->record, end->record_size, 1, out);
    if (st == ST_OK || st == ST_OOM)
        return st;
    snprintf(end->reason, sizeof end->reason, "the worker's record cannot be read: %.1000s",
             status_message());
    end->status = ENDING_ERROR;
    end->code = ST_COMM;
    return ST_OK;
}

/* Who hears of a cell's progress. */
struct listeners {
    const struct outcome_options *options;
    struct monitor *monitor;
};

static void hear(void *self, const char *phase, long done, long total)
{
    const struct listeners *l = self;
    monitor_phase(l->monitor, phase);
    if (l->options->on_progress)
        l->options->on_progress(l->options->on_progress_self, phase, done, total);
}

static enum status start(const struct setup *s, const struct listeners *listeners,
                         const char *const *environment, struct launch_end *end)
{
    const struct outcome_options *o = listeners->options;
    struct outcome_argv args;
    enum status st = outcome_argv_build(s, o, &args);
    if (st == ST_OK) {
        struct launch launch = {
            .argv = args.v,
            .environment = environment,
            .log = o->log,
            .timeout_s = s->cell.timeout_s,
            .on_progress = hear,
            .on_progress_self = (void *)listeners,
        };
        st = launch_run(&launch, end);
    }
    outcome_argv_release(&args);
    return st;
}

/* mpirun between us and the ranks, where they are its processes. */
static enum status start_through(const struct setup *s, const struct listeners *listeners,
                                 struct launch_end *end)
{
    struct mpirun mpirun;
    if (!setup_processes(s))
        return start(s, listeners, NULL, end);
    TRY(mpirun_init(&mpirun));
    enum status st = start(s, listeners, mpirun.environment, end);
    mpirun_release(&mpirun);
    return st;
}

enum status outcome_watch(const struct setup *s, struct monitor **out)
{
    struct nvml_device *device[GPUS_MAX];
    int first = 0, n = s->cell.ranks;
    if (backend_on_host(backend_find(s->cell.backend)))
        return monitor_open(NULL, 0, NULL, out);
    if (setup_processes(s) && !hostfile_ranks_here(s->cell.ranks, &first, &n))
        n = GPUS_MAX; /* any of them may be used */
    n = gpus_of_ranks(first, n, device);
    return monitor_open(nvml_get(), n, device, out);
}

static enum status run_cell(const struct setup *s, const struct outcome_options *o,
                            const uint64_t *predicted, struct record **out, enum status *code)
{
    struct launch_end end;
    struct listeners listeners = {.options = o};
    TRY(outcome_watch(s, &listeners.monitor));
    enum status st = start_through(s, &listeners, &end);
    if (st != ST_OK) {
        monitor_close(listeners.monitor);
        return st;
    }
    monitor_end(listeners.monitor);
    if (end.status == ENDING_OK)
        st = take_record(&end, out);
    if (st == ST_OK && !*out)
        st = failed_record(end.status, end.reason, s->cell.ranks, predicted, out);
    if (st == ST_OK)
        monitor_fill(listeners.monitor, *out);
    monitor_close(listeners.monitor);
    *code = end.code;
    launch_end_release(&end);
    return st;
}

enum status outcome_run(const struct setup *setup, const struct outcome_options *options,
                        struct record **out, enum status *code)
{
    *out = NULL;
    double load = env_load();
    uint64_t *predicted = calloc((size_t)setup->cell.ranks, sizeof *predicted);
    if (!predicted)
        return fail(ST_OOM, "%d ranks: no host memory", setup->cell.ranks);
    enum status st = ST_OK;
    *code = outcome_foresee(setup, predicted);
    if (options->pins &&
        pins_hold(options->pins) != ST_OK) /* what was foreseen is of other files */
        *code = ST_INVALID;
    if (*code == ST_OK)
        st = run_cell(setup, options, predicted, out, code);
    else
        st = failed_record(ending_of(*code), status_message(),
                           *code == ST_OOM ? setup->cell.ranks : 0, predicted, out);
    free(predicted);
    TRY(st);
    blame_files(options->pins, *out, code);
    blame_bytes(setup, options, *out);
    if ((*out)->status == ENDING_ERROR && *code == ST_OK)
        *code = ST_INVALID;
    outcome_name(setup, options, load, *out);
    if ((*out)->status == ENDING_WRONG)
        *code = ST_WRONG;
    if ((*out)->status == ENDING_OK || (*out)->status == ENDING_UNSUPPORTED)
        unlink(options->log);
    return ST_OK;
}
