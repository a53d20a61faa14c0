/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench report`: its command line. */
#include "harness/page/report.h"

#include "harness/cli/args.h"
#include "harness/cli/command.h"

enum { KEY_OUT = 1 };
enum { MAX_FILES = 64 };

struct request {
    int n;
    const char *file[MAX_FILES];
    const char *out;
};

static const struct args_option own[] = {
    {"out", KEY_OUT, "FILE.html",
     "the page; FILE.md and the folder FILE.charts go beside it (default: "
     "plots/NAME/report.html)"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    struct request *r = self;
    if (value[0] == '\0')
        return fail(ST_INVALID, "an empty text where a file is wanted");
    if (key == KEY_OUT) {
        r->out = value;
        return ST_OK;
    }
    if (r->n == MAX_FILES)
        return fail(ST_INVALID, "more than %d files", MAX_FILES);
    r->file[r->n++] = value;
    return ST_OK;
}

static enum status report_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "report",
        .positional = "FILE.jsonl...",
        .about = "Writes results as one HTML page that needs nothing else, and as Markdown: what "
                 "was asked, the fastest strategies and what they cost, curves, tables, whether "
                 "it is right, whether it is noise, failures, profiles, and how to repeat it.",
        .own = own,
        .take = take,
    };
    struct request r = {0};
    TRY(args_parse(&args, argc, argv, NULL, &r));
    if (r.n == 0)
        return fail(ST_INVALID, "no file is given; `ditbench report results/quickstart.jsonl`");
    return report_files(r.file, r.n, r.out);
}

const struct command command_report = {"report", "results as one page for readers", report_run};
