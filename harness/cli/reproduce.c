/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench reproduce`: its command line. */
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/paper/paper.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { KEY_DRY_RUN = 1, KEY_FILTER, KEY_OUT, KEY_RESULTS, KEY_TINY };

static const struct args_option own[] = {
    {"dry-run", KEY_DRY_RUN, NULL,
     "print each cell and whether it runs here, needs more GPUs or memory, or is refused"},
    {"filter", KEY_FILTER, "REGEX",
     "run only cells whose text matches (--dry-run shows the texts); all that have rows are "
     "judged"},
    {"out", KEY_OUT, "DIR", "where all of it is written (default: results/paper/NAME)"},
    {"results", KEY_RESULTS, "FILE",
     "rows are appended here; packs may share a file (default: DIR/results.jsonl)"},
    {"tiny", KEY_TINY, NULL,
     "tiny models on the CPU in place of all, to test a pack from end to end in seconds"},
    {NULL, 0, NULL, NULL},
};

struct reproduce_command {
    struct paper_options options;
    const char *name;
};

static enum status take(void *self, int key, const char *value)
{
    struct reproduce_command *c = self;
    if (value && value[0] == '\0')
        return fail(ST_INVALID, "an empty text where a name, file or folder is wanted");
    switch (key) {
    case KEY_DRY_RUN:
        c->options.dry_run = true;
        return ST_OK;
    case KEY_FILTER:
        c->options.filter = value;
        return ST_OK;
    case KEY_OUT:
        c->options.folder = value;
        return ST_OK;
    case KEY_RESULTS:
        c->options.results = value;
        return ST_OK;
    case KEY_TINY:
        c->options.machine.stand_in = true;
        return ST_OK;
    default:
        if (c->name)
            return fail(ST_INVALID, "'%.60s': one pack at a time; the first is %s", value, c->name);
        c->name = value;
        return ST_OK;
    }
}

static enum status reproduce_main(int argc, char **argv)
{
    static const struct args args = {
        .command = "reproduce",
        .positional = "NAME|FILE.yaml",
        .about = "Runs a published figure as far as this machine can, draws ours beside theirs and "
                 "says of each point whether its trend is reproduced. NAME is one of "
                 "experiments/paper. Exit status 0 whatever the verdicts, 5 when a cell failed.",
        .own = own,
        .take = take,
    };
    struct reproduce_command c = {.options = {.argc = argc, .argv = argv}};
    char path[PATH_MAX];
    TRY(args_parse(&args, argc, argv, NULL, &c));
    c.options.pack = c.name;
    TRY(pack_find(c.name ? c.name : "", path));
    if (c.options.machine.stand_in)
        fputs("ditbench reproduce: --tiny: a stand-in; its numbers are compared with nothing\n",
              stderr);
    else
        c.options.machine = paper_machine_here();
    return paper_reproduce(path, &c.options);
}

const struct command command_reproduce = {
    "reproduce", "a published figure on this machine, with a verdict for each point",
    reproduce_main};
