/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of other programs: how they are read, that they stand beside ours in one chart, and that
 * each is measured by its own serial run. */
#include "harness/plot/plot.h"
#include "harness/plot/point.h"
#include "harness/plot/select.h"
#include "harness/record/file.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DITBENCH_SOURCE_DIR
#define DITBENCH_SOURCE_DIR "."
#endif

static struct record *peer(const char *program, const char *strategy, int ranks, double median)
{
    struct record *r = rows_ok(strategy, ranks, median);
    r->cell.backend = program;
    r->comm = (struct record_comms){0};
    r->comm_match = RECORD_UNKNOWN;
    return r;
}

/* ---- reading ---- */

/* A line without id, recipe and cohort has those that the reader makes of it. */
Test(peers, a_row_of_another_program_needs_no_hashes)
{
    struct record *ours = rows_ok("serial", 1, 100), *read;
    char *line, *with, id[RECORD_ID_SIZE];
    size_t size;
    cr_assert_eq(record_write(ours, &line, &size), ST_OK);
    char *found = strstr(line, ours->id);
    cr_assert_not_null(found);
    found[-1] = '\0';
    cr_assert_gt(asprintf(&with, "%snull%s", line, found + RECORD_ID_SIZE), 0);
    cr_assert_eq(record_read(with, strlen(with), 1, &read), ST_OK, "%s", status_message());
    cr_assert_eq(record_cell_id(&ours->cell, id), ST_OK);
    cr_assert_str_eq(read->id, id);
    cr_assert_str_eq(read->recipe, ours->recipe);
    cr_assert_str_eq(read->cohort, ours->cohort);
    record_close(read);
    record_close(ours);
    free(with);
    free(line);
}

/* What experiments/peers wrote: two rounds of ours and of a peer. */
Test(peers, rows_as_the_scripts_write_them_are_read)
{
    struct record_list list;
    cr_assert_eq(record_file_read(DITBENCH_SOURCE_DIR "/tests/harness/peers.jsonl", &list, NULL),
                 ST_OK, "%s", status_text());
    cr_assert_eq(list.n, 4, "no two have one id, but %d have", list.n);
    int peers = 0;
    for (int i = 0; i < list.n; i++) {
        const struct record *r = list.v[i];
        cr_assert_eq(r->status, ENDING_OK);
        cr_assert_eq(r->latency_ms.samples.n, 3);
        cr_assert_eq(r->step_ms.samples.n, r->cell.steps);
        cr_assert_eq(strlen(r->recipe) + strlen(r->cohort), 32);
        peers += sheet_peer(r);
        cr_assert_eq(sheet_peer(r), strcmp(r->cell.backend, "diffusers-eager") == 0);
        cr_assert_eq(r->cell.round, i / 2);
    }
    cr_assert_eq(peers, 2);
    record_list_release(&list);
}

/* ---- beside ours ---- */

enum { ROWS = 6 };

static struct record *row[ROWS];

static void open_rows(void)
{
    row[0] = peer("xy", "ring=2", 2, 80);
    row[1] = peer("xy", "serial", 1, 130);
    row[2] = rows_ok("serial", 1, 100);
    row[3] = rows_ok("ring=2", 2, 50);
    row[4] = peer("ab", "serial", 1, 200);
    row[5] = rows_ok("ulysses=2", 2, 60);
}

static void close_rows(void)
{
    for (int i = 0; i < ROWS; i++)
        record_close(row[i]);
}

TestSuite(peers_drawn, .init = open_rows, .fini = close_rows);

Test(peers_drawn, each_is_measured_by_its_own_serial_run)
{
    struct sheet sheet;
    cr_assert_eq(sheet_open(ROWS, (const struct record *const *)row, NULL, &sheet), ST_OK);
    static const int serial[ROWS] = {1, 1, 2, 2, 4, 2};
    for (int i = 0; i < ROWS; i++) {
        cr_assert_eq(sheet.v[i].serial, row[serial[i]], "row %d", i);
        cr_assert_eq(sheet_by_setting(&sheet.v[0], &sheet.v[i]), 0, "row %d", i);
    }
    sheet_close(&sheet);
}

/* On GPUs a peer stands beside the rows of GPUs, not of the CPU. */
Test(peers_drawn, a_peer_stands_beside_the_backend_of_its_device)
{
    struct sheet sheet;
    rows_set_gpus(row[2], "local", 1); // the backend cuda
    cr_assert_str_eq(row[2]->cell.backend, "cuda");
    rows_set_gpus(row[1], "local", 1);
    row[1]->cell.backend = "xy";
    cr_assert_eq(sheet_open(ROWS, (const struct record *const *)row, NULL, &sheet), ST_OK);
    cr_assert_eq(sheet_by_setting(&sheet.v[1], &sheet.v[2]), 0);
    cr_assert_neq(sheet_by_setting(&sheet.v[0], &sheet.v[1]), 0);
    sheet_close(&sheet);
}

Test(peers_drawn, programs_are_curves_of_their_own)
{
    static const struct plot_options defaults;
    static const char *const label[] = {"ditbench serial", "ditbench ring", "ditbench ulysses",
                                        "ab serial",       "xy serial",     "xy ring"};
    static const double y[] = {100, 50, 60, 200, 130, 80};
    struct sheet sheet;
    struct plot_selection selection;
    struct plot_point points[ROWS];
    cr_assert_eq(sheet_open(ROWS, (const struct record *const *)row, NULL, &sheet), ST_OK);
    cr_assert_eq(plot_selection_open(&sheet, &defaults, &selection), ST_OK);
    cr_assert_eq(selection.n, 1);
    cr_assert_eq(selection.setting[0].n, 1);
    const struct plot_group *g = &selection.setting[0].group[0];
    cr_assert(g->peers && !sheet_peer(g->first->record));
    cr_assert_eq(plot_points_of(g, points), ROWS);
    cr_assert_eq(plot_points_sort(ROWS, points), ROWS);
    cr_assert_eq(plot_points_curves(ROWS, points), ROWS);
    for (int i = 0; i < ROWS; i++) {
        cr_assert_str_eq(points[i].label, label[i]);
        cr_assert_eq(points[i].y, y[i], "%s", label[i]);
        cr_assert_eq(points[i].peer, i > 2);
    }
    plot_selection_close(&selection);
    sheet_close(&sheet);
}

/* ---- whole calls ---- */

static void data_holds(const char *folder, const char *name, const char *wanted)
{
    size_t size;
    char *data = rows_file_text(folder, name, &size);
    cr_assert_not_null(data, "%s", name);
    cr_assert_not_null(strstr(data, wanted), "%s lacks %s:\n%s", name, wanted, data);
    free(data);
}

Test(peers_drawn, one_chart_shows_all, .init = cr_redirect_stdout)
{
    open_rows();
    static const char ranks[] = "data/latency-vs-ranks.pixart-tiny.256.gp",
                      steps[] = "data/peers.pixart-tiny.256.gp",
                      speedup[] = "data/speedup.pixart-tiny.256.gp";
    char *folder = rows_folder(), *path = rows_write(folder, "rows.jsonl", ROWS, row);
    const char *paths[] = {path};
    enum status st =
        plot_files(paths, 1, &(struct plot_options){.folder = folder, .formats = PLOT_SVG});
    cr_assert(st == ST_OK || strstr(status_text(), "gnuplot is not installed"), "%s",
              status_text());
    data_holds(folder, ranks, "'ditbench ring'\nvariant[2] = 1\nhollow[2] = 0\n");
    data_holds(folder, ranks, "'xy ring'\nvariant[6] = 1\nhollow[6] = 2\n");
    data_holds(folder, ranks, "\n2 80 ");
    data_holds(folder, speedup, "\n2 2 ");     // ours: 100 / 50
    data_holds(folder, speedup, "\n2 1.625 "); // the peer's: 130 / 80
    data_holds(folder, steps, "'2.500 ms'");   // ring: 50 / 20
    data_holds(folder, steps, "'4.000 ms, 1.60× ours'");
    data_holds(folder, steps, "'xy: jansson 2.14'");
    data_holds(folder, steps, "programs = 3\n");
    rows_folder_remove(folder);
    free(path);
}

Test(peers_drawn, there_is_no_such_chart_without_peers, .init = cr_redirect_stdout)
{
    open_rows();
    size_t size;
    char *folder = rows_folder(), *path = rows_write(folder, "rows.jsonl", 2, row + 2);
    const char *paths[] = {path};
    plot_files(paths, 1, &(struct plot_options){.folder = folder, .formats = PLOT_SVG});
    cr_assert_null(rows_file_text(folder, "data/peers.pixart-tiny.256.gp", &size));
    data_holds(folder, "data/latency-vs-ranks.pixart-tiny.256.gp", "'serial'");
    rows_folder_remove(folder);
    free(path);
}
