/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and checking of reference files. */
#include "harness/check/verify_file.h"

#include "harness/base/number.h"
#include "strategies/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 256, MAX_SIDE = 8192 /* latent pixels */, MAX_STEPS = 10000 };

#define FORMAT "ditbench-reference-1"

/* By enum verify_kind. */
static const char *const kind_names[] = {"forward", "sample", "decode"};

const char *const *verify_file_own(enum verify_kind kind)
{
    static const char *const forward[] = {"latent", "timestep", "expected", NULL};
    static const char *const sample[] = {"latent", "step_noise", "expected", NULL};
    static const char *const decode[] = {"latent", "expected", NULL};
    static const char *const *const own[] = {forward, sample, decode};
    return own[kind];
}

/* ---- metadata ---- */

static enum status read_kind(struct verify_file *v)
{
    const char *path = safetensors_path(v->file);
    const char *format = safetensors_meta(v->file, "format");
    const char *kind = safetensors_meta(v->file, "kind");
    if (!format || strcmp(format, FORMAT) != 0)
        return fail(ST_INVALID, "%s: metadata format: found '%.60s', wanted '%s'", path,
                    format ? format : "nothing", FORMAT);
    for (int k = VERIFY_FORWARD; kind && k <= VERIFY_DECODE; k++)
        if (strcmp(kind, kind_names[k]) == 0) {
            v->kind = (enum verify_kind)k;
            return ST_OK;
        }
    return fail(ST_INVALID, "%s: metadata kind: found '%.60s', wanted forward, sample or decode",
                path, kind ? kind : "nothing");
}

static enum status check_kind(const struct verify_file *v, const struct model *model)
{
    const char *kind = kind_names[v->kind];
    if (kind_has_reference(model->kind, kind))
        return ST_OK;
    return fail(ST_INVALID, "%s: metadata kind: '%s' is not about a %s, which the model is",
                safetensors_path(v->file), kind, model->kind->name);
}

enum status verify_file_about(const char *path, const struct kind_ops **out)
{
    struct verify_file v = {0};
    TRY(safetensors_open(path, &v.file));
    enum status st = read_kind(&v);
    for (int k = 0; st == ST_OK && kind_at(k); k++)
        if (kind_has_reference(kind_at(k), kind_names[v.kind]))
            *out = kind_at(k);
    safetensors_close(v.file);
    return st;
}

static enum status named(const struct verify_file *v, enum status st)
{
    return st ? fail_prefix(st, "%s", safetensors_path(v->file)) : ST_OK;
}

/* A whole number of the metadata; *out stays as it is where the key is absent. */
static enum status read_whole(const struct verify_file *v, const char *key, int max, int *out)
{
    char what[60];
    const char *text = safetensors_meta(v->file, key);
    snprintf(what, sizeof what, "metadata %s", key);
    return text ? named(v, number_int(what, text, 1, max, out)) : ST_OK;
}

/* A side in pixels that the metadata may repeat must be the latent's. */
static enum status check_side(const struct verify_file *v, const char *key, int pixels)
{
    int found = pixels;
    TRY(read_whole(v, key, 1 << 20, &found));
    if (found != pixels)
        return fail(ST_INVALID, "%s: metadata %s: found %d pixels, and the latent has %d",
                    safetensors_path(v->file), key, found, pixels);
    return ST_OK;
}

/* Frames that the metadata may repeat must be the latent's. */
static enum status check_frames(const struct verify_file *v, const struct kind_facts *facts)
{
    int found = v->frames;
    TRY(read_whole(v, "frames", 1 << 20, &found));
    if (found == v->frames)
        return ST_OK;
    if (!facts->video)
        return fail(ST_INVALID, "%s: metadata frames: found %d, and the model makes single images",
                    safetensors_path(v->file), found);
    return fail(ST_INVALID, "%s: metadata frames: found %d, and the latent has %d",
                safetensors_path(v->file), found, v->frames);
}

static enum status read_guidance(struct verify_file *v, const struct model *model)
{
    const char *guidance = safetensors_meta(v->file, "guidance");
    if (guidance)
        return named(v, number_real("metadata guidance", guidance, -1e6, 1e6, &v->guidance));
    if (model->dit.guidance_in)
        return fail(ST_INVALID,
                    "%s: metadata guidance: not in the file, and the model is told a guidance",
                    safetensors_path(v->file));
    return ST_OK;
}

/* Of a cell that is given none. */
static enum status read_strategy(struct verify_file *v)
{
    const char *text = safetensors_meta(v->file, "strategy");
    struct spec spec;
    if (!text)
        return ST_OK;
    enum status st = strlen(text) < SPEC_TEXT ? spec_parse(text, &spec)
                                              : fail(ST_INVALID,
                                                     "%zu characters; at most %d are "
                                                     "legal",
                                                     strlen(text), SPEC_TEXT - 1);
    if (st)
        return fail_prefix(st, "%s: metadata strategy", safetensors_path(v->file));
    v->strategy = text;
    return ST_OK;
}

static enum status read_metadata(struct verify_file *v, const struct model *model,
                                 const struct kind_facts *facts)
{
    const char *tolerance = safetensors_meta(v->file, "tolerance");
    v->tolerance = NAN;
    v->steps = 1;
    if (tolerance)
        TRY(named(v, number_real("metadata tolerance", tolerance, 0, 1e6, &v->tolerance)));
    TRY(check_side(v, "width", v->width));
    TRY(check_side(v, "height", v->height));
    TRY(check_frames(v, facts));
    TRY(read_strategy(v));
    if (v->kind != VERIFY_SAMPLE)
        return ST_OK;
    TRY(read_guidance(v, model));
    if (!safetensors_meta(v->file, "steps"))
        return fail(ST_INVALID,
                    "%s: metadata steps: not in the file; a sample has its number of steps there",
                    safetensors_path(v->file));
    return read_whole(v, "steps", MAX_STEPS, &v->steps);
}

/* ---- tensors ---- */

char *verify_file_shape(int ndim, const int64_t *dim, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < ndim && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)dim[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

static enum status read_floats(const struct verify_file *v, const char *name, int ndim,
                               const int64_t *dim, float **out)
{
    char found[200];
    char wanted[200];
    const struct safetensors_entry *e = safetensors_find(v->file, name);
    if (!e)
        return fail(ST_INVALID, "%s: tensor \"%s\": not in the file; wanted %s",
                    safetensors_path(v->file), name,
                    verify_file_shape(ndim, dim, wanted, sizeof wanted));
    bool same = e->ndim == ndim;
    int64_t count = 1;
    for (int i = 0; i < ndim; i++) {
        same = same && e->dim[i] == dim[i];
        count *= dim[i];
    }
    if (!same)
        return fail(ST_INVALID, "%s: tensor \"%s\": found shape %s, wanted %s",
                    safetensors_path(v->file), name,
                    verify_file_shape(e->ndim, e->dim, found, sizeof found),
                    verify_file_shape(ndim, dim, wanted, sizeof wanted));
    *out = malloc((size_t)count * sizeof **out);
    if (!*out)
        return fail(ST_OOM, "%s: tensor \"%s\": %lld elements: no host memory",
                    safetensors_path(v->file), name, (long long)count);
    return safetensors_floats(v->file, e, 0, count, *out);
}

/* read_floats of what a model is given: finite numbers. */
static enum status read_inputs(const struct verify_file *v, const char *name, int ndim,
                               const int64_t *dim, float **out)
{
    int64_t count = 1;
    TRY(read_floats(v, name, ndim, dim, out));
    for (int i = 0; i < ndim; i++)
        count *= dim[i];
    for (int64_t i = 0; i < count; i++)
        if (!isfinite((*out)[i]))
            return fail(ST_INVALID,
                        "%s: tensor \"%s\", element %lld: found %g, wanted a finite number",
                        safetensors_path(v->file), name, (long long)i, (double)(*out)[i]);
    return ST_OK;
}

static bool side_fits(int64_t side)
{
    return side >= 1 && side <= MAX_SIDE;
}

static enum status refuse_latent(const struct verify_file *v, const struct kind_facts *facts,
                                 const struct safetensors_entry *e)
{
    char found[200] = "not in the file";
    char frames[60] = "";
    if (e)
        verify_file_shape(e->ndim, e->dim, found, sizeof found);
    if (facts->video)
        snprintf(frames, sizeof frames, "1 or %d frames, ", facts->frames);
    return fail(ST_INVALID,
                "%s: tensor \"latent\": found %s, wanted [rows, %d, %sheight, width] with at most "
                "%d rows and %d latent pixels a side",
                safetensors_path(v->file), found, facts->channels, frames, MAX_ROWS, MAX_SIDE);
}

/* Rows, frames and size come from the latent; its channels must be the model's. Its shape stays in
 * v->dim. */
static enum status read_latent(struct verify_file *v, const struct kind_facts *facts)
{
    const struct safetensors_entry *e = safetensors_find(v->file, "latent");
    int ndim = facts->video ? 5 : 4;
    if (!e || e->ndim != ndim)
        return refuse_latent(v, facts, e);
    int64_t frames = ndim == 5 ? e->dim[2] : 1;
    int64_t height = e->dim[ndim - 2];
    int64_t width = e->dim[ndim - 1];
    if (e->dim[0] < 1 || e->dim[0] > MAX_ROWS || e->dim[1] != facts->channels ||
        (frames != 1 && frames != facts->frames) || !side_fits(height) || !side_fits(width))
        return refuse_latent(v, facts, e);
    v->ndim = ndim;
    memcpy(v->dim, e->dim, (size_t)ndim * sizeof *e->dim);
    v->rows = (int)e->dim[0];
    v->frames = (int)frames;
    v->height = (int)height * facts->scale;
    v->width = (int)width * facts->scale;
    return read_inputs(v, "latent", ndim, v->dim, &v->latent);
}

static enum status read_step_noise(struct verify_file *v)
{
    const struct safetensors_entry *e = safetensors_find(v->file, "step_noise");
    int64_t dim[6] = {1};
    if (!e)
        return ST_OK;
    if (e->ndim > 0 && e->dim[0] > 0 && e->dim[0] <= MAX_STEPS)
        dim[0] = e->dim[0];
    memcpy(dim + 1, v->dim, (size_t)v->ndim * sizeof *dim);
    TRY(read_inputs(v, "step_noise", v->ndim + 1, dim, &v->step_noise));
    v->draws = (int)dim[0];
    return ST_OK;
}

static enum status read_timestep(struct verify_file *v, const struct dit_config *config)
{
    TRY(read_inputs(v, "timestep", 1, (int64_t[]){v->rows}, &v->timestep));
    for (int row = 0; row < v->rows; row++)
        v->timestep[row] *= dit_time_unit(config);
    return ST_OK;
}

/* A model without conditions has no use for anything else. */
static enum status check_names(const struct verify_file *v)
{
    const char *const *own = verify_file_own(v->kind);
    for (int i = 0; i < safetensors_count(v->file); i++) {
        const char *name = safetensors_at(v->file, i)->name;
        int k = 0;
        while (own[k] && strcmp(own[k], name) != 0)
            k++;
        if (!own[k])
            return fail(ST_INVALID,
                        "%s: tensor \"%.200s\": a %s has no use for it; wanted latent and expected "
                        "alone",
                        safetensors_path(v->file), name, kind_names[v->kind]);
    }
    return ST_OK;
}

/* What is computed, from the latent's shape to the result's; a forward has all channels of the
 * head. */
static enum status read_expected(struct verify_file *v, const struct model *model)
{
    struct problem p = model_problem(model);
    p.width = v->width;
    p.height = v->height;
    p.frames = v->frames;
    p.requests = v->rows;
    v->ndim = problem_result_dims(&p, v->dim);
    if (v->kind == VERIFY_FORWARD)
        v->dim[1] = model->dit.out_channels;
    return read_floats(v, "expected", v->ndim, v->dim, &v->expected);
}

enum status verify_file_read(const char *path, const struct model *model, struct verify_file *out)
{
    *out = (struct verify_file){.tolerance = NAN};
    TRY(safetensors_open(path, &out->file));
    TRY(read_kind(out));
    TRY(check_kind(out, model));
    struct problem any = model_problem(model);
    struct kind_facts facts = problem_facts(&any);
    TRY(read_latent(out, &facts));
    TRY(read_metadata(out, model, &facts));
    if (out->kind == VERIFY_FORWARD)
        TRY(read_timestep(out, &model->dit));
    if (out->kind == VERIFY_SAMPLE)
        TRY(read_step_noise(out));
    if (!model->kind->prompt)
        TRY(check_names(out));
    return read_expected(out, model);
}

void verify_file_release(struct verify_file *file)
{
    free(file->latent);
    free(file->timestep);
    free(file->step_noise);
    free(file->expected);
    safetensors_close(file->file);
}
