/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench plot`: its command line. */
#include "harness/plot/plot.h"

#include "harness/base/number.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"

#include <limits.h>
#include <string.h>

enum {
    KEY_OUT = 1,
    KEY_FORMAT,
    KEY_WIDTH,
    KEY_TITLE,
    KEY_STRATEGIES,
    KEY_WITH,
    KEY_SETTINGS,
};

enum { MAX_FILES = 64, MAX_WITH = 16 };

struct request {
    int n;
    const char *file[MAX_FILES];
    const char *with[MAX_WITH];
    struct plot_options options;
};

static const struct args_option own[] = {
    {"out", KEY_OUT, "DIR", "folder for the charts and tables (default: plots/NAME)"},
    {"format", KEY_FORMAT, "LIST", "of svg, png and pdf, with commas (default: svg,png)"},
    {"width", KEY_WIDTH, "CM", "width of every chart in centimetres, 6 to 100"},
    {"title", KEY_TITLE, "TEXT", "title of every chart; '' for none"},
    {"strategies", KEY_STRATEGIES, "REGEX",
     "only these strategies; each combination is a curve (default: all, combinations by the "
     "fastest)"},
    {"with", KEY_WITH, "CSV",
     "lays a published figure over the speed-ups; may be given again (results/published/*.csv)"},
    {"settings", KEY_SETTINGS, "N|all",
     "charts of so many settings (file, host, commit, model, size, ...), those with most rows; "
     "default: all, or few where there are over 50"},
    {NULL, 0, NULL, NULL},
};

/* ---- values ---- */

static enum status set_formats(const char *value, unsigned *out)
{
    static const char *const name[] = {"svg", "png", "pdf"};
    static const unsigned bit[] = {PLOT_SVG, PLOT_PNG, PLOT_PDF};
    for (const char *word = value; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL) {
        size_t length = strcspn(word, ",");
        int i = 0;
        while (i < 3 && !(strlen(name[i]) == length && strncmp(word, name[i], length) == 0))
            i++;
        if (i == 3)
            return fail(ST_INVALID, "--format: '%.*s' is none of svg, png, pdf", (int)length, word);
        *out |= bit[i];
    }
    return ST_OK;
}

static enum status set_settings(const char *value, int *out)
{
    if (strcmp(value, "all") != 0)
        return number_int("--settings", value, 1, INT_MAX, out);
    *out = INT_MAX;
    return ST_OK;
}

static enum status add(const char *value, int most, const char *what, int *n, const char **list)
{
    if (*n == most)
        return fail(ST_INVALID, "more than %d %s", most, what);
    list[(*n)++] = value;
    return ST_OK;
}

static enum status take(void *self, int key, const char *value)
{
    struct request *r = self;
    struct plot_options *o = &r->options;
    if (value[0] == '\0' && key != KEY_TITLE)
        return fail(ST_INVALID, "an empty text where a %s is wanted",
                    key == KEY_OUT ? "folder" : "value");
    switch (key) {
    case KEY_OUT:
        o->folder = value;
        return ST_OK;
    case KEY_FORMAT:
        return set_formats(value, &o->formats);
    case KEY_WIDTH:
        return number_real("--width", value, 6, 100, &o->width_cm);
    case KEY_TITLE:
        o->title = value;
        return ST_OK;
    case KEY_STRATEGIES:
        o->strategies = value;
        return ST_OK;
    case KEY_WITH:
        return add(value, MAX_WITH, "--with files", &o->with_n, r->with);
    case KEY_SETTINGS:
        return set_settings(value, &o->settings);
    default:
        return add(value, MAX_FILES, "files", &r->n, r->file);
    }
}

static enum status plot_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "plot",
        .positional = "FILE.jsonl...",
        .about =
            "Draws the records of sweeps: charts, and tables as CSV and Markdown. Each file is a "
            "run of its own.",
        .own = own,
        .take = take,
    };
    struct request r = {0};
    TRY(args_parse(&args, argc, argv, NULL, &r));
    if (r.n == 0)
        return fail(ST_INVALID, "no file is given; `ditbench plot results/quickstart.jsonl`");
    r.options.with = r.with;
    return plot_files(r.file, r.n, &r.options);
}

const struct command command_plot = {"plot", "charts and tables of results files", plot_run};
