/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conditions of a run's requests: text embeddings with their masks, class labels,
 * micro-conditions. Host data. Rows: without guidance one per request; with guidance two: all
 * negative ones first, then all positive ones.
 */
#ifndef MODELS_PROMPT_H
#define MODELS_PROMPT_H

#include "models/dit_config.h"
#include "models/safetensors.h"

enum { PROMPT_MAX_TOKENS = 65536 }; /* rows of text */

struct prompt {
    int rows;
    int text_tokens, text_dim; /* 0: no text */
    float
        *text; /* [rows, text_tokens, text_dim]; the real tokens of each row packed to its front */
    int *text_count;             /* [rows] real tokens, >= 1 */
    int text2_tokens, text2_dim; /* 0: no second text */
    float *text2;  /* [rows, text2_tokens, text2_dim], as given; with it `text` is as given, too */
    bool *real;    /* [rows, text_tokens + text2_tokens] both masks, with a second text */
    float *pooled; /* [rows, pooled_dim] pooled text, NULL: none */
    float *guidance;   /* [rows] told to a distilled model, NULL: none */
    int *label;        /* [rows] class labels, NULL: none */
    float *resolution; /* [rows, 2] height, width in pixels; NULL: none */
    float *aspect;     /* [rows, 1] height / width; NULL: none */
};

/* rows conditions drawn from (seed, request, row kind): each request has its own text and label;
 * negative rows share one text (an empty prompt: one real token) and the null label. Text lengths
 * vary within text_tokens. */
enum status prompt_open_synthetic(const struct dit_config *config, int requests, bool guided,
                                  int width, int height, uint64_t seed, struct prompt **out);

/* Reads text, text_mask, class_labels, resolution, aspect_ratio from a file (README.md says their
 * shapes); rows must match. Micro-conditions that the file lacks are set from width and height
 * where `defaults` is true. A tensor that the model needs and the file lacks, or has no use for, is
 * ST_INVALID and named. Tensors in `ignore` (NULL-ended names) belong to the caller. */
enum status prompt_open_file(const struct dit_config *config, const struct safetensors *file,
                             int rows, int width, int height, bool defaults,
                             const char *const *ignore, struct prompt **out);
void prompt_close(struct prompt *prompt);

#endif
