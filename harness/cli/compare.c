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
    bool json, strict;
};

enum { KEY_THRESHOLD = 1, KEY_FORCE, KEY_STRICT, KEY_MD, KEY_JSON, KEY_OUT };

static const struct args_option own[] = {
    {"threshold", KEY_THRESHOLD, "PCT", "a change below is none that matters (default: 5)"},
    {"force", KEY_FORCE, NULL, "compare cells that ran on other hardware, drivers or libraries"},
    {"strict", KEY_STRICT, NULL,
     "for gates: exit with 1 also when a cell is ok in A and not in B, and with 2 when nothing "
     "was compared"},
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
    case KEY_STRICT:
        r->strict = true;
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
    enum status st = folder_make_above(path);
    if (st)
        return fail_prefix(st, "--md: %s", path);
    FILE *out = fopen(path, "we");
    if (!out)
        return fail(ST_IO, "--md: %s cannot be written: %s", path, strerror(errno));
    st = compare_print(compare, true, false, out);
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

/* ---- what it comes to ---- */

/* "3 cells (2 ok)", or "none" */
static const char *say_cells(const struct compare_file *file, size_t size, char *text)
{
    int ok = 0;
    for (int i = 0; i < file->cells; i++)
        ok += file->cell[i].status == ENDING_OK;
    if (file->cells == 0)
        return "none";
    snprintf(text, size, "%d cell%s (%d ok)", file->cells, file->cells == 1 ? "" : "s", ok);
    return text;
}

/* Files without a ratio are no error, for the interface has status 1 for SLOWER and 0 otherwise;
 * gates ask for more. */
static enum status judge_nothing(const struct compare *compare, const struct compare_request *r)
{
    const struct compare_file *a = &compare->file[0], *b = &compare->file[1];
    char text[900], cells[2][60], why[80];
    snprintf(why, sizeof why, "no cell is in both files%s",
             r->out ? ", and no chart is drawn" : "");
    if (compare->pairs > 0)
        snprintf(why, sizeof why, "of %d cell%s in both none is ok on both sides", compare->pairs,
                 compare->pairs == 1 ? "" : "s");
    snprintf(text, sizeof text, "nothing was compared: %.300s holds %s, %.300s %s; %s", a->path,
             say_cells(a, sizeof cells[0], cells[0]), b->path,
             say_cells(b, sizeof cells[1], cells[1]), why);
    if (r->strict)
        return fail(ST_INVALID, "%s", text);
    fprintf(stderr, "ditbench compare: %s; --strict makes this exit status 2\n", text);
    return ST_OK;
}

static enum status judge(const struct compare *compare, const struct compare_request *r)
{
    int slower = compare->count[COMPARE_SLOWER], lost = compare->lost, ok = 0;
    char slow[80] = "", lose[80] = "";
    if (compare->pairs == 0 || (lost == 0 && compare->count[COMPARE_NOT_OK] == compare->pairs))
        return judge_nothing(compare, r);
    for (int i = 0; i < compare->file[0].cells; i++)
        ok += compare->file[0].cell[i].status == ENDING_OK;
    if (slower)
        snprintf(slow, sizeof slow, "%d of %d cells %s slower", slower, compare->pairs,
                 slower == 1 ? "is" : "are");
    if (lost)
        snprintf(lose, sizeof lose, "%d of %d cell%s that %s ok in A %s not in B", lost, ok,
                 ok == 1 ? "" : "s", ok == 1 ? "is" : "are", lost == 1 ? "is" : "are");
    if (slower || (lost && r->strict))
        return fail(ST_WRONG, "%s%s%s", slow, slower && lost ? "; " : "", lose);
    if (lost)
        fprintf(stderr, "ditbench compare: %s; --strict makes this exit status 1\n", lose);
    return ST_OK;
}

static enum status tell(const struct compare *compare, const struct compare_request *r)
{
    bool colour = isatty(STDOUT_FILENO) && terminal_colour();
    TRY(r->json ? compare_json(compare, stdout) : compare_print(compare, false, colour, stdout));
    if (r->md)
        TRY(write_markdown(compare, r->md));
    if (r->out && compare->pairs > 0)
        TRY(draw(compare, r));
    return judge(compare, r);
}

static enum status compare_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "compare",
        .positional = "A.jsonl B.jsonl",
        .about =
            "Tells cell by cell whether B is slower or faster than A, by the ratio of medians and "
            "its 95% interval. Where the sweeps were profiled, what changed within a step, too.\n"
            "\n"
            "Exit status:\n"
            "  0    no cell is slower\n"
            "  1    a cell is slower; with --strict also: is ok in A, and in B not ok\n"
            "       or without a row\n"
            "  2    usage, a file that cannot be read or written, or other cohorts\n"
            "       without --force; with --strict also: nothing was compared\n"
            "  4    out of memory\n"
            "  130  interrupted",
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
