/* SPDX-License-Identifier: Apache-2.0 */
/* The problem's defaults, its checks and its arithmetic. */
#include "strategies/problem.h"

enum { MAX_PIXELS = 65536, MAX_STEPS = 100000 };

struct latent_geometry problem_geometry(const struct problem *p)
{
    const struct dit_config *c = p->config;
    return (struct latent_geometry){.channels = c->in_channels,
                                    .height = p->height / c->vae_scale,
                                    .width = p->width / c->vae_scale,
                                    .patch = c->patch,
                                    .frames = p->frames};
}

int problem_token_columns(const struct problem *p)
{
    return p->width / (p->config->vae_scale * p->config->patch);
}

int problem_token_rows(const struct problem *p)
{
    return p->height / (p->config->vae_scale * p->config->patch);
}

int problem_tokens(const struct problem *p)
{
    return problem_token_columns(p) * problem_token_rows(p);
}

int problem_text(const struct problem *p)
{
    return p->config->joint ? p->text_tokens : 0;
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

static enum status check_frames(const struct problem *p)
{
    int most = dit_frames(p->config);
    if (p->frames == 1 || p->frames == most)
        return ST_OK;
    if (most == 1)
        return fail(ST_INVALID, "--frames %d: %s makes single images; leave the option out",
                    p->frames, p->config->name);
    return fail(ST_INVALID, "--frames %d: %s makes videos of %d frames; legal: 1, %d", p->frames,
                p->config->name, most, most);
}

enum status problem_check(struct problem *p)
{
    const struct dit_config *c = p->config;
    int unit = c->vae_scale * c->patch;
    p->width = p->width ? p->width : c->default_size;
    p->height = p->height ? p->height : c->default_size;
    p->frames = p->frames ? p->frames : dit_frames(c);
    p->steps = p->steps ? p->steps : c->default_steps;
    p->requests = p->requests ? p->requests : 1;
    TRY(check_side("width", p->width, unit));
    TRY(check_side("height", p->height, unit));
    TRY(check_frames(p));
    if (p->steps < 1 || p->steps > MAX_STEPS)
        return fail(ST_INVALID, "steps: %d; from 1 to %d is legal", p->steps, MAX_STEPS);
    if (p->requests < 1 || p->requests > PROBLEM_MAX_REQUESTS)
        return fail(ST_INVALID, "requests: %d; from 1 to %d is legal", p->requests,
                    PROBLEM_MAX_REQUESTS);
    return ST_OK;
}

int problem_features(const struct problem *p)
{
    return dit_features(p->config, p->config->in_channels);
}
