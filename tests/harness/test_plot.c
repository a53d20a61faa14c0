/* SPDX-License-Identifier: Apache-2.0 */
/* Charts: which rows are in them, their names, the same bytes each time, and texts that attack
 * gnuplot. */
#include "harness/plot/gnuplot.h"
#include "harness/plot/plot.h"
#include "harness/plot/select.h"
#include "harness/record/file.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- families ---- */

static void family_is(const char *strategy, const char *name, const char *label, int place)
{
    struct plot_family f;
    plot_family_of(strategy, &f);
    cr_assert_str_eq(f.name, name, "%s: %s", strategy, f.name);
    cr_assert_str_eq(f.label, label, "%s: %s", strategy, f.label);
    cr_assert_eq(f.place, place, "%s: %d", strategy, f.place);
}

Test(plot_family, of_specifications)
{
    family_is("serial", "serial", "serial", -1);
    family_is("ulysses=4", "ulysses", "ulysses", 0);
    family_is("pipefusion=4:patches=8:warmup=1", "pipefusion", "pipefusion patches=8 warmup=1", 0);
    family_is("ring=2,ulysses=12", "usp", "usp", 0);
    family_is("ring=2,ulysses=2,tensor=2", "hybrid", "best hybrid", 1);
    family_is("cfg=2,ring=2", "hybrid", "best hybrid", 1);
    family_is("ring=2", "ring", "ring", 0);
    family_is("", "", "", 0);
    family_is("later-strategy=3", "later-strategy", "later-strategy", 0);
}

/* ---- selection ---- */

enum { MAX_ROWS = 16 };

static struct record *all[MAX_ROWS];
static int n_all;

static void add(struct record *r)
{
    all[n_all++] = r;
}

static void close_all(void)
{
    while (n_all > 0)
        record_close(all[--n_all]);
}

static const struct record *const *rows(void)
{
    return (const struct record *const *)all;
}

TestSuite(plot_select, .fini = close_all);
TestSuite(plot, .init = cr_redirect_stdout, .fini = close_all);

Test(plot_select, only_ok_rows_are_drawn_sorted_by_size_and_ranks)
{
    struct plot_rows drawn;
    char text[PLOT_TITLE];
    add(rows_ok("ring=2", 2, 50));
    rows_set_size(all[0], 512, 512);
    add(rows_ok("ring=10", 10, 20));
    add(rows_ok("ring=2", 2, 60));
    add(rows_failed("ring=4", 4, ENDING_OOM, "full"));
    add(rows_ok("ring=5", 5, 9));
    all[4]->status = ENDING_WRONG;
    add(rows_ok("serial", 1, 100));
    cr_assert_eq(plot_rows_open(n_all, rows(), &drawn), ST_OK);
    cr_assert_eq(drawn.n, 4);
    cr_assert_eq(drawn.v[0], all[5]); // 256: 1, 2, 10 ranks; then 512
    cr_assert_eq(drawn.v[1], all[2]);
    cr_assert_eq(drawn.v[2], all[1]);
    cr_assert_eq(drawn.v[3], all[0]);
    cr_assert_eq(plot_rows_group(&drawn, 0), 3);
    cr_assert_eq(plot_rows_setting(&drawn, 0), 4);
    cr_assert_eq(plot_rows_serial(&drawn, 0, 3), all[5]);
    cr_assert_null(plot_rows_serial(&drawn, 3, 4));
    cr_assert_str_eq(plot_rows_left_out(n_all, rows(), all[5], text), "1 wrong, 1 oom");
    cr_assert_str_eq(plot_rows_left_out(n_all, rows(), all[0], text), "");
    cr_assert(plot_rows_gap(n_all, rows(), all[5], "ring", 2, 10));
    cr_assert_not(plot_rows_gap(n_all, rows(), all[5], "ring", 5, 10));
    cr_assert_not(plot_rows_gap(n_all, rows(), all[5], "ulysses", 2, 10));
    plot_rows_close(&drawn);
}

Test(plot_select, other_machines_and_settings_are_other_charts)
{
    struct plot_rows drawn;
    char name[PLOT_NAME];
    for (int i = 0; i < 4; i++)
        add(rows_ok("serial", 1, 100 + i));
    all[1]->cell.dtype = "bf16";
    all[2]->cell.steps = 50;
    all[3]->cell.seed = 9; // changes no latency: same chart as row 0
    cr_assert_eq(plot_rows_open(n_all, rows(), &drawn), ST_OK);
    int groups = 0;
    for (int i = 0; i < drawn.n; i = plot_rows_group(&drawn, i))
        groups++;
    cr_assert_eq(groups, 3);
    cr_assert_str_eq(plot_name(&drawn, all[0], "bytes", true, name),
                     "bytes.pixart-tiny.256.20steps.fp32");
    cr_assert_str_eq(plot_name(&drawn, all[1], "bytes", true, name),
                     "bytes.pixart-tiny.256.20steps.bf16");
    cr_assert_str_eq(plot_name(&drawn, all[2], "bytes", false, name),
                     "bytes.pixart-tiny.50steps.fp32");
    plot_rows_close(&drawn);
}

Test(plot_select, names_are_clean_for_file_systems)
{
    struct plot_rows drawn;
    char name[PLOT_NAME];
    add(rows_ok("serial", 1, 10));
    rows_set_model(all[0], "../check points/my `rm -rf` model.v2/");
    rows_set_size(all[0], 256, 384);
    add(rows_ok("serial", 1, 10));
    rows_set_model(all[1], "/..");
    add(rows_ok("serial", 1, 10));
    rows_set_model(all[2], "");
    cr_assert_eq(plot_rows_open(n_all, rows(), &drawn), ST_OK);
    cr_assert_str_eq(plot_name(&drawn, all[0], "bytes", true, name),
                     "bytes.my_rm_-rf_model.v2.256x384");
    cr_assert_eq(strncmp(plot_name(&drawn, all[1], "bytes", true, name), "bytes._..256", 12), 0,
                 "%s", name);
    cr_assert_eq(strncmp(plot_name(&drawn, all[2], "bytes", true, name), "bytes._.256", 11), 0,
                 "%s", name);
    plot_rows_close(&drawn);
}

/* Two folders with one last part must not write one file. */
Test(plot_select, models_with_one_name_have_two_files)
{
    struct plot_rows drawn;
    char a[PLOT_NAME], b[PLOT_NAME];
    add(rows_ok("serial", 1, 10));
    rows_set_model(all[0], "x/model");
    add(rows_ok("serial", 1, 10));
    rows_set_model(all[1], "y/model");
    cr_assert_eq(plot_rows_open(n_all, rows(), &drawn), ST_OK);
    cr_assert_str_neq(plot_name(&drawn, all[0], "bytes", true, a),
                      plot_name(&drawn, all[1], "bytes", true, b));
    plot_rows_close(&drawn);
}

Test(plot_select, a_point_is_the_latest_row_of_a_text_and_the_fastest_text)
{
    const char *const strategy[] = {"cfg=2,ring=2", "cfg=2,ulysses=2", "cfg=2,ulysses=2",
                                    "ring=4",       "serial",          "cfg=2,ring=4"};
    const double median[] = {50, 40, 45, 60, 100, 30};
    const double ranks[] = {4, 4, 4, 4, 1, 8};
    struct plot_point points[6];
    for (int i = 0; i < 6; i++) {
        add(rows_ok(strategy[i], (int)ranks[i], median[i]));
        points[i] = (struct plot_point){.x = ranks[i], .row = all[i], .order = i};
        plot_family_of(strategy[i], &points[i].family);
    }
    int n = plot_points_sort(6, points);
    cr_assert_eq(n, 4); // serial; ring; best hybrid of 4 and of 8
    cr_assert_eq(points[0].row, all[4]);
    cr_assert_eq(points[1].row, all[3]);
    cr_assert_eq(points[2].row, all[2]); // 45 ms, the later run of the faster hybrid
    cr_assert_eq(points[3].row, all[5]);
    cr_assert_eq(plot_points_curve(n, points, 2), 4);
}

Test(plot_select, long_texts_lose_their_middle)
{
    char text[PLOT_TITLE];
    cr_assert_str_eq(plot_short_text("short", 9, text), "short");
    cr_assert_str_eq(plot_short_text("exactly_9", 9, text), "exactly_9");
    cr_assert_str_eq(plot_short_text("0123456789", 9, text), "012...789");
    cr_assert_str_eq(plot_short_text("é1234567€9", 9, text), "é12...7€9"); // whole characters
}

/* ---- whole calls ---- */

static char *write_rows(const char *folder)
{
    char *path;
    struct record_file *file;
    BUG_ON(asprintf(&path, "%s/rows.jsonl", folder) < 0, "no memory");
    cr_assert_eq(record_file_open(path, &file), ST_OK);
    for (int i = 0; i < n_all; i++) {
        char id[RECORD_ID_SIZE];
        cr_assert_eq(record_cell_id(&all[i]->cell, id), ST_OK);
        all[i]->id = record_text(all[i], id);
        cr_assert_eq(record_file_append(file, all[i]), ST_OK);
    }
    record_file_close(file);
    return path;
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

Test(plot, draws_every_chart_that_has_data_and_no_wrong_row, .timeout = 120)
{
    if (!have_gnuplot())
        cr_skip_test("gnuplot is not installed");
    char *folder = rows_folder();
    size_t size;
    add_everything();
    char *path = write_rows(folder);
    cr_assert_eq(plot_files((const char *const *)&path, 1, folder), ST_OK, "%s", status_text());
    char *names = names_in(folder);
    cr_assert_str_eq(names, all_charts);
    char *data = rows_file_text(folder, "data/latency-vs-ranks.pixart-tiny.256.gp", &size);
    cr_assert_not_null(strstr(data, "1 100 98 104 1\n"), "%s", data);
    cr_assert_not_null(strstr(data, "1 100 NaN NaN 0\n2 60 58.8 62.4 1\n"), "%s", data);
    cr_assert_null(strstr(data, "31.25"), "a wrong row is drawn");
    cr_assert_not_null(strstr(data, "'best hybrid of 4 ranks: cfg=2,ring=2'"));
    cr_assert_not_null(strstr(data, "'not drawn: 1 wrong, 1 unsupported (see table.md)'"));
    free(data);
    data = rows_file_text(folder, "data/speedup.pixart-tiny.256.gp", &size);
    cr_assert_not_null(strstr(data, "1 1 NaN NaN 0\n2 1.66667 1.60256 1.70068 1\n"), "%s", data);
    free(data);
    data = rows_file_text(folder, "data/bytes.pixart-tiny.256.gp", &size); // 1000 a rank, in kB
    cr_assert_not_null(strstr(data, "$counted << EOD\n2 0 2 1\n4.5 0 4 1\nEOD\n"), "%s", data);
    cr_assert_not_null(strstr(data, "$predicted << EOD\n2 0 2 1\n4.5 0 4 1\nEOD\n"), "%s", data);
    cr_assert_not_null(strstr(data, "$totals << EOD\n2 2 2\n4.5 4 4\nEOD\n"), "%s", data);
    free(data);
    data = rows_file_text(folder, "data/memory.pixart-tiny.256.gp", &size); // the fullest rank's
    cr_assert_not_null(strstr(data, "\n4.5 3 0 0 0 0 4.001 4.001\n"), "%s", data);
    free(data);
    char *svg = rows_file_text(folder, "latency-vs-ranks.pixart-tiny.256.svg", &size);
    cr_assert_not_null(strstr(svg, ">best hybrid<"));
    cr_assert_eq(strcmp(svg + strlen(svg) - 8, "</svg>\n\n"), 0);
    free(svg);
    char *png = rows_file_text(folder, "latency-vs-ranks.pixart-tiny.256.png", &size);
    cr_assert_eq(memcmp(png, "\x89PNG\r\n\x1a\n", 8), 0);
    free(png);
    free(names);
    free(path);
    rows_folder_remove(folder);
}

Test(plot, the_same_rows_give_the_same_bytes, .timeout = 120)
{
    static const char *const name[] = {"table.csv", "table.md", "speedup.pixart-tiny.256.svg",
                                       "memory.pixart-tiny.256.png",
                                       "data/bytes.pixart-tiny.256.gp"};
    if (!have_gnuplot())
        cr_skip_test("gnuplot is not installed");
    char *folder = rows_folder(), *other = rows_folder();
    add_everything();
    char *path = write_rows(folder);
    cr_assert_eq(plot_files((const char *const *)&path, 1, folder), ST_OK, "%s", status_text());
    cr_assert_eq(plot_files((const char *const *)&path, 1, other), ST_OK, "%s", status_text());
    for (int i = 0; i < 5; i++) {
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
    cr_assert_eq(plot_files((const char *const *)&path, 1, folder), ST_OK, "%s", status_text());
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
    cr_assert_eq(plot_files((const char *const *)&path, 1, folder), ST_IO);
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
    cr_assert_eq(plot_files((const char *const *)&path, 1, folder), ST_OK, "%s", status_text());
    char *names = names_in(folder);
    cr_assert_str_eq(names, "rows.jsonl\ntable.csv\ntable.md\n");
    free(names);
    free(path);
    rows_folder_remove(folder);
}

Test(plot, a_missing_file_is_an_io_error)
{
    const char *path = "/nowhere/rows.jsonl";
    cr_assert_eq(plot_files(&path, 1, "/tmp"), ST_IO);
    cr_assert_not_null(strstr(status_message(), path));
    cr_assert_eq(plot_files(&path, 0, "/tmp"), ST_INVALID);
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
