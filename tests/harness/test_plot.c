/* SPDX-License-Identifier: Apache-2.0 */
/* Whole calls of plot: which files there are, what their numbers are, the same bytes each time, and
 * texts that attack gnuplot. */
#include "harness/plot/gnuplot.h"
#include "harness/plot/plot.h"
#include "harness/plot/text.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ROWS = 16 };

static const struct plot_options defaults;

static struct record *all[MAX_ROWS];
static int n_all;

static struct record *add(struct record *r)
{
    all[n_all++] = r;
    return r;
}

static void close_all(void)
{
    while (n_all > 0)
        record_close(all[--n_all]);
}

TestSuite(plot_names, .fini = close_all);
TestSuite(plot, .init = cr_redirect_stdout, .fini = close_all);

/* ---- names ---- */

static struct sheet sheet;
static struct plot_selection selection;

static void select_rows(void)
{
    cr_assert_eq(sheet_open(n_all, (const struct record *const *)all, NULL, &sheet), ST_OK);
    cr_assert_eq(plot_selection_open(&sheet, &defaults, &selection), ST_OK);
}

static void close_selection(void)
{
    plot_selection_close(&selection);
    sheet_close(&sheet);
}

static void name_is(int row, bool size, const char *want)
{
    char name[PLOT_NAME];
    plot_text_name(&selection, &sheet.v[row], "bytes", size, name);
    cr_assert_eq(strncmp(name, want, strlen(want)), 0, "%s, wanted %s", name, want);
}

Test(plot_names, say_what_differs)
{
    for (int i = 0; i < 4; i++)
        add(rows_ok("serial", 1, 100 + i));
    all[1]->cell.dtype = "bf16";
    all[2]->cell.steps = 50;
    all[3]->env.commit = "fedcba987654";
    select_rows();
    name_is(0, true, "bytes.pixart-tiny.256.20steps.fp32.0123456789ab");
    name_is(1, true, "bytes.pixart-tiny.256.20steps.bf16.0123456789ab");
    name_is(2, false, "bytes.pixart-tiny.50steps.fp32.0123456789ab");
    name_is(3, true, "bytes.pixart-tiny.256.20steps.fp32.fedcba987654");
    close_selection();
}

Test(plot_names, are_clean_for_file_systems)
{
    add(rows_ok("serial", 1, 10));
    rows_set_model(all[0], "../check points/my `rm -rf` model.v2/");
    rows_set_size(all[0], 256, 384);
    rows_set_model(add(rows_ok("serial", 1, 10)), "/..");
    rows_set_model(add(rows_ok("serial", 1, 10)), "");
    select_rows();
    name_is(0, true, "bytes.my_rm_-rf_model.v2.256x384");
    name_is(1, true, "bytes._..256");
    name_is(2, true, "bytes._.256");
    close_selection();
}

/* Two charts must not write one file: models with one last part, hardware, texts that are cut. */
Test(plot_names, are_all_different)
{
    char name[6][PLOT_NAME];
    for (int i = 0; i < 6; i++)
        add(rows_ok("serial", 1, 10));
    rows_set_model(all[0], "x/model");
    rows_set_model(all[1], "y/model");
    all[2]->env.cpu = "another";
    all[3]->cell.weights = "one_very_long_text_that_goes_on_and_on_a";
    all[4]->cell.weights = "one_very_long_text_that_goes_on_and_on_b";
    select_rows();
    for (int i = 0; i < 6; i++) {
        plot_text_name(&selection, &sheet.v[i], "bytes", true, name[i]);
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(name[i], name[k]);
    }
    close_selection();
}

/* ---- whole calls ---- */

static char *write_rows(const char *folder)
{
    return rows_write(folder, "rows.jsonl", n_all, all);
}

static enum status plot_into(const char *folder, const char *path, struct plot_options options)
{
    options.folder = folder;
    return plot_files(&path, 1, &options);
}

/* Names in a folder, sorted, one a line; data files and folders are left out. */
static char *names_in(const char *folder)
{
    struct dirent **entry;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int n = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entry[i]->d_name[0] != '.' && strcmp(entry[i]->d_name, "data") != 0)
            fprintf(out, "%s\n", entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    fclose(out);
    return text;
}

static bool have_gnuplot(void)
{
    return system("gnuplot --version >/dev/null 2>&1") == 0;
}

static const char all_charts[] =
    "bytes.pixart-tiny.256.png\nbytes.pixart-tiny.256.svg\n"
    "latency-vs-ranks.pixart-tiny.256.png\n"
    "latency-vs-ranks.pixart-tiny.256.svg\n"
    "latency-vs-ranks.pixart-tiny.512.png\n"
    "latency-vs-ranks.pixart-tiny.512.svg\n"
    "latency-vs-size.pixart-tiny.png\nlatency-vs-size.pixart-tiny.svg\n"
    "memory.pixart-tiny.256.png\nmemory.pixart-tiny.256.svg\n"
    "memory.pixart-tiny.512.png\nmemory.pixart-tiny.512.svg\n"
    "rows.jsonl\n"
    "speedup.pixart-tiny.256.png\nspeedup.pixart-tiny.256.svg\n"
    "table.csv\ntable.md\n";

static void add_everything(void)
{
    add(rows_ok("serial", 1, 100));
    add(rows_ok("ring=2", 2, 60));
    add(rows_ok("cfg=2,ring=2", 4, 30));
    add(rows_failed("ring=3", 3, ENDING_UNSUPPORTED, "no"));
    add(rows_ok("ulysses=4", 4, 31.25));
    all[4]->check.pass = RECORD_NO;
    record_judge(all[4]);
    add(rows_ok("serial", 1, 400));
    rows_set_size(all[5], 512, 512);
}

static void data_holds(const char *folder, const char *chart, const char *text)
{
    char name[200];
    size_t size;
    snprintf(name, sizeof name, "data/%s.gp", chart);
    char *data = rows_file_text(folder, name, &size);
    cr_assert_not_null(data, "%s", name);
    cr_assert_not_null(strstr(data, text), "no %s in %s", text, data);
    free(data);
}

Test(plot, draws_every_chart_that_has_data_and_no_wrong_row, .timeout = 120)
{
    if (!have_gnuplot())
        cr_skip_test("gnuplot is not installed");
    char *folder = rows_folder();
    size_t size;
    add_everything();
    char *path = write_rows(folder);
    cr_assert_eq(plot_into(folder, path, defaults), ST_OK, "%s", status_text());
    char *names = names_in(folder);
    cr_assert_str_eq(names, all_charts);
    const char *latency = "latency-vs-ranks.pixart-tiny.256";
    data_holds(folder, latency, "\n1 100 98 104 1 0 0\n");
    data_holds(folder, latency, "\n1 100 NaN NaN 0 0 0\n2 60 58.8 62.4 1 0 0\n");
    data_holds(folder, latency, "\n\n4 30 29.4 31.2 1 0 0\n"); // no line from 1 to 4 ranks
    data_holds(folder, latency, "'points: median of n = 5 loops; bars: p10 to p90'");
    data_holds(folder, latency, "'best hybrid: 4 ranks cfg=2,ring=2'");
    data_holds(folder, latency, "'not drawn: 1 unsupported, 1 wrong (see table.md)'");
    data_holds(folder, "latency-vs-size.pixart-tiny",
               "'best hybrid of 4 ranks: 256 px cfg=2,ring=2'");
    char *data = rows_file_text(folder, "data/latency-vs-ranks.pixart-tiny.256.gp", &size);
    cr_assert_null(strstr(data, "31.25"), "a wrong row is drawn");
    free(data);
    data_holds(folder, "bytes.pixart-tiny.256", // 1000 bytes a rank
               "$counted << EOD\n2 0 0.002 1\n4.5 0 0.004 1\nEOD\n");
    data_holds(folder, "bytes.pixart-tiny.256",
               "$predicted << EOD\n2 0 0.002 1\n4.5 0 0.004 1\nEOD\n");
    data_holds(folder, "bytes.pixart-tiny.256", "$totals << EOD\n2 0.002\n4.5 0.004\nEOD\n");
    char *svg = rows_file_text(folder, "latency-vs-ranks.pixart-tiny.256.svg", &size);
    cr_assert_not_null(strstr(svg, ">best hybrid<"));
    cr_assert_not_null(strstr(svg, ">ranks (logarithmic)<"));
    cr_assert_eq(strcmp(svg + strlen(svg) - 8, "</svg>\n\n"), 0);
    free(svg);
    char *png = rows_file_text(folder, "latency-vs-ranks.pixart-tiny.256.png", &size);
    cr_assert_eq(memcmp(png, "\x89PNG\r\n\x1a\n", 8), 0);
    free(png);
    free(names);
    free(path);
    rows_folder_remove(folder);
}

/* The bar is as long as its number says, libraries and all. */
Test(plot, a_memory_bar_has_the_length_of_its_number, .timeout = 120)
{
    uint64_t library[] = {2000, 2000};
    char *folder = rows_folder();
    add(rows_ok("serial", 1, 100));
    add(rows_ok("ring=2", 2, 60));
    record_set_counts(all[1], &all[1]->memory_bytes.library, 2, library);
    char *path = write_rows(folder);
    plot_into(folder, path, defaults);
    data_holds(folder, "memory.pixart-tiny.256", "\namount[2] = '0.006 MB'\n");
    data_holds(folder, "memory.pixart-tiny.256", // weights ... libraries, total, predicted
               "\n4.5 0.003 0 0 0 0.002 0.006001 0.004001\n");
    free(path);
    rows_folder_remove(folder);
}

/* A row on a GPU of 0.02 MB; predicted [1], where it did not fit. */
static void add_sized(const char *strategy, int ranks, int size, const uint64_t *predicted)
{
    struct record *r = predicted ? rows_failed(strategy, ranks, ENDING_OOM, "needs too much")
                                 : rows_ok(strategy, ranks, 100);
    if (predicted)
        record_set_counts(r, &r->memory_bytes.predicted, 1, predicted);
    rows_set_gpus(r, "local", 1); /* two ranks share it */
    r->env.gpus.v[0].memory_bytes = 2e4;
    rows_set_size(r, size, size);
    add(r);
}

/* Sizes that fit, of ranks that share a GPU too, and what the plan foresaw of those that do not;
 * the GPU's memory. */
Test(plot, memory_goes_on_where_it_does_not_fit, .timeout = 120)
{
    const uint64_t serial = 64000, ring = 32000;
    char *folder = rows_folder();
    add_sized("serial", 1, 256, NULL);
    add_sized("ring=2", 2, 256, NULL);
    add_sized("serial", 1, 512, &serial);
    add_sized("ring=2", 2, 512, &ring);
    add(rows_failed("ring=3", 3, ENDING_UNSUPPORTED, "no"));
    char *path = write_rows(folder);
    cr_assert_eq(plot_into(folder, path, defaults), ST_OK, "%s", status_text());
    const char *chart = "memory-vs-size.pixart-tiny";
    data_holds(folder, chart, "\n1 0.004 0.004 0.004 1 0 0\n2 0.064 0.064 0.064 0 0 0\n");
    data_holds(folder, chart, "\n1 0.004001 0.004001 0.004001 1 0 1\n2 0.032 0.032 0.032 0 0 0\n");
    data_holds(folder, chart, "\nlimit = 0.02\n");
    data_holds(folder, chart, "\npanels = 1\n");
    data_holds(folder, chart, "'ranks of 2 cells shared a GPU, which must hold all of them'");
    free(path);
    rows_folder_remove(folder);
}

/* Between the fastest serial loops over the slowest of the row, and the other way round. */
Test(plot, the_spread_of_both_runs_is_in_a_speedup, .timeout = 120)
{
    char *folder = rows_folder();
    add(rows_ok("serial", 1, 100)); // 98 to 104
    add(rows_ok("ring=2", 2, 60));  // 58.8 to 62.4
    char *path = write_rows(folder);
    plot_into(folder, path, defaults);
    data_holds(folder, "speedup.pixart-tiny.256",
               "\n1 1 NaN NaN 0 0 0\n2 1.66667 1.57051 1.76871 1 0 0\n");
    data_holds(folder, "speedup.pixart-tiny.256", "x_log = 0\n"); // a factor of 2
    data_holds(folder, "speedup.pixart-tiny.256", "y_log = 0\n");
    free(path);
    rows_folder_remove(folder);
}

Test(plot, a_noisy_row_is_ringed_and_named, .timeout = 120)
{
    char *folder = rows_folder();
    add(rows_ok("serial", 1, 100));
    add(rows_ok("ring=2", 2, 60));
    record_set_numbers(all[1], &all[1]->latency_ms.samples, 5,
                       (const double[]){60, 58.2, 62, 92, 59.7});
    record_summarise(all[1]);
    record_flag(all[1]);
    char *path = write_rows(folder);
    plot_into(folder, path, defaults);
    data_holds(folder, "latency-vs-ranks.pixart-tiny.256", "\n2 60 58.8 80 1 1 0\n");
    data_holds(folder, "latency-vs-ranks.pixart-tiny.256", "\nnoisy = 1\n");
    data_holds(folder, "latency-vs-ranks.pixart-tiny.256",
               "'ringed: noisy (p90 over 1.25 times p10): ring=2'");
    free(path);
    rows_folder_remove(folder);
}

/* ---- several files ---- */

Test(plot, two_files_are_told_apart, .timeout = 120)
{
    if (!have_gnuplot())
        cr_skip_test("gnuplot is not installed");
    char *folder = rows_folder(), *path[2];
    size_t size;
    struct plot_options options = {.folder = folder, .formats = PLOT_SVG};
    add(rows_ok("serial", 1, 100));
    add(rows_ok("ring=2", 2, 60));
    add(rows_ok("ring=2", 2, 30));
    for (int i = 0; i < 3; i++)
        all[i]->cell.threads = 8;
    path[0] = rows_write(folder, "before.jsonl", 2, all);
    path[1] = rows_write(folder, "after.jsonl", 1, all + 2);
    cr_assert_eq(plot_files((const char *const *)path, 2, &options), ST_OK, "%s", status_text());
    data_holds(folder, "latency-vs-ranks.pixart-tiny.256.before", "\n2 60 58.8 62.4 1 0 0\n");
    data_holds(folder, "latency-vs-ranks.pixart-tiny.256.after", "\n2 30 29.4 31.2 1 0 0\n");
    data_holds(folder, "latency-vs-ranks.pixart-tiny.256.after", ", run after'");
    cr_assert_null(rows_file_text(folder, "data/speedup.pixart-tiny.256.after.gp", &size),
                   "a serial run of another file");
    char *page = rows_file_text(folder, "table.md", &size);
    cr_assert_not_null(strstr(page, "| before | pixart-tiny |"), "%s", page);
    cr_assert_not_null(strstr(page, "| after | pixart-tiny |"), "%s", page);
    free(page);
    free(path[0]);
    free(path[1]);
    rows_folder_remove(folder);
}

Test(plot, one_file_twice_is_refused)
{
    char *folder = rows_folder(), *again = NULL;
    add(rows_ok("serial", 1, 100));
    char *path = write_rows(folder);
    cr_assert_gt(asprintf(&again, "%s/./rows.jsonl", folder), 0);
    const char *paths[] = {path, again};
    cr_assert_eq(plot_files(paths, 2, &(struct plot_options){.folder = folder}), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "are one file"), "%s", status_message());
    free(again);
    free(path);
    rows_folder_remove(folder);
}

Test(plot, what_is_in_no_chart_is_counted, .timeout = 120)
{
    char *folder = rows_folder();
    size_t size;
    cr_redirect_stderr();
    add_everything();
    add(rows_ok("ring=2", 2, 61))->cell.repeats = 9;
    free(rows_write(folder, "rows.jsonl", 1, all)); // and once more, below
    char *path = write_rows(folder);
    plot_into(folder, path, defaults);
    fflush(stderr);
    cr_assert_stderr_eq_str(
        "plot: of 7 rows in no chart: 1 superseded by a later run, 1 unsupported, 1 wrong\n"
        "plot: left out: 1 row of cells that were run again later\n");
    char *page = rows_file_text(folder, "table.md", &size);
    cr_assert_not_null(
        strstr(page, "In no chart: 1 superseded by a later run, 1 unsupported, 1 wrong."), "%s",
        page);
    free(page);
    free(path);
    rows_folder_remove(folder);
}

/* ---- the same each time ---- */

Test(plot, the_same_rows_give_the_same_bytes, .timeout = 120)
{
    static const char *const name[] = {"table.csv",
                                       "table.md",
                                       "speedup.pixart-tiny.256.svg",
                                       "memory.pixart-tiny.256.png",
                                       "memory.pixart-tiny.256.pdf",
                                       "data/bytes.pixart-tiny.256.gp"};
    struct plot_options options = {.formats = PLOT_SVG | PLOT_PNG | PLOT_PDF};
    if (!have_gnuplot())
        cr_skip_test("gnuplot is not installed");
    char *folder = rows_folder(), *other = rows_folder();
    add_everything();
    char *path = write_rows(folder);
    cr_assert_eq(plot_into(folder, path, options), ST_OK, "%s", status_text());
    sleep(1); // for what holds a time
    cr_assert_eq(plot_into(other, path, options), ST_OK, "%s", status_text());
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        size_t size_a, size_b;
        char *a = rows_file_text(folder, name[i], &size_a);
        char *b = rows_file_text(other, name[i], &size_b);
        cr_assert(a && b && size_a == size_b && memcmp(a, b, size_a) == 0, "%s", name[i]);
        free(a);
        free(b);
    }
    free(path);
    rows_folder_remove(folder);
    rows_folder_remove(other);
}

/* A model's folder is named by anybody; gnuplot runs shell commands in back quotes and system(). */
Test(plot, hostile_texts_are_only_texts, .timeout = 120)
{
    if (!have_gnuplot())
        cr_skip_test("gnuplot is not installed");
    char *folder = rows_folder(), *model;
    size_t size;
    add(rows_ok("ring=2", 2, 60));
    cr_assert_gt(
        asprintf(&model,
                 "'; system('touch %s'); it's $(touch %s) @x {^b} \"q\" \\n \n` touch %s` \\",
                 "hacked", "hacked", "hacked"),
        0);
    rows_set_model(all[0], model);
    all[0]->cell.strategy = "a'b`touch hacked`=2";
    all[0]->env.host = "h'\nsystem('touch hacked')\n";
    all[0]->comm.v[0].axis = "r'`touch hacked`";
    char *path = write_rows(folder);
    cr_assert_eq(plot_into(folder, path, defaults), ST_OK, "%s", status_text());
    cr_assert_null(rows_file_text(folder, "hacked", &size));
    char *names = names_in(folder);
    cr_assert_null(strstr(names, "hacked\n"), "%s", names);
    cr_assert_not_null(strstr(names, ".svg"), "%s", names);
    free(names);
    free(model);
    free(path);
    rows_folder_remove(folder);
}

Test(plot, without_gnuplot_the_tables_are_there_and_the_message_helps)
{
    char *folder = rows_folder();
    size_t size;
    add(rows_ok("serial", 1, 100));
    char *path = write_rows(folder);
    setenv("PATH", folder, 1);
    cr_assert_eq(plot_into(folder, path, defaults), ST_IO);
    cr_assert_not_null(strstr(status_message(), "apt-get install gnuplot-nox"), "%s",
                       status_message());
    char *names = names_in(folder);
    cr_assert_str_eq(names, "rows.jsonl\ntable.csv\ntable.md\n");
    char *data = rows_file_text(folder, "data/memory.pixart-tiny.256.gp", &size);
    cr_assert_not_null(data);
    free(data);
    free(names);
    free(path);
    rows_folder_remove(folder);
}

Test(plot, nothing_to_draw_is_no_error)
{
    char *folder = rows_folder();
    add(rows_failed("ring=3", 3, ENDING_UNSUPPORTED, "no"));
    char *path = write_rows(folder);
    cr_assert_eq(plot_into(folder, path, defaults), ST_OK, "%s", status_text());
    char *names = names_in(folder);
    cr_assert_str_eq(names, "rows.jsonl\ntable.csv\ntable.md\n");
    free(names);
    free(path);
    rows_folder_remove(folder);
}

Test(plot, a_missing_file_is_an_io_error)
{
    const char *path = "/nowhere/rows.jsonl";
    cr_assert_eq(plot_files(&path, 1, &defaults), ST_IO);
    cr_assert_not_null(strstr(status_message(), path));
    cr_assert_eq(plot_files(&path, 0, &defaults), ST_INVALID);
}

Test(plot, share_may_be_named_by_the_user)
{
    char *share = NULL;
    setenv("DITBENCH_SHARE", "/nowhere", 1);
    cr_assert_eq(plot_gnuplot_share(&share), ST_IO);
    cr_assert_not_null(strstr(status_message(), "DITBENCH_SHARE=/nowhere"), "%s", status_message());
    unsetenv("DITBENCH_SHARE");
    cr_assert_eq(plot_gnuplot_share(&share), ST_OK, "%s", status_text());
    cr_assert_not_null(strstr(share, "/plots"), "%s", share);
    free(share);
}
