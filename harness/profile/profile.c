/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of a cell, and what is made of the second one's spools. */
#include "harness/profile/profile.h"

#include "harness/base/child.h"
#include "harness/base/folder.h"
#include "harness/profile/alone.h"
#include "harness/profile/ceilings_file.h"
#include "harness/profile/ceilings_measure.h"
#include "harness/profile/profile_count.h"
#include "harness/profile/recording_cut.h"
#include "harness/profile/spool_folder.h"
#include "harness/profile/spool_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the two runs ---- */

static enum status run_plain(const struct setup *setup, const struct profile_options *o,
                             struct profile *p, enum status *code)
{
    return outcome_run(setup, &o->outcome, &p->plain, code);
}

/* One loop after one of warm-up at the least, in which graphs are captured; no check, for the plain
 * run had it. */
static enum status run_watched(const struct setup *setup, const struct profile_options *o,
                               const char *folder, struct profile *p, enum status *code)
{
    struct setup watched = *setup;
    struct outcome_options outcome = o->outcome;
    watched.cell.check = false;
    watched.cell.repeats = 1;
    if (watched.cell.warmup_loops < 1)
        watched.cell.warmup_loops = 1;
    outcome.output = NULL;
    outcome.profile = folder;
    return outcome_run(&watched, &outcome, &p->watched, code);
}

static enum status read_spools(const char *folder, struct profile *p)
{
    struct spool_told told;
    TRY(spool_read(folder, &p->recording, &told));
    snprintf(p->no_activity, sizeof p->no_activity, "%s", told.no_activity);
    snprintf(p->incomplete, sizeof p->incomplete, "%s", told.incomplete);
    p->loop_ms = told.loop_ms;
    return ST_OK;
}

/* Where the ranks failed and left nothing there is no recording: why they failed is what counts. */
static enum status record(const struct setup *setup, const struct profile_options *o,
                          struct profile *p, enum status *code)
{
    struct spool_folder spools;
    TRY(spool_folder_open(o->folder, &spools));
    enum status st = run_watched(setup, o, spools.path, p, code);
    if (st == ST_OK)
        st = read_spools(spools.path, p);
    spool_folder_close(&spools);
    if (st == ST_OK || *code == ST_OK)
        return st;
    status_clear();
    return ST_OK;
}

/* ---- ceilings ---- */

/* `ditbench ceilings` in its short form, in a process of its own: this one opens no device. */
static enum status measure_ceilings(const struct setup *setup)
{
    char backend[80];
    char dtype[80];
    char threads[80];
    char seconds[80];
    snprintf(backend, sizeof backend, "--backend=%s", setup->cell.backend);
    snprintf(dtype, sizeof dtype, "--dtype=%s", dtype_name(setup->problem.dtype));
    snprintf(threads, sizeof threads, "--threads=%d", setup->cell.threads);
    snprintf(seconds, sizeof seconds, "--seconds=%d", CEILINGS_BRIEF_S);
    const char *const words[] = {"ceilings", backend, dtype, threads, seconds, NULL};
    return child_run(words, NULL);
}

static enum status read_ceilings(const struct setup *setup, struct ceilings *out)
{
    struct ceilings_key key;
    char word[CEILINGS_WORD];
    TRY(ceilings_file_key(setup->cell.backend, setup->cell.threads, &key));
    return ceilings_file_read(&key, out, word);
}

static void tell_phase(const struct profile_options *o, const char *phase)
{
    if (o->outcome.on_progress)
        o->outcome.on_progress(o->outcome.on_progress_self, phase, 0, 0);
}

/* What is not known is said and does no harm. */
static enum status find_ceilings(const struct setup *setup, const struct profile_options *o,
                                 struct profile *p)
{
    p->ceilings = calloc(1, sizeof *p->ceilings);
    if (!p->ceilings)
        return fail(ST_OOM, "ceilings: no host memory");
    enum status st = read_ceilings(setup, p->ceilings);
    if (st == ST_OK && !p->ceilings->have[setup->problem.dtype]) {
        tell_phase(o, "ceilings");
        st = measure_ceilings(setup);
        if (st == ST_OK)
            st = read_ceilings(setup, p->ceilings);
    }
    if (st == ST_OK && p->ceilings->have[setup->problem.dtype])
        return ST_OK;
    snprintf(p->no_ceilings, sizeof p->no_ceilings, "%.390s",
             st ? status_message() : "the cache folder does not keep them");
    status_clear();
    free(p->ceilings);
    p->ceilings = NULL;
    return ST_OK;
}

/* ---- reckoning ---- */

/* How long messages take alone: asked only where there are any. */
static enum status set_alone(const struct setup *setup, const struct record *plain,
                             struct profile *p)
{
    if (p->messages.n == 0 || !plain)
        return ST_OK;
    double *ms = calloc((size_t)p->recording->ranks * (size_t)p->recording->steps, sizeof *ms);
    if (!ms)
        return fail(ST_OOM, "messages alone: no host memory");
    enum status st = alone_measure(setup, plain, ms);
    if (st == ST_OK)
        breakdown_set_alone(&p->breakdown, p->recording->steps, ms);
    free(ms);
    return st;
}

static enum status cut(const struct profile_options *o, struct profile *p)
{
    int steps = p->recording->steps;
    p->part = p->table = p->recording;
    p->first = o->first;
    p->last = o->last < 0 || o->last >= steps ? steps - 1 : o->last;
    int end = recording_cut_whole(p->recording);
    end = end > p->last ? p->last + 1 : end;
    p->whole = end > p->first ? end - p->first : 0;
    if (p->first > 0 || p->last < steps - 1)
        TRY(recording_cut(p->recording, p->first, p->last, &p->part));
    p->table = p->part;
    return p->whole == 0 || end > p->last
               ? ST_OK
               : recording_cut(p->recording, p->first, end - 1, &p->table);
}

static enum status reckon(const struct setup *setup, const struct profile_options *o,
                          struct profile *p)
{
    TRY(messages_open(p->recording, &p->messages));
    TRY(breakdown_open(p->recording, &p->messages, &p->breakdown));
    TRY(set_alone(setup, o->plain ? o->plain : p->plain, p));
    TRY(cut(o, p));
    breakdown_keep(&p->breakdown, p->first, p->first + p->whole - 1);
    const struct hot_device device = profile_device(setup, p);
    TRY(hot_open(p->table, &device, &p->hot));
    p->hot.steps = p->whole;
    return ST_OK;
}

struct hot_device profile_device(const struct setup *setup, const struct profile *profile)
{
    return (struct hot_device){
        .ceilings = profile->ceilings,
        .dtype = setup->problem.dtype,
        .head = problem_facts(&setup->problem).head_dim,
    };
}

enum status profile_open(const struct setup *setup, const struct profile_options *options,
                         struct profile *out, enum status *code)
{
    *out = (struct profile){.plain = NULL};
    *code = ST_OK;
    TRY(folder_make(options->folder));
    if (!options->plain)
        TRY(run_plain(setup, options, out, code));
    if (*code != ST_OK)
        return ST_OK;
    TRY(record(setup, options, out, code));
    if (!out->recording)
        return ST_OK;
    if (*code != ST_INTERRUPTED)
        TRY(find_ceilings(setup, options, out));
    tell_phase(options, "write");
    TRY(reckon(setup, options, out));
    profile_count(setup, options, *code, out);
    return ST_OK;
}

const struct record *profile_failed(const struct profile *profile)
{
    return profile->watched ? profile->watched : profile->plain;
}

void profile_release(struct profile *profile)
{
    hot_release(&profile->hot);
    breakdown_release(&profile->breakdown);
    messages_release(&profile->messages);
    counters_table_release(&profile->counters);
    if (profile->table != profile->part)
        recording_close(profile->table);
    if (profile->part != profile->recording)
        recording_close(profile->part);
    recording_close(profile->recording);
    free(profile->ceilings);
    record_close(profile->plain);
    record_close(profile->watched);
    *profile = (struct profile){.plain = NULL};
}
