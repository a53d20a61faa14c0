/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench costs`: the published table of costs beside the records of a sweep. */
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/page/cost.h"
#include "harness/page/html.h"
#include "harness/page/markdown.h"
#include "harness/report/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_OUT = 1, MAX_FILES = 64 };

struct request {
    int n;
    const char *file[MAX_FILES];
    const char *out; /* NULL: beside the first file */
};

static const struct args_option own[] = {
    {"out", KEY_OUT, "FILE",
     "the page, NAME.md or NAME.html (default: beside the first file, "
     "FILE.costs.md)"},
    {NULL, 0, NULL, NULL},
};

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n > k && strcmp(text + n - k, end) == 0;
}

static enum status take(void *self, int key, const char *value)
{
    struct request *r = self;
    if (key == KEY_OUT) {
        if (!ends_in(value, ".md") && !ends_in(value, ".html"))
            return fail(ST_INVALID, "--out: '%.200s' ends neither in .md nor in .html", value);
        r->out = value;
        return ST_OK;
    }
    if (r->n == MAX_FILES)
        return fail(ST_INVALID, "more than %d files", MAX_FILES);
    r->file[r->n++] = value;
    return ST_OK;
}

/* ---- the page ---- */

static enum status write_doc(const struct doc *doc, const char *path)
{
    TRY(ends_in(path, ".html") ? html_write(doc, path) : markdown_write(doc, path));
    printf("%s\n", path);
    return ST_OK;
}

/* Without the files' names: a serial run may be in another one than its strategies. */
static enum status write_page(const struct files *files, const char *path)
{
    struct sheet sheet;
    struct doc *doc = doc_open();
    enum status st = doc ? sheet_open(files->rows, files->record, NULL, &sheet) : ST_OOM;
    if (st != ST_OK) {
        doc_close(doc);
        return st;
    }
    sheet.again = files->again;
    st = cost_page(doc, &sheet);
    if (st == ST_OK)
        st = write_doc(doc, path);
    sheet_close(&sheet);
    doc_close(doc);
    return st;
}

static enum status make(const struct request *r, const struct files *files)
{
    char *path = NULL;
    size_t stem = strlen(r->file[0]) - (ends_in(r->file[0], ".jsonl") ? strlen(".jsonl") : 0);
    if (!r->out && asprintf(&path, "%.*s.costs.md", (int)stem, r->file[0]) < 0)
        return fail(ST_OOM, "no memory for the page's name");
    enum status st = write_page(files, r->out ? r->out : path);
    free(path);
    return st;
}

static enum status costs_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "costs",
        .positional = "FILE.jsonl...",
        .about = "Sets the published table of what strategies send and hold beside what was "
                 "counted and measured, and says where it is right, rough or wrong.",
        .own = own,
        .take = take,
    };
    struct request r = {0};
    TRY(args_parse(&args, argc, argv, NULL, &r));
    if (r.n == 0)
        return fail(ST_INVALID, "no file is given; `ditbench costs results/cost-table.jsonl`");
    struct files files;
    enum status st = files_open(r.n, r.file, &files);
    if (st == ST_OK)
        st = make(&r, &files);
    files_close(&files);
    return st;
}

const struct command command_costs = {
    "costs", "what strategies cost: the published table beside what was counted", costs_run};
