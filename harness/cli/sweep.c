/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench sweep`: its command line. */
#include "harness/sweep/sweep.h"
#include "harness/base/number.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/sweep/experiment_find.h"
#include "kernels/base/suggest.h"
#include "kernels/base/trace_nvtx.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    KEY_RESULTS = 1,
    KEY_FILTER,
    KEY_DRY_RUN,
    KEY_RETRY,
    KEY_ROUNDS,
    KEY_SHUFFLE,
    KEY_STRICT,
    KEY_PROFILE,
    KEY_NVTX
};

static const struct args_option own[] = {
    {"results", KEY_RESULTS, "FILE", "rows are appended here (default: results/NAME.jsonl)"},
    {"filter", KEY_FILTER, "REGEX", "only cells whose text matches (--dry-run shows the texts)"},
    {"dry-run", KEY_DRY_RUN, NULL, "print the cells and what would become of them"},
    {"retry", KEY_RETRY, "STATUS,...",
     "run cells again whose row is one of wrong, unsupported, oom, timeout, ..."},
    {"rounds", KEY_ROUNDS, "R",
     "run all cells R times, round after round, a row each time (default: the experiment's, or 1)"},
    {"shuffle", KEY_SHUFFLE, "SEED",
     "each round in an order of its own (default: the experiment's seed, or its order)"},
    {"strict", KEY_STRICT, NULL, "exit with 1 when a row is wrong, crashed, timed out or failed"},
    {"profile", KEY_PROFILE, NULL,
     "after each row that is ok run its cell once more, recorded, and write a profile as `ditbench "
     "profile` does, below RESULTS.profiles/; rows that are there get theirs if it is missing"},
    {"nvtx", KEY_NVTX, NULL, "ranges for profilers that listen to NVTX, in builds with CUDA"},
    {NULL, 0, NULL, NULL},
};

struct sweep_command {
    struct sweep_options options;
    const char *file;
};

static enum status refuse_status(const char *name)
{
    const char *words[ENDINGS + 1] = {NULL};
    for (int k = 0; k < ENDINGS; k++)
        words[k] = ending_name((enum ending)k);
    return suggest_refuse("--retry", name, words);
}

static enum status take_retry(const char *list, bool retry[ENDINGS])
{
    for (const char *at = list;;) {
        char name[30];
        enum ending status;
        size_t n = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : (int)sizeof name - 1, at);
        if (!ending_find(name, &status))
            return refuse_status(name);
        retry[status] = true;
        if (at[n] == '\0')
            return ST_OK;
        at += n + 1;
    }
}

static enum status take(void *self, int key, const char *value)
{
    struct sweep_command *c = self;
    switch (key) {
    case KEY_RESULTS:
        c->options.results = value;
        return value[0] ? ST_OK : fail(ST_INVALID, "--results: the file's name is empty");
    case KEY_FILTER:
        c->options.filter = value;
        return ST_OK;
    case KEY_DRY_RUN:
        c->options.dry_run = true;
        return ST_OK;
    case KEY_RETRY:
        return take_retry(value, c->options.retry);
    case KEY_ROUNDS:
        return number_int("--rounds", value, 1, EXPERIMENT_MAX_ROUNDS, &c->options.rounds);
    case KEY_SHUFFLE:
        return number_whole("--shuffle", value, 0, INT64_MAX, &c->options.shuffle);
    case KEY_STRICT:
        c->options.strict = true;
        return ST_OK;
    case KEY_PROFILE:
        c->options.profile = true;
        return ST_OK;
    case KEY_NVTX:
        c->options.nvtx = true;
        return trace_nvtx_check();
    default:
        if (c->file)
            return fail(ST_INVALID, "'%.60s': one experiment at a time; the first is %s", value,
                        c->file);
        c->file = value;
        return ST_OK;
    }
}

/* Says which file a name stands for. */
static enum status find(const char *word, char *path)
{
    char hidden[PATH_MAX];
    TRY(experiment_find(word, path, hidden));
    if (hidden[0])
        fprintf(stderr, "%s: %s, not %s\n", word, path, hidden);
    else if (strcmp(word, path) != 0)
        fprintf(stderr, "%s: %s\n", word, path);
    return ST_OK;
}

static enum status sweep_main(int argc, char **argv)
{
    static const struct args args = {
        .command = "sweep",
        .positional = "FILE.yaml|NAME",
        .about =
            "Runs the cells of an experiment, each in processes of its own, and appends one row "
            "for each to a results file. Started again, it goes on where it stood. NAME is one "
            "of `ditbench list experiments`; ./NAME.yaml and ./experiments/NAME.yaml are "
            "looked at first.",
        .own = own,
        .take = take,
    };
    struct sweep_command c = {.options = {.shuffle = -1, .argc = argc, .argv = argv}};
    struct experiment *experiment;
    char path[PATH_MAX];
    char note[PATH_MAX + 600];
    TRY(args_parse(&args, argc, argv, NULL, &c));
    if (!c.file)
        return fail(ST_INVALID, "no experiment is given; `ditbench list experiments` shows some");
    TRY(find(c.file, path));
    TRY(experiment_open(path, &experiment));
    experiment_note(experiment, note, sizeof note);
    if (note[0])
        fprintf(stderr, "ditbench sweep: note: %s\n", note);
    enum status st = sweep_run(experiment, &c.options);
    experiment_close(experiment);
    return st;
}

const struct command command_sweep = {"sweep", "the cells of an experiment file, one row for each",
                                      sweep_main};
