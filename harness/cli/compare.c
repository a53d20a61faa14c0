/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench compare`: two results files, cell by cell. */
#include "harness/report/compare.h"

#include "harness/base/folder.h"
#include "harness/base/number.h"
#include "harness/base/terminal.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/cli/compare_shares.h"
#include "harness/plot/ratios.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct compare_request {
    struct compare_options options;
    int files;
    const char *file[2];
    const char *md, *out; /* NULL: not wanted */
    bool json;
};

enum { KEY_THRESHOLD = 1, KEY_FORCE, KEY_MD, KEY_JSON, KEY_OUT };

static const struct args_option own[] = {
    {"threshold", KEY_THRESHOLD, "PCT", "a change below is none that matters (default: 5)"},
    {"force", KEY_FORCE, NULL, "compare cells that ran on other hardware, drivers or libraries"},
    {"md", KEY_MD, "FILE", "write the table as Markdown, too"},
    {"json", KEY_JSON, NULL, "print an array of cells, the last element being the counts"},
    {"out", KEY_OUT, "DIR", "draw the ratios: DIR/ratios.svg and .png"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    struct compare_request *r = self;
    double percent;
    if (value && value[0] == '\0')
        return fail(ST_INVALID, "an empty text where a file or folder is wanted");
    switch (key) {
    case KEY_THRESHOLD:
        TRY(number_real("--threshold", value, 0, 99, &percent));
        r->options.threshold = percent / 100;
        return ST_OK;
    case KEY_FORCE:
        r->options.force = true;
        return ST_OK;
    case KEY_MD:
        r->md = value;
        return ST_OK;
    case KEY_JSON:
        r->json = true;
        return ST_OK;
    case KEY_OUT:
        r->out = value;
        return ST_OK;
    default:
        if (r->files == 2)
            return fail(ST_INVALID, "'%.200s' is a third file; two are compared", value);
        r->file[r->files++] = value;
        return ST_OK;
    }
}

/* ---- what is told ---- */

static enum status write_markdown(const struct compare *compare, const char *path)
{
    TRY(folder_make_above(path));
    FILE *out = fopen(path, "we");
    if (!out)
        return fail(ST_IO, "--md: %s cannot be written: %s", path, strerror(errno));
    enum status st = compare_print(compare, true, false, out);
    bool broken = ferror(out) != 0;
    if ((fclose(out) != 0 || broken) && st == ST_OK)
        st = fail(ST_IO, "--md: %s could not be written", path);
    return st;
}

static enum status draw(const struct compare *compare, const struct compare_request *r)
{
    char setting[PICTURE_TEXT], common[COMPARE_NAME];
    bool missing;
    snprintf(setting, sizeof setting, "A %.300s, B %.300s; %s", r->file[0], r->file[1],
             compare_name_common(compare, common));
    const struct picture_options options = {.folder = r->out, .setting = setting, .quiet = r->json};
    return ratios_draw(compare, &options, &missing);
}

static enum status tell(const struct compare *compare, const struct compare_request *r)
{
    bool colour = isatty(STDOUT_FILENO) && terminal_colour();
    TRY(r->json ? compare_json(compare, stdout) : compare_print(compare, false, colour, stdout));
    if (r->md)
        TRY(write_markdown(compare, r->md));
    if (compare->pairs == 0)
        fprintf(stderr, "ditbench compare: no cell is in both files%s\n",
                r->out ? ", and no chart is drawn" : "");
    else if (r->out)
        TRY(draw(compare, r));
    int slower = compare->count[COMPARE_SLOWER];
    return slower ? fail(ST_WRONG, "%d of %d cells %s slower", slower, compare->pairs,
                         slower == 1 ? "is" : "are")
                  : ST_OK;
}

static enum status compare_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "compare",
        .positional = "A.jsonl B.jsonl",
        .about =
            "Tells cell by cell whether B is slower or faster than A, by the ratio of medians and "
            "its 95% interval. Exit status 1 when a cell is slower. Where the sweeps were "
            "profiled, what changed within a step, too.",
        .own = own,
        .take = take,
    };
    struct compare_request r = {.options = {.threshold = 0.05}};
    struct compare compare;
    TRY(args_parse(&args, argc, argv, NULL, &r));
    if (r.files != 2)
        return fail(ST_INVALID, "%d file%s given, and 2 wanted: ditbench compare A.jsonl B.jsonl",
                    r.files, r.files == 1 ? " is" : "s are");
    TRY(compare_open(r.file[0], r.file[1], &r.options, &compare));
    enum status st = compare_shares_find(&compare);
    if (st == ST_OK)
        st = tell(&compare, &r);
    compare_release(&compare);
    return st;
}

const struct command command_compare = {
    "compare", "two results files, cell by cell: what became slower", compare_run};
