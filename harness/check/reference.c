/* SPDX-License-Identifier: Apache-2.0 */
/* One-rank runs and their cache. Judges nothing. */
#include "harness/check/reference.h"

#include "harness/check/reference_cache.h"
#include "harness/launch/ranks.h"
#include "kernels/base/hash.h"
#include "strategies/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Hash of this program's bytes, folded block by block. ST_IO. */
static enum status hash_program(uint64_t *hash)
{
    static const size_t block = 1 << 16;
    char *bytes = malloc(block);
    FILE *file = bytes ? fopen("/proc/self/exe", "rbe") : NULL;
    size_t n;
    *hash = 0;
    while (file && (n = fread(bytes, 1, block, file)) > 0)
        *hash = hash_bytes(*hash, bytes, n);
    bool read = file && !ferror(file);
    if (file)
        fclose(file);
    free(bytes);
    return read ? ST_OK : fail(ST_IO, "this program's own file cannot be read");
}

/* All that the numbers depend on, as text, allocated: of the cell, what is not about how it is
 * measured or spread over ranks. A checkpoint is its hash, wherever it lies. */
static enum status make_key(const struct reference *r, const struct spec *spec, char **out)
{
    const struct setup *s = r->setup;
    const struct cell *c = &s->cell;
    char strategy[SPEC_TEXT];
    uint64_t program;
    uint64_t conditions = 0; // of the tensors of --text, in the file that is open
    TRY(hash_program(&program));
    if (s->text)
        TRY(safetensors_hash(s->text, &conditions));
    int n =
        asprintf(out,
                 "model=%s weights=%s size=%dx%d frames=%d steps=%d guidance=%.17g requests=%d "
                 "dtype=%s backend=%s strategy=%s seed=%" PRId64 " text_tokens=%d "
                 "conditions=%016" PRIx64 " program=%016" PRIx64,
                 s->model.folder[0] ? "checkpoint" : c->model, r->identity, c->width, c->height,
                 c->frames, c->steps, c->guidance, c->requests, c->dtype, c->backend,
                 spec_text(spec, strategy), c->seed, s->problem.text_tokens, conditions, program);
    return n < 0 ? fail(ST_OOM, "key of a one-rank run: no host memory") : ST_OK;
}

/* ---- the cache ---- */

/* The bytes that were computed with are those of the identity: hashed now, behind all reading, and
 * the files are still the same. */
static enum status check_identity(const struct reference *r)
{
    const char *identity;
    TRY(weights_identity(r->weights, &identity));
    if (strcmp(identity, r->identity) != 0)
        return fail(ST_INVALID, "%s: its files changed since the checkpoint was hashed",
                    r->setup->cell.model);
    return pins_hold(r->pins);
}

/* Computes, and keeps what is known to be right of this key. */
static enum status compute_and_keep(const struct reference *r, const struct spec *spec,
                                    const char *key, float *out)
{
    TRY(compute(r, spec, out));
    TRY(check_identity(r));
    if (reference_cache_store(key, problem_result_count(&r->setup->problem), out) == ST_OK)
        return ST_OK;
    fprintf(stderr, "ditbench: the one-rank run is not kept: %s\n", status_message());
    status_clear();
    return ST_OK;
}

enum status reference_latents(const struct reference *reference, const struct spec *spec,
                              float *out)
{
    char *key;
    if (!reference->setup->cell.cache)
        return compute(reference, spec, out);
    TRY(make_key(reference, spec, &key));
    enum status st = ST_OK;
    if (!reference_cache_load(key, problem_result_count(&reference->setup->problem), out))
        st = compute_and_keep(reference, spec, key, out);
    free(key);
    return st;
}
