/* SPDX-License-Identifier: Apache-2.0 */
/* The problem's defaults, its checks and its arithmetic. */
#include "strategies/problem.h"

#include <limits.h>

enum { MAX_PIXELS = 65536 };

struct latent_geometry problem_geometry(const struct problem *p)
{
    struct kind_facts f = problem_facts(p);
    return (struct latent_geometry){.channels = f.channels,
                                    .height = p->height / f.scale,
                                    .width = p->width / f.scale,
                                    .patch = f.patch,
                                    .frames = p->frames};
}

int problem_token_columns(const struct problem *p)
{
    struct kind_facts f = problem_facts(p);
    return p->width / (f.scale * f.patch);
}

int problem_token_rows(const struct problem *p)
{
    struct kind_facts f = problem_facts(p);
    return p->height / (f.scale * f.patch);
}

int problem_tokens(const struct problem *p)
{
    return problem_token_columns(p) * problem_token_rows(p);
}

int problem_text(const struct problem *p)
{
    return problem_facts(p).joint ? p->text_tokens : 0;
}

static enum status check_side(const char *what, int pixels, int unit)
{
    if (pixels >= unit && pixels <= MAX_PIXELS && pixels % unit == 0)
        return ST_OK;
    int below = pixels / unit * unit;
    if (pixels < unit || pixels > MAX_PIXELS)
        return fail(ST_INVALID, "%s: %d pixels; a multiple of %d from %d to %d is wanted", what,
                    pixels, unit, unit, MAX_PIXELS);
    return fail(ST_INVALID,
                "%s: %d pixels is not a multiple of %d; the nearest legal ones are %d and %d", what,
                pixels, unit, below, below + unit);
}

/* Tokens are numbered with int. */
static enum status check_tokens(const struct problem *p, const struct kind_facts *f)
{
    int unit = f->scale * f->patch;
    int64_t tokens = (int64_t)(p->width / unit) * (p->height / unit);
    if (tokens <= INT_MAX)
        return ST_OK;
    return fail(ST_INVALID, "size: %dx%d pixels are %lld tokens of %s; up to %d is legal", p->width,
                p->height, (long long)tokens, f->name, INT_MAX);
}

static enum status check_frames(const struct problem *p, const struct kind_facts *f)
{
    if (p->frames == 1 || p->frames == f->frames)
        return ST_OK;
    if (f->frames == 1)
        return fail(ST_INVALID, "--frames %d: %s makes single images; leave the option out",
                    p->frames, f->name);
    return fail(ST_INVALID, "--frames %d: %s makes videos of %d frames; legal: 1, %d", p->frames,
                f->name, f->frames, f->frames);
}

enum status problem_check(struct problem *p)
{
    struct kind_facts f = problem_facts(p);
    int unit = f.scale * f.patch;
    p->width = p->width ? p->width : f.size;
    p->height = p->height ? p->height : f.size;
    p->frames = p->frames ? p->frames : f.frames;
    p->steps = p->steps ? p->steps : f.steps;
    p->requests = p->requests ? p->requests : 1;
    TRY(check_side("width", p->width, unit));
    TRY(check_side("height", p->height, unit));
    TRY(check_tokens(p, &f));
    TRY(check_frames(p, &f));
    if (f.most_steps == 1 && p->steps != 1)
        return fail(ST_INVALID, "steps: %d; %s is no loop, and 1 is legal", p->steps, f.name);
    if (p->steps < 1 || p->steps > f.most_steps)
        return fail(ST_INVALID, "steps: %d; from 1 to %d is legal", p->steps, f.most_steps);
    if (p->requests < 1 || p->requests > PROBLEM_MAX_REQUESTS)
        return fail(ST_INVALID, "requests: %d; from 1 to %d is legal", p->requests,
                    PROBLEM_MAX_REQUESTS);
    return ST_OK;
}

int problem_features(const struct problem *p)
{
    struct kind_facts f = problem_facts(p);
    return f.channels * f.patch * f.patch;
}

/* ---- the result ---- */

int problem_result_features(const struct problem *p, int channels)
{
    struct kind_facts f = problem_facts(p);
    int side = f.patch * f.result_scale;
    return channels * side * side;
}

int problem_result_dims(const struct problem *p, int64_t dim[5])
{
    struct kind_facts f = problem_facts(p);
    int n = 0;
    dim[n++] = p->requests;
    dim[n++] = f.result_channels;
    if (f.video)
        dim[n++] = p->frames;
    dim[n++] = (int64_t)p->height / f.scale * f.result_scale;
    dim[n++] = (int64_t)p->width / f.scale * f.result_scale;
    return n;
}

size_t problem_result_count(const struct problem *p)
{
    int64_t dim[5];
    size_t count = 1;
    for (int n = problem_result_dims(p, dim); n > 0; n--)
        count *= (size_t)dim[n - 1];
    return count;
}
