/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench plot`: its command line. */
#include "harness/plot/plot.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"

enum { KEY_OUT = 1, MAX_FILES = 64 };

struct plot_options {
    int n;
    const char *file[MAX_FILES];
    const char *out;
};

static const struct args_option own[] = {
    {"out", KEY_OUT, "DIR", "folder for the charts and tables (default: plots/NAME)"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    struct plot_options *o = self;
    if (value[0] == '\0')
        return fail(ST_INVALID, "an empty name where a %s is wanted",
                    key == KEY_OUT ? "folder" : "file");
    if (key == KEY_OUT) {
        o->out = value;
        return ST_OK;
    }
    if (o->n == MAX_FILES)
        return fail(ST_INVALID, "more than %d files", MAX_FILES);
    o->file[o->n++] = value;
    return ST_OK;
}

static enum status plot_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "plot",
        .positional = "FILE.jsonl...",
        .about = "Draws the records of sweeps: SVG, PNG, and the tables as CSV and Markdown.",
        .own = own,
        .take = take,
    };
    struct plot_options o = {0};
    TRY(args_parse(&args, argc, argv, NULL, &o));
    if (o.n == 0)
        return fail(ST_INVALID, "no file is given; `ditbench plot results/quickstart.jsonl`");
    return plot_files(o.file, o.n, o.out);
}

const struct command command_plot = {"plot", "charts and tables of results files", plot_run};
