/* SPDX-License-Identifier: Apache-2.0 */
/* What the makers of prompts share. For models/prompt*.c only. */
#ifndef MODELS_PROMPT_INTERNAL_H
#define MODELS_PROMPT_INTERNAL_H

#include "models/prompt.h"

/* Does a text have real tokens and others, of which the others are left out? */
static inline bool prompt_packs(const struct dit_config *c)
{
    return c->text_dim > 0 && !c->joint && c->text2_dim == 0 && c->frames == 0;
}

/* Is the model told a pooled text? Beside a second text it makes that itself. */
static inline bool prompt_has_pooled(const struct dit_config *c)
{
    return c->pooled_dim > 0 && c->text2_dim == 0;
}

/* A prompt with room for what the model takes, all zero but guidance (the model's default): text
 * and counts where it has text, the second text (config's text2_tokens) and `real` where it has
 * that, pooled, labels, resolution and aspect likewise. ST_OOM. */
enum status prompt_open_zero(const struct dit_config *config, int rows, int text_tokens,
                             struct prompt **out);

/* The micro-conditions of an image of that size in pixels, in every row; nothing where the prompt
 * has none. */
void prompt_fill_resolution(struct prompt *prompt, int width, int height);
void prompt_fill_aspect(struct prompt *prompt, int width, int height);

#endif
