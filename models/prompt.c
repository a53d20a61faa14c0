/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of prompts, and synthetic ones. Not a text encoder: embeddings are drawn. */
#include "models/prompt.h"

#include "kernels/base/hash.h"
#include "kernels/base/rng.h"
#include "models/prompt_internal.h"

#include <stdbool.h>
#include <stdlib.h>

/* NULL where nothing is wanted; *good false: no memory. */
static void *take(bool wanted, size_t count, size_t size, bool *good)
{
    void *memory = wanted ? calloc(count, size) : NULL;

    *good = *good && (!wanted || memory);
    return memory;
}

static bool prompt_allocate(struct prompt *p, const struct dit_config *c)
{
    size_t n = (size_t)p->rows;
    size_t tokens = (size_t)p->text_tokens;
    size_t tokens2 = (size_t)p->text2_tokens;
    bool text = p->text_tokens > 0;
    bool text2 = p->text2_tokens > 0;
    bool good = true;

    p->text = take(text, n * tokens, (size_t)p->text_dim * sizeof(*p->text), &good);
    p->text_count = take(text, n, sizeof(*p->text_count), &good);
    p->text2 = take(text2, n * tokens2, (size_t)p->text2_dim * sizeof(*p->text2), &good);
    p->real = take(text2, n * (tokens + tokens2), sizeof(*p->real), &good);
    p->pooled = take(prompt_has_pooled(c), n * (size_t)c->pooled_dim, sizeof(*p->pooled), &good);
    p->guidance = take(c->guidance_in, n, sizeof(*p->guidance), &good);
    p->label = take(c->classes > 0, n, sizeof(*p->label), &good);
    p->resolution = take(c->micro, 2 * n, sizeof(*p->resolution), &good);
    p->aspect = take(c->micro, n, sizeof(*p->aspect), &good);
    return good;
}

enum status prompt_open_zero(const struct dit_config *config, int rows, int text_tokens,
                             struct prompt **out)
{
    bool text = config->text_dim > 0;
    bool text2 = config->text2_dim > 0;

    BUG_ON(rows < 1 || (text && text_tokens < 1) || (text2 && (!text || config->text2_tokens < 1)),
           "a prompt of %d rows, %d and %d tokens", rows, text_tokens, config->text2_tokens);

    struct prompt *prompt = calloc(1, sizeof(*prompt));

    if (prompt) {
        prompt->rows = rows;
        prompt->text_tokens = text ? text_tokens : 0;
        prompt->text_dim = config->text_dim;
        prompt->text2_tokens = text2 ? config->text2_tokens : 0;
        prompt->text2_dim = config->text2_dim;
    }
    if (!prompt || !prompt_allocate(prompt, config)) {
        prompt_close(prompt);
        return fail(ST_OOM, "prompt: %d rows of %d tokens of %d floats", rows, text_tokens,
                    config->text_dim);
    }
    prompt_set_guidance(prompt, config->default_guidance);
    *out = prompt;
    return ST_OK;
}

void prompt_set_guidance(struct prompt *prompt, float guidance)
{
    for (int row = 0; prompt->guidance && row < prompt->rows; row++)
        prompt->guidance[row] = guidance;
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

/* What the values of a row are drawn from: its request, or, of a negative one, nothing but the
 * seed. */
struct row {
    int index, request; /* request < 0: negative */
    uint64_t seed;
};

/* The first `count` of row's values, `stride` a row, of the stream that a name and the row say. */
static void draw(const struct row *row, const char *what, const char *negative, size_t stride,
                 size_t count, float *values)
{
    bool shared = row->request < 0;
    uint64_t stream = hash_text((uint64_t)(shared ? 0 : row->request), shared ? negative : what);

    values += (size_t)row->index * stride;
    for (size_t i = 0; i < count; i++)
        values[i] = rng_normal(row->seed, stream, i);
}

/* Real tokens of a text of `tokens`; `what` names the stream of the lengths. */
static int draw_length(const struct row *row, const char *what, int tokens)
{
    return row->request < 0 ? 1 : 1 + pick(row->seed, what, row->request, tokens);
}

static void draw_text(struct prompt *prompt, const struct dit_config *config, const struct row *row)
{
    size_t dim = (size_t)prompt->text_dim;
    int count = prompt->text_tokens;

    if (prompt_packs(config))
        count = draw_length(row, "prompt length", count);
    prompt->text_count[row->index] = count;
    draw(row, "prompt", "prompt without text", (size_t)prompt->text_tokens * dim,
         (size_t)count * dim, prompt->text);
}

/* The second text, and which tokens of both are real: the first ones of each. */
static void draw_second(struct prompt *prompt, const struct row *row)
{
    size_t size = (size_t)prompt->text2_tokens * (size_t)prompt->text2_dim;
    int first = draw_length(row, "prompt length", prompt->text_tokens);
    int second = draw_length(row, "second prompt length", prompt->text2_tokens);
    bool *real = prompt->real + row->index * (prompt->text_tokens + prompt->text2_tokens);

    draw(row, "second prompt", "second prompt without text", size, size, prompt->text2);
    for (int t = 0; t < first; t++)
        real[t] = true;
    for (int t = 0; t < second; t++)
        real[prompt->text_tokens + t] = true;
}

static void draw_row(struct prompt *prompt, const struct dit_config *config, const struct row *row)
{
    size_t pooled = (size_t)config->pooled_dim;

    if (prompt->text)
        draw_text(prompt, config, row);
    if (prompt->text2)
        draw_second(prompt, row);
    if (prompt->pooled)
        draw(row, "pooled prompt", "pooled prompt without text", pooled, pooled, prompt->pooled);
    if (prompt->label)
        prompt->label[row->index] =
            row->request < 0 ? config->classes
                             : pick(row->seed, "prompt label", row->request, config->classes);
}

enum status prompt_open_synthetic(const struct dit_config *config, int requests, bool guided,
                                  int width, int height, uint64_t seed, struct prompt **out)
{
    struct prompt *prompt;
    int negative = guided ? requests : 0; /* so many rows, in front */

    TRY(prompt_open_zero(config, negative + requests, config->text_tokens, &prompt));
    for (int index = 0; index < prompt->rows; index++)
        draw_row(prompt, config, &(struct row){index, index - negative, seed});
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
    free(prompt->text2);
    free(prompt->real);
    free(prompt->pooled);
    free(prompt->guidance);
    free(prompt->label);
    free(prompt->resolution);
    free(prompt->aspect);
    free(prompt);
}
