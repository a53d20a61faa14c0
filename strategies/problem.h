/* SPDX-License-Identifier: Apache-2.0 */
/* What is computed, whatever the strategy: a model, a size, steps, requests. Knows no ranks. */
#ifndef STRATEGIES_PROBLEM_H
#define STRATEGIES_PROBLEM_H

#include "models/dit.h"
#include "strategies/kind.h"

enum { PROBLEM_MAX_REQUESTS = 1024 };

struct problem {
    const struct kind_ops *kind;
    const struct dit_config *config;  /* of a transformer; borrowed */
    const struct vae_config *decoder; /* of a decoder; borrowed */
    int width, height;                /* pixels; multiples of vae_scale * patch */
    int frames;                       /* of a video, 1 or the model's; 1 for images */
    int steps;
    int requests;
    bool guided;     /* two branches for each request: 0 negative, 1 positive */
    int text_tokens; /* rows of the text embeddings; 0: no text */
    enum dtype dtype;
    bool all_channels; /* the head gives all out_channels (a bare forward), not only the latent's */
};

/* Fills the defaults of the model for what is 0 in width/height/frames/steps/requests, and checks
 * the rest. ST_INVALID: a size that is not a multiple of a token's side, or frames or steps that
 * the model does not make, with the nearest legal ones. */
enum status problem_check(struct problem *p);

/* Does this guidance, as a user gives it, take two branches? A distilled model never has two. */
static inline bool problem_guides(const struct dit_config *config, double guidance)
{
    return !config->distilled && guidance > 1;
}

static inline int problem_branches(const struct problem *p)
{
    return p->guided ? 2 : 1;
}

struct latent_geometry problem_geometry(const struct problem *p); /* of one frame */
int problem_token_columns(const struct problem *p); /* tokens of one row of the grid */
int problem_token_rows(const struct problem *p);
int problem_tokens(const struct problem *p);   /* image tokens of a frame, S */
int problem_text(const struct problem *p);     /* text tokens of the sequence: T, or 0 where text is
                                                  no part of it */
int problem_features(const struct problem *p); /* of a token of the latent, K */

/* ---- the result: [requests, channels, (frames,) height, width] in fp32 ---- */
int problem_result_dims(const struct problem *p, int64_t dim[5]); /* how many axes */
size_t problem_result_count(const struct problem *p);             /* elements */

/* Of a token, of a result of so many channels. */
int problem_result_features(const struct problem *p, int channels);

static inline struct kind_facts problem_facts(const struct problem *p)
{
    return p->kind->facts(p);
}

/* The problem of a model; everything else is zero. */
static inline struct problem model_problem(const struct model *model)
{
    return (struct problem){.kind = model->kind, .config = &model->dit, .decoder = &model->decoder};
}

#endif
