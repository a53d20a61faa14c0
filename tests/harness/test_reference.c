/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of one-rank runs: what is not whole, not of this key or not of this version is not
 * there, and nothing that the cache is spoils a run. */
#include "harness/check/reference_cache.h"
#include "models/safetensors.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(reference, .init = program_limit);

enum { COUNT = 50 };
static const char key[] = "model=checkpoint weights=0123 seed=1";

static void fill(float *v, float first)
{
    for (int i = 0; i < COUNT; i++)
        v[i] = first + (float)i;
}

/* The folder of this process' cache. */
static const char *use_cache(void)
{
    setenv("DITBENCH_CACHE", program_folder(), 1);
    return program_folder();
}

/* The one entry of a folder; "" where there is none. */
static const char *find_entry(const char *folder)
{
    static char path[600];
    DIR *dir = opendir(folder);
    path[0] = '\0';
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (strncmp(e->d_name, "reference-", 10) == 0)
            snprintf(path, sizeof path, "%.300s/%s", folder, e->d_name);
    if (dir)
        closedir(dir);
    return path;
}

static const char *store_one(void)
{
    float v[COUNT];
    fill(v, 1);
    use_cache();
    cr_assert_eq(reference_cache_store(key, COUNT, v), ST_OK, "%s", status_message());
    return find_entry(program_folder());
}

static bool loads(void)
{
    float v[COUNT];
    float want[COUNT];
    fill(want, 1);
    bool found = reference_cache_load(key, COUNT, v);
    cr_assert(!found || memcmp(v, want, sizeof v) == 0, "another latent");
    return found;
}

Test(reference, what_is_stored_is_loaded)
{
    int entries;
    uint64_t bytes;
    float v[COUNT];
    reference_cache_count(&entries, &bytes);
    store_one();
    cr_assert(loads());
    cr_assert_not(reference_cache_load("another key", COUNT, v));
    cr_assert_not(reference_cache_load(key, COUNT - 1, v));
    reference_cache_count(&entries, &bytes);
    cr_assert(entries == 1 && bytes > sizeof v, "%d %llu", entries, (unsigned long long)bytes);
}

Test(reference, a_byte_that_turned_is_noticed)
{
    const char *path = store_one();
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    FILE *file = fopen(path, "r+b");
    for (off_t i = 0; i < info.st_size; i++) {
        fseek(file, i, SEEK_SET);
        int c = getc(file);
        fseek(file, i, SEEK_SET);
        putc(c ^ 0x11, file);
        fflush(file);
        loads(); /* the right latent or none; a space of the header may have turned */
        fseek(file, i, SEEK_SET);
        putc(c, file);
    }
    fclose(file);
    cr_assert(loads());
    for (off_t size = info.st_size - 1; size >= 0; size -= 7) {
        cr_assert_eq(truncate(path, size), 0);
        cr_assert_not(loads(), "%ld bytes", (long)size);
    }
}

Test(reference, entries_of_others_are_none)
{
    static const char *const meta[][3][2] = {
        {{"key", key}, {"hash", "0123456789abcdef"}, {"x", ""}}, /* of an older build */
        {{"format", "ditbench-latent-2"}, {"key", key}, {"checksum", "0"}},
        {{"format", "ditbench-latent-1"}, {"key", key}, {"checksum", "0"}},
        {{"format", "ditbench-latent-1"}, {"key", "another"}, {"checksum", "0"}},
    };
    float v[COUNT];
    const char *path = store_one();
    fill(v, 1);
    for (int i = 0; i < 4; i++) {
        struct safetensors_item item = {"latent", 1, {COUNT}, v};
        cr_assert_eq(safetensors_write(path, 1, &item, 3, meta[i]), ST_OK);
        cr_assert_not(loads(), "%d", i);
    }
    /* an entry under another key's name */
    cr_assert_eq(reference_cache_store("another key", COUNT, v), ST_OK);
    unlink(path);
    cr_assert_eq(rename(find_entry(program_folder()), path), 0);
    cr_assert_not(loads());
}

Test(reference, what_is_no_file_is_no_entry)
{
    float v[COUNT];
    char *path = strdup(store_one());
    fill(v, 1);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_not(loads());
    cr_assert_eq(reference_cache_store(key, COUNT, v), ST_OK); /* takes its place */
    cr_assert(loads());
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_not(loads());
    cr_assert_eq(reference_cache_store(key, COUNT, v), ST_IO);
    rmdir(path);
    free(path);
}

Test(reference, many_write_one_entry_at_once)
{
    float v[COUNT];
    fill(v, 1);
    store_one();
    pid_t pid[4];
    for (int p = 0; p < 4; p++) {
        pid[p] = fork();
        if (pid[p] == 0)
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; pid[p] == 0; i++)
            if (reference_cache_store(key, COUNT, v) != ST_OK)
                _exit(1);
    }
    for (int i = 0; i < 2000; i++)
        cr_assert(loads(), "a half entry");
    for (int p = 0; p < 4; p++) {
        int status;
        kill(pid[p], SIGKILL);
        waitpid(pid[p], &status, 0);
        cr_assert(WIFSIGNALED(status));
    }
}

/* ---- the program ---- */

static struct program run(const char *folder, const char *cache)
{
    const char *argv[] = {"env",
                          "DITBENCH_CACHE",
                          program_path(),
                          "run",
                          "--model=pixart-tiny",
                          "--size=64",
                          "--steps=2",
                          "--repeats=1",
                          "--threads=2",
                          "--strategy=ring=2",
                          "--json",
                          cache,
                          NULL};
    char variable[400];
    snprintf(variable, sizeof variable, "DITBENCH_CACHE=%s", folder);
    argv[1] = variable;
    return program_command(argv);
}

static void is_ok(struct program r)
{
    cr_assert_eq(r.status, 0, "%s", r.err);
    cr_assert_str_eq(program_json(r.out, "check.pass"), "true");
    program_release(&r);
}

/* A cache that is a file, cannot be made, or holds rubbish costs nothing but time. */
Test(reference, no_cache_spoils_a_run)
{
    char *file = strdup(program_file("a-file"));
    char *folder = strdup(program_file("folder"));
    program_write(file, "x");
    is_ok(run(file, NULL));
    is_ok(run("/proc/nowhere", NULL));
    is_ok(run(folder, NULL));
    cr_assert_neq(find_entry(folder)[0], '\0');
    cr_assert_eq(truncate(find_entry(folder), 300), 0);
    is_ok(run(folder, NULL));
    struct stat info;
    cr_assert(stat(find_entry(folder), &info) == 0 && info.st_size > 300);
    free(file);
    free(folder);
}

/* With a wrong latent under the right key, a run that reads the cache is wrong and one that does
 * not is right; so both do what they say. */
Test(reference, cache_off_neither_reads_nor_writes)
{
    char *folder = strdup(program_file("off"));
    float v[256] = {1};
    is_ok(run(folder, "--cache=off"));
    cr_assert_str_eq(find_entry(folder), "");
    is_ok(run(folder, "--cache=on"));
    struct safetensors *entry;
    char *text = NULL;
    cr_assert_eq(safetensors_open(find_entry(folder), &entry), ST_OK);
    text = strdup(safetensors_meta(entry, "key"));
    safetensors_close(entry);
    setenv("DITBENCH_CACHE", folder, 1);
    cr_assert_eq(reference_cache_store(text, 256, v), ST_OK);
    char *before = program_read(find_entry(folder));
    is_ok(run(folder, "--cache=off"));
    char *after = program_read(find_entry(folder));
    cr_assert_str_eq(before, after);
    struct program r = run(folder, "--cache=on");
    cr_assert_eq(r.status, 1);
    program_release(&r);
    free(text);
    free(before);
    free(after);
    free(folder);
}

/* How a cell is measured, and over what, is not in the key. */
Test(reference, cells_of_one_question_share_a_run)
{
    static const char *const more[] = {"--repeats=2",     "--warmup-loops=0", "--graph=off",
                                       "--exchange=nccl", "--threads=3",      "--strategy=cfg=2"};
    int entries;
    uint64_t bytes;
    use_cache();
    for (int i = 0; i < 6; i++)
        is_ok(program_run("run", "--model=pixart-tiny", "--size=64", "--steps=2", "--repeats=1",
                          "--threads=2", "--strategy=ring=2", "--json", more[i], NULL));
    reference_cache_count(&entries, &bytes);
    cr_assert_eq(entries, 1);
    is_ok(program_run("run", "--model=pixart-tiny", "--size=64", "--steps=2", "--repeats=1",
                      "--threads=2", "--strategy=ring=2", "--json", "--seed=2", NULL));
    reference_cache_count(&entries, &bytes);
    cr_assert_eq(entries, 2);
}

Test(reference, info_tells_of_the_cache)
{
    store_one();
    struct program r = program_run("info", "--json", NULL);
    cr_assert_str_eq(program_json(r.out, "cache.folder"), program_folder());
    cr_assert_str_eq(program_json(r.out, "cache.one_rank_runs"), "1");
    cr_assert(atoi(program_json(r.out, "cache.bytes")) > 200);
    program_release(&r);
}
