/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the tensor, tells images from videos, and reads or copies it a plane at a time. */
#include "harness/image/latent.h"

#include "harness/image/finite.h"
#include "models/safetensors.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPE_TEXT = 24 * SAFETENSORS_MAX_DIMS };

/* "[2, 4, 64, 64]" */
static const char *shape_text(const struct safetensors_entry *e, char text[SHAPE_TEXT])
{
    int n = snprintf(text, SHAPE_TEXT, "[");
    for (int i = 0; i < e->ndim; i++)
        n += snprintf(text + n, (size_t)(SHAPE_TEXT - n), "%s%lld", i ? ", " : "",
                      (long long)e->dim[i]);
    snprintf(text + n, (size_t)(SHAPE_TEXT - n), "]");
    return text;
}

static enum status find_tensor(const struct safetensors *file, const struct safetensors_entry **out)
{
    static const char *const names[] = {"latent", "latents", "sample"};
    const struct safetensors_entry *found = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct safetensors_entry *e = safetensors_find(file, names[i]);
        if (e && found)
            return fail(ST_INVALID,
                        "%s: holds tensors \"%s\" and \"%s\": leave the one that is to be decoded",
                        safetensors_path(file), found->name, e->name);
        found = e ? e : found;
    }
    int n = safetensors_count(file);
    *out = found;
    if (found)
        return ST_OK;
    if (n == 0)
        return fail(ST_INVALID, "%s: holds no tensor, wanted \"latent\"", safetensors_path(file));
    return fail(ST_INVALID,
                "%s: none of its %d tensors (\"%.200s\", ...) is called \"latent\", \"latents\" or "
                "\"sample\": rename the one that is to be decoded",
                safetensors_path(file), n, safetensors_at(file, 0)->name);
}

/* All but the values. */
static bool read_shape(const struct safetensors_entry *e, int channels, struct latent *out)
{
    const int64_t *d = e->dim;
    int64_t n = 1, frames = 1;
    int at = 0; // the axis of channels
    if (e->ndim < 3 || e->ndim > 5)
        return false;
    for (int i = 0; i < e->ndim; i++)
        if (d[i] < 1 || d[i] > INT_MAX)
            return false;
    if (e->ndim > 3) {
        n = d[0];
        at = 1;
    }
    if (d[at] != channels)
        return false;
    if (e->ndim - at == 4)
        frames = d[at + 1];
    if (n * frames > INT_MAX)
        return false;
    *out = (struct latent){.n = (int)(n * frames),
                           .frames = (int)frames,
                           .channels = channels,
                           .height = (int)d[e->ndim - 2],
                           .width = (int)d[e->ndim - 1]};
    return true;
}

static enum status check_entry(const struct safetensors *file, const struct safetensors_entry *e,
                               int channels, struct latent *out)
{
    char shape[SHAPE_TEXT];
    if (e->type != SAFETENSORS_F32 && e->type != SAFETENSORS_F16 && e->type != SAFETENSORS_BF16)
        return fail(ST_INVALID, "%s: tensor \"%.200s\" is %s, wanted F32, F16 or BF16",
                    safetensors_path(file), e->name, e->type_name);
    if (read_shape(e, channels, out))
        return ST_OK;
    return fail(
        ST_INVALID,
        "%s: tensor \"%.200s\" is %s, wanted [n, %d, h, w], one image's [%d, h, w], or of videos "
        "[n, %d, frames, h, w]: latents of %d channels are what the decoder takes",
        safetensors_path(file), e->name, shape_text(e, shape), channels, channels, channels,
        channels);
}

/* Where channel c of picture i lies among the planes of [videos, C, frames, h, w]. */
static int64_t plane_at(const struct latent *l, int i, int c)
{
    return ((int64_t)(i / l->frames) * l->channels + c) * l->frames + i % l->frames;
}

/* [videos, C, frames, h, w] to [videos, frames, C, h, w]. */
static enum status read_planes(const struct safetensors *file, const struct safetensors_entry *e,
                               const struct latent *l)
{
    int64_t plane = (int64_t)l->height * l->width;
    float *to = l->values;
    for (int i = 0; i < l->n; i++)
        for (int c = 0; c < l->channels; c++, to += plane)
            TRY(safetensors_floats(file, e, plane_at(l, i, c) * plane, plane, to));
    return ST_OK;
}

static enum status check_values(const struct safetensors *file, const struct safetensors_entry *e,
                                const struct latent *l)
{
    size_t width = (size_t)l->width, plane = (size_t)l->height * width;
    size_t picture = plane * (size_t)l->channels, n = picture * (size_t)l->n;
    size_t first;
    size_t faults = finite_faults(n, l->values, &first);
    if (faults == 0)
        return ST_OK;
    return fail(ST_INVALID,
                "%s: tensor \"%.200s\": %zu of its %zu values are NaN or infinite, the first in "
                "picture %zu, channel %zu, row %zu, column %zu: there is nothing to decode",
                safetensors_path(file), e->name, faults, n, first / picture,
                first % picture / plane, first % plane / width, first % width);
}

static enum status read_values(const struct safetensors *file, const struct safetensors_entry *e,
                               struct latent *l)
{
    size_t bytes = (size_t)l->n * (size_t)l->channels * (size_t)l->height * (size_t)l->width *
                   sizeof *l->values;
    l->values = malloc(bytes);
    if (!l->values)
        return fail(ST_OOM, "%s: tensor \"%.200s\": no host memory for %zu bytes",
                    safetensors_path(file), e->name, bytes);
    TRY(read_planes(file, e, l));
    return check_values(file, e, l);
}

static enum status read_open(const struct safetensors *file, int channels, struct latent *out)
{
    const struct safetensors_entry *entry = NULL;
    TRY(find_tensor(file, &entry));
    TRY(check_entry(file, entry, channels, out));
    return read_values(file, entry, out);
}

enum status latent_read(const char *path, int channels, struct latent *out)
{
    struct safetensors *file;
    BUG_ON(channels < 1, "%s: latents of %d channels wanted", path, channels);
    *out = (struct latent){0};
    TRY(safetensors_open(path, &file));
    enum status st = read_open(file, channels, out);
    safetensors_close(file);
    if (st != ST_OK)
        latent_release(out);
    return st;
}

/* ---- from memory ---- */

enum status latent_copy(int ndim, const int64_t *dim, const float *values, struct latent *out)
{
    BUG_ON(ndim != 4 && ndim != 5, "latents of %d axes", ndim);
    int frames = ndim == 5 ? (int)dim[2] : 1;
    *out = (struct latent){.n = (int)dim[0] * frames,
                           .frames = frames,
                           .channels = (int)dim[1],
                           .height = (int)dim[ndim - 2],
                           .width = (int)dim[ndim - 1]};
    size_t plane = (size_t)out->height * (size_t)out->width;
    size_t bytes = (size_t)out->n * (size_t)out->channels * plane * sizeof *out->values;
    float *to = out->values = malloc(bytes);
    if (!to)
        return fail(ST_OOM, "latents of %d pictures: no host memory for %zu bytes", out->n, bytes);
    for (int i = 0; i < out->n; i++)
        for (int c = 0; c < out->channels; c++, to += plane)
            memcpy(to, values + (size_t)plane_at(out, i, c) * plane, plane * sizeof *to);
    return ST_OK;
}

void latent_release(struct latent *latent)
{
    free(latent->values);
    *latent = (struct latent){0};
}
