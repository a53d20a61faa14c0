/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench sweep --profile`: which cells get a profile, where, and what becomes of the rows. */
#include "tests/harness/ceilings.h"
#include "tests/harness/pictures.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sweep_profile, .init = ceilings_by_hand);

/* serial and ring=2 at each number of steps; ulysses=5 is refused */
#define CELLS(steps)                                                                               \
    "name: s\nmodels: [pixart-tiny]\nsizes: [\"64\"]\nranks: [1, 2, 5]\nsteps: [" steps            \
    "]\nrepeats: 1\nwarmup_loops: 0\nthreads: 2\nstrategies: [serial, \"ring=2\", "                \
    "\"ulysses=5\"]\n"

struct place {
    char experiment[200], results[200], profiles[200];
};

static struct place place_of(const char *text)
{
    struct place p;
    snprintf(p.experiment, sizeof p.experiment, "%s/s.yaml", program_folder());
    snprintf(p.results, sizeof p.results, "%s/rows.jsonl", program_folder());
    snprintf(p.profiles, sizeof p.profiles, "%s/rows.profiles", program_folder());
    program_write(p.experiment, text);
    return p;
}

static struct program sweep(const struct place *p, const char *option, const char *more)
{
    struct program r =
        program_run("sweep", p->experiment, "--results", p->results, option, more, NULL);
    cr_assert_eq(r.status, 0, "%d: %s", r.status, r.err);
    return r;
}

/* profile.json of the folder below rows.profiles: record.id, or "". */
static char *id_in(const struct place *p, const char *name, char id[40])
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s/profile.json", p->profiles, name);
    char *text = program_read(path);
    snprintf(id, 40, "%.39s", text ? program_json(text, "record.id") : "");
    free(text);
    return id;
}

/* The id of line n, from 0, of the results. */
static char *id_of(const struct place *p, int n, char id[40])
{
    char *text = program_read(p->results);
    char *rest;
    char *line = strtok_r(text, "\n", &rest);
    while (line && n-- > 0)
        line = strtok_r(NULL, "\n", &rest);
    snprintf(id, 40, "%.39s", line ? program_json(line, "id") : "");
    free(text);
    return id;
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        n++;
    return n;
}

/* Of cells in the order serial, ring=2. */
static void expect_both(const struct place *p)
{
    char row[40];
    char found[40];
    cr_expect_str_eq(id_in(p, "pixart-tiny.64.serial.1", found), id_of(p, 0, row));
    cr_expect_str_eq(id_in(p, "pixart-tiny.64.ring=2.2", found), id_of(p, 1, row));
    cr_expect(strlen(row) == 16 && strlen(found) == 16);
}

static void drop(const struct place *p, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s/profile.json", p->profiles, name);
    cr_assert_eq(unlink(path), 0, "%s", path);
}

Test(sweep_profile, rows_that_are_ok_get_one)
{
    struct place p = place_of(CELLS("2"));
    struct stat info;
    char path[400];
    struct program r = sweep(&p, "--profile", NULL);
    cr_expect(strstr(r.out, "3 of 3 cells have a row: 2 ok 1 unsupported"), "%s", r.out);
    cr_expect(strstr(r.err, "[2/3] ok pixart-tiny"), "%s", r.err);
    expect_both(&p);
    snprintf(path, sizeof path, "%s/pixart-tiny.64.ulysses=5.5", p.profiles);
    cr_expect_neq(stat(path, &info), 0, "a refused cell has a profile");
    snprintf(path, sizeof path, "%s/pixart-tiny.64.ring=2.2", p.profiles);
    pictures_data_holds(path, "gantt", "ring=2");
    if (pictures_have_gnuplot())
        pictures_are_whole(path, "gantt");
    snprintf(path, sizeof path, "%s/step.pixart-tiny.64x64", p.profiles); /* side by side */
    pictures_data_holds(path, "step", "bar[1] = 'serial'\n");
    pictures_data_holds(path, "step", "bar[2] = 'ring=2'\n");
    program_release(&r);
}

/* The row's own measurement stands for the run as it is. */
Test(sweep_profile, the_plain_run_is_the_row)
{
    struct place p = place_of(CELLS("2"));
    char path[400];
    char median[60];
    struct program r = sweep(&p, "--profile", "--filter=serial");
    char *row = program_read(p.results);
    snprintf(path, sizeof path, "%s/pixart-tiny.64.serial.1/profile.json", p.profiles);
    char *json = program_read(path);
    cr_assert(row && json);
    snprintf(median, sizeof median, "%s", program_json(row, "latency_ms.median"));
    cr_expect_str_eq(program_json(json, "latency.plain_ms"), median);
    cr_expect(strstr(program_json(json, "record.argv"), "--profile"));
    free(row);
    free(json);
    program_release(&r);
}

Test(sweep_profile, rows_that_are_there_get_what_is_missing)
{
    struct place p = place_of(CELLS("2"));
    struct program r = sweep(&p, NULL, NULL);
    cr_expect_neq(access(p.profiles, F_OK), 0, "profiles that nobody asked for");
    char *before = program_read(p.results);
    program_release(&r);
    r = sweep(&p, "--profile", "--dry-run");
    cr_expect_eq(count(r.out, "has a row: ok; its profile would be made"), 2, "%s", r.out);
    cr_expect_neq(access(p.profiles, F_OK), 0, "--dry-run writes");
    program_release(&r);
    r = sweep(&p, "--profile", NULL);
    cr_expect(strstr(r.err, "0 to run, 2 profiles of rows to make"), "%s", r.err);
    cr_expect(strstr(r.err, "[2/3] profile pixart-tiny") && strstr(r.err, "[3/3] profile"), "%s",
              r.err);
    expect_both(&p);
    program_release(&r);
    drop(&p, "pixart-tiny.64.ring=2.2");
    r = sweep(&p, "--profile", NULL);
    cr_expect_eq(count(r.err, "] profile "), 1, "%s", r.err);
    expect_both(&p);
    program_release(&r);
    r = sweep(&p, "--profile", NULL);
    cr_expect_eq(count(r.err, "profile"), 0, "%s", r.err);
    program_release(&r);
    char *after = program_read(p.results);
    cr_expect_str_eq(before, after);
    free(before);
    free(after);
}

/* All three files are a profile. */
Test(sweep_profile, one_that_lacks_a_table_is_made_again)
{
    struct place p = place_of(CELLS("2"));
    static const char *const name[] = {"kernels.csv", "breakdown.csv"};
    struct program r = sweep(&p, "--profile", "--filter=serial");
    program_release(&r);
    for (int i = 0; i < 2; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/pixart-tiny.64.serial.1/%s", p.profiles, name[i]);
        cr_assert_eq(unlink(path), 0, "%s", path);
        r = sweep(&p, "--profile", "--filter=serial");
        cr_expect_eq(count(r.err, "] profile "), 1, "%s: %s", name[i], r.err);
        cr_expect_eq(access(path, F_OK), 0, "%s", path);
        program_release(&r);
    }
}

/* Killed while a cell is recorded: nobody is left to remove the spools, so the next start does; not
 * those of one that lives. */
Test(sweep_profile, spools_of_a_killed_sweep_are_removed)
{
    struct place p = place_of(CELLS("200"));
    int status = 0;
    char spool[400], mine[420];
    const char *argv[] = {program_path(), "sweep",     p.experiment,      "--results",
                          p.results,      "--profile", "--filter=serial", NULL};
    pid_t pid = program_start(argv);
    snprintf(spool, sizeof spool, "%s/pixart-tiny.64.serial.1/spool-%ld", p.profiles, (long)pid);
    cr_assert(program_wait_for(spool, false));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    cr_assert(WIFSIGNALED(status));
    cr_assert(program_wait_for(spool, true));
    cr_assert_eq(access(spool, F_OK), 0, "%s", spool);
    snprintf(mine, sizeof mine, "%s/pixart-tiny.64.serial.1/spool-1", p.profiles);
    mkdir(mine, 0700);
    int lock = open(mine, O_RDONLY | O_DIRECTORY);
    cr_assert_eq(flock(lock, LOCK_EX | LOCK_NB), 0);
    struct program r = sweep(&p, "--profile", "--filter=serial");
    cr_expect_neq(access(spool, F_OK), 0, "%s is there for ever", spool);
    cr_expect_eq(access(mine, F_OK), 0, "%s had an owner", mine);
    close(lock);
    program_release(&r);
}

/* Two cells of one name at once; and one whose name another row's profile has. */
Test(sweep_profile, none_takes_the_place_of_another)
{
    char row[40];
    char found[40];
    char name[100];
    struct place p = place_of(CELLS("2"));
    struct program r = sweep(&p, "--profile", "--filter=serial");
    program_release(&r);
    program_write(p.experiment, CELLS("2, 3, 4"));
    r = sweep(&p, "--profile", "--filter=strategy=serial.* steps=3|steps=3.*strategy=serial");
    program_release(&r);
    cr_expect_str_eq(id_in(&p, "pixart-tiny.64.serial.1", found), id_of(&p, 0, row));
    snprintf(name, sizeof name, "pixart-tiny.64.serial.1.%s", id_of(&p, 1, row));
    cr_expect_str_eq(id_in(&p, name, found), row);
    r = sweep(&p, "--profile", "--filter=serial");
    cr_expect_eq(count(r.err, "] ok "), 1, "%s", r.err);
    cr_expect_eq(count(r.err, "] profile "), 0, "%s", r.err);
    snprintf(name, sizeof name, "pixart-tiny.64.serial.1.%s", id_of(&p, 2, row));
    cr_expect_str_eq(id_in(&p, name, found), row);
    program_release(&r);
}

/* A file stands where the folder would be. */
Test(sweep_profile, one_that_fails_is_told_and_harms_nothing)
{
    struct place p = place_of(CELLS("2"));
    char path[400];
    mkdir(p.profiles, 0700);
    snprintf(path, sizeof path, "%s/pixart-tiny.64.serial.1", p.profiles);
    program_write(path, "in the way\n");
    struct program r = sweep(&p, "--profile", NULL);
    cr_expect(strstr(r.err, "ditbench sweep: profile of pixart-tiny 64x64 serial"), "%s", r.err);
    cr_expect(strstr(r.err, path), "%s", r.err);
    cr_expect(strstr(r.out, "3 of 3 cells have a row: 2 ok 1 unsupported"), "%s", r.out);
    cr_expect_eq(unlink(path), 0);
    program_release(&r);
    r = sweep(&p, "--profile", NULL);
    expect_both(&p);
    program_release(&r);
}

Test(sweep_profile, a_missing_gnuplot_is_said_once)
{
    struct place p = place_of(CELLS("2"));
    setenv("PATH", program_folder(), 1);
    struct program r = sweep(&p, "--profile", NULL);
    cr_expect_eq(count(r.err, "gnuplot is not installed"), 1, "%s", r.err);
    expect_both(&p);
    program_release(&r);
}

/* Stopped while a cell is recorded: the row stands, the profile is made by the next start. */
Test(sweep_profile, one_that_is_interrupted_is_made_later)
{
    struct place p = place_of(CELLS("200"));
    int status = 0;
    char found[40];
    char spool[400];
    const char *argv[] = {program_path(), "sweep",     p.experiment,      "--results",
                          p.results,      "--profile", "--filter=serial", NULL};
    pid_t pid = program_start(argv);
    snprintf(spool, sizeof spool, "%s/pixart-tiny.64.serial.1/spool", p.profiles);
    cr_assert(program_wait_for(spool, false));
    kill(pid, SIGINT);
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 130, "%x", (unsigned)status);
    cr_expect_str_empty(id_in(&p, "pixart-tiny.64.serial.1", found));
    struct program r = sweep(&p, "--profile", "--filter=serial");
    cr_expect(strstr(r.out, "1 of 1 cells have a row: 1 ok"), "%s", r.out);
    cr_expect_eq(count(r.err, "] profile "), 1, "%s", r.err);
    cr_expect_str_not_empty(id_in(&p, "pixart-tiny.64.serial.1", found));
    program_release(&r);
}
