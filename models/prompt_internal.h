/* SPDX-License-Identifier: Apache-2.0 */
/* What the makers of prompts share. For models/prompt*.c only. */
#ifndef MODELS_PROMPT_INTERNAL_H
#define MODELS_PROMPT_INTERNAL_H

#include "models/prompt.h"

/* A prompt with room for what the model takes, all zero: text and counts where it has text, labels
 * where it has classes, resolution and aspect where it has micro-conditions. */
enum status prompt_open_zero(const struct dit_config *config, int rows, int text_tokens,
                             struct prompt **out);

/* The micro-conditions of an image of that size in pixels, in every row; nothing where the prompt
 * has none. */
void prompt_fill_resolution(struct prompt *prompt, int width, int height);
void prompt_fill_aspect(struct prompt *prompt, int width, int height);

#endif
