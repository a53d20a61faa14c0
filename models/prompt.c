/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of prompts, and synthetic ones. Not a text encoder: embeddings are drawn. */
#include "models/prompt.h"

#include "kernels/base/hash.h"
#include "kernels/base/rng.h"
#include "models/prompt_internal.h"

#include <stdbool.h>
#include <stdlib.h>

static bool prompt_allocate(struct prompt *p, const struct dit_config *config)
{
    size_t n = (size_t)p->rows;
    bool text = config->text_dim > 0;
    bool label = config->classes > 0;

    if (text) {
        p->text = calloc(n * (size_t)p->text_tokens, (size_t)p->text_dim * sizeof(*p->text));
        p->text_count = calloc(n, sizeof(*p->text_count));
    }
    if (label)
        p->label = calloc(n, sizeof(*p->label));
    if (config->micro) {
        p->resolution = calloc(2 * n, sizeof(*p->resolution));
        p->aspect = calloc(n, sizeof(*p->aspect));
    }
    return (!text || (p->text && p->text_count)) && (!label || p->label) &&
           (!config->micro || (p->resolution && p->aspect));
}

enum status prompt_open_zero(const struct dit_config *config, int rows, int text_tokens,
                             struct prompt **out)
{
    bool text = config->text_dim > 0;

    BUG_ON(rows < 1 || (text && text_tokens < 1), "a prompt of %d rows and %d tokens", rows,
           text_tokens);

    struct prompt *prompt = calloc(1, sizeof(*prompt));

    if (prompt) {
        prompt->rows = rows;
        prompt->text_tokens = text ? text_tokens : 0;
        prompt->text_dim = config->text_dim;
    }
    if (!prompt || !prompt_allocate(prompt, config)) {
        prompt_close(prompt);
        return fail(ST_OOM, "prompt: %d rows of %d tokens of %d floats", rows, text_tokens,
                    config->text_dim);
    }
    *out = prompt;
    return ST_OK;
}

void prompt_fill_resolution(struct prompt *prompt, int width, int height)
{
    for (int row = 0; prompt->resolution && row < prompt->rows; row++) {
        prompt->resolution[2 * row] = (float)height;
        prompt->resolution[2 * row + 1] = (float)width;
    }
}

void prompt_fill_aspect(struct prompt *prompt, int width, int height)
{
    for (int row = 0; prompt->aspect && row < prompt->rows; row++)
        prompt->aspect[row] = (float)((double)height / width);
}

/* 0..count-1, the same for the same (seed, what, request). */
static int pick(uint64_t seed, const char *what, int request, int count)
{
    float value;

    rng_uniform(seed, hash_text((uint64_t)request, what), 0, 1, &value);
    int index = (int)((value + 1) / 2 * (float)count);

    return index < count ? index : count - 1;
}

/* `count` real tokens of a row; what names the stream that their values come from. */
static void draw_text(struct prompt *prompt, int row, uint64_t seed, const char *what, int request,
                      int count)
{
    uint64_t stream = hash_text((uint64_t)request, what);
    size_t stride = (size_t)prompt->text_tokens * (size_t)prompt->text_dim;
    size_t values = (size_t)count * (size_t)prompt->text_dim;
    float *text = prompt->text + (size_t)row * stride;

    prompt->text_count[row] = count;
    for (size_t i = 0; i < values; i++)
        text[i] = rng_normal(seed, stream, i);
}

enum status prompt_open_synthetic(const struct dit_config *config, int requests, bool guided,
                                  int width, int height, uint64_t seed, struct prompt **out)
{
    struct prompt *prompt;
    int negative = guided ? requests : 0; /* so many rows, in front */

    TRY(prompt_open_zero(config, negative + requests, config->text_tokens, &prompt));
    for (int row = 0; row < prompt->rows; row++) {
        int request = row - negative;

        if (prompt->text && request < 0)
            draw_text(prompt, row, seed, "prompt without text", 0, 1);
        else if (prompt->text)
            draw_text(prompt, row, seed, "prompt", request,
                      1 + pick(seed, "prompt length", request, prompt->text_tokens));
        if (prompt->label)
            prompt->label[row] = request < 0 ? config->classes
                                             : pick(seed, "prompt label", request, config->classes);
    }
    prompt_fill_resolution(prompt, width, height);
    prompt_fill_aspect(prompt, width, height);
    *out = prompt;
    return ST_OK;
}

void prompt_close(struct prompt *prompt)
{
    if (!prompt)
        return;
    free(prompt->text);
    free(prompt->text_count);
    free(prompt->label);
    free(prompt->resolution);
    free(prompt->aspect);
    free(prompt);
}
