/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeps in rounds: what is run when, resuming inside a round, and the joined table. */
#include "harness/record/file.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sweep_rounds, .init = program_limit);

#define CELLS                                                                                      \
    "name: s\nmodels: [pixart-tiny]\nsizes: [64]\nranks: [1, 2]\nsteps: [2]\nrepeats: 2\n"         \
    "warmup_loops: 0\nthreads: 2\nbackend: cpu\n"                                                  \
    "strategies: [serial, \"ring=2\", \"cfg=2\", \"ulysses=2\"]\n"
enum { N = 4 /* cells */, ROUNDS = 3 };

struct place {
    char experiment[200], results[200];
};

static struct place place_of(const char *text)
{
    struct place p;
    snprintf(p.experiment, sizeof p.experiment, "%s", program_file("s.yaml"));
    snprintf(p.results, sizeof p.results, "%s", program_file("s.jsonl"));
    program_write(p.experiment, text);
    unlink(p.results);
    return p;
}

static struct program sweep(const struct place *p, const char *a, const char *b)
{
    return program_run("sweep", p->experiment, "--results", p->results, a, b, NULL);
}

/* In the order of the lines, as no id comes twice. */
static struct record_list rows_of(const struct place *p, int wanted)
{
    struct record_list rows;
    cr_assert_eq(record_file_read(p->results, &rows, NULL), ST_OK, "%s", status_message());
    cr_assert_eq(rows.again, 0, "a row was written twice");
    cr_assert_eq(rows.n, wanted);
    return rows;
}

/* Rounds one after the other, each cell once in each. *orders: how many rounds begin otherwise than
 * round 0, or go on so. */
static void check_order(const struct record_list *rows, int *orders)
{
    *orders = 0;
    for (int r = 0; r < ROUNDS; r++) {
        bool differs = false;
        for (int i = 0; i < N; i++) {
            const struct record *row = rows->v[r * N + i];
            cr_assert_eq(row->cell.round, r);
            cr_assert_eq(row->status, ENDING_OK, "%s", row->reason);
            for (int k = 0; k < i; k++)
                cr_assert_str_neq(row->cell.strategy, rows->v[r * N + k]->cell.strategy);
            differs |= strcmp(row->cell.strategy, rows->v[i]->cell.strategy) != 0;
        }
        *orders += differs;
    }
}

Test(sweep_rounds, every_cell_has_a_row_in_each_round)
{
    int orders;
    struct place p = place_of(CELLS);
    struct program r = sweep(&p, "--rounds=3", NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    cr_assert(strstr(r.out, "12 of 12 rows (4 cells in 3 rounds) are there: 12 ok"), "%s", r.out);
    cr_assert(strstr(r.out, "spread%"), "%s", r.out);
    program_release(&r);
    struct record_list rows = rows_of(&p, N * ROUNDS);
    check_order(&rows, &orders);
    cr_assert_eq(orders, 0);
    cr_assert_str_eq(rows.v[0]->recipe, rows.v[N]->recipe);
    record_list_release(&rows);
    r = sweep(&p, "--rounds=4", "--dry-run"); /* what is there counts */
    cr_assert(strstr(r.out, "16 cells: 4 would run, 12 have rows"), "%s", r.out);
    program_release(&r);
    r = sweep(&p, NULL, NULL); /* without rounds: round 0 */
    cr_assert(strstr(r.out, "4 of 4 cells have a row: 4 ok"), "%s", r.out);
    program_release(&r);
}

/* Words of a line of CSV without quotes. */
static void check_table(const char *csv)
{
    int lines = 0;
    for (const char *c = csv; *c; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, 1 + N, "a header and a row for each cell: %s", csv);
    cr_assert(strstr(csv, ",repeats,round,rounds,rounds_spread_percent,samples,"), "%s", csv);
    cr_assert(strstr(csv, ",0,2,,3,"), "no warm-up, 2 loops in each of 3 rounds: %s", csv);
}

Test(sweep_rounds, charts_and_tables_join_them)
{
    struct place p = place_of(CELLS);
    struct program r = sweep(&p, "--rounds=3", NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    program_release(&r);
    const char *folder = program_file("plots");
    r = program_run("plot", p.results, "--out", folder, NULL);
    char *csv = program_read(program_file("plots/table.csv"));
    char *data = program_read(program_file("plots/data/latency-vs-ranks.pixart-tiny.64.gp"));
    cr_assert(csv, "%s", r.err);
    check_table(csv);
    cr_assert(!data || (strstr(data, "median of n = 6 loops") &&
                        strstr(data, "3 rounds are joined; their medians lie within ")),
              "%s", data);
    program_release(&r);
    free(csv);
    free(data);
}

Test(sweep_rounds, a_seed_gives_each_round_an_order)
{
    int orders;
    struct place p = place_of(CELLS "rounds: 3\nshuffle: 2\n");
    struct program r = sweep(&p, NULL, NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    program_release(&r);
    struct record_list rows = rows_of(&p, N * ROUNDS);
    check_order(&rows, &orders);
    cr_assert_gt(orders, 0);
    char first[100];
    snprintf(first, sizeof first, "%s", rows.v[0]->cell.strategy);
    record_list_release(&rows);
    unlink(p.results);
    r = sweep(&p, "--dry-run", NULL);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "strategy=%s ", first);
    const char *in = strstr(r.out, wanted);
    cr_assert(in && in < strchr(r.out, '\n'), "the same seed, the same order: %s", r.out);
    program_release(&r);
}

/* Killed in round 1, it goes on there: nothing is run again, nothing is left out. */
Test(sweep_rounds, a_killed_sweep_goes_on_in_its_round)
{
    int orders;
    struct place p = place_of(CELLS);
    const char *argv[] = {program_path(), "sweep",      p.experiment,  "--results",
                          p.results,      "--rounds=3", "--shuffle=5", NULL};
    pid_t pid = program_start(argv);
    int lines = 0;
    for (int i = 0; i < 20000 && lines <= N; i++) {
        usleep(2000);
        char *text = program_read(p.results);
        lines = 0;
        for (const char *c = text; c && *c; c++)
            lines += *c == '\n';
        free(text);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_assert_gt(lines, N);
    struct program r = sweep(&p, "--rounds=3", "--shuffle=5");
    cr_assert_eq(r.status, 0, "%s", r.err);
    program_release(&r);
    struct record_list rows = rows_of(&p, N * ROUNDS);
    check_order(&rows, &orders);
    record_list_release(&rows);
}

Test(sweep_rounds, rounds_are_a_number_and_so_is_a_seed)
{
    struct place p = place_of(CELLS);
    struct program r = sweep(&p, "--rounds=0", NULL);
    cr_assert(r.status == 2 && strstr(r.err, "--rounds"), "%s", r.err);
    program_release(&r);
    r = sweep(&p, "--shuffle=x", NULL);
    cr_assert(r.status == 2 && strstr(r.err, "--shuffle"), "%s", r.err);
    program_release(&r);
    p = place_of(CELLS "rounds: many\n");
    r = sweep(&p, NULL, NULL);
    cr_assert(r.status == 2 && strstr(r.err, "s.yaml:11: rounds"), "%s", r.err);
    program_release(&r);
}
