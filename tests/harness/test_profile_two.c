/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles side by side, as a user has them: `ditbench profile --diff` and `--bars`. */
#include "tests/harness/ceilings.h"
#include "tests/harness/pictures.h"
#include "tests/harness/profiled.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(profile_two, .init = ceilings_by_hand);

static double mean_total(const char *folder)
{
    struct profiled f = profiled_open(folder);
    double sum = 0;
    for (int r = 0; r < f.ranks; r++)
        sum += profiled_sum(&f, r, TOTAL);
    sum /= f.rows;
    profiled_close(&f);
    return sum;
}

Test(profile_two, two_profiles_side_by_side)
{
    const struct profiled_place at[] = {profiled_place_of("a"), profiled_place_of("b")};
    const char *const folder[] = {at[0].path, at[1].path};
    const char *const strategy[] = {"serial", "ring=2"};
    for (int i = 0; i < 2; i++) {
        struct program p = profiled_run(strategy[i], folder[i], NULL, "local");
        profiled_done(&p);
        program_release(&p);
    }
    struct program d = program_run("profile", "--diff", folder[0], folder[1], "--json", NULL);
    cr_assert_eq(d.status, 0, "%s", d.err);
    cr_expect_float_eq(atof(program_json(d.out, "a.breakdown.total_ms")), mean_total(folder[0]),
                       1e-5);
    cr_expect_float_eq(atof(program_json(d.out, "b.breakdown.total_ms")), mean_total(folder[1]),
                       1e-5);
    program_release(&d);
    d = program_run("profile", "--diff", folder[0], folder[1], NULL);
    cr_expect(d.status == 0 && strstr(d.out, "total_ms") && strstr(d.out, "ring.send"), "%s%s",
              d.out, d.err);
    program_release(&d);
    d = program_run("profile", "--diff", folder[0], NULL);
    cr_expect(d.status == 2 && strstr(d.err, "--diff: 1 folder is given"), "%s", d.err);
    program_release(&d);
    d = program_run("profile", "--bars", folder[0], NULL);
    cr_expect(d.status == 2 && strstr(d.err, "--bars DIR DIR... --out DIR"), "%s", d.err);
    program_release(&d);
    d = program_run("profile", "--bars", folder[0], folder[1], "--out", program_file("bars"), NULL);
    cr_expect(d.status == 0 || !pictures_have_gnuplot(), "%s", d.err);
    pictures_data_holds(program_file("bars"), "step", "bar[1] = 'serial'\n");
    pictures_data_holds(program_file("bars"), "step", "bar[2] = 'ring=2'\n");
    program_release(&d);
    d = program_run("profile", "--diff", folder[0], program_file("c"), NULL);
    cr_expect(d.status == 2 && strstr(d.err, "/c/"), "%s", d.err);
    program_release(&d);
}

/* ---- bars of different cells ---- */

static void put_profile(const char *folder, const char *cell, const char *window, const char *more)
{
    char path[400], text[1000];
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/profile.json", folder);
    snprintf(text, sizeof text,
             "{\"cell\": {%s, \"height\": 64, \"frames\": 1, \"requests\": 1, \"ranks\": 1, "
             "\"backend\": \"cpu\", \"transport\": \"local\"}, \"window\": %s%s}",
             cell, window, more);
    program_write(path, text);
    snprintf(path, sizeof path, "%s/breakdown.csv", folder);
    program_write(path, "rank,step,total_ms,compute_ms,comm_ms,exposed_comm_ms,overlap_hta_pct,"
                        "overlap_osu_pct,gaps_ms,bubble_ms,wait_ms,other_ms\n"
                        "0,0,10,9,0,0,,,0.75,0,0,0.25\n");
}

#define CELL(model, width, strategy, steps, dtype)                                                 \
    "\"model\": \"" model "\", \"width\": " width ", \"strategy\": \"" strategy                    \
    "\", \"steps\": " steps ", \"dtype\": \"" dtype "\""

static const char *draw_bars(const char *a, const char *b)
{
    static char out[200];
    snprintf(out, sizeof out, "%s/bars", program_folder());
    struct program d = program_run("profile", "--bars", a, b, "--out", out, NULL);
    cr_expect(d.status == 0 || !pictures_have_gnuplot(), "%s", d.err);
    program_release(&d);
    return out;
}

Test(profile_two, bars_are_called_by_what_differs)
{
    struct profiled_place a = profiled_place_of("a"), b = profiled_place_of("b");
    put_profile(a.path, CELL("dit-tiny", "64", "serial", "1", "fp32"), "[0, 0]", "");
    put_profile(b.path, CELL("pixart-tiny", "128", "serial", "1", "fp32"), "[0, 0]", "");
    const char *out = draw_bars(b.path, a.path);
    pictures_data_holds(out, "step", "bar[1] = 'pixart-tiny, 128 x 64 px, serial'\n");
    pictures_data_holds(out, "step", "bar[2] = 'dit-tiny, 64 x 64 px, serial'\n");
    pictures_data_holds(out, "step", "title_line[1] = 'Time of a step, slowest rank'\n");
    put_profile(b.path, CELL("dit-tiny", "64", "serial", "1", "bf16"), "[0, 0]", "");
    draw_bars(a.path, b.path);
    pictures_data_holds(out, "step", "bar[1] = 'serial, fp32'\n");
    pictures_data_holds(out, "step", "bar[2] = 'serial, bf16'\n");
    pictures_data_holds(out, "step",
                        "title_line[1] = 'Time of a step, slowest rank: dit-tiny, 64 x 64 px'\n");
    put_profile(b.path, CELL("dit-tiny", "64", "serial", "1", "fp32"), "[0, 0]", "");
    draw_bars(a.path, b.path);
    pictures_data_holds(out, "step", "/b'\n"); /* nothing but the folder tells them apart */
}

Test(profile_two, bars_of_other_steps_are_said_to_be)
{
    struct profiled_place a = profiled_place_of("a"), b = profiled_place_of("b");
    put_profile(a.path, CELL("dit-tiny", "64", "serial", "4", "fp32"), "[0, 3]", "");
    put_profile(b.path, CELL("dit-tiny", "64", "ring=1", "20", "fp32"), "[0, 11]",
                ", \"steps_whole\": 5");
    const char *out = draw_bars(a.path, b.path);
    pictures_data_holds(out, "step",
                        "numbered from 0: serial: steps 0 to 3 of 4; ring=1: steps 0 "
                        "to 4 of 20, where");
    pictures_data_holds(out, "step", "bar[2] = 'ring=1'\n");
    put_profile(b.path, CELL("dit-tiny", "64", "ring=1", "4", "fp32"), "[0, 3]", "");
    draw_bars(a.path, b.path);
    pictures_data_holds(out, "step", "notes = 1\n");
}

/* ---- options ---- */

static void refuse_with(const char *mode, const char *option, const char *value, const char *name)
{
    char want[100];
    struct program d = program_run("profile", mode, "a", "b", option, value, NULL);
    snprintf(want, sizeof want, "%s has no effect with %s", name, mode);
    cr_expect_eq(d.status, 2, "%s %s: %d", mode, option, d.status);
    cr_expect(strstr(d.err, want), "%s, wanted: %s", d.err, want);
    program_release(&d);
}

Test(profile_two, options_of_a_cell_are_refused_where_none_is_run)
{
    refuse_with("--diff", "--out", "c", "--out");
    refuse_with("--diff", "--out=c", NULL, "--out");
    refuse_with("--diff", "--model=pixart-tiny", NULL, "--model");
    refuse_with("--diff", "--strategy", "ring=2", "--strategy");
    refuse_with("--diff", "--window=0-1", NULL, "--window");
    refuse_with("--diff", "--counters=off", NULL, "--counters");
    struct program d = program_run("profile", "--bars", "a", "b", "--out", "c", "--steps=4", NULL);
    cr_expect(d.status == 2 && strstr(d.err, "--steps has no effect with --bars"), "%s", d.err);
    program_release(&d);
    d = program_run("profile", "--diff", "a", "b", "--json", NULL);
    cr_expect(d.status == 2 && strstr(d.err, "a/profile.json"), "%s", d.err);
    program_release(&d);
}
