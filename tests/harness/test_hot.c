/* SPDX-License-Identifier: Apache-2.0 */
/* Hot kernels of recordings made by hand: every column, whose the work is, and what can be won. */
#include "harness/profile/hot.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(hot, .init = program_limit);

static void near(double got, double want)
{
    cr_assert(fabs(got - want) <= 1e-9 * fabs(want), "%.12g, wanted %.12g", got, want);
}

/* ---- the device ---- */

static void add_rate(struct ceilings_set *set, enum ceilings_kind kind, const char *name, int head,
                     double flops, double bytes, double us)
{
    struct ceilings_rate *rate = &set->rate[set->n++];
    *rate = (struct ceilings_rate){kind, "", "", head, flops, bytes, 3, us, us, us};
    snprintf(rate->name, sizeof rate->name, "%s", name);
}

/* bf16: products of 400 TFLOP/s, heads of 64 at 200 and of 128 at 300, copies of 2000 GB/s,
 * exchanges of 100. */
static struct ceilings *make_ceilings(void)
{
    struct ceilings *c = calloc(1, sizeof *c);
    struct ceilings_set *set = &c->set[DTYPE_BF16];
    c->have[DTYPE_BF16] = true;
    add_rate(set, CEILINGS_PRODUCT, "linear", 0, 5e11, 1e8, 1250);
    add_rate(set, CEILINGS_ATTENTION, "attention", 64, 2e10, 1e7, 100);
    add_rate(set, CEILINGS_ATTENTION, "attention", 128, 3e10, 1e7, 100);
    add_rate(set, CEILINGS_TRAFFIC, "copy", 0, 0, 2e8, 100);
    add_rate(set, CEILINGS_EXCHANGE, "all_to_all", 0, 0, 1e7, 100);
    return c;
}

/* ---- recordings ---- */

static struct recording *made;
static int64_t now;

static void begin(int ranks, int steps)
{
    now = 0;
    cr_assert_eq(recording_open(ranks, steps, &made), ST_OK);
}

static int model(int rank, const char *name)
{
    return recording_add_range(
        made, rank,
        &(struct recorded_range){
            .parent = RECORDED_NONE, .kind = TRACE_MODEL, .name = name, .index = -1, .peer = -1});
}

static int op(int rank, int parent, const char *name, double flops, double bytes)
{
    return recording_add_range(made, rank,
                               &(struct recorded_range){.parent = parent,
                                                        .kind = TRACE_OP,
                                                        .name = name,
                                                        .index = -1,
                                                        .peer = -1,
                                                        .work = {flops, bytes}});
}

static int moves(int rank, int parent, enum trace_kind kind, const char *name, int peer,
                 uint64_t payload, uint64_t wire)
{
    return recording_add_range(made, rank,
                               &(struct recorded_range){.parent = parent,
                                                        .kind = kind,
                                                        .name = name,
                                                        .axis = "ulysses",
                                                        .index = -1,
                                                        .peer = peer,
                                                        .payload = payload,
                                                        .wire = wire});
}

static void launched(int rank, int range, int launch, const char *name, int64_t ns)
{
    recording_add_item(made, rank,
                       &(struct recorded_item){.begin = now,
                                               .end = now + ns,
                                               .what = RECORDED_KERNEL,
                                               .name = name,
                                               .range = range,
                                               .launch = launch,
                                               .call = RECORDED_NONE});
    now += ns;
}

static void ran(int rank, int range, const char *name, int64_t ns)
{
    launched(rank, range, RECORDED_NONE, name, ns);
}

static struct hot finish(const struct ceilings *ceilings)
{
    struct hot hot;
    const struct hot_device device = {ceilings, DTYPE_BF16, 64};
    cr_assert_eq(recording_check(made), ST_OK);
    cr_assert_eq(hot_open(made, &device, &hot), ST_OK, "%s", status_text());
    return hot;
}

static void end(struct hot *hot, struct ceilings *ceilings)
{
    hot_release(hot);
    recording_close(made);
    free(ceilings);
}

static const struct hot_row *row_of(const struct hot *hot, const char *name, const char *range)
{
    for (int i = 0; i < hot->rows; i++)
        if (strcmp(hot->row[i].name, name) == 0 && strcmp(hot->row[i].range, range) == 0)
            return &hot->row[i];
    cr_assert_fail("no row of %s in %s", name, range);
    return NULL;
}

static const struct hot_range *range_of(const struct hot *hot, const char *name)
{
    for (int i = 0; i < hot->ranges; i++)
        if (strcmp(hot->range[i].name, name) == 0)
            return &hot->range[i];
    cr_assert_fail("no operation %s", name);
    return NULL;
}

/* ---- times ---- */

Test(hot, times_are_those_of_nsys)
{
    begin(2, 1);
    int qkv = model(0, "qkv"), other = model(1, "qkv");
    ran(0, qkv, "k", 100);
    ran(1, other, "k", 300);
    ran(0, qkv, "k", 200);
    ran(0, RECORDED_NONE, "once", 400);
    ran(1, other, "k", 600);
    struct hot hot = finish(NULL);
    cr_assert_eq(hot.rows, 2);
    cr_assert_eq(hot.kernels, 5);
    const struct hot_row *k = row_of(&hot, "k", "qkv");
    cr_assert_eq(k->instances, 4);
    near(k->total, 1200);
    near(k->percent, 75);
    near(k->mean, 300);
    near(k->median, 250); // between 200 and 300
    near(k->min, 100);
    near(k->max, 600);
    near(k->deviation, sqrt((200. * 200 + 0 + 100. * 100 + 300. * 300) / 3));
    const struct hot_row *once = row_of(&hot, "once", "");
    near(once->median, 400);
    cr_assert_eq(once->deviation, 0);
    cr_assert(isnan(k->to_win_ms) && isnan(k->ceiling_pct) && isnan(k->tflops) && isnan(k->gbs) &&
              isnan(k->intensity));
    end(&hot, NULL);
}

Test(hot, one_kernel_in_two_operations_is_two_rows)
{
    begin(1, 1);
    int qkv = model(0, "qkv"), out = model(0, "out");
    ran(0, op(0, qkv, "linear", 1, 1), "gemm", 10);
    ran(0, op(0, out, "linear", 1, 1), "gemm", 20);
    struct hot hot = finish(NULL);
    cr_assert_eq(hot.rows, 2);
    near(row_of(&hot, "gemm", "qkv")->total, 10);
    near(row_of(&hot, "gemm", "out")->total, 20);
    end(&hot, NULL);
}

/* ---- ceilings ---- */

static void check_row(const struct hot *hot, const char *name, double tflops, double gbs,
                      double ceiling, double to_win)
{
    const struct hot_row *row = row_of(hot, name, "block");
    near(row->tflops, tflops);
    near(row->gbs, gbs);
    near(row->ceiling_pct, ceiling);
    near(row->to_win_ms, to_win);
}

Test(hot, each_kind_has_its_ceiling)
{
    struct ceilings *ceilings = make_ceilings();
    begin(1, 1);
    int block = model(0, "block");
    ran(0, op(0, block, "linear", 4e9, 1e6), "large", 25000);    // 10 us at 400 TFLOP/s
    ran(0, op(0, block, "linear_add", 4e6, 2e6), "small", 4000); // 1 us at 2000 GB/s
    ran(0, op(0, block, "attention", 2e9, 1e6), "flash", 20000); // 10 us at 200 TFLOP/s
    ran(0, op(0, block, "norm", 1e6, 4e6), "norm", 8000);        // 2 us at 2000 GB/s
    ran(0, op(0, block, "gate_add", 1e6, 8e6), "cached", 2000);  // 4 us at 2000 GB/s
    struct hot hot = finish(ceilings);
    check_row(&hot, "large", 160, 40, 40, 0.015);
    check_row(&hot, "small", 1, 500, 25, 0.003);
    check_row(&hot, "flash", 100, 50, 50, 0.010);
    check_row(&hot, "norm", 0.125, 500, 25, 0.006);
    check_row(&hot, "cached", 0.5, 4000, 200, 0);
    const struct hot_row *large = row_of(&hot, "large", "block");
    near(large->intensity, 4000);
    near(large->gflop, 4);
    near(large->mb, 1);
    static const char *const order[] = {"large", "flash", "norm", "small", "cached"};
    for (int i = 0; i < hot.rows; i++)
        cr_assert_str_eq(hot.row[i].name, order[i]);
    const struct hot_range *range = range_of(&hot, "block");
    cr_assert_eq(range->rows, 5);
    near(range->total, 59000);
    near(range->percent, 100);
    near(range->to_win_ms, 0.034);
    near(range->ceiling_pct, 100 * 27. / 59);
    near(range->tflops, (4e9 + 4e6 + 2e9 + 1e6 + 1e6) / 59e-6 * 1e-12);
    near(range->gbs, 16e6 / 59e-6 * 1e-9);
    end(&hot, ceilings);
}

Test(hot, work_belongs_to_the_kernel_that_ran_longest)
{
    struct ceilings *ceilings = make_ceilings();
    begin(1, 2);
    int qkv = model(0, "qkv");
    int first = op(0, qkv, "linear", 4e9, 1e6);
    ran(0, first, "reduce", 4000);
    ran(0, first, "gemm", 30000);
    int second = op(0, qkv, "linear", 4e9, 1e6);
    ran(0, second, "reduce", 6000); // longer here, but not over the recording
    ran(0, second, "gemm", 5000);
    struct hot hot = finish(ceilings);
    const struct hot_row *gemm = row_of(&hot, "gemm", "qkv");
    near(gemm->gflop, 8);
    near(gemm->ceiling_pct, 100 * 20. / 35);
    near(gemm->to_win_ms, 0.015);
    const struct hot_row *reduce = row_of(&hot, "reduce", "qkv");
    cr_assert_eq(reduce->gflop, 0);
    cr_assert_eq(reduce->mb, 0);
    cr_assert(isnan(reduce->tflops) && isnan(reduce->gbs) && isnan(reduce->ceiling_pct));
    near(reduce->to_win_ms, 0.010);
    near(range_of(&hot, "qkv")->to_win_ms, 0.025);
    near(range_of(&hot, "qkv")->ceiling_pct, 100 * 20. / 45);
    end(&hot, ceilings);
}

Test(hot, a_graph_has_its_work_once_a_launch)
{
    struct ceilings *ceilings = make_ceilings();
    begin(1, 3);
    int captured = op(0, model(0, "qkv"), "linear", 4e9, 1e6);
    for (int i = 0; i < 3; i++) {
        int launch = recording_add_range(
            made, 0,
            &(struct recorded_range){
                .parent = RECORDED_NONE, .kind = TRACE_GRAPH, .name = "launch", .index = -1});
        launched(0, captured, launch, "gemm", 12000); // one operation of two halves
        launched(0, captured, launch, "gemm", 13000);
    }
    struct hot hot = finish(ceilings);
    const struct hot_row *gemm = row_of(&hot, "gemm", "qkv");
    cr_assert_eq(gemm->instances, 6);
    near(gemm->gflop, 12);
    near(gemm->mb, 3);
    near(gemm->ceiling_pct, 40);
    near(gemm->to_win_ms, 0.045);
    end(&hot, ceilings);
}

Test(hot, a_range_of_the_same_number_on_another_rank_is_other_work)
{
    struct ceilings *ceilings = make_ceilings();
    begin(2, 1);
    for (int r = 0; r < 2; r++)
        ran(r, op(r, model(r, "qkv"), "linear", 4e9, 1e6), "gemm", 20000);
    struct hot hot = finish(ceilings);
    near(row_of(&hot, "gemm", "qkv")->gflop, 8);
    end(&hot, ceilings);
}

Test(hot, what_moves_between_ranks_has_the_axis_and_the_rate_of_exchanges)
{
    struct ceilings *ceilings = make_ceilings();
    begin(1, 1);
    int attention = model(0, "attention");
    int all = moves(0, attention, TRACE_COMM, "all_to_all", -1, 4000000, 3000000);
    ran(0, op(0, all, "copy", 0, 4e6), "pack", 4000); // 2 us at 2000 GB/s
    ran(0, all, "exchange", 60000);                   // 3 MB: 30 us at 100 GB/s
    ran(0, moves(0, attention, TRACE_COMM, "recv", 1, 1000000, 0), "receive", 40000);
    ran(0, moves(0, attention, TRACE_WAIT, "wait", -1, 0, 0), "spin", 5000);
    ran(0, attention, "stray", 1000);
    struct hot hot = finish(ceilings);
    const struct hot_row *row = row_of(&hot, "exchange", "ulysses.all_to_all");
    near(row->mb, 3);
    near(row->gbs, 50);
    near(row->ceiling_pct, 50);
    near(row->to_win_ms, 0.030);
    near(row_of(&hot, "pack", "ulysses.all_to_all")->ceiling_pct, 50);
    near(row_of(&hot, "receive", "ulysses.recv")->ceiling_pct, 25);
    cr_assert(isnan(row_of(&hot, "spin", "ulysses.wait")->to_win_ms));
    cr_assert(isnan(row_of(&hot, "stray", "attention")->to_win_ms));
    cr_assert(isnan(range_of(&hot, "attention")->to_win_ms));
    near(range_of(&hot, "ulysses.all_to_all")->to_win_ms, 0.032);
    cr_assert_str_eq(hot.row[hot.rows - 1].name, "stray", "what has no ceiling is last");
    end(&hot, ceilings);
}

/* 2 MB go and 2 MB come at once: 20 us at 100 GB/s. The lone collective has a kernel of its own,
 * and the posts of the first group are not the second's. */
Test(hot, a_groups_kernel_carries_the_bytes_of_its_posts)
{
    struct ceilings *ceilings = make_ceilings();
    begin(1, 1);
    int attention = model(0, "attention");
    int lone = moves(0, attention, TRACE_COMM, "all_gather", -1, 9000000, 5000000);
    ran(0, lone, "gather", 100000);
    moves(0, attention, TRACE_COMM, "send", 1, 2000000, 2000000);
    moves(0, attention, TRACE_COMM, "recv", 1, 2000000, 0);
    int first = moves(0, attention, TRACE_GROUP, "group", -1, 0, 0);
    ran(0, first, "sendrecv", 40000);
    ran(0, first, "flags", 1000);
    moves(0, attention, TRACE_COMM, "recv", 1, 3000000, 0);
    int second = moves(0, attention, TRACE_GROUP, "group", -1, 0, 0);
    launched(0, second, 0, "receive", 60000); // of a graph, launched twice
    launched(0, second, 1, "receive", 60000);
    struct hot hot = finish(ceilings);
    const struct hot_row *row = row_of(&hot, "sendrecv", "ulysses.group");
    near(row->mb, 2);
    near(row->gbs, 50);
    near(row->ceiling_pct, 50);
    near(row_of(&hot, "flags", "ulysses.group")->mb, 0);
    near(row_of(&hot, "receive", "ulysses.group")->mb, 6);
    near(row_of(&hot, "receive", "ulysses.group")->ceiling_pct, 50);
    near(row_of(&hot, "gather", "ulysses.all_gather")->mb, 5);
    end(&hot, ceilings);
}

Test(hot, a_row_with_a_piece_of_no_known_ceiling_has_none)
{
    struct ceilings *ceilings = make_ceilings();
    begin(1, 1);
    int qkv = model(0, "qkv");
    ran(0, op(0, qkv, "linear", 4e9, 1e6), "gemm", 20000);
    ran(0, qkv, "gemm", 20000);
    struct hot hot = finish(ceilings);
    cr_assert(isnan(row_of(&hot, "gemm", "qkv")->ceiling_pct));
    near(row_of(&hot, "gemm", "qkv")->tflops, 100);
    end(&hot, ceilings);
}

/* ---- files and tables ---- */

#define HEADER                                                                                     \
    "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name,"     \
    "Range,GFLOP,MB,TFLOP/s,GB/s,Ceiling (%),To win (ms)\n"

static void check_file(const struct hot *hot, const char *want)
{
    char *path = program_file("kernels.csv");
    cr_assert_eq(hot_write(hot, path), ST_OK, "%s", status_text());
    char *text = program_read(path);
    cr_assert_str_eq(text, want);
    free(text);
}

Test(hot, the_file_has_the_columns_of_nsys_and_quotes_names)
{
    struct ceilings *ceilings = make_ceilings();
    begin(1, 1);
    int qkv = model(0, "qkv");
    ran(0, op(0, qkv, "linear", 4e9, 1e6), "void gemm<int, \"x\">(float*)", 24999);
    ran(0, op(0, qkv, "linear", 4e9, 1e6), "void gemm<int, \"x\">(float*)", 25002);
    ran(0, RECORDED_NONE, "fill", 49999);
    struct hot hot = finish(ceilings);
    check_file(&hot, HEADER
               "50.00,50001,2,25000.5,25000.5,24999,25002,2.1,"
               "\"void gemm<int, \"\"x\"\">(float*)\",qkv,8,2,159.9968,39.9992,39.9992,0.030001\n"
               "50.00,49999,1,49999.0,49999.0,49999,49999,0.0,fill,,0,0,,,,\n");
    end(&hot, ceilings);
}

Test(hot, a_file_that_cannot_be_made_says_so)
{
    begin(1, 1);
    struct hot hot = finish(NULL);
    cr_assert_eq(hot_write(&hot, "/no/such/folder/kernels.csv"), ST_IO);
    cr_assert(strstr(status_message(), "/no/such/folder/kernels.csv: cannot be created"));
    end(&hot, NULL);
}

static char *printed(const struct hot *hot, bool markdown)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(hot_print(hot, markdown, out), ST_OK);
    fclose(out);
    return text;
}

Test(hot, an_empty_recording_is_an_empty_table)
{
    begin(1, 0);
    struct hot hot = finish(NULL);
    cr_assert_eq(hot.rows + hot.ranges + hot.kernels, 0);
    check_file(&hot, HEADER);
    char *text = printed(&hot, false);
    cr_assert(strstr(text, "\n\nnothing ran\n"));
    free(text);
    end(&hot, NULL);
}

Test(hot, the_table_is_of_a_step_and_rank)
{
    struct ceilings *ceilings = make_ceilings();
    begin(2, 2);
    for (int r = 0; r < 2; r++) {
        ran(r, op(r, model(r, "qkv"), "linear", 4e11, 1e6), "gemm", 4000000);      // 1 ms
        ran(r, op(r, model(r, "gate|norm"), "gate_add", 0, 2e9), "gate", 2000000); // 1 ms
        ran(r, RECORDED_NONE, "stray", 2000000);
    }
    struct hot hot = finish(ceilings);
    char *text = printed(&hot, false);
    cr_assert_str_eq(text,
                     "operation  ms/step  share %  TFLOP/s   GB/s  ceiling %  to win ms/step\n"
                     "qkv          2.000    50.00    100.0  0.250      25.00           1.500\n"
                     "gate|norm    1.000    25.00        -   1000      50.00           0.500\n"
                     "(in none)    1.000    25.00        -      -          -               -\n"
                     "\n"
                     "the two largest sums to be won: qkv 1.500 ms, gate|norm 0.500 ms; of all "
                     "operations 2.000 ms a step\n");
    free(text);
    text = printed(&hot, true);
    cr_assert(strstr(text, "| operation | ms/step | share % | TFLOP/s | GB/s | ceiling % | to win "
                           "ms/step |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
                           "| qkv | 2.000 | 50.00 | 100.0 | 0.250 | 25.00 | 1.500 |\n"
                           "| gate\\|norm | 1.000 |"));
    free(text);
    end(&hot, ceilings);
}
