/* SPDX-License-Identifier: Apache-2.0 */
/* The whole report: reads, fills a document section by section, writes it twice. */
#include "harness/page/report.h"

#include "harness/host/env.h"
#include "harness/page/html.h"
#include "harness/page/markdown.h"
#include "harness/page/report_part.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the beginning ---- */

/* Experiments of the files, each once: "pixart-strategies, quickstart". */
static void name_experiments(const struct files *files, char text[REPORT_TEXT])
{
    size_t n = 0;
    text[0] = '\0';
    for (int f = 0; f < files->n && n < REPORT_TEXT; f++) {
        const struct record_rounds *rows = &files->rounds[f];
        const char *name = rows->n > 0 && rows->v[0]->experiment && *rows->v[0]->experiment
                               ? rows->v[0]->experiment
                               : files->run[f];
        bool again = false;
        for (int k = 0; k < f && !again; k++)
            again = files->rounds[k].n > 0 && files->rounds[k].v[0]->experiment &&
                    strcmp(files->rounds[k].v[0]->experiment, name) == 0;
        if (!again)
            n += (size_t)snprintf(text + n, REPORT_TEXT - n, "%s%s", n ? ", " : "", name);
    }
}

static void count_statuses(const struct sheet *sheet, char text[REPORT_TEXT])
{
    int count[ENDINGS] = {0};
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < sheet->n; i++)
        count[sheet->v[i].record->status]++;
    for (int s = 0; s < ENDINGS; s++)
        if (count[s] > 0)
            n += (size_t)snprintf(text + n, REPORT_TEXT - n, "%s%d %s", n ? ", " : "", count[s],
                                  ending_name((enum ending)s));
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

static void put_begin(struct report *report)
{
    char text[REPORT_TEXT], hardware[REPORT_TEXT];
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
             "Parallel inference of Diffusion Transformers, measured by ditbench on %s. %d row%s: "
             "%s. Measured from %s to %s.",
             hardware, sheet->n, report_plural(sheet->n), text, first ? first : "an unknown time",
             last ? last : "an unknown time");
}

static bool several_models(const struct sheet *sheet)
{
    for (int i = 1; i < sheet->n; i++)
        if (strcmp(sheet->v[i].record->cell.model, sheet->v[0].record->cell.model) != 0)
            return true;
    return false;
}

static enum status fill(struct report *report)
{
    report->several_models = several_models(report->sheet);
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
    char *name = NULL;
    size_t drop = sizeof ending - 1;
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
    size_t stem = (size_t)n;
    if (stem > drop && strcmp(p->html + stem - drop, ending) == 0)
        stem -= drop;
    snprintf(p->markdown, PATH_MAX, "%.*s.md", (int)stem, p->html);
    snprintf(p->charts, PATH_MAX, "%.*s.charts", (int)stem, p->html);
    return strcmp(p->html, p->markdown) == 0
               ? fail(ST_INVALID, "--out: %s is where the Markdown goes; name FILE.html", out)
               : ST_OK;
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
