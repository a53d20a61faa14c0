/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench profile`: where the time of one cell goes; or two such profiles side by side. */
#include "harness/base/interrupt.h"
#include "harness/base/number.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/cli/profile_bars.h"
#include "harness/launch/place.h"
#include "harness/launch/scratch.h"
#include "harness/plot/profile_pictures.h"
#include "harness/plot/step.h"
#include "harness/profile/diff.h"
#include "harness/profile/profile_json.h"
#include "harness/profile/profile_place.h"
#include "harness/profile/profile_print.h"
#include "harness/report/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct profile_request {
    struct profile_options options;
    const char *out; /* --out */
    bool json, diff, md, bars;
    int folders;
    const char *folder[STEP_BARS]; /* of --diff and --bars */
};

enum { DIFF_ROWS = 20 /* of each table at the terminal */ };

enum { KEY_OUT = 1, KEY_WINDOW, KEY_COUNTERS, KEY_JSON, KEY_DIFF, KEY_MD, KEY_BARS };

static const struct args_option own[] = {
    {"out", KEY_OUT, "DIR", "folder (default: results/profiles/MODEL.SIZE.STRATEGY.RANKS)"},
    {"window", KEY_WINDOW, "A-B", "the denoising steps that are recorded, from 0 (default: all)"},
    {"counters", KEY_COUNTERS, "on|off",
     "the hardware's own counters, where they are permitted (default: on)"},
    {"json", KEY_JSON, NULL, "print profile.json, or the differences, as JSON"},
    {"diff", KEY_DIFF, NULL, "compare two profiles: --diff DIR DIR"},
    {"md", KEY_MD, NULL, "print the differences as Markdown"},
    {"bars", KEY_BARS, NULL,
     "draw where the steps of several profiles go: --bars DIR DIR... --out DIR"},
    {NULL, 0, NULL, NULL},
};

static enum status set_window(const char *value, struct profile_options *o)
{
    char first[20];
    const char *dash = strchr(value, '-');
    size_t n = dash ? (size_t)(dash - value) : 0;
    if (n == 0 || n >= sizeof first)
        return fail(ST_INVALID, "--window=%s: two steps are wanted, as in --window 4-7", value);
    snprintf(first, n + 1, "%s", value);
    TRY(number_int("--window", first, 0, 100000, &o->first));
    TRY(number_int("--window", dash + 1, 0, 100000, &o->last));
    return o->first <= o->last
               ? ST_OK
               : fail(ST_INVALID, "--window=%s: the first step comes after the last", value);
}

static enum status set_counters(const char *value, bool *on)
{
    *on = strcmp(value, "on") == 0;
    if (!*on && strcmp(value, "off") != 0)
        return fail(ST_INVALID, "--counters=%s: on and off are known", value);
    return ST_OK;
}

static enum status add_folder(struct profile_request *r, const char *value)
{
    if (r->folders == STEP_BARS)
        return fail(ST_INVALID, "%s: more than %d folders of profiles", value, STEP_BARS);
    r->folder[r->folders++] = value;
    return ST_OK;
}

static enum status take(void *self, int key, const char *value)
{
    struct profile_request *r = self;
    switch (key) {
    case KEY_OUT:
        r->out = value;
        return value[0] ? ST_OK : fail(ST_INVALID, "--out: an empty text is no folder");
    case KEY_WINDOW:
        return set_window(value, &r->options);
    case KEY_COUNTERS:
        return set_counters(value, &r->options.counters);
    case KEY_JSON:
        r->json = true;
        return ST_OK;
    case KEY_MD:
        r->md = true;
        return ST_OK;
    case KEY_DIFF:
        r->diff = true;
        return ST_OK;
    case KEY_BARS:
        r->bars = true;
        return ST_OK;
    default:
        return add_folder(r, value);
    }
}

/* ---- two profiles ---- */

/* The own option that "--name", or a beginning of it, means; NULL: one of a cell. Cells have none
 * that begins alike. */
static const struct args_option *own_option(const char *name, size_t n)
{
    for (const struct args_option *o = own; o->name; o++)
        if (strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* Nothing is run where profiles are compared or drawn: an option of a cell would do nothing. The
 * command line was parsed; keys: the own ones that go with `mode`. */
static enum status refuse_others(const struct profile_request *r, const char *mode, unsigned keys)
{
    const struct outcome_options *line = &r->options.outcome;
    for (int i = 1; i < line->argc; i++) {
        const char *name = line->argv[i] + 2;
        if (strncmp(line->argv[i], "--", 2) != 0)
            continue;
        size_t n = strcspn(name, "=");
        if (n == 0)
            return ST_OK; /* the rest are folders */
        const struct args_option *o = own_option(name, n);
        if (!o || !(keys & 1U << o->key))
            return fail(ST_INVALID,
                        "--%.*s has no effect with %s, which reads profiles and runs nothing; "
                        "leave it out",
                        (int)n, name, mode);
        i += o->argument && name[n] == '\0';
    }
    return ST_OK;
}

static enum status compare(const struct profile_request *r)
{
    struct profile_diff diff;
    if (r->folders != 2)
        return fail(ST_INVALID, "--diff: %d folder%s given, and 2 wanted: --diff DIR DIR",
                    r->folders, r->folders == 1 ? " is" : "s are");
    TRY(refuse_others(r, "--diff", 1U << KEY_DIFF | 1U << KEY_JSON | 1U << KEY_MD));
    TRY(profile_diff_open(r->folder[0], r->folder[1], &diff));
    enum status st;
    if (r->json)
        st = profile_diff_json(&diff, stdout);
    else
        st = profile_diff_print(&diff, r->md, r->md ? 0 : DIFF_ROWS, stdout);
    profile_diff_release(&diff);
    return st;
}

static enum status draw_bars(const struct profile_request *r)
{
    if (r->diff || r->json || r->md)
        return fail(ST_INVALID, "--bars draws one picture: no --diff, --json or --md");
    if (r->folders == 0 || !r->out)
        return fail(ST_INVALID, "--bars: folders of profiles are wanted, and one for the picture: "
                                "--bars DIR DIR... --out DIR");
    TRY(refuse_others(r, "--bars", 1U << KEY_BARS | 1U << KEY_OUT));
    return profile_bars_draw(r->folders, r->folder, r->out);
}

/* ---- one cell ---- */

static enum status tell(const struct profile_request *r, const struct setup *setup,
                        const struct profile *profile)
{
    if (r->json)
        return command_print_json(profile_json(&r->options, profile));
    return profile_print(setup, &r->options, profile, stdout);
}

static enum status conclude(const struct profile_request *r, const struct setup *setup,
                            const struct profile *profile, enum status code)
{
    const struct record *last = profile_failed(profile);
    const char *reason = last->reason ? last->reason : "";
    bool missing;
    if (!profile->recording)
        return fail(code, "%s: %s", ending_name(last->status), reason);
    profile_pictures_remove(r->options.folder);
    TRY(profile_write(setup, &r->options, profile));
    TRY(tell(r, setup, profile));
    enum status drawn = profile_pictures_draw(setup, &r->options, profile, true, &missing);
    if (code == ST_OK)
        return drawn;
    char why[2100] = "";
    if (drawn != ST_OK)
        snprintf(why, sizeof why, "; not every picture of it could be drawn: %.2000s",
                 status_message());
    return fail(code, "%s while it was recorded: %s; what was recorded until then is in %s%s",
                ending_name(last->status), reason, r->options.folder, why);
}

static enum status profile_pinned(struct profile_request *r, const struct setup *setup,
                                  const char *identity, const struct pins *pins)
{
    struct profile profile;
    struct progress progress;
    enum status code = ST_OK;
    char log[PATH_MAX];
    snprintf(log, sizeof log, "%.4000s/log", r->options.folder);
    scratch_remove_orphans();
    interrupt_catch();
    progress_start(&progress, 1, 0);
    progress_cell(&progress, setup->cell.strategy);
    r->options.outcome.identity = identity;
    r->options.outcome.pins = pins;
    r->options.outcome.log = log;
    r->options.outcome.on_progress = progress_step;
    r->options.outcome.on_progress_self = &progress;
    enum status st = profile_open(setup, &r->options, &profile, &code);
    progress_finish(&progress);
    if (st == ST_OK)
        st = conclude(r, setup, &profile, code);
    command_drop_log("profile", log, code == ST_OK || code == ST_WRONG || code == ST_INTERRUPTED);
    profile_release(&profile);
    return st;
}

static enum status profile_cell(struct profile_request *r, const struct setup *setup)
{
    char identity[PINS_IDENTITY];
    char folder[PATH_MAX];
    struct pins pins;
    struct stat info;
    int steps = setup->cell.steps;
    if (r->options.last >= steps)
        return fail(ST_INVALID, "--window: step %d of a loop of %d steps, numbered from 0",
                    r->options.last, steps);
    if (!r->out)
        profile_place(&setup->cell, "results/profiles", folder);
    r->options.folder = r->out ? r->out : folder;
    bool there = stat(r->options.folder, &info) == 0;
    enum status st = pins_identify(setup, identity, &pins);
    if (st == ST_OK)
        st = profile_pinned(r, setup, identity, &pins);
    if (st != ST_OK && !there)
        rmdir(r->options.folder); /* where nothing came of it */
    pins_release(&pins);
    return st;
}

static enum status profile_run(struct profile_request *r, struct cell *cell)
{
    struct place place;
    struct setup *setup;
    if (r->bars)
        return draw_bars(r);
    if (r->diff)
        return compare(r);
    if (r->md)
        return fail(ST_INVALID, "--md goes with --diff: it prints differences");
    if (r->folders > 0)
        return fail(ST_INVALID, "%s: an option is wanted; folders go with --diff and --bars",
                    r->folder[0]);
    TRY(place_find(PLACE_MPI, &place));
    if (place.starter == PLACE_MPI)
        return place_leave(&place, "profile",
                           fail(ST_INVALID, "start `ditbench profile` without mpirun: with "
                                            "--transport mpi it starts its ranks itself"),
                           true);
    TRY(setup_open(cell, NULL, &setup));
    enum status st = setup_check_text(setup);
    if (st == ST_OK)
        st = profile_cell(r, setup);
    setup_close(setup);
    return st;
}

static enum status profile_main(int argc, char **argv)
{
    static const struct args args = {
        .command = "profile",
        .positional = "\n--diff DIR DIR\n--bars DIR DIR... --out DIR",
        .about = "Runs one cell twice, as it is and recorded, and writes where its time goes: "
                 "timelines, hot kernels, shares of each step, pictures; where the hardware "
                 "counts, once more for that. Or compares two such profiles, or draws several "
                 "side by side.",
        .own = own,
        .cell = true,
        .loop = true,
        .take = take,
    };
    struct profile_request r = {
        .options = {.last = -1,
                    .counters = true,
                    .outcome = {.experiment = "", .argc = argc, .argv = argv}},
    };
    struct cell cell;
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &r));
    return profile_run(&r, &cell);
}

const struct command command_profile = {"profile", "where the time of one cell goes", profile_main};
