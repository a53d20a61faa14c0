/* SPDX-License-Identifier: Apache-2.0 */
/* A third run of a cell, in processes of its own. What it writes is read, and its folder removed.
 */
#include "harness/profile/profile_count.h"

#include "harness/profile/counters_file.h"
#include "harness/profile/counters_watch.h"
#include "kernels/backend.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

/* A tool that hangs ends with the run: so long at the least, and so many recorded loops. */
enum { LIMIT_S = 180, LIMIT_LOOPS = 50 };

static double limit_s(const struct setup *setup, const struct profile *p)
{
    double own = setup->cell.timeout_s;
    double limit = LIMIT_S + (isfinite(p->loop_ms) ? 1e-3 * LIMIT_LOOPS * p->loop_ms : 0);
    return own > 0 && own < limit ? own : limit;
}

/* Steps are launched one by one, so that ranges have work inside them. */
static enum status run(const struct setup *setup, const struct profile_options *options,
                       const char *folder, const struct profile *p)
{
    struct setup counted = *setup;
    struct outcome_options outcome = options->outcome;
    struct record *record = NULL;
    enum status code = ST_OK;
    char log[PATH_MAX];
    counted.cell.check = false;
    counted.cell.graph = false;
    counted.cell.repeats = COUNTERS_LOOPS;
    counted.cell.timeout_s = limit_s(setup, p);
    if (counted.cell.warmup_loops < 1)
        counted.cell.warmup_loops = 1;
    snprintf(log, sizeof log, "%.4000s/counters.log", options->folder);
    outcome.output = NULL;
    outcome.profile = NULL;
    outcome.counters = folder;
    outcome.log = log;
    TRY(outcome_run(&counted, &outcome, &record, &code));
    enum status st =
        code == ST_OK ? ST_OK : fail(code, "%s", record->reason ? record->reason : "no reason");
    record_close(record);
    return st;
}

static enum status count(const struct setup *setup, const struct profile_options *options,
                         struct profile *p)
{
    char folder[PATH_MAX];
    const struct backend_ops *backend = backend_find(setup->cell.backend);
    if (backend && !counters_supported(backend))
        return fail(ST_UNSUPPORTED, "the %s backend has no counters that are read",
                    backend->on_host ? "CPU" : backend->name);
    snprintf(folder, sizeof folder, "%.4000s/counted", options->folder);
    counters_file_remove(folder, setup->cell.ranks);
    enum status st = run(setup, options, folder, p);
    if (st == ST_OK)
        st = counters_file_read(folder, setup->cell.ranks, &p->counters);
    counters_file_remove(folder, setup->cell.ranks);
    return st;
}

void profile_count(const struct setup *setup, const struct profile_options *options,
                   enum status code, struct profile *profile)
{
    enum status st = ST_UNSUPPORTED;
    counters_table_init(&profile->counters);
    if (!options->counters)
        fail(st, "--counters off");
    else if (code != ST_OK)
        fail(st, "the cell failed while it was recorded");
    else
        st = count(setup, options, profile);
    if (st == ST_OK)
        return;
    counters_table_release(&profile->counters);
    snprintf(profile->no_counters, sizeof profile->no_counters, "%.390s", status_message());
    status_clear();
}
