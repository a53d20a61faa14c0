/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench costs`: the published table of costs beside the records of a sweep. */
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/page/cost.h"
#include "harness/page/html.h"
#include "harness/page/markdown.h"
#include "harness/record/file.h"
#include "harness/record/rounds.h"

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

/* ---- rows ---- */

/* Of all files one after the other: a serial run may be in another than its strategies. */
struct rows {
    int files, n, again;
    struct record_list list[MAX_FILES];
    struct record_rounds rounds[MAX_FILES];
    const struct record **v;
};

static void rows_close(struct rows *rows)
{
    for (int i = 0; i < rows->files; i++) {
        record_rounds_release(&rows->rounds[i]);
        record_list_release(&rows->list[i]);
    }
    free(rows->v);
    free(rows);
}

static enum status rows_read(const struct request *r, struct rows *rows)
{
    for (int i = 0; i < r->n; i++) {
        struct record_list *list = &rows->list[i];
        rows->files++;
        TRY(record_file_read(r->file[i], list, NULL));
        TRY(record_rounds_join(list->n, (const struct record *const *)list->v, &rows->rounds[i]));
        rows->n += rows->rounds[i].n;
        rows->again += list->again;
    }
    rows->v = calloc((size_t)rows->n + 1, sizeof *rows->v);
    if (!rows->v)
        return fail(ST_OOM, "no memory for %d rows", rows->n);
    for (int i = 0, k = 0; i < rows->files; i++)
        for (int j = 0; j < rows->rounds[i].n; j++)
            rows->v[k++] = rows->rounds[i].v[j];
    return ST_OK;
}

/* ---- the page ---- */

static enum status write_doc(const struct doc *doc, const char *path)
{
    TRY(ends_in(path, ".html") ? html_write(doc, path) : markdown_write(doc, path));
    printf("%s\n", path);
    return ST_OK;
}

static enum status write_page(const struct rows *rows, const char *path)
{
    struct sheet sheet;
    struct doc *doc = doc_open();
    enum status st = doc ? sheet_open(rows->n, rows->v, NULL, &sheet) : ST_OOM;
    if (st != ST_OK) {
        doc_close(doc);
        return st;
    }
    sheet.again = rows->again;
    st = cost_page(doc, &sheet);
    if (st == ST_OK)
        st = write_doc(doc, path);
    sheet_close(&sheet);
    doc_close(doc);
    return st;
}

static enum status make(const struct request *r, struct rows *rows)
{
    char *path = NULL;
    TRY(rows_read(r, rows));
    size_t stem = strlen(r->file[0]) - (ends_in(r->file[0], ".jsonl") ? strlen(".jsonl") : 0);
    if (!r->out && asprintf(&path, "%.*s.costs.md", (int)stem, r->file[0]) < 0)
        return fail(ST_OOM, "no memory for the page's name");
    enum status st = write_page(rows, r->out ? r->out : path);
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
    struct rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return fail(ST_OOM, "no memory for the rows");
    enum status st = make(&r, rows);
    rows_close(rows);
    return st;
}

const struct command command_costs = {
    "costs", "what strategies cost: the published table beside what was counted", costs_run};
