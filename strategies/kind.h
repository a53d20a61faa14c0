/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of models that a run can be of, a table for each: transformers (kind_transformer.c) and
 * decoders (kind_decoder.c). Plans, the engine and the harness ask the table of the model at hand
 * and never which kind it is. A strategy says in its own table which kind it splits.
 */
#ifndef STRATEGIES_KIND_H
#define STRATEGIES_KIND_H

#include "models/prompt.h"
#include "models/sampler.h"
#include "strategies/model.h"

struct plan;
struct problem;
struct run;
struct run_block;
struct safetensors;
struct weights;

/* What plans and reports want to know of a model. */
struct kind_facts {
    const char *name;        /* as the user gave it */
    int scale;               /* pixels of a side for each latent pixel */
    int patch;               /* latent pixels of a token's side; of a decoder 1 */
    int channels;            /* of the latent */
    bool video;              /* latents have an axis of frames */
    bool joint;              /* text is part of the sequence of tokens */
    int size, frames, steps; /* of a run that asks for none */
    int most_steps;
    int layers, heads, head_dim; /* heads of attention */
    int result_channels;
    int result_scale; /* pixels of the result's side for each latent pixel */
};

/* A slot without "(optional)" must be filled. */
struct kind_ops {
    const char *name;              /* "transformer" */
    const char *result;            /* the tensor that a run leaves: "latent" */
    const char *const *references; /* kinds of reference files that it can be compared with; NULL
                                      ends them */

    /* ---- models ---- */
    const char *(*preset)(int index);                      /* its name; NULL past the end */
    bool (*find)(const char *name, struct model *out);     /* a preset, or what is made of one */
    enum status (*there)(const char *folder, bool *there); /* does a folder hold such a one? */
    enum status (*load)(const char *folder, struct model *out);
    enum status (*check_weights)(const struct model *model, const struct weights *weights);
    /* The i-th configuration file as it was read, of those that weights_path_at names; NULL past
     * the end. */
    const struct file_stamp *(*read_from)(const struct model *model, int i);

    /* ---- problems ---- */
    struct kind_facts (*facts)(const struct problem *p);
    /* Guidance as a user gives it (NaN: the model's own), and whether a file of text comes with it:
     * fills guidance, p->guided and p->text_tokens. */
    enum status (*ask)(struct problem *p, double *guidance, const struct safetensors *text);
    /* (optional) the schedule of p's steps. NULL: there is none */
    enum status (*schedule)(const struct problem *p, struct sampler **out);
    /* (optional) what p's requests are conditioned on, from a file or, where that is NULL, the
     * seed. NULL: nothing */
    enum status (*prompt)(const struct problem *p, const struct safetensors *text, uint64_t seed,
                          struct prompt **out);

    /* ---- plans ---- */
    enum status (*plan)(struct plan *plan); /* before the strategies: what a rank alone would do */

    /* ---- runs; struct run is the engine's ---- */
    enum status (*allocate)(struct run *run); /* the model and its tensors, measuring or not */
    enum status (*upload)(struct run *run);   /* what is the same in all loops */
    enum status (*rehearse)(struct run *run); /* before a loop: what must have run once before */
    enum status (*reset)(struct run *run);    /* start of a loop */
    enum status (*begin)(struct run *run);    /* first work of a loop within the clock */
    enum status (*step)(struct run *run, int i);
    /* A rank's rows of an image of the result, [n, features], into [channels, (F,) H, W]. */
    void (*place)(const struct run_block *block, const float *rows, float *image);
    void (*close)(struct run *run); /* also of a run whose allocation failed */
};

extern const struct kind_ops kind_transformer, kind_decoder;

/* In the order in which a name or a folder is looked for. NULL past the end. */
const struct kind_ops *kind_at(int index);

/* Does it accept references of that kind ("forward")? */
bool kind_has_reference(const struct kind_ops *kind, const char *reference);

#endif
