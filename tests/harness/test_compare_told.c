/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench compare` as users and machines read it: table, Markdown, JSON, exit statuses, the
 * picture, and profiles that lie beside the files. */
#include "tests/harness/loops.h"
#include "tests/harness/pictures.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(compare_told, .init = program_limit);

/* ---- what is told ---- */

static const char *two_files(const char **b)
{
    *b = LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 110), loops_around("ring=2", 9, 60),
                     loops_around("ulysses=2", 9, 40), rows_failed("tensor=2", 1, ENDING_OOM, "x"));
    return LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100), loops_around("ring=2", 9, 60),
                       loops_around("cfg=2", 9, 70), loops_around("tensor=2", 9, 70));
}

Test(compare_told, json_is_as_the_interface_has_it)
{
    const char *b, *a = two_files(&b);
    struct program p = program_run("compare", a, b, "--json", NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    json_t *all = json_loads(p.out, 0, NULL);
    cr_assert_eq(json_array_size(all), 4);
    const json_t *first = json_array_get(all, 0), *last = json_array_get(all, 3);
    const char *verdict, *recipe, *strategy;
    double median_a, median_b, ratio, low, high;
    int n_a, n_b, forced;
    cr_assert_eq(json_unpack((json_t *)first,
                             "{s:s, s:{s:s}, s:{s:F, s:i}, s:{s:F, s:i}, s:F, s:[F, F], s:s, s:b}",
                             "recipe", &recipe, "cell", "strategy", &strategy, "a", "median",
                             &median_a, "n", &n_a, "b", "median", &median_b, "n", &n_b, "ratio",
                             &ratio, "interval", &low, &high, "verdict", &verdict, "forced",
                             &forced),
                 0);
    cr_assert(strlen(recipe) == 16 && strcmp(strategy, "serial") == 0);
    cr_assert(n_a == 9 && n_b == 9 && !forced);
    cr_assert(fabs(median_a - 100) < 1e-9 && fabs(median_b - 110) < 1e-9);
    cr_assert(fabs(ratio - 1.1) < 1e-9 && low < 1.1 && high > 1.1);
    cr_assert_str_eq(verdict, "SLOWER");
    const json_t *failed = json_array_get(all, 2);
    cr_assert(json_is_null(json_object_get(failed, "verdict")));
    cr_assert(json_is_null(json_object_get(failed, "ratio")));
    cr_assert_eq(json_array_size(json_object_get(last, "only_a")), 1);
    cr_assert_eq(json_array_size(json_object_get(last, "only_b")), 1);
    const json_t *counts = json_object_get(last, "counts");
    cr_assert_eq(json_integer_value(json_object_get(counts, "SLOWER")), 1);
    cr_assert_eq(json_integer_value(json_object_get(counts, "SAME")), 1);
    cr_assert_eq(json_integer_value(json_object_get(counts, "not_ok")), 1);
    json_decref(all);
    program_release(&p);
}

static void holds(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "no '%s' in:\n%s", part, text);
}

Test(compare_told, tables_say_all_in_words)
{
    const char *b, *a = two_files(&b), *md = program_file("table.md");
    struct program p = program_run("compare", a, b, "--md", md, NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    holds(p.out, "serial    100.0  110.0  1.100  1.095 to 1.105        9/9  SLOWER\n");
    holds(p.out, "A ok, B oom");
    holds(p.out, "1 SLOWER, 0 FASTER, 1 SAME, 0 AMBIGUOUS, 1 not ok; only in A 1, only in B 1; "
                 "threshold 5%\n");
    holds(p.out, "only in A: cfg=2 (ok)\nonly in B: ulysses=2 (ok)\n");
    cr_assert_null(strchr(p.out, '\033'));
    holds(p.err, "1 of 3 cells is slower");
    char *text = program_read(md);
    holds(text, "| serial | 100.0 | 110.0 | 1.100 |");
    free(text);
    program_release(&p);
}

/* Medians 100 and 300: of all 200, so that they lie 100 % apart. */
Test(compare_told, of_rounds_flags_and_spread_are_told)
{
    struct record *a[] = {loops_around("serial", 10, 100), loops_around("serial", 10, 300)};
    record_add_text(a[0], &a[0]->flags, "noisy");
    a[1]->cell.round = 1;
    const char *one = loops_write("a.jsonl", 2, a);
    struct program p = program_run("compare", one, one, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    holds(p.out, "AMBIGUOUS, A noisy in 1 of 2 rounds, B noisy in 1 of 2 rounds, 2 and 2 rounds "
                 "within 100%\n");
    holds(p.out, "A: rounds of 1 cell are joined\n");
    program_release(&p);
}

Test(compare_told, names_of_anybody_stay_in_their_line)
{
    struct record *a = loops_around("serial", 9, 100), *b = loops_around("ring=2", 9, 100);
    a->cell.model = "x\x1b[31m\ny\xe2\x80\xaez";
    const char *one = LOOPS_WRITE("a.jsonl", a, b);
    struct program p = program_run("compare", one, one, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    holds(p.out, "\nx\xef\xbf\xbd[31m y\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz serial ");
    cr_assert_null(strchr(p.out, '\x1b'));
    program_release(&p);
}

Test(compare_told, a_machine_of_anybody_stays_in_its_line)
{
    struct record *a = loops_around("serial", 9, 100);
    a->env.cpu = "a\x1b[31m\nb";
    a->env.commit = "ab\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac";
    const char *one = LOOPS_WRITE("a.jsonl", a);
    struct program p = program_run("compare", one, one, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert_null(strchr(p.out, '\x1b'));
    holds(p.out, "commit ab\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xef\xbf\xbd");
    program_release(&p);
}

Test(compare_told, an_unknown_guidance_is_no_number)
{
    struct record *a = loops_around("serial", 9, 100), *b = loops_around("ring=2", 9, 100);
    a->cell.guidance = NAN;
    const char *one = LOOPS_WRITE("a.jsonl", a, b);
    struct program p = program_run("compare", one, one, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    holds(p.out, "serial guidance unknown ");
    cr_assert_null(strstr(p.out, "nan"), "%s", p.out);
    program_release(&p);
}

Test(compare_told, why_a_row_is_left_out)
{
    struct record *rounds[] = {loops_around("serial", 9, 100), loops_around("serial", 9, 200)};
    rounds[0]->env.commit = "ba9876543210";
    rounds[1]->cell.round = 1;
    const char *one = loops_write("a.jsonl", 2, rounds);
    struct program p = program_run("compare", one, one, NULL);
    holds(p.out, "A: 1 row is left out: of another cohort, commit or cell (its warm-up loops, "
                 "say) than the last one\n    of the recipe\n");
    cr_assert_null(strstr(p.out, "run again"));
    program_release(&p);
}

/* ---- a gate ---- */

/* Of A's four cells that are ok B lost two; what was not ok in A is no loss. */
static const char *two_lost(const char **b)
{
    *b = LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 100),
                     rows_failed("ring=2", 1, ENDING_CRASH, "x"),
                     rows_failed("tensor=2", 1, ENDING_OOM, "x"),
                     rows_failed("cfg=2", 1, ENDING_CRASH, "x"), loops_around("data=2", 9, 50));
    return LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100), loops_around("ring=2", 9, 60),
                       loops_around("tensor=2", 9, 70), rows_failed("cfg=2", 1, ENDING_WRONG, "x"),
                       rows_failed("data=2", 1, ENDING_OOM, "x"));
}

/* The interface has status 1 for SLOWER alone, so that a loss without --strict is told only. */
Test(compare_told, cells_that_b_lost_are_told)
{
    const char *b, *a = two_lost(&b), *md = program_file("lost.md");
    struct program p = program_run("compare", a, b, "--md", md, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    holds(p.out, "\nok in A, not in B: ring=2 (crash)\nok in A, not in B: tensor=2 (oom)\n");
    cr_assert_null(strstr(p.out, "not in B: cfg"), "%s", p.out);
    holds(p.err, "2 of 3 cells that are ok in A are not in B; --strict makes this exit status 1\n");
    char *text = program_read(md);
    holds(text, "\n- ok in A, not in B: ring=2 (crash)\n- ok in A, not in B: tensor=2 (oom)\n");
    free(text);
    program_release(&p);
    p = program_run("compare", a, b, "--strict", NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    holds(p.err, "ditbench compare: 2 of 3 cells that are ok in A are not in B\n");
    program_release(&p);
}

/* A sweep that was stopped has no row for them at all. */
Test(compare_told, cells_without_a_row_are_lost_too)
{
    const char *a = LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100),
                                loops_around("ring=2", 9, 60), loops_around("tensor=2", 9, 70),
                                rows_failed("cfg=2", 1, ENDING_OOM, "x")),
               *b = LOOPS_WRITE("b.jsonl", loops_around("serial", 9, 100),
                                rows_failed("ring=2", 1, ENDING_CRASH, "x"));
    struct program p = program_run("compare", a, b, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    holds(p.out, "only in A: tensor=2 (ok)\n");
    holds(p.err, "2 of 3 cells that are ok in A are not in B; --strict makes this exit status 1\n");
    program_release(&p);
    p = program_run("compare", a, b, "--strict", "--json", NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    holds(p.out, "\"lost\":[{\"recipe\"");
    holds(p.out, "\"status\":\"crash\"},{\"recipe\"");
    holds(p.out, "\"status\":null}],\"counts\"");
    holds(p.out, "\"lost\":2");
    program_release(&p);
}

Test(compare_told, json_has_the_cells_that_b_lost)
{
    const char *b, *a = two_lost(&b), *status, *strategy, *recipe;
    struct program p = program_run("compare", a, b, "--json", "--strict", NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    json_t *all = json_loads(p.out, 0, NULL);
    cr_assert_eq(json_array_size(all), 6);
    const json_t *last = json_array_get(all, 5), *lost = json_object_get(last, "lost");
    cr_assert_eq(json_array_size(lost), 2);
    cr_assert_eq(json_unpack(json_array_get(lost, 1), "{s:s, s:{s:s}, s:s}", "recipe", &recipe,
                             "cell", "strategy", &strategy, "status", &status),
                 0);
    cr_assert(strcmp(strategy, "tensor=2") == 0 && strcmp(status, "oom") == 0);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(last, "counts"), "lost")), 2);
    json_decref(all);
    program_release(&p);
}

Test(compare_told, slower_and_lost_are_both_said)
{
    const char *b, *a = two_files(&b);
    struct program p = program_run("compare", a, b, "--strict", NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    holds(p.err, "1 of 3 cells is slower; 2 of 4 cells that are ok in A are not in B\n");
    program_release(&p);
}

/* No ratio at all: said with what each file holds, and no success under --strict. */
static void nothing_compared(const char *a, const char *b, const char *why)
{
    struct program p = program_run("compare", a, b, NULL);
    cr_expect_eq(p.status, 0, "%s", p.err);
    holds(p.err, why);
    holds(p.err, "; --strict makes this exit status 2\n");
    program_release(&p);
    p = program_run("compare", a, b, "--strict", "--json", NULL);
    cr_expect_eq(p.status, 2, "%s", p.err);
    holds(p.err, why);
    cr_expect_null(strstr(p.err, "--strict"), "%s", p.err);
    program_release(&p);
}

Test(compare_told, no_pair_is_no_silent_success)
{
    char a[200], b[200], empty[200], failed[200], why[900];
    snprintf(a, sizeof a, "%s", LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100)));
    snprintf(b, sizeof b, "%s",
             LOOPS_WRITE("b.jsonl", loops_around("ring=2", 9, 100),
                         rows_failed("cfg=2", 1, ENDING_OOM, "x")));
    snprintf(failed, sizeof failed, "%s",
             LOOPS_WRITE("failed.jsonl", rows_failed("serial", 1, ENDING_OOM, "x")));
    snprintf(empty, sizeof empty, "%s", program_file("empty.jsonl"));
    program_write(empty, "");
    snprintf(why, sizeof why,
             "ditbench compare: nothing was compared: %s holds 1 cell (1 ok), %s none; no cell is "
             "in both files",
             a, empty);
    nothing_compared(a, empty, why);
    snprintf(why, sizeof why, "%s holds none, %s none; no cell is in both files", empty, empty);
    nothing_compared(empty, empty, why);
    snprintf(why, sizeof why, "%s holds 1 cell (1 ok), %s 2 cells (1 ok); no cell is in both files",
             a, b);
    nothing_compared(a, b, why);
    snprintf(why, sizeof why,
             "%s holds 1 cell (0 ok), %s 1 cell (1 ok); of 1 cell in both none is ok on both sides",
             failed, a);
    nothing_compared(failed, a, why);
}

/* Where all of B crashed nothing was compared either; that they are lost says more. */
Test(compare_told, all_lost_is_status_1_under_strict)
{
    const char *a = LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100)),
               *b = LOOPS_WRITE("b.jsonl", rows_failed("serial", 1, ENDING_CRASH, "x"));
    struct program p = program_run("compare", a, b, "--strict", NULL);
    cr_assert_eq(p.status, 1, "%s", p.err);
    holds(p.err, "1 of 1 cell that is ok in A is not in B\n");
    program_release(&p);
}

Test(compare_told, without_a_common_cell_there_is_no_chart)
{
    char a[200], b[200];
    snprintf(a, sizeof a, "%s", LOOPS_WRITE("a.jsonl", loops_around("serial", 9, 100)));
    snprintf(b, sizeof b, "%s", LOOPS_WRITE("b.jsonl", loops_around("ring=2", 9, 100)));
    struct program p = program_run("compare", a, b, "--out", program_file("charts"), NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    holds(p.err, "no cell is in both files, and no chart is drawn; ");
    program_release(&p);
}

Test(compare_told, a_folder_that_cannot_be_made_is_named)
{
    char wall[200], md[300], html[300], why[700];
    const char *b, *a = two_files(&b);
    snprintf(wall, sizeof wall, "%s", program_file("wall"));
    snprintf(md, sizeof md, "%s/deep/table.md", wall);
    snprintf(html, sizeof html, "%s/deep/page.html", wall);
    program_write(wall, "a file\n");
    struct program p = program_run("compare", a, b, "--md", md, NULL);
    cr_expect_eq(p.status, 2, "%s", p.err);
    snprintf(why, sizeof why, "--md: %s: folder %s cannot be made: File exists\n", md, wall);
    holds(p.err, why);
    program_release(&p);
    snprintf(why, sizeof why, ": folder %s cannot be made: File exists\n", wall);
    p = program_run("report", a, "--out", html, NULL);
    cr_expect_eq(p.status, 2, "%s", p.err);
    holds(p.err, why);
    program_release(&p);
    p = program_run("compare", a, b, "--out", md, NULL);
    cr_expect_eq(p.status, 2, "%s", p.err);
    holds(p.err, why);
    program_release(&p);
    char *text = program_read(wall);
    cr_expect_str_eq(text, "a file\n", "what stood there is as it was");
    free(text);
}

Test(compare_told, help_names_all_exit_statuses)
{
    static const char *const parts[] = {"Exit status:\n", "\n  0  ",   "\n  1  ", "\n  2  ",
                                        "\n  4  ",        "\n  130  ", "--strict"};
    struct program p = program_run("compare", "--help", NULL);
    const char *at = p.out;
    cr_assert_eq(p.status, 0, "%s", p.err);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        at = strstr(at, parts[i]);
        cr_assert_not_null(at, "no '%s' after the others in:\n%s", parts[i], p.out);
    }
    program_release(&p);
}

Test(compare_told, exit_statuses)
{
    char a[200], b[200], c[200]; // program_file's paths do not live as long
    const char *second, *first = two_files(&second);
    struct record *other = loops_around("serial", 9, 100);
    other->env.cpu = "Another CPU";
    snprintf(a, sizeof a, "%s", first);
    snprintf(b, sizeof b, "%s", second);
    snprintf(c, sizeof c, "%s", LOOPS_WRITE("c.jsonl", other));
    const struct {
        const char *args[5];
        int want;
    } at[] = {
        {{a, a}, 0},
        {{a, b}, 1},
        {{b, a}, 0},
        {{a, b, "--threshold", "20"}, 0},
        {{a, c}, 2},
        {{a, c, "--force"}, 0},
        {{a}, 2},
        {{a, b, c}, 2},
        {{a, "/nowhere.jsonl"}, 2},
        {{a, b, "--threshold", "-1"}, 2},
        {{a, b, "--threshold", "x"}, 2},
    };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        const char *const *w = at[i].args;
        struct program p = program_run("compare", w[0], w[1], w[2], w[3], w[4], NULL);
        cr_assert_eq(p.status, at[i].want, "case %zu: %d, %s", i, p.status, p.err);
        program_release(&p);
    }
    struct program p = program_run("compare", a, c, "--force", NULL);
    holds(p.out, "SAME, forced: other cohort");
    program_release(&p);
}

/* ---- the picture ---- */

Test(compare_told, ratios_are_drawn)
{
    const char *b, *a = two_files(&b), *out = program_file("chart");
    struct program p = program_run("compare", a, b, "--out", out, NULL);
    pictures_data_holds(out, "ratios", "\n1 1.1 ");
    pictures_data_holds(out, "ratios", "\nband_low = 0.95\n");
    pictures_data_holds(out, "ratios", "not shown: 1 further cell");
    if (pictures_have_gnuplot())
        pictures_are_whole(out, "ratios");
    program_release(&p);
}

/* ---- profiles beside the files ---- */

static void write_profile(const char *results, const char *name, const char *id, const char *shares)
{
    char folder[300], path[400], text[600];
    snprintf(folder, sizeof folder, "%.*s.profiles", (int)strlen(results) - 6, results);
    mkdir(folder, 0700);
    snprintf(folder + strlen(folder), 100, "/%s", name);
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/profile.json", folder);
    snprintf(text, sizeof text, "{\"steps\": 1, \"record\": {\"id\": \"%s\"}}\n", id);
    program_write(path, text);
    snprintf(path, sizeof path, "%s/breakdown.csv", folder);
    snprintf(text, sizeof text,
             "rank,step,total_ms,compute_ms,comm_ms,exposed_comm_ms,overlap_hta_pct,"
             "overlap_osu_pct,gaps_ms,bubble_ms,wait_ms,other_ms\n%s\n",
             shares);
    program_write(path, text);
}

Test(compare_told, shares_that_changed_are_told)
{
    struct record *rows[2] = {loops_around("serial", 9, 100), loops_around("serial", 9, 120)};
    char id[RECORD_ID_SIZE];
    snprintf(id, sizeof id, "%s", rows[0]->id);
    const char *a = LOOPS_WRITE("a.jsonl", rows[0]), *b = LOOPS_WRITE("b.jsonl", rows[1]);
    char other[80];
    write_profile(a, "pixart-tiny.256.serial.1", id, "0,0,10,8,3,1,60,,0.5,0,0.3,0.2");
    write_profile(b, "pixart-tiny.256.serial.1", "0000000000000000", "0,0,9,9,0,0,,,0,0,0,0");
    struct program p = program_run("compare", a, b, NULL);
    cr_assert_null(strstr(p.out, "of a step"), "a profile of another row was taken:\n%s", p.out);
    program_release(&p);
    snprintf(other, sizeof other, "pixart-tiny.256.serial.1.%s", id);
    write_profile(b, other, id, "0,0,12,8.05,5,3,60,,0.45,0,0.3,0.2");
    p = program_run("compare", a, b, NULL);
    holds(p.out, "\n    of a step, 10.00 to 12.00 ms: comm_ms +2.000, exposed_comm_ms +2.000\n");
    program_release(&p);
    p = program_run("compare", a, b, "--json", NULL);
    holds(p.out, "\"exposed_comm_ms\":[1.0,3.0]");
    program_release(&p);
    write_profile(b, other, id, "0,0,twelve"); // one that is broken takes no verdict away
    p = program_run("compare", a, b, NULL);
    cr_expect_eq(p.status, 1, "%s", p.err);
    holds(p.out, "SLOWER");
    holds(p.err, "compare: a breakdown is left out: ");
    holds(p.err, "breakdown.csv");
    cr_expect_null(strstr(p.out, "of a step"), "%s", p.out);
    program_release(&p);
}
