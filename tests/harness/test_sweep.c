/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeps: rows, refusals, resuming, and being killed at any moment. */
#include "harness/record/file.h"
#include "tests/harness/checkpoint.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sweep, .init = program_limit);
TestSuite(sweep_mpi, .init = program_limit);

#define CELLS                                                                                      \
    "name: s\nmodels: [pixart-tiny]\nsizes: [\"64\"]\nranks: [1, 2, 5]\nsteps: [2]\nrepeats: "     \
    "1\nwarmup_loops: 0\n"                                                                         \
    "threads: 2\nstrategies: [serial, \"ulysses={ranks}\", \"ring=2\", \"cfg=2\"]\n"
/* serial and ulysses=1 are one cell; ulysses=2; ring=2; cfg=2; ulysses=5 is refused */
enum { DISTINCT = 5, REFUSED = 1 };

struct place {
    char *experiment, *results;
};

static struct place place_of(const char *name, const char *text)
{
    char file[100];
    struct place p;
    snprintf(file, sizeof file, "%s.yaml", name);
    p.experiment = strdup(program_file(file));
    snprintf(file, sizeof file, "%s.jsonl", name);
    p.results = strdup(program_file(file));
    program_write(p.experiment, text);
    unlink(p.results);
    return p;
}

static struct program sweep(const struct place *p, const char *option)
{
    return program_run("sweep", p->experiment, "--results", p->results, option, NULL);
}

static struct record_list rows_of(const struct place *p)
{
    struct record_list rows;
    bool torn = false;
    cr_assert_eq(record_file_read(p->results, &rows, &torn), ST_OK, "%s", status_message());
    return rows;
}

static int lines_of(const char *path)
{
    int n = 0;
    char *text = program_read(path);
    for (const char *c = text; c && *c; c++)
        n += *c == '\n';
    free(text);
    return n;
}

static const char *last_line(char *text)
{
    size_t n = strlen(text);
    if (n > 0 && text[n - 1] == '\n')
        text[n - 1] = '\0';
    char *line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

Test(sweep, gives_every_cell_one_row)
{
    struct place p = place_of("rows", CELLS);
    struct program r = sweep(&p, NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    cr_assert(strstr(last_line(r.out), "5 of 5 cells have a row: 4 ok 1 unsupported"), "%s",
              last_line(r.out));
    struct record_list rows = rows_of(&p);
    cr_assert_eq(rows.n, DISTINCT);
    for (int i = 0; i < rows.n; i++) {
        const struct record *row = rows.v[i];
        bool refused = strcmp(row->cell.strategy, "ulysses=5") == 0;
        cr_assert_eq(row->status, refused ? ENDING_UNSUPPORTED : ENDING_OK, "%s: %s",
                     row->cell.strategy, row->reason);
        cr_assert_str_eq(row->experiment, "s");
        if (refused)
            cr_assert(strstr(row->reason, "12"), "%s",
                      row->reason); /* the heads that 5 does not divide */
        else
            cr_assert(row->check.pass == RECORD_YES && row->comm_match == RECORD_YES);
    }
    record_list_release(&rows);
    program_release(&r);
}

Test(sweep, runs_nothing_twice)
{
    struct place p = place_of("twice", CELLS);
    struct program r = sweep(&p, NULL);
    program_release(&r);
    char *before = program_read(p.results);
    r = sweep(&p, NULL);
    cr_assert_eq(r.status, 0);
    char *after = program_read(p.results);
    cr_assert_str_eq(before, after);
    program_release(&r);
    r = sweep(&p, "--retry=unsupported,timeout");
    cr_assert_eq(r.status, 0);
    cr_assert_eq(lines_of(p.results), DISTINCT + 1);
    program_release(&r);
    free(before);
    free(after);
}

Test(sweep, filters_and_previews)
{
    struct place p = place_of("filter", CELLS);
    struct program r = sweep(&p, "--dry-run");
    cr_assert_eq(r.status, 0, "%s", r.err);
    cr_assert(strstr(r.out, "unsupported  model=pixart-tiny size=64x64"), "%s", r.out);
    cr_assert(strstr(r.out, "5 cells: 4 would run, 0 have rows"), "%s", r.out);
    cr_assert_null(program_read(p.results));
    program_release(&r);
    r = sweep(&p, "--filter=strategy=(ring|cfg)=2 ranks=2 ");
    cr_assert_eq(r.status, 0);
    cr_assert_eq(lines_of(p.results), 2);
    program_release(&r);
    r = sweep(&p, "--filter=nothing like this");
    cr_assert_eq(r.status, 2);
    program_release(&r);
    r = sweep(&p, "--filter=(");
    cr_assert(r.status == 2 && strstr(r.err, "--filter"));
    program_release(&r);
    r = sweep(&p, "--retry=lost");
    cr_assert(r.status == 2 && strstr(r.err, "crash"));
    program_release(&r);
}

Test(sweep, cuts_off_a_torn_line)
{
    struct place p = place_of("torn", CELLS);
    struct program r = sweep(&p, "--filter=strategy=(serial|ring)");
    program_release(&r);
    int lines = lines_of(p.results);
    struct stat info;
    stat(p.results, &info);
    cr_assert_eq(truncate(p.results, info.st_size - 100), 0);
    r = sweep(&p, NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    cr_assert(strstr(r.err, "torn"), "%s", r.err);
    cr_assert_eq(lines, 2);
    cr_assert_eq(lines_of(p.results), DISTINCT);
    program_release(&r);
}

Test(sweep, refuses_a_file_in_use)
{
    struct place p = place_of("locked", CELLS);
    struct record_file *file;
    cr_assert_eq(record_file_open(p.results, &file), ST_OK);
    struct program r = sweep(&p, NULL);
    cr_assert(r.status == 2 && strstr(r.err, p.results), "%s", r.err);
    record_file_close(file);
    program_release(&r);
}

Test(sweep, refuses_places_that_cannot_be_written)
{
    struct place p = place_of("place", CELLS);
    struct program r =
        program_run("sweep", p.experiment, "--results", "/proc/nowhere/x.jsonl", NULL);
    cr_assert(r.status == 2 && strstr(r.err, "/proc/nowhere"), "%s", r.err);
    program_release(&r);
}

Test(sweep, leaves_somebody_elses_file_as_it_is)
{
    static const char *const texts[] = {"notes of a week\nand a last line without its end",
                                        "one line without its end", "{\"a\": 1}\n"};
    struct place p = place_of("foreign", CELLS);
    for (int i = 0; i < 3; i++) {
        program_write(p.results, texts[i]);
        struct program r = sweep(&p, NULL);
        cr_assert(r.status == 2 && strstr(r.err, p.results), "%d: %s", r.status, r.err);
        char *after = program_read(p.results);
        cr_assert_str_eq(after, texts[i]);
        free(after);
        program_release(&r);
    }
}

Test(sweep, writes_to_regular_files_only)
{
    struct place p = place_of("kinds", CELLS);
    const char *const names[] = {p.results, "/dev/full", program_folder()};
    cr_assert_eq(mkfifo(p.results, 0600), 0);
    for (int i = 0; i < 3; i++) {
        struct program r = program_run("sweep", p.experiment, "--results", names[i], NULL);
        cr_assert(r.status == 2 && strstr(r.err, names[i]), "%d: %s", r.status, r.err);
        program_release(&r);
        r = program_run("sweep", p.experiment, "--results", names[i], "--dry-run", NULL);
        cr_assert(r.status == 2 && strstr(r.err, names[i]), "%d: %s", r.status, r.err);
        program_release(&r);
    }
}

/* ---- a results file that others change while the sweep runs ---- */

/* Cells that take long enough for somebody to come between. */
#define SLOW_CELLS                                                                                 \
    "name: s\nmodels: [pixart-tiny]\nsizes: [\"128\"]\nranks: [1, 2]\nsteps: [20]\nrepeats: 1\n"   \
    "warmup_loops: 0\nthreads: 2\nstrategies: [serial, \"ring=2\", \"cfg=2\", \"data=2\"]\n"       \
    "requests: [2]\n"
enum { SLOW = 4 };

/* Starts a sweep whose output goes to files, and waits until it has written `rows` rows. */
static pid_t start_sweep(const struct place *p, int rows)
{
    char command[1000];
    snprintf(command, sizeof command, "exec '%s' sweep '%s' --results '%s' >'%s' 2>'%s'",
             program_path(), p->experiment, p->results, program_file("bg.out"),
             program_file("bg.err"));
    const char *const argv[] = {"sh", "-c", command, NULL};
    pid_t pid = program_start(argv);
    for (int i = 0; i < 4000 && lines_of(p->results) < rows; i++)
        usleep(5000);
    cr_assert_geq(lines_of(p->results), rows);
    return pid;
}

static struct program end_sweep(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    return (struct program){WIFEXITED(status) ? WEXITSTATUS(status) : 128,
                            program_read(program_file("bg.out")),
                            program_read(program_file("bg.err"))};
}

static void all_rows_are_there(const struct place *p, struct program *r)
{
    cr_assert_eq(r->status, 0, "%s", r->err);
    cr_assert(strstr(last_line(r->out), "4 of 4 cells have a row: 4 ok"), "%s", r->out);
    cr_assert_eq(lines_of(p->results), SLOW);
    struct record_list rows = rows_of(p);
    cr_assert_eq(rows.n, SLOW);
    record_list_release(&rows);
}

Test(sweep, a_deleted_results_file_is_written_again)
{
    struct place p = place_of("deleted", SLOW_CELLS);
    pid_t pid = start_sweep(&p, 1);
    cr_assert_eq(unlink(p.results), 0);
    struct program r = end_sweep(pid);
    cr_assert(strstr(r.err, "was deleted"), "%s", r.err);
    all_rows_are_there(&p, &r);
    program_release(&r);
}

Test(sweep, a_replaced_results_file_gets_its_rows)
{
    struct place p = place_of("replaced", SLOW_CELLS);
    pid_t pid = start_sweep(&p, 2);
    char *other = program_file("other.jsonl");
    program_write(other, "");
    cr_assert_eq(rename(other, p.results), 0);
    /* the name is taken all the same */
    struct program second = sweep(&p, NULL);
    cr_assert(second.status == 2 && strstr(second.err, "another sweep"), "%s", second.err);
    program_release(&second);
    struct program r = end_sweep(pid);
    cr_assert(strstr(r.err, "was replaced"), "%s", r.err);
    all_rows_are_there(&p, &r);
    program_release(&r);
}

Test(sweep, a_truncated_results_file_gets_its_rows)
{
    struct place p = place_of("emptied", SLOW_CELLS);
    pid_t pid = start_sweep(&p, 2);
    cr_assert_eq(truncate(p.results, 0), 0);
    struct program r = end_sweep(pid);
    cr_assert(strstr(r.err, " rows went into it again"), "%s", r.err);
    all_rows_are_there(&p, &r);
    program_release(&r);
}

/* Rows of before are whoever's who deleted them; the count says so. */
Test(sweep, counts_what_is_in_the_file)
{
    struct place p = place_of("count", SLOW_CELLS);
    struct program r = sweep(&p, "--filter=strategy=(serial|ring)");
    cr_assert_eq(r.status, 0, "%s", r.err);
    program_release(&r);
    pid_t pid = start_sweep(&p, 3);
    cr_assert_eq(unlink(p.results), 0);
    r = end_sweep(pid);
    cr_assert(r.status == 2 && strstr(r.err, "the same command goes on"), "%s", r.err);
    cr_assert(strstr(last_line(r.out), "2 of 4 cells have a row"), "%s", r.out);
    cr_assert_eq(lines_of(p.results), 2);
    program_release(&r);
    r = sweep(&p, NULL);
    all_rows_are_there(&p, &r);
    program_release(&r);
}

Test(sweep, a_full_disk_ends_it_and_loses_nothing)
{
    struct place p = place_of("full", CELLS);
    struct program r = sweep(&p, "--filter=strategy=(serial|ring)");
    cr_assert_eq(r.status, 0, "%s", r.err);
    program_release(&r);
    struct stat info;
    cr_assert_eq(stat(p.results, &info), 0);
    const struct rlimit limit = {(rlim_t)info.st_size + 500, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0); /* of the program that is started */
    r = sweep(&p, NULL);
    cr_assert(r.status == 2 && strstr(r.err, "File too large"), "%d: %s", r.status, r.err);
    cr_assert(strstr(r.err, "1 row that it lacks is in "), "%s", r.err);
    cr_assert(strstr(last_line(r.out), "2 of 5 cells have a row: 2 ok"), "%s", r.out);
    program_release(&r);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}), 0);
    r = sweep(&p, NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    cr_assert_eq(lines_of(p.results), DISTINCT);
    program_release(&r);
}

Test(sweep, a_cell_that_hangs_or_dies_is_a_row)
{
    struct place p = place_of(
        "slow", "name: slow\nmodels: [dit-xl-2-256, dit-tiny]\nsizes: [\"64\"]\nranks: [1]\n"
                "strategies: [serial]\nsteps: [250]\nrepeats: 1\nwarmup_loops: 0\ntimeout_s: 4\n"
                "exclude: [\"model=dit-tiny,steps=9\"]\n");
    struct program r = sweep(&p, "--strict");
    cr_assert_eq(r.status, 1, "%s", r.err);
    struct record_list rows = rows_of(&p);
    cr_assert_eq(rows.n, 2);
    cr_assert_eq(rows.v[0]->status, ENDING_TIMEOUT);
    cr_assert(strstr(rows.v[0]->reason, "4 s"), "%s", rows.v[0]->reason);
    char again[600];
    snprintf(again, sizeof again, ": %s sweep --retry timeout %s --results %s --strict\n",
             program_path(), p.experiment, p.results);
    cr_assert(strstr(r.out, again), "%s\nis not in: %s", again, r.out);
    cr_assert(strstr(last_line(r.out), "2 of 2 cells have a row: 1 ok 1 timeout"), "%s", r.out);
    cr_assert_eq(program_count_processes("--model=dit-xl-2-256 --size=64x64"), 0);
    record_list_release(&rows);
    program_release(&r);
}

Test(sweep, an_interrupted_cell_runs_again)
{
    struct place p = place_of("stop", CELLS);
    char text[1000];
    snprintf(text, sizeof text, "%sseed: 4711\n", CELLS);
    program_write(p.experiment, text);
    const char *argv[] = {program_path(), "sweep", p.experiment, "--results", p.results, NULL};
    pid_t pid = program_start(argv);
    int status = 0;
    cr_assert(program_wait_for("--requests=1 --seed=4711", false));
    kill(pid, SIGINT);
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 130 || WEXITSTATUS(status) == 0), "%d",
              status);
    cr_assert_eq(program_count_processes("--seed=4711"), 0);
    struct program r = sweep(&p, NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    struct record_list rows = rows_of(&p);
    cr_assert_eq(rows.n, DISTINCT);
    for (int i = 0; i < rows.n; i++)
        cr_assert_neq(rows.v[i]->status, ENDING_INTERRUPTED);
    record_list_release(&rows);
    program_release(&r);
}

/* Final rows of one id in the raw file, counted one by one. */
static int final_rows(const struct place *p, const char *id)
{
    int n = 0;
    char *text = program_read(p->results);
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strcmp(program_json(line, "id"), id) == 0)
            n += strcmp(program_json(line, "status"), "interrupted") != 0;
    free(text);
    return n;
}

#ifdef DEBUG
enum { KILLS = 20 }; /* a start takes longer under a sanitizer, and seldom gets through */
#else
enum { KILLS = 60 };
#endif

/* Kills a sweep again and again until one start gets through; then every cell has exactly one final
 * row. */
static void kill_and_resume(const char *name, const char *more, int signal_number, unsigned seed)
{
    struct place p = place_of(name, CELLS);
    char text[1000];
    int status = 1;
    snprintf(text, sizeof text, "%sseed: %u\n%s", CELLS, seed, more);
    program_write(p.experiment, text);
    const char *argv[] = {program_path(), "sweep", p.experiment, "--results", p.results, NULL};
    for (int round = 0; round < KILLS && status != 0; round++) {
        pid_t pid = program_start(argv);
        usleep((useconds_t)(rand_r(&seed) % 400000));
        kill(pid, signal_number);
        waitpid(pid, &status, 0);
    }
    struct program r = sweep(&p, NULL);
    cr_assert_eq(r.status, 0, "%s", r.err);
    program_release(&r);
    struct record_list rows = rows_of(&p);
    cr_assert_eq(rows.n, DISTINCT);
    for (int i = 0; i < rows.n; i++)
        cr_assert_eq(final_rows(&p, rows.v[i]->id), 1);
    record_list_release(&rows);
    snprintf(text, sizeof text, "--seed=%u", seed);
    cr_assert(program_wait_for(text, true));
}

Test(sweep, killed_at_any_moment_it_goes_on)
{
    kill_and_resume("kill", "", SIGKILL, 90001);
}

Test(sweep, stopped_at_any_moment_it_goes_on)
{
    kill_and_resume("term", "", SIGTERM, 90002);
}

Test(sweep_mpi, it_leaves_nobody_behind)
{
    program_needs_mpi();
    kill_and_resume("mpi", "transport: mpi\n", SIGKILL, 90003);
}

/* Each part has an identity of its own, and the strategy chooses which is meant. */
Test(sweep, a_folder_with_both_parts_is_two_models)
{
    char text[1500], command[1200];
    const char *model = checkpoint_copy("pixart-alpha");
    snprintf(command, sizeof command, "cp -r %s/tests/golden/vae-sd/vae %s/vae",
             DITBENCH_SOURCE_DIR, model);
    cr_assert_eq(system(command), 0, "%s", command);
    snprintf(text, sizeof text,
             "name: both\nmodels: [%s]\nsizes: [\"64\"]\nrepeats: 1\nthreads: 2\nbackend: cpu\n"
             "strategies: [serial, \"rows=2\", \"cfg=2\", \"rows=1:chunk=2\"]\n",
             model);
    struct place p = place_of("both", text);
    struct program ran = program_run("sweep", p.experiment, "--results", p.results, NULL);
    cr_assert(ran.status == 0 && strstr(ran.out, "4 of 4 cells have a row: 4 ok"), "%d %s%s",
              ran.status, ran.out, ran.err);
    program_release(&ran);
}
