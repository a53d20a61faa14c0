/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conditions of a run's requests: text embeddings with their masks, pooled text, class labels,
 * micro-conditions, the guidance that a distilled model is told. Host data. Rows: without guidance,
 * or with a distilled model, one per request; else two: all negative ones first, then all positive
 * ones.
 */
#ifndef MODELS_PROMPT_H
#define MODELS_PROMPT_H

#include "models/dit_config.h"
#include "models/safetensors.h"

enum { PROMPT_MAX_TOKENS = 65536 }; /* rows of text */

struct prompt {
    int rows;
    int text_tokens, text_dim; /* 0: no text */
    float *text;     /* [rows, text_tokens, text_dim]; the real tokens of each row packed to its
                        front; with a second text as given, all rows in place */
    int *text_count; /* [rows] tokens that are attended, >= 1: the real ones; text_tokens where text
                        is part of the sequence, where there is a second text, and for videos */
    int text2_tokens, text2_dim; /* 0: no second text */
    float *text2;  /* [rows, text2_tokens, text2_dim], as given; its masked rows hold numbers, too,
                      and enter the pooling */
    bool *real;    /* [rows, text_tokens + text2_tokens] both masks, with a second text */
    float *pooled; /* [rows, pooled_dim] pooled text that the model is told; NULL: none, or with a
                      second text, where attention pooling gives it */
    float *guidance;   /* [rows] told to a distilled model, as a user gives it (such as 3.5); NULL:
                          none */
    int *label;        /* [rows] class labels, NULL: none */
    float *resolution; /* [rows, 2] height, width in pixels; NULL: none */
    float *aspect;     /* [rows, 1] height / width; NULL: none */
};

/* rows conditions drawn from (seed, request, row kind): each request has its own text, pooled text
 * and label; negative rows share one text (an empty prompt: one real token of each text that has a
 * mask), one pooled text, and the null label. Text lengths vary within text_tokens and text2_tokens
 * where texts have masks; rows of a second-text model that are not real are drawn, too. guidance:
 * the model's default. ST_OOM. */
enum status prompt_open_synthetic(const struct dit_config *config, int requests, bool guided,
                                  int width, int height, uint64_t seed, struct prompt **out);

/* What a file of conditions was made for. */
enum prompt_use {
    PROMPT_FORWARD, /* one call: the file has all that the model is told, guidance too */
    PROMPT_RUN,     /* a loop: micro-conditions that the file lacks are set from width and height;
                       guidance: the model's default */
    PROMPT_SAMPLE,  /* a loop: micro-conditions are in the file; guidance: the model's default */
};

/* Reads text, text_mask, text_2, text_mask_2, pooled, guidance_in, class_labels, resolution,
 * aspect_ratio from a file (README.md says their shapes); rows must match. A tensor that the model
 * needs and the file lacks, or has no use for, is ST_INVALID and named. Tensors in `ignore`
 * (NULL-ended names, or NULL) belong to the caller. Besides ST_IO, ST_OOM. */
enum status prompt_open_file(const struct dit_config *config, const struct safetensors *file,
                             int rows, int width, int height, enum prompt_use use,
                             const char *const *ignore, struct prompt **out);

/* The same guidance in every row, as a user gives it; nothing where the model is told none. */
void prompt_set_guidance(struct prompt *prompt, float guidance);

void prompt_close(struct prompt *prompt);

#endif
