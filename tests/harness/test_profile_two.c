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
