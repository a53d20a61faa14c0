/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of profiles: numbers of hand-made recordings, in the data that is drawn and in what is
 * made of it. */
#include "harness/plot/gantt.h"
#include "harness/plot/kind.h"
#include "harness/plot/lane.h"
#include "harness/plot/step.h"
#include "tests/harness/pictures.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(profile_pictures, .init = cr_redirect_stdout);

enum { MS = 1000000, MOST = 4096 };

/* ---- lanes ---- */

static void lane_is(const struct lane *lane, int n, const struct lane_box *want)
{
    cr_assert_eq(lane->n, n, "%d boxes", lane->n);
    for (int i = 0; i < n; i++)
        cr_assert(lane->v[i].begin == want[i].begin && lane->v[i].end == want[i].end &&
                      lane->v[i].kind == want[i].kind,
                  "box %d: %lld to %lld, kind %d", i, (long long)lane->v[i].begin,
                  (long long)lane->v[i].end, lane->v[i].kind);
}

Test(profile_pictures, boxes_of_one_kind_join_where_they_are_near)
{
    struct lane lane = {0};
    const struct lane_box given[] = {{300, 400, 1}, {0, 100, 0},   {109, 200, 0}, {210, 300, 0},
                                     {405, 500, 0}, {505, 600, 1}, {608, 700, 1}, {650, 660, 1}};
    const struct lane_box want[] = {
        {0, 200, 0}, {210, 300, 0}, {300, 400, 1}, {405, 500, 0}, {505, 700, 1}};
    for (int i = 0; i < 8; i++)
        lane_add(&lane, given[i], 0, 1000);
    lane_merge(&lane, 10);
    lane_is(&lane, 5, want);
    lane_release(&lane);
}

Test(profile_pictures, boxes_are_cut_at_the_window)
{
    struct lane lane = {0};
    const struct lane_box want[] = {{100, 150, 2}, {190, 200, 2}};
    lane_add(&lane, (struct lane_box){0, 100, 2}, 100, 200);
    lane_add(&lane, (struct lane_box){50, 150, 2}, 100, 200);
    lane_add(&lane, (struct lane_box){190, 300, 2}, 100, 200);
    lane_add(&lane, (struct lane_box){200, 300, 2}, 100, 200);
    lane_is(&lane, 2, want);
    lane_release(&lane);
}

/* Cells of 10: 6 of kind 0; 4 of 0 and 5 of 1; 4 of 0 and 6 empty; all of 1; all of 1. */
Test(profile_pictures, a_cell_goes_to_what_takes_most_of_it)
{
    struct lane lane = {0};
    const struct lane_box given[] = {
        {100, 106, 0}, {110, 114, 0}, {114, 119, 1}, {120, 124, 0}, {130, 150, 1}};
    const struct lane_box want[] = {{100, 110, 0}, {110, 120, 1}, {130, 150, 1}};
    for (int i = 0; i < 5; i++)
        lane_add(&lane, given[i], 100, 150);
    lane_coarsen(&lane, 2, 100, 10);
    lane_is(&lane, 3, want);
    lane_release(&lane);
}

/* ---- kinds ---- */

Test(profile_pictures, kinds_are_told_by_names)
{
    cr_assert_eq(kind_of_names("linear", "qkv"), KIND_PRODUCT);
    cr_assert_eq(kind_of_names("merge", "attention"), KIND_ROWS);
    cr_assert_eq(kind_of_names("conv", "stem"), KIND_PRODUCT);
    cr_assert_eq(kind_of_names("group_norm", "conv"), KIND_ROWS);
    cr_assert_eq(kind_of_names("void norm_pixels<__nv_bfloat16>", "conv"), KIND_ROWS);
    cr_assert_eq(kind_of_names("sm90_xmma_fprop_implicit", "upsample"), KIND_PRODUCT);
    cr_assert_eq(kind_of_names("void convert_units<float>", "stem"), KIND_OTHER);
    cr_assert_eq(kind_of_names("nvjet_hsh_128x256_64x4", "out"), KIND_PRODUCT);
    cr_assert_eq(kind_of_names("void attend<64>(cuda_attention)", "attention"), KIND_ATTENTION);
    cr_assert_eq(kind_of_names("merge_heads", "attention"), KIND_ROWS);
    cr_assert_eq(kind_of_names("unknown", "gate+norm"), KIND_ROWS);
    cr_assert_eq(kind_of_names("unknown", "text attention"), KIND_ATTENTION);
    cr_assert_eq(kind_of_names("copy device to device", ""), KIND_OTHER);
}

/* ---- a recording ---- */

struct profile {
    struct recording *recording;
    struct messages messages;
    struct breakdown breakdown;
    struct message message[MOST];
    struct share_slice *slice[8];
    int slices[8];
    struct share_slice all[8][MOST];
};

static struct profile p;

/* Steps of `ms` milliseconds each; two streams a rank. */
static void open_profile(int ranks, int steps, int ms)
{
    memset(&p, 0, sizeof p);
    cr_assert_eq(recording_open(ranks, steps, &p.recording), ST_OK);
    p.recording->shape =
        (struct mesh_shape){.n_axes = 2, .name = {"cfg", "pipefusion"}, .size = {1, ranks}};
    p.messages.v = p.message;
    p.breakdown = (struct breakdown){.ranks = ranks, .slices = p.slices, .slice = p.slice};
    for (int r = 0; r < ranks; r++) {
        p.slice[r] = p.all[r];
        for (uint32_t t = 0; t < 2; t++)
            recording_add_track(
                p.recording, r,
                &(struct recorded_track){.name = "stream", .device = true, .id = t});
        for (int s = 0; s < steps; s++)
            p.recording->rank[r].step_end[s] = (int64_t)ms * MS * (s + 1);
        p.recording->rank[r].end = (int64_t)ms * MS * steps;
    }
}

static int add_range(int rank, int parent, enum trace_kind kind, const char *name, int index)
{
    return recording_add_range(
        p.recording, rank,
        &(struct recorded_range){
            .parent = parent, .kind = kind, .name = name, .index = index, .peer = -1});
}

/* An operation within `parent`, microseconds. */
static void add_op(int rank, int parent, const char *op, int track, int from, int to)
{
    int range = add_range(rank, parent, TRACE_OP, op, -1);
    recording_add_item(p.recording, rank,
                       &(struct recorded_item){.begin = from * 1000,
                                               .end = to * 1000,
                                               .what = RECORDED_KERNEL,
                                               .name = op,
                                               .track = track,
                                               .range = range,
                                               .launch = RECORDED_NONE,
                                               .step = from / 10000,
                                               .call = RECORDED_NONE});
}

static void add_slice(int rank, enum share share, int from, int to)
{
    p.all[rank][p.slices[rank]++] =
        (struct share_slice){from * 1000, to * 1000, share, RECORDED_NONE, RECORDED_NONE};
}

static void add_message(int axis, int from, int to, int begin, int end)
{
    p.message[p.messages.n++] = (struct message){.name = "send",
                                                 .axis = axis,
                                                 .from = from,
                                                 .to = to,
                                                 .begin = begin * 1000,
                                                 .end = end * 1000};
}

static enum status draw_gantt(const char *folder, int step)
{
    bool missing;
    struct gantt_options options = {
        .picture = {.folder = folder, .title = "dit-tiny, it's <&> \"all\", ring=2"}, .step = step};
    return gantt_draw(p.recording, &p.messages, &p.breakdown, &options, &missing);
}

/* Two ranks, three steps of 10 ms; the second is drawn, at 11.4 us a pixel: rank 0 works on patches
 * 0 and 1, rank 1 waits for the first of them. */
static void add_pipeline(void)
{
    int pass[2] = {add_range(0, -1, TRACE_PASS, "pass", 0),
                   add_range(0, -1, TRACE_PASS, "pass", 1)};
    // the rest of it, in a graph that was captured elsewhere
    int again = add_range(0, -1, TRACE_GRAPH, "capture", -1);
    int launch = add_range(0, pass[1], TRACE_GRAPH, "launch", -1);
    int other = add_range(1, -1, TRACE_PASS, "pass", 0);
    add_op(0, pass[0], "norm", 0, 9000, 10500); // of which 0.5 ms are in the step
    add_op(0, pass[0], "linear", 0, 10500, 12000);
    add_op(0, pass[0], "linear", 0, 12005, 13000); // 5 us behind: joined
    add_op(0, pass[1], "linear", 0, 13020, 14000); // 20 us behind: not
    add_op(0, again, "attention", 0, 14000, 20000);
    p.recording->rank[0].item[p.recording->rank[0].items - 1].launch = launch;
    add_op(0, pass[1], "norm", 1, 15000, 16000); // beside the attention
    int comm = add_range(0, pass[1], TRACE_COMM, "send", -1);
    recording_add_item(p.recording, 0,
                       &(struct recorded_item){.begin = 16 * MS,
                                               .end = 17 * MS,
                                               .what = RECORDED_COPY,
                                               .name = "copy",
                                               .track = 1,
                                               .range = comm,
                                               .launch = RECORDED_NONE});
    add_op(1, other, "attention", 1, 14000, 18000);
    add_op(1, other, "copy", 0, 18500, 19000); // another stream, but alone: the same lane
    add_slice(1, SHARE_BUBBLE, 8000, 13000);
    add_slice(1, SHARE_EXPOSED, 13000, 14000);
    add_slice(1, SHARE_COMPUTE, 14000, 18000);
    add_slice(1, SHARE_GAPS, 18000, 18500);
    add_slice(1, SHARE_WAIT, 19000, 30000);
    add_message(1, 0, 1, 13000, 14000);
    add_message(1, 1, 0, 13500, 15000);
    add_message(1, 0, 1, 25000, 26000); // another step
}

Test(profile_pictures, a_timeline_has_the_boxes_of_its_step)
{
    char *folder = rows_folder();
    open_profile(2, 3, 10);
    add_pipeline();
    enum status st = draw_gantt(folder, GANTT_STEADY);
    cr_assert(st == ST_OK || !pictures_have_gnuplot(), "%s", status_text());
    pictures_data_holds(folder, "gantt",
                        "$attention << EOD\n0 0 4 10\n1 0 4 8\nEOD\nboxes_of_attention = 2\n");
    pictures_data_holds(folder, "gantt", "$product << EOD\n0 0 0.5 3\n0 0 3.02 4\nEOD\n");
    pictures_data_holds(folder, "gantt", "$rows << EOD\n0 0 0 0.5\n0 1 5 6\nEOD\n");
    pictures_data_holds(folder, "gantt", "$other << EOD\n1 0 8.5 9\nEOD\n");
    pictures_data_holds(folder, "gantt", "$exposed << EOD\n1 3 4\nEOD\n");
    pictures_data_holds(folder, "gantt", "$bubble << EOD\n1 0 3\nEOD\nboxes_of_bubble = 1\n");
    pictures_data_holds(folder, "gantt", "$wait << EOD\n1 9 10\nEOD\n");
    pictures_data_holds(folder, "gantt", "axes = 1\narray axis[1]\naxis[1] = 'pipefusion'\n");
    pictures_data_holds(folder, "gantt", "$messages << EOD\n0 0 3 5\n1 0 3 5\nEOD\n");
    pictures_data_holds(folder, "gantt",
                        "$arrows << EOD\n0 1 0 3 4\n1 0 0 3.5 5\nEOD\narrows = 2\n");
    pictures_data_holds(
        folder, "gantt",
        "$patches << EOD\n0 0 0.5 0\n0 0.5 3 0\n0 3.02 10 1\n1 4 9 0\nEOD\npatches = 4\n");
    pictures_data_holds(folder, "gantt", "$steps << EOD\n0 0 10\n1 0 10\nEOD\nsteps_differ = 0\n");
    pictures_data_holds(folder, "gantt", "x_high = 10\nsecond = 1\n");
    pictures_data_holds(folder, "gantt", ", 2 ranks, step 2 of 3: 10.0 ms on the slowest rank'\n");
    pictures_data_holds(folder, "gantt", "white: gaps between operations");
    if (st == ST_OK)
        pictures_are_whole(folder, "gantt");
    recording_close(p.recording);
    rows_folder_remove(folder);
}

/* Rank 1 begins its step 3 ms later and ends it 3 ms later. */
Test(profile_pictures, a_timeline_shows_the_steps_of_all_ranks)
{
    char *folder = rows_folder();
    open_profile(2, 4, 10);
    for (int s = 0; s < 4; s++)
        p.recording->rank[1].step_end[s] += 3 * MS;
    add_op(1, RECORDED_NONE, "linear", 0, 11000, 33000);
    (void)draw_gantt(folder, 1);
    pictures_data_holds(folder, "gantt", "$steps << EOD\n0 0 10\n1 3 13\nEOD\nsteps_differ = 1\n");
    pictures_data_holds(folder, "gantt", "$product << EOD\n1 0 1 13\nEOD\n");
    cr_assert_eq(draw_gantt(folder, 4), ST_INVALID);
    cr_assert_str_eq(status_message(),
                     "gantt: there is no step 4 among the 4 recorded; 0 to 3 are");
    recording_close(p.recording);
    rows_folder_remove(folder);
}

/* 8 ranks with 1000 operations of 10 us each in a step of 10 ms, kinds in turn, and a message for
 * every one: no two of them join. */
Test(profile_pictures, a_crowded_timeline_stays_small)
{
    static const char *const op[] = {"norm", "linear", "attention", "copy"};
    char *folder = rows_folder();
    size_t size;
    open_profile(8, 3, 10);
    for (int r = 0; r < 8; r++)
        for (int i = 0; i < 1000; i++)
            add_op(r, RECORDED_NONE, op[i / 3 % 4], 0, 10000 + 10 * i, 10000 + 10 * i + 10);
    for (int i = 0; i < 480; i++)
        add_message(1, i % 8, (i + 1) % 8, 10000 + 20 * i, 10005 + 20 * i);
    enum status st = draw_gantt(folder, GANTT_STEADY);
    pictures_data_holds(folder, "gantt", "arrows = 0\n");
    if (st == ST_OK)
        pictures_are_whole(folder, "gantt");
    char *data = rows_file_text(folder, "data/gantt.gp", &size);
    int boxes = 0;
    for (const char *at = data; (at = strstr(at, "\nboxes_of_")); at++)
        boxes += atoi(strchr(at, '=') + 1);
    cr_assert_leq(boxes, GANTT_BOXES);
    cr_assert_gt(boxes, GANTT_BOXES / 4);
    free(data);
    recording_close(p.recording);
    rows_folder_remove(folder);
}

Test(profile_pictures, without_gnuplot_the_numbers_are_there)
{
    char *folder = rows_folder();
    bool missing = false;
    struct gantt_options options = {.picture = {.folder = folder}, .step = 0};
    open_profile(1, 1, 10);
    add_op(0, RECORDED_NONE, "linear", 0, 0, 1000);
    setenv("PATH", folder, 1);
    cr_assert_eq(gantt_draw(p.recording, &p.messages, &p.breakdown, &options, &missing), ST_IO);
    cr_assert(missing);
    pictures_data_holds(folder, "gantt", "'1 rank, step 1 of 1: 10.0 ms'");
    recording_close(p.recording);
    rows_folder_remove(folder);
}

/* ---- steps ---- */

/* Rank 0: 9 (warm-up), 10, 12; rank 1: 9, 12, 14 ms. */
static const struct breakdown_row steps[] = {
    {.rank = 0, .step = 0, .total_ms = 9, .ms = {9}},
    {.rank = 0, .step = 1, .total_ms = 10, .ms = {6, 1, 2, 0.5, 0.25, 0.25}},
    {.rank = 0, .step = 2, .total_ms = 12, .ms = {8, 1, 2, 0.5, 0.25, 0.25}},
    {.rank = 1, .step = 0, .total_ms = 9, .ms = {9}},
    {.rank = 1, .step = 1, .total_ms = 12, .ms = {10, 0, 0, 2}},
    {.rank = 1, .step = 2, .total_ms = 14, .ms = {11, 0, 0, 3}},
};

Test(profile_pictures, means_leave_the_warm_up_out)
{
    struct step_mean mean = step_mean_of(6, steps, 0, 1);
    cr_assert_eq(mean.steps, 2);
    cr_assert_float_eq(mean.total_ms, 11, 1e-12);
    cr_assert_float_eq(mean.ms[SHARE_COMPUTE], 7, 1e-12);
    cr_assert_float_eq(mean.ms[SHARE_OTHER], 0.25, 1e-12);
    mean = step_slowest(6, steps, 1);
    cr_assert_eq(mean.rank, 1);
    cr_assert_float_eq(mean.total_ms, 13, 1e-12);
    cr_assert_float_eq(mean.ms[SHARE_WAIT], 2.5, 1e-12);
    cr_assert_eq(step_slowest(6, steps, 3).steps, 0);
}

Test(profile_pictures, a_bar_for_each_rank)
{
    char *folder = rows_folder();
    bool missing;
    struct breakdown_row row[6];
    memcpy(row, steps, sizeof row);
    struct breakdown breakdown = {.ranks = 2, .rows = 6, .row = row};
    struct step_options options = {.picture = {.folder = folder, .title = "dit-tiny"}, .first = 1};
    enum status st = step_draw(&breakdown, &options, &missing);
    cr_assert(st == ST_OK || missing, "%s", status_text());
    pictures_data_holds(folder, "step",
                        "$step << EOD\n1 7 1 2 0.5 0.25 0.25\n2 10.5 0 0 2.5 0 0\nEOD\n");
    pictures_data_holds(folder, "step", "amount[2] = '13.00 ms'\n");
    pictures_data_holds(folder, "step", "note[1] = 'mean of 2 steps from step 2 on'\n");
    if (st == ST_OK)
        pictures_are_whole(folder, "step");
    options.first = 3;
    cr_assert_eq(step_draw(&breakdown, &options, &missing), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "no step from 3 on"), "%s", status_message());
    rows_folder_remove(folder);
}

static void write_breakdown(const char *folder, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/breakdown.csv", folder);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

#define COLUMNS                                                                                    \
    "rank,step,total_ms,compute_ms,comm_ms,exposed_comm_ms,overlap_hta_pct,overlap_osu_pct,"       \
    "gaps_ms,bubble_ms,wait_ms,other_ms\n"

Test(profile_pictures, profiles_stand_side_by_side)
{
    char *one = rows_folder(), *two = rows_folder();
    bool missing;
    write_breakdown(one, COLUMNS "0,0,99,99,0,0,,,0,0,0,0\n0,1,10,9,0,0,,,0.75,0,0,0.25\n");
    write_breakdown(two, COLUMNS "0,0,5,4,1,0.5,50,,0,0.5,0,0\n1,0,6,4,1,0.5,50,,0,1.5,0,0\n");
    const struct step_profile profile[] = {{one, "serial", 1}, {two, "pipefusion=2", 0}};
    struct step_options options = {.picture = {.folder = one}};
    enum status st = step_compare(2, profile, &options, &missing);
    cr_assert(st == ST_OK || missing, "%s", status_text());
    pictures_data_holds(one, "step", "$step << EOD\n1 9 0 0 0 0.75 0.25\n2 4 0.5 1.5 0 0 0\nEOD\n");
    pictures_data_holds(one, "step", "bar[2] = 'pipefusion=2'\n");
    if (st == ST_OK)
        pictures_are_whole(one, "step");
    write_breakdown(two, COLUMNS "0,0,5,4,1,0.5,50,,0,0.5,0,0\n1,0,six,4,1,0.5,50,,0,1.5,0,0\n");
    cr_assert_eq(step_compare(2, profile, &options, &missing), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "breakdown.csv: line 3: total_ms is \"six\""), "%s",
                       status_message());
    write_breakdown(two, "rank,step\n0,0\n");
    cr_assert_eq(step_compare(2, profile, &options, &missing), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "line 1: no column \"total_ms\""), "%s",
                       status_message());
    rows_folder_remove(one);
    rows_folder_remove(two);
}
