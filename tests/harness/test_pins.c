/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints and texts that change while a sweep runs: every rank notices, and no row and no kept
 * one-rank run is about other bytes than its hash. */
#include "harness/cell/pins.h"
#include "harness/record/file.h"
#include "tests/harness/checkpoint.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(pins, .init = program_limit);
TestSuite(pins_mpi, .init = program_limit);

/* A checkpoint as the driver has it. */
struct driver {
    const char *copy;
    struct setup *setup;
    char identity[PINS_IDENTITY];
    struct pins pins;
    char *text;
};

static struct driver drive(const char *model, const char *text)
{
    struct driver d = {.copy = checkpoint_copy(model)};
    struct cell cell;
    cell_init(&cell);
    snprintf(cell.model, sizeof cell.model, "%s", d.copy);
    cell.text = text;
    cr_assert_eq(setup_open(&cell, NULL, &d.setup), ST_OK, "%s", status_message());
    cr_assert_eq(pins_identify(d.setup, d.identity, &d.pins), ST_OK, "%s", status_message());
    d.text = pins_text(&d.pins);
    return d;
}

static void release(struct driver *d)
{
    setup_close(d->setup);
    pins_release(&d->pins);
    free(d->text);
}

static int cache_entries(void)
{
    int n = 0;
    DIR *dir = opendir(program_folder());
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += strncmp(e->d_name, "reference-", 10) == 0;
    closedir(dir);
    return n;
}

/* What a rank of the driver's says at its end. */
static struct program work(const struct driver *d, const char *identity, const char *pins,
                           const char *more)
{
    return program_run("worker", "--model", d->copy, "--steps=2", "--repeats=1", "--warmup-loops=0",
                       "--threads=2", "--backend=cpu", "--transport=local", "--strategy=ring=2",
                       "--ranks=2", "--identity", identity, "--pins", pins, more, NULL);
}

static void fails_naming(struct program r, const char *path)
{
    cr_assert_eq(r.status, 2, "%d: %s%s", r.status, r.out, r.err);
    cr_assert(strstr(r.out, "\nfail invalid "), "%s%s", r.out, r.err);
    cr_assert(strstr(r.out, path), "%s is not in: %s", path, r.out);
    cr_assert_null(strstr(r.out, "record {"));
    cr_assert_eq(cache_entries(), 0);
    program_release(&r);
}

static void succeeds(struct program r)
{
    cr_assert_eq(r.status, 0, "%s%s", r.out, r.err);
    cr_assert(strstr(r.out, "\nrecord {"), "%s", r.out);
    program_release(&r);
}

Test(pins, unchanged_files_are_the_same)
{
    struct driver d = drive("dit", NULL);
    cr_assert_eq(pins_hold(&d.pins), ST_OK);
    succeeds(work(&d, d.identity, d.text, NULL));
    release(&d);
}

/* Ways to change a file. */
static void overwrite(const char *path)
{
    checkpoint_poke(path, CHECKPOINT_OTHER);
}

static void overwrite_secretly(const char *path)
{
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    checkpoint_poke(path, CHECKPOINT_OTHER);
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void replace(const char *path)
{
    char command[1000];
    snprintf(command, sizeof command, "cp -p %s %s.new && mv %s.new %s", path, path, path, path);
    cr_assert_eq(system(command), 0);
}

static void lengthen(const char *path)
{
    FILE *out = fopen(path, "a");
    cr_assert(out && fputs("  ", out) >= 0 && fclose(out) == 0);
}

Test(pins, a_rank_names_the_file_that_changed)
{
    static void (*const ways[])(const char *path) = {overwrite, overwrite_secretly, replace};
    static const char *const configs[] = {"transformer/config.json",
                                          "scheduler/scheduler_config.json", "model_index.json"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct driver d = drive("dit", NULL);
        char *path = checkpoint_file(d.copy, CHECKPOINT_WEIGHTS);
        ways[i](path);
        cr_assert_eq(pins_hold(&d.pins), ST_INVALID);
        cr_assert(strstr(status_message(), path), "%s", status_message());
        fails_naming(work(&d, d.identity, d.text, NULL), path);
        fails_naming(work(&d, d.identity, d.text, "--check=off"), path);
        release(&d);
    }
    for (size_t i = 0; i < 3; i++) {
        struct driver d = drive("dit", NULL);
        lengthen(checkpoint_file(d.copy, configs[i]));
        const char *name = strrchr(configs[i], '/');
        fails_naming(work(&d, d.identity, d.text, NULL), name ? name : configs[i]);
        char before[PINS_IDENTITY];
        struct pins after;
        strcpy(before, d.identity);
        cr_assert_eq(pins_identify(d.setup, d.identity, &after), ST_INVALID); /* read before */
        pins_release(&after);
        struct cell cell = d.setup->cell;
        setup_close(d.setup);
        cr_assert_eq(setup_open(&cell, NULL, &d.setup), ST_OK);
        cr_assert_eq(pins_identify(d.setup, d.identity, &after), ST_OK, "%s", status_message());
        pins_release(&after);
        cr_assert_str_neq(d.identity, before, "%s", configs[i]); /* and another cell from now on */
        release(&d);
    }
}

Test(pins, files_that_come_and_go_are_noticed)
{
    struct driver d = drive("pixart-sigma", NULL);
    char *index = checkpoint_file(d.copy, CHECKPOINT_WEIGHTS ".index.json");
    char *second =
        checkpoint_file(d.copy, "transformer/diffusion_pytorch_model-00002-of-00003.safetensors");
    overwrite(second);
    fails_naming(work(&d, d.identity, d.text, NULL), second);
    cr_assert_eq(unlink(index), 0);
    cr_assert_eq(rename(second, checkpoint_file(d.copy, CHECKPOINT_WEIGHTS)), 0);
    cr_assert_eq(pins_hold(&d.pins), ST_INVALID);
    cr_assert(strstr(status_message(), "has gone"), "%s", status_message());
    release(&d);
}

/* Whatever the files look like, nothing is kept under a hash that is not that of the bytes. */
Test(pins, the_hash_is_that_of_the_bytes)
{
    struct driver d = drive("dit", NULL);
    fails_naming(work(&d, "0123456789abcdef", d.text, NULL), d.copy);
    release(&d);
}

/* Another host has other numbers for the same files: there the bytes count. */
Test(pins, a_rank_on_another_host_hashes_its_bytes)
{
    char text[4000];
    struct driver d = drive("dit", NULL);
    snprintf(text, sizeof text, "another.host%s", strchr(d.text, '/'));
    fails_naming(work(&d, "0123456789abcdef", text, "--check=off"), d.copy);
    overwrite(checkpoint_file(d.copy, CHECKPOINT_WEIGHTS));
    fails_naming(work(&d, d.identity, text, NULL), d.copy);
    release(&d);
    d = drive("dit", NULL);
    replace(checkpoint_file(d.copy, CHECKPOINT_WEIGHTS));
    succeeds(work(&d, d.identity, text, NULL));
    release(&d);
}

Test(pins, changed_while_it_is_hashed_it_is_refused)
{
    const char *copy = checkpoint_copy("dit");
    char *path = checkpoint_file(copy, CHECKPOINT_WEIGHTS);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            overwrite(path);
    }
    struct program r = program_run("run", "--model", copy, "--steps=1", "--repeats=1", NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_assert(r.status == 2 && strstr(r.err, path), "%d: %s", r.status, r.err);
    cr_assert_eq(cache_entries(), 0);
    program_release(&r);
}

/* ---- a sweep ---- */

#define CELLS                                                                                      \
    "name: c\nmodels: [\"%s\"]\nranks: [1, 2]\nsteps: [%d]\nrequests: [2]\nrepeats: 1\n"           \
    "warmup_loops: 0\nthreads: 2\nstrategies: [serial, \"ring=2\", \"cfg=2\", \"data=2\"]\n"

struct files {
    char *experiment, *results;
};

static struct files files_of(const char *copy, int steps)
{
    char text[1000];
    struct files f = {strdup(program_file("c.yaml")), strdup(program_file("c.jsonl"))};
    snprintf(text, sizeof text, CELLS, copy, steps);
    program_write(f.experiment, text);
    unlink(f.results);
    return f;
}

static void release_files(struct files *f)
{
    free(f->experiment);
    free(f->results);
}

static int count_rows(const struct files *f, enum ending status, const char *in_reason)
{
    int n = 0;
    struct record_list rows;
    if (record_file_read(f->results, &rows, NULL) == ST_OK)
        for (int i = 0; i < rows.n; i++)
            n += rows.v[i]->status == status &&
                 (!in_reason || (rows.v[i]->reason && strstr(rows.v[i]->reason, in_reason)));
    record_list_release(&rows);
    return n;
}

/* Changes a file when the first row is there; the rows after it are errors that name it. */
static void changes_meanwhile(const char *name, void (*change)(const char *path))
{
    const char *copy = checkpoint_copy("dit");
    struct files f = files_of(copy, 100);
    char *path = checkpoint_file(copy, name);
    int status;
    const char *argv[] = {program_path(), "sweep", f.experiment, "--results", f.results, NULL};
    pid_t pid = program_start(argv);
    for (int i = 0; i < 4000 && count_rows(&f, ENDING_OK, NULL) < 1; i++)
        usleep(5000);
    change(path);
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    int ok = count_rows(&f, ENDING_OK, NULL);
    cr_assert(ok >= 1 && ok < 4, "%d rows are ok", ok);
    int errors = count_rows(&f, ENDING_ERROR, path);
    char *rows = program_read(f.results);
    cr_assert_eq(errors, 4 - ok, "%s", rows);
    free(rows);
    release_files(&f);
}

static void truncate_file(const char *path)
{
    cr_assert_eq(truncate(path, 1000), 0);
}

static void remove_file(const char *path)
{
    cr_assert_eq(unlink(path), 0);
}

static void remove_folder_above(const char *path)
{
    char command[1000];
    snprintf(command, sizeof command, "rm -r \"$(dirname %s)\"", path);
    cr_assert_eq(system(command), 0);
}

Test(pins, weights_that_change_make_errors)
{
    changes_meanwhile(CHECKPOINT_WEIGHTS, overwrite);
    changes_meanwhile(CHECKPOINT_WEIGHTS, truncate_file);
}

Test(pins, files_that_are_replaced_or_go_make_errors)
{
    changes_meanwhile(CHECKPOINT_WEIGHTS, replace);
    changes_meanwhile(CHECKPOINT_WEIGHTS, remove_file);
}

Test(pins, configurations_that_change_make_errors)
{
    changes_meanwhile("transformer/config.json", truncate_file);
    changes_meanwhile("transformer/config.json", remove_folder_above);
    changes_meanwhile("scheduler/scheduler_config.json", lengthen);
}

/* A kept run is of the weights that it is named by: old ones, brought back, are checked against
 * their own. */
Test(pins, no_kept_run_is_of_other_weights)
{
    const char *copy = checkpoint_copy("dit");
    struct files f = files_of(copy, 4);
    char *path = checkpoint_file(copy, CHECKPOINT_WEIGHTS);
    char *old = checkpoint_file(copy, "old");
    char command[1000];
    snprintf(command, sizeof command, "cp %s %s", path, old);
    cr_assert_eq(system(command), 0);
    for (int round = 0; round < 4; round++) {
        if (round % 2)
            overwrite(path);
        else
            snprintf(command, sizeof command, "cp %s %s", old, path);
        cr_assert(round % 2 || system(command) == 0);
        struct program r = program_run("sweep", f.experiment, "--results", f.results, NULL);
        cr_assert_eq(r.status, 0, "%s", r.err);
        program_release(&r);
        int ok = count_rows(&f, ENDING_OK, NULL);
        cr_assert_eq(ok, round == 0 ? 4 : 8, "round %d: %d", round, ok);
    }
    cr_assert_eq(cache_entries(), 2);
    release_files(&f);
}

/* ---- texts ---- */

Test(pins, a_text_is_an_input_too)
{
    static const char golden[] = "pixart-alpha.sample.safetensors";
    char command[1000];
    char *text = strdup(program_file("text.safetensors"));
    snprintf(command, sizeof command, "cp %s/tests/golden/%s %s", DITBENCH_SOURCE_DIR, golden,
             text);
    cr_assert_eq(system(command), 0);
    struct driver d = drive("pixart-alpha", text);
    cr_assert_eq(pins_hold(&d.pins), ST_OK);
    overwrite(text);
    cr_assert_eq(pins_hold(&d.pins), ST_INVALID);
    cr_assert(strstr(status_message(), text), "%s", status_message());
    release(&d);
    free(text);
}

/* ---- mpirun ---- */

Test(pins_mpi, every_rank_compares)
{
    program_needs_mpi();
    struct driver d = drive("dit", NULL);
    const char *argv[] = {"mpirun",
                          "-n",
                          "2",
                          program_path(),
                          "worker",
                          "--model",
                          d.copy,
                          "--steps=2",
                          "--repeats=1",
                          "--threads=2",
                          "--backend=cpu",
                          "--transport=mpi",
                          "--strategy=ring=2",
                          "--ranks=2",
                          "--check=off",
                          "--identity",
                          d.identity,
                          "--pins",
                          d.text,
                          NULL};
    succeeds(program_command(argv));
    overwrite(checkpoint_file(d.copy, CHECKPOINT_WEIGHTS));
    struct program r = program_command(argv);
    const char *first = strstr(r.out, "fail invalid ");
    cr_assert(r.status != 0 && first, "%s%s", r.out, r.err);
    cr_assert(strstr(r.out, CHECKPOINT_WEIGHTS), "%s", r.out);
    program_release(&r);
    release(&d);
}

Test(pins_mpi, without_a_driver_rank_0_hashes)
{
    program_needs_mpi();
    const char *copy = checkpoint_copy("dit");
    const char *argv[] = {
        "mpirun",    "-n",          "2",           program_path(),      "run",    "--model", copy,
        "--steps=2", "--repeats=1", "--threads=2", "--strategy=ring=2", "--json", NULL};
    struct program r = program_command(argv);
    cr_assert_eq(r.status, 0, "%s", r.err);
    cr_assert_eq(strlen(program_json(r.out, "cell.weights")), 16, "%s", r.out);
    cr_assert_eq(cache_entries(), 1);
    program_release(&r);
    truncate_file(checkpoint_file(copy, CHECKPOINT_WEIGHTS));
    r = program_command(argv);
    cr_assert(r.status == 2 && strstr(r.err, CHECKPOINT_WEIGHTS), "%d: %s", r.status, r.err);
    program_release(&r);
}
