/* SPDX-License-Identifier: Apache-2.0 */
/* One-rank runs and their cache. Judges nothing. */
#include "harness/check/reference.h"

#include "harness/base/folder.h"
#include "harness/launch/ranks.h"
#include "kernels/base/hash.h"
#include "strategies/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HASH_TEXT = 17 };

size_t reference_count(const struct problem *problem)
{
    struct latent_geometry g = problem_geometry(problem);
    return (size_t)problem->requests * (size_t)g.channels * (size_t)g.height * (size_t)g.width;
}

/* ---- the run ---- */

struct job {
    const struct reference *reference;
    const struct plan *plan;
    float *out;
};

static enum status compute_on(void *self, const struct rank *rank)
{
    const struct job *job = self;
    const struct setup *s = job->reference->setup;
    struct run_inputs inputs = {
        .weights = job->reference->weights,
        .prompt = job->reference->prompt,
        .sampler = s->sampler,
        .guidance = (float)s->cell.guidance,
        .seed = (uint64_t)s->cell.seed,
        .on_step = job->reference->on_step,
        .on_step_self = job->reference->on_step_self,
    };
    struct run *run;
    double loop_ms;
    double *step_ms = calloc((size_t)s->problem.steps, sizeof *step_ms);
    if (!step_ms)
        return fail(ST_OOM, "%d steps: no host memory", s->problem.steps);
    enum status st = run_open(job->plan, &inputs, rank->dev, rank->world, &run);
    if (st == ST_OK) {
        st = run_loop(run, &loop_ms, step_ms);
        if (st == ST_OK)
            st = run_gather(run, job->out);
        run_close(run);
    }
    free(step_ms);
    return st;
}

static enum status compute(const struct reference *r, const struct spec *spec, float *out)
{
    const struct setup *s = r->setup;
    struct ranks ranks = setup_ranks(s, NULL);
    ranks.transport = "local";
    ranks.n = 1;
    ranks.first = r->device;
    struct plan *plan;
    TRY(plan_build(&s->problem, spec, 1, 0, &plan));
    struct job job = {r, plan, out};
    enum status st = ranks_each(&ranks, compute_on, &job);
    plan_close(plan);
    return st;
}

/* ---- the key ---- */

/* Hash of a file's bytes, folded block by block; 0 where it cannot be read. */
static uint64_t hash_file(const char *path)
{
    static const size_t block = 1 << 16;
    char *bytes = malloc(block);
    FILE *file = bytes ? fopen(path, "rbe") : NULL;
    uint64_t hash = 0;
    size_t n;
    while (file && (n = fread(bytes, 1, block, file)) > 0)
        hash = hash_bytes(hash, bytes, n);
    if (file)
        fclose(file);
    free(bytes);
    return hash;
}

/* All that the numbers depend on, as text: the cell without how it is measured, the conditions, the
 * program itself. Allocated. */
static enum status make_key(const struct reference *r, const struct spec *spec, char **out)
{
    const struct setup *s = r->setup;
    char strategy[SPEC_TEXT];
    struct record_cell cell = setup_record_cell(s, r->identity);
    cell.strategy = spec_text(spec, strategy);
    cell.transport = "local";
    cell.exchange = "auto";
    cell.graph = RECORD_YES;
    cell.ranks = 1;
    cell.repeats = cell.warmup_loops = cell.threads = 0;
    char *json;
    size_t size;
    TRY(record_cell_write(&cell, &json, &size));
    uint64_t text = s->cell.text ? hash_file(s->cell.text) : 0;
    int n = asprintf(out, "%s %.*s text %016" PRIx64 " program %016" PRIx64, RECORD_SCHEMA,
                     (int)size, json, text, hash_file("/proc/self/exe"));
    free(json);
    return n < 0 ? fail(ST_OOM, "key of a one-rank run: no host memory") : ST_OK;
}

/* ---- the cache ---- */

char *reference_folder(char *buffer, size_t size)
{
    const char *own = getenv("DITBENCH_CACHE");
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    buffer[0] = '\0';
    if (own && own[0])
        snprintf(buffer, size, "%s", own);
    else if (cache && cache[0])
        snprintf(buffer, size, "%s/ditbench", cache);
    else if (home && home[0])
        snprintf(buffer, size, "%s/.cache/ditbench", home);
    return buffer;
}

static char *hash_hex(uint64_t hash, char text[HASH_TEXT])
{
    snprintf(text, HASH_TEXT, "%016" PRIx64, hash);
    return text;
}

static bool same_meta(const struct safetensors *file, const char *key, const char *want)
{
    const char *found = safetensors_meta(file, key);
    return found && strcmp(found, want) == 0;
}

/* True when the entry is this key's and whole. */
static bool load(const char *path, const char *key, size_t count, float *out)
{
    struct safetensors *file;
    char hash[HASH_TEXT];
    if (access(path, F_OK) != 0 || safetensors_open(path, &file) != ST_OK)
        return false;
    const struct safetensors_entry *e = safetensors_find(file, "latent");
    bool good = e && e->type == SAFETENSORS_F32 && e->bytes == count * sizeof *out &&
                same_meta(file, "key", key) &&
                safetensors_floats(file, e, 0, (int64_t)count, out) == ST_OK &&
                same_meta(file, "hash", hash_hex(hash_bytes(0, out, count * sizeof *out), hash));
    safetensors_close(file);
    return good;
}

static enum status store(const char *path, const char *key, size_t count, const float *latent)
{
    char hash[HASH_TEXT];
    struct safetensors_item item = {"latent", 1, {(int64_t)count}, latent};
    const char *const meta[][2] = {
        {"key", key}, {"hash", hash_hex(hash_bytes(0, latent, count * sizeof *latent), hash)}};
    TRY(folder_make_above(path));
    return safetensors_write(path, 1, &item, 2, meta);
}

enum status reference_latents(const struct reference *reference, const struct spec *spec,
                              float *out)
{
    char folder[PATH_MAX / 2];
    char path[PATH_MAX];
    char hash[HASH_TEXT];
    char *key;
    size_t count = reference_count(&reference->setup->problem);
    TRY(make_key(reference, spec, &key));
    bool cached = reference_folder(folder, sizeof folder)[0] != '\0';
    snprintf(path, sizeof path, "%s/reference-%s.safetensors", folder,
             hash_hex(hash_text(0, key), hash));
    enum status st = ST_OK;
    if (!cached || !load(path, key, count, out)) {
        status_clear();
        st = compute(reference, spec, out);
        if (st == ST_OK && cached && store(path, key, count, out) != ST_OK)
            fprintf(stderr, "ditbench: the one-rank run is not kept: %s\n", status_message());
    }
    free(key);
    return st;
}
