/* SPDX-License-Identifier: Apache-2.0 */
/* What a chart shows of rows: families, cells, curves, the lines between points, axes. */
#include "harness/plot/axis.h"
#include "harness/plot/point.h"
#include "harness/plot/select.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- families ---- */

static void family_is(const char *strategy, bool each, const char *name, const char *label,
                      int place)
{
    struct plot_family f;
    cr_assert_eq(plot_family_open("", strategy, each, "", &f), ST_OK);
    cr_assert_str_eq(f.name, name, "%s: %s", strategy, f.name);
    cr_assert_str_eq(f.label, label, "%s: %s", strategy, f.label);
    cr_assert_eq(f.place, place, "%s: %d", strategy, f.place);
    cr_assert_eq(f.several, !each && strchr(strategy, ','));
    plot_family_close(&f);
}

Test(family, of_specifications)
{
    family_is("serial", false, "serial", "serial", -1);
    family_is("ulysses=4", false, "ulysses", "ulysses", 0);
    family_is("pipefusion=4:patches=8:warmup=1", false, "pipefusion",
              "pipefusion patches=8 warmup=1", 0);
    family_is("ring=2,ulysses=12", false, "usp", "usp", 0);
    family_is("ring=2,ulysses=2,tensor=2", false, "hybrid", "best hybrid", 1);
    family_is("cfg=2,ring=2", false, "hybrid", "best hybrid", 1);
    family_is("", false, "", "", 0);
    family_is("later-strategy=3", false, "later-strategy", "later-strategy", 0);
}

/* No two combinations of equal ranks share a curve: the innermost degree follows from the ranks. */
Test(family, each_combination_is_a_curve_that_grows_inside)
{
    family_is("ulysses=4", true, "ulysses", "ulysses", 0);
    family_is("cfg=2,ring=4", true, "hybrid", "cfg=2,ring=N", 1);
    family_is("pipefusion=2:patches=4,ulysses=2", true, "hybrid",
              "pipefusion=2:patches=4,ulysses=N", 1);
    family_is("cfg=2,pipefusion=2:patches=4", true, "hybrid", "cfg=2,pipefusion=N:patches=4", 1);
    family_is("ring=2,ulysses=4", true, "usp", "ring=2,ulysses=N", 1);
}

/* ---- cells ---- */

enum { MAX_ROWS = 128 };

static struct record *all[MAX_ROWS];
static int n_all;
static struct sheet sheet;
static struct plot_selection selection;

static struct record *add(struct record *r)
{
    all[n_all++] = r;
    return r;
}

static void close_all(void)
{
    plot_selection_close(&selection);
    sheet_close(&sheet);
    while (n_all > 0)
        record_close(all[--n_all]);
}

static void select_rows(const struct plot_options *options)
{
    cr_assert_eq(sheet_open(n_all, (const struct record *const *)all, NULL, &sheet), ST_OK);
    cr_assert_eq(plot_selection_open(&sheet, options, &selection), ST_OK, "%s", status_text());
}

static const struct plot_group *only_group(void)
{
    cr_assert_eq(selection.n, 1);
    cr_assert_eq(selection.setting[0].n, 1);
    return &selection.setting[0].group[0];
}

static const struct plot_options defaults;

TestSuite(cells, .fini = close_all);

Test(cells, the_latest_ok_row_of_each_is_drawn_and_the_others_say_why_not)
{
    add(rows_ok("ring=2", 2, 50));
    add(rows_ok("ring=2", 2, 60))->cell.repeats = 2;
    add(rows_failed("ring=4", 4, ENDING_OOM, "full"));
    add(rows_ok("ring=5", 5, 9))->status = ENDING_WRONG;
    add(rows_ok("serial", 1, 100));
    add(rows_failed("ring=2", 2, ENDING_TIMEOUT, "slow"))->cell.repeats = 3;
    select_rows(&defaults);
    const struct plot_group *g = only_group();
    cr_assert_eq(g->n, 4); // 1, 2, 4, 5 ranks
    cr_assert_eq(g->cell[0].row->record, all[4]);
    cr_assert_eq(g->cell[1].row->record, all[1]);
    cr_assert_null(g->cell[2].row);
    cr_assert_null(g->cell[3].row);
    const char *const why[] = {"superseded by a later run", NULL, "oom", "wrong", NULL, "timeout"};
    for (int i = 0; i < 6; i++)
        cr_assert(sheet.v[i].left_out == why[i] || strcmp(sheet.v[i].left_out, why[i]) == 0,
                  "row %d: %s", i, sheet.v[i].left_out);
}

Test(cells, ranks_that_share_a_gpu_are_in_no_chart)
{
    add(rows_ok("ulysses=2", 2, 50));
    add(rows_ok("ulysses=4", 4, 40));
    rows_set_gpus(all[0], "local", 2);
    rows_set_gpus(all[1], "local", 2);
    select_rows(&defaults);
    const struct plot_group *g = only_group();
    cr_assert_eq(g->cell[0].row->record, all[0], "as many ranks as GPUs");
    cr_assert_null(g->cell[1].row);
    cr_assert_str_eq(sheet.v[1].left_out, "with ranks that share a GPU");
}

Test(cells, where_all_ranks_share_a_gpu_there_is_no_chart)
{
    add(rows_ok("ulysses=2", 2, 50));
    rows_set_gpus(all[0], "local", 1);
    select_rows(&defaults);
    cr_assert_eq(selection.n, 0);
}

Test(cells, other_sizes_are_groups_and_other_settings_charts_of_their_own)
{
    for (int i = 0; i < 6; i++)
        add(rows_ok("serial", 1, 100 + i));
    all[1]->cell.dtype = "bf16";
    all[2]->cell.steps = 50;
    all[3]->cell.repeats = 9; // changes no latency: same cell as row 0
    all[4]->env.commit = "other";
    rows_set_size(all[5], 512, 512);
    select_rows(&defaults);
    cr_assert_eq(selection.n, 4);
    int groups = 0;
    for (int i = 0; i < selection.n; i++)
        groups += selection.setting[i].n;
    cr_assert_eq(groups, 5);
}

/* Another exchange is another curve of the same chart, and no older run of it. */
Test(cells, exchange_and_graph_are_part_of_a_curve)
{
    add(rows_ok("ulysses=2", 2, 50));
    add(rows_ok("ulysses=2", 2, 40))->cell.exchange = "lsa";
    add(rows_ok("ulysses=2", 2, 45))->cell.graph = RECORD_NO;
    select_rows(&defaults);
    const struct plot_group *g = only_group();
    struct plot_point points[3];
    cr_assert_eq(g->n, 3);
    cr_assert_eq(plot_points_of(g, points), 3);
    cr_assert_eq(plot_points_sort(3, points), 3);
    cr_assert_str_eq(points[0].label, "ulysses");
    cr_assert_str_eq(points[1].label, "ulysses, exchange lsa");
    cr_assert_str_eq(points[2].label, "ulysses, graph off");
}

Test(cells, strategies_choose_and_make_each_combination_a_curve)
{
    struct plot_options some = {.strategies = "^cfg=2,"};
    add(rows_ok("serial", 1, 100));
    add(rows_ok("cfg=2,ring=2", 4, 50));
    add(rows_ok("cfg=2,ulysses=2", 4, 40));
    add(rows_ok("ring=4", 4, 40));
    select_rows(&some);
    const struct plot_group *g = only_group();
    struct plot_point points[4];
    int n = plot_points_of(g, points);
    cr_assert_eq(n, 3);
    cr_assert_eq(plot_points_sort(n, points), 3);
    cr_assert_str_eq(points[1].label, "cfg=2,ring=N");
    cr_assert_str_eq(points[2].label, "cfg=2,ulysses=N");
    cr_assert_str_eq(sheet.v[3].left_out, "of a strategy not asked for");
}

Test(cells, an_expression_that_is_none_is_refused)
{
    struct plot_options bad = {.strategies = "("};
    cr_assert_eq(sheet_open(0, NULL, NULL, &sheet), ST_OK);
    cr_assert_eq(plot_selection_open(&sheet, &bad, &selection), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "--strategies"), "%s", status_message());
}

/* ---- many ---- */

Test(cells, more_than_fifty_settings_are_not_drawn_unasked)
{
    struct plot_options asked = {.settings = 60};
    char host[60][8];
    for (int i = 0; i < 60; i++) {
        snprintf(host[i], sizeof host[i], "h%d", i);
        add(rows_ok("serial", 1, 100))->env.host = host[i];
    }
    add(rows_ok("ring=2", 2, 50))->env.host = host[42];
    select_rows(&defaults);
    cr_assert_eq(selection.groups, 60);
    cr_assert_eq(selection.n, PLOT_FEW);
    bool most_rows = false;
    for (int i = 0; i < selection.n; i++)
        most_rows |= strcmp(selection.setting[i].of->record->env.host, "h42") == 0;
    cr_assert(most_rows, "those with most rows are drawn");
    cr_assert_str_eq(sheet.v[59].left_out, "of a further setting (--settings)");
    plot_selection_close(&selection);
    cr_assert_eq(plot_selection_open(&sheet, &asked, &selection), ST_OK);
    cr_assert_eq(selection.n, 60);
    cr_assert_null(sheet.v[59].left_out);
}

Test(cells, more_than_fifty_sizes_are_not_drawn_unasked)
{
    for (int i = 0; i < 60; i++)
        rows_set_size(add(rows_ok("serial", 1, 100)), 16 * (i + 1), 16);
    select_rows(&defaults);
    cr_assert_eq(selection.n, 1);
    cr_assert_eq(selection.setting[0].n, PLOT_FEW);
}

Test(cells, more_than_fifty_labels_find_no_room_in_a_chart)
{
    char strategy[60][16];
    int drawn = 0;
    add(rows_ok("serial", 1, 100));
    for (int i = 0; i < 60; i++) {
        snprintf(strategy[i], sizeof strategy[i], "s%d=2", i);
        add(rows_ok(strategy[i], 2, 50));
    }
    add(rows_ok("s59=2", 2, 50))->cell.repeats = 9; // the only one with two rows
    select_rows(&defaults);
    for (int i = 0; i < only_group()->n; i++)
        drawn += only_group()->cell[i].row != NULL;
    cr_assert_eq(drawn, PLOT_CURVES);
    cr_assert_null(sheet.v[0].left_out, "the serial run stays");
    cr_assert_null(sheet.v[61].left_out, "what has most rows stays");
    cr_assert_str_eq(sheet.v[59].left_out, "of a further strategy (--strategies)");
}

/* ---- curves ---- */

Test(cells, a_point_is_the_fastest_strategy_of_its_label)
{
    struct plot_point points[8];
    add(rows_ok("cfg=2,ring=2", 4, 50));
    add(rows_ok("cfg=2,ulysses=2", 4, 45));
    add(rows_ok("ring=4", 4, 60));
    add(rows_ok("serial", 1, 100));
    add(rows_ok("cfg=2,ring=4", 8, 30));
    select_rows(&defaults);
    int n = plot_points_sort(plot_points_of(only_group(), points), points);
    cr_assert_eq(n, 4); // serial; ring; best hybrid of 4 and of 8
    cr_assert_eq(points[0].record, all[3]);
    cr_assert_eq(points[1].record, all[2]);
    cr_assert_eq(points[2].record, all[1]);
    cr_assert_eq(points[3].record, all[4]);
    cr_assert_eq(plot_points_end(n, points, 2), 4);
    cr_assert_eq(plot_points_curves(n, points), 3);
}

/* A line over a rank count says what was not measured. */
Test(cells, lines_go_over_no_rank_count_that_nobody_ran)
{
    add(rows_ok("serial", 1, 100));
    add(rows_ok("ring=2", 2, 50));
    add(rows_ok("ring=3", 3, 40));
    add(rows_ok("ring=4", 4, 30));
    add(rows_failed("ring=6", 6, ENDING_OOM, "full"));
    add(rows_ok("ring=8", 8, 20));
    add(rows_ok("ulysses=2", 2, 50));
    add(rows_failed("ulysses=3", 3, ENDING_UNSUPPORTED, "16 heads"));
    add(rows_ok("ulysses=4", 4, 50));
    add(rows_failed("ulysses=5", 5, ENDING_UNSUPPORTED, "16 heads"));
    add(rows_ok("data=4", 4, 50));
    add(rows_ok("data=6", 6, 50));
    add(rows_ok("tensor=2", 2, 50));
    add(rows_ok("tensor=4", 4, 50));
    add(rows_ok("tensor=16", 16, 50));
    select_rows(&defaults);
    const struct plot_group *g = only_group();
    cr_assert(plot_group_joins(g, "ring", 1, 2));
    cr_assert(plot_group_joins(g, "ring", 2, 3));
    cr_assert(plot_group_joins(g, "ring", 3, 4));
    cr_assert_not(plot_group_joins(g, "ring", 4, 8), "6 failed");
    cr_assert(plot_group_joins(g, "ulysses", 2, 4), "3 was refused");
    cr_assert(plot_group_joins(g, "data", 4, 6), "5 was run by none");
    cr_assert_not(plot_group_joins(g, "tensor", 2, 4), "3 was not tried");
    cr_assert_not(plot_group_joins(g, "tensor", 4, 16), "more than the double");
    cr_assert_not(plot_group_joins(g, "best hybrid", 1, 4));
}

static struct plot_point at(double x, double low, double y, double high)
{
    return (struct plot_point){.label = "", .x = x, .y = y, .low = low, .high = high};
}

/* On an axis of 100 pixels from 0 to 100. */
Test(curves, what_would_cover_each_other_stands_side_by_side)
{
    struct plot_axis axis = {.low = 0, .high = 100};
    struct plot_point p[] = {at(2, 48, 50, 52), at(2, 49, 51, 53), at(2, 80, 81, 82),
                             at(2, 40, 50, 60), at(4, 48, 50, 52)};
    cr_assert_eq(plot_points_spread(5, p, &axis, 100), 1);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            cr_assert(p[i].x != p[k].x || p[i].aside != p[k].aside || fabs(p[i].y - p[k].y) > 25,
                      "%d and %d", k, i);
    cr_assert_eq(p[2].aside, 0, "alone in its height");
    cr_assert_eq(p[4].aside, 0, "alone at its x");
}

Test(curves, the_serial_run_stays_where_curves_begin)
{
    struct plot_axis axis = {.low = 0, .high = 100};
    struct plot_point p[] = {at(1, 50, 51, 52), at(1, 40, 51, 52)};
    p[0].place = -1;
    plot_points_spread(2, p, &axis, 100);
    cr_assert_eq(p[0].aside, 0);
    cr_assert_neq(p[1].aside, 0);
}

/* ---- axes ---- */

static int labels_in_frame(const struct plot_axis *axis)
{
    int n = 0;
    for (int i = 0; i < axis->n; i++)
        n += axis->tick[i] >= axis->low && axis->tick[i] <= axis->high;
    return n;
}

Test(axis, a_factor_under_four_is_drawn_linearly)
{
    struct plot_axis axis = plot_axis_values(1, 3.99, 2);
    cr_assert_not(axis.logarithmic);
    cr_assert_eq(axis.low, 0);
    cr_assert(plot_axis_values(1, 4, 4).logarithmic);
    cr_assert_not(plot_axis_values(1, 11, 12).logarithmic, "the chart may want more");
    cr_assert_not(plot_axis_values(0, 11, 4).logarithmic);
    int two[] = {1, 2}, three[] = {1, 2, 4};
    cr_assert_not(plot_axis_ranks(2, two).logarithmic);
    cr_assert(plot_axis_ranks(3, three).logarithmic);
}

Test(axis, a_logarithmic_one_has_three_labels_at_least)
{
    for (double low = 1e-4; low < 1e4; low *= 1.037) {
        for (double factor = 4; factor < 1e6; factor *= 1.7) {
            struct plot_axis axis = plot_axis_values(low, low * factor, 4);
            cr_assert(axis.logarithmic);
            cr_assert_geq(labels_in_frame(&axis), 3, "%g to %g", low, low * factor);
        }
    }
    for (int first = 1; first < 40; first++) {
        for (int last = 4 * first; last < 600; last += 7) {
            int ends[] = {first, last};
            struct plot_axis axis = plot_axis_ranks(2, ends);
            cr_assert(axis.logarithmic);
            cr_assert_geq(labels_in_frame(&axis), 3, "%d to %d ranks", first, last);
        }
    }
}

Test(axis, labels_of_ranks_do_not_cover_each_other)
{
    int ranks[] = {1, 31, 32, 33, 64};
    struct plot_axis axis = plot_axis_ranks(5, ranks);
    for (int i = 0; i < axis.n; i++)
        for (int k = 0; k < i; k++)
            cr_assert_geq(
                fabs(plot_axis_share(&axis, axis.tick[i]) - plot_axis_share(&axis, axis.tick[k])),
                0.03);
}
