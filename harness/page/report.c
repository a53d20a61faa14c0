/* SPDX-License-Identifier: Apache-2.0 */
/* The whole report: reads, fills a document section by section, writes it twice. */
#include "harness/page/report.h"

#include "harness/base/text.h"
#include "harness/host/env.h"
#include "harness/page/html.h"
#include "harness/page/markdown.h"
#include "harness/page/report_part.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the beginning ---- */

/* The experiment of a file; NULL: its rows tell none. */
static const char *experiment_of(const struct files *files, int f)
{
    const char *name = files->rounds[f].n > 0 ? files->rounds[f].v[0]->experiment : NULL;
    return name && *name ? name : NULL;
}

/* Experiments of the files, "pixart-strategies, quickstart"; the file's name where two are of one
 * experiment. */
static void name_experiments(const struct files *files, char text[REPORT_TEXT])
{
    size_t n = 0;
    text[0] = '\0';
    for (int f = 0; f < files->n && n < REPORT_TEXT; f++) {
        const char *name = experiment_of(files, f);
        char plain[REPORT_TEXT];
        bool shared = !name;
        for (int k = 0; k < files->n && !shared; k++)
            shared =
                k != f && experiment_of(files, k) && strcmp(experiment_of(files, k), name) == 0;
        n += (size_t)snprintf(text + n, REPORT_TEXT - n, "%s%s", n ? ", " : "",
                              report_plain(shared ? files->run[f] : name, plain));
    }
}

static void count_statuses(const struct sheet *sheet, char text[REPORT_TEXT])
{
    int count[ENDINGS] = {0};
    size_t n = 0;
    text[0] = '\0';
    int distrusted = report_distrusted(sheet);
    for (int i = 0; i < sheet->n; i++)
        count[sheet->v[i].record->status]++;
    count[ENDING_OK] -= distrusted;
    for (int s = 0; s < ENDINGS; s++)
        if (count[s] > 0)
            n += (size_t)snprintf(text + n, REPORT_TEXT - n, "%s%d %s", n ? ", " : "", count[s],
                                  ending_name((enum ending)s));
    if (distrusted > 0)
        snprintf(text + n, REPORT_TEXT - n, "%s%d with numbers that cannot be", n ? ", " : "",
                 distrusted);
}

/* The first and the last moment of the rows: times are of one form, which sorts as text. */
static void find_times(const struct sheet *sheet, const char **first, const char **last)
{
    *first = *last = NULL;
    for (int i = 0; i < sheet->n; i++) {
        const char *time = sheet->v[i].record->time;
        if (time && (!*first || strcmp(time, *first) < 0))
            *first = time;
        if (time && (!*last || strcmp(time, *last) > 0))
            *last = time;
    }
}

/* "1 x NVIDIA H200, and 2 x NVIDIA H200": each hardware of the rows once. */
static void name_hardware(const struct sheet *sheet, char text[REPORT_TEXT])
{
    size_t n = 0;
    char own[256], other[256];
    text[0] = '\0';
    for (int i = 0; i < sheet->n && n < REPORT_TEXT; i++) {
        bool again = false;
        env_hardware(&sheet->v[i].record->env, own, sizeof own);
        for (int k = 0; k < i && !again; k++)
            again = strcmp(own, env_hardware(&sheet->v[k].record->env, other, sizeof other)) == 0;
        if (!again)
            n += (size_t)snprintf(text + n, REPORT_TEXT - n, "%s%s", n ? ", and on " : "", own);
    }
}

/* "192 rows"; of rows in rounds "64 cells (of 192 rows, whose rounds are joined: a row is a cell
 * below)". */
static char *count_rows(const struct report *report, char text[REPORT_TEXT])
{
    int cells = report->sheet->n, rows = 0;
    for (int f = 0; f < report->files->n; f++)
        rows += report->files->list[f].n;
    if (rows == cells)
        snprintf(text, REPORT_TEXT, "%d row%s", cells, report_plural(cells));
    else
        snprintf(text, REPORT_TEXT,
                 "%d cell%s (of %d rows, whose rounds are joined: a row is a cell below)", cells,
                 report_plural(cells), rows);
    return text;
}

static void put_begin(struct report *report)
{
    char text[REPORT_TEXT], hardware[REPORT_TEXT], plain[3][REPORT_TEXT], rows[REPORT_TEXT];
    const char *first, *last;
    const struct sheet *sheet = report->sheet;
    name_experiments(report->files, text);
    doc_heading(report->doc, 1, "Results: %s", text);
    count_statuses(sheet, text);
    find_times(sheet, &first, &last);
    name_hardware(sheet, hardware);
    if (sheet->n == 0) {
        doc_text(report->doc, "No rows.");
        return;
    }
    doc_text(report->doc,
             "Parallel inference of Diffusion Transformers, measured by ditbench on %s. %s: %s. "
             "Measured from %s to %s.",
             report_plain(hardware, plain[0]), count_rows(report, rows), text,
             report_plain(first ? first : "an unknown time", plain[1]),
             report_plain(last ? last : "an unknown time", plain[2]));
    if (sheet->again > 0)
        doc_text(report->doc, "Left out: %d earlier row%s of cells that were run again later.",
                 sheet->again, report_plural(sheet->again));
}

static bool several_models(const struct sheet *sheet)
{
    for (int i = 1; i < sheet->n; i++)
        if (strcmp(sheet->v[i].record->cell.model, sheet->v[0].record->cell.model) != 0)
            return true;
    return false;
}

static bool several_builds(const struct sheet *sheet)
{
    for (int i = 1; i < sheet->n; i++)
        if (!text_same(sheet->v[i].record->env.commit, sheet->v[0].record->env.commit))
            return true;
    return false;
}

static enum status fill(struct report *report)
{
    report->several_models = several_models(report->sheet);
    report->several_builds = several_builds(report->sheet);
    report->several_runs = report->files->n > 1 || report->several_builds;
    put_begin(report);
    TRY(report_summary(report));
    report_words(report);
    report_asked(report);
    TRY(report_machine(report));
    TRY(report_curves(report));
    TRY(report_tables(report));
    report_right(report);
    report_noise(report);
    report_failed(report);
    TRY(report_profiles(report));
    TRY(report_repeat(report));
    return doc_status(report->doc);
}

/* ---- files ---- */

/* Of "x/report.html" those beside it. */
struct places {
    char html[PATH_MAX], markdown[PATH_MAX], charts[PATH_MAX];
};

static enum status find_places(const char *out, const char *first, struct places *p)
{
    static const char ending[] = ".html";
    const size_t drop = sizeof ending - 1;
    char *name = NULL;
    int n;
    if (out) {
        n = snprintf(p->html, PATH_MAX - 16, "%s", out);
    } else {
        name = files_name(first);
        if (!name)
            return fail(ST_OOM, "report: no memory for a file's name");
        n = snprintf(p->html, PATH_MAX - 16, "plots/%s/report.html", name);
        free(name);
    }
    if (n >= PATH_MAX - 16)
        return fail(ST_INVALID, "--out: a path of %d bytes, at most %d", n, PATH_MAX - 17);
    if ((size_t)n <= drop || strcmp(p->html + n - drop, ending) != 0)
        return fail(ST_INVALID,
                    "--out: found %s, wanted a name that ends in %s: FILE.md and "
                    "FILE.charts go beside FILE.html",
                    p->html, ending);
    size_t stem = (size_t)n - drop;
    snprintf(p->markdown, PATH_MAX, "%.*s.md", (int)stem, p->html);
    snprintf(p->charts, PATH_MAX, "%.*s.charts", (int)stem, p->html);
    return ST_OK;
}

static enum status write(struct report *report, const struct places *p)
{
    TRY(fill(report));
    TRY(html_write(report->doc, p->html));
    printf("%s\n", p->html);
    TRY(markdown_write(report->doc, p->markdown));
    printf("%s\n", p->markdown);
    return ST_OK;
}

/* Chooses all settings, of the rows of `sheet`. */
static enum status write_sheet(struct report *report, const struct places *p)
{
    const struct plot_options all = {.settings = INT_MAX};
    report->doc = doc_open();
    enum status st =
        report->doc ? plot_selection_open(report->sheet, &all, &report->selection) : ST_OOM;
    if (st == ST_OK)
        st = report_ranks_open(&report->selection, &report->ranks);
    if (st == ST_OK)
        st = write(report, p);
    report_ranks_close(&report->ranks);
    plot_selection_close(&report->selection);
    doc_close(report->doc);
    return st;
}

enum status report_files(const char *const *paths, int n, const char *out)
{
    struct places places;
    struct files files;
    struct sheet sheet;
    if (n < 1)
        return fail(ST_INVALID, "report: no results file was named");
    TRY(find_places(out, paths[0], &places));
    enum status st = files_open(n, paths, &files);
    if (st == ST_OK) {
        st = files_sheet(&files, &sheet);
        struct report report = {
            .paths = paths, .files = &files, .sheet = &sheet, .charts = places.charts};
        if (st == ST_OK)
            st = write_sheet(&report, &places);
        sheet_close(&sheet);
    }
    files_close(&files);
    return st;
}
