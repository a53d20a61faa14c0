/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of conditions: refused, or a prompt of finite numbers in range. */
#include "models/prompt.h"

#include <math.h>
#include <stdint.h>

enum { ROWS = 2, CLASSES = 5, DIM = 3, DIM2 = 2, TOKENS = 4, TOKENS2 = 3, POOLED = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* [rows, n] or NULL. */
static void check_finite(const struct prompt *p, const float *values, int64_t n, const char *what)
{
    for (int64_t i = 0; values && i < p->rows * n; i++)
        BUG_ON(!isfinite(values[i]), "%s, element %d", what, (int)i);
}

static void check(const struct prompt *p)
{
    check_finite(p, p->text, (int64_t)p->text_tokens * p->text_dim, "text");
    check_finite(p, p->text2, (int64_t)p->text2_tokens * p->text2_dim, "second text");
    check_finite(p, p->pooled, POOLED, "pooled");
    check_finite(p, p->guidance, 1, "guidance");
    for (int row = 0; row < p->rows; row++) {
        if (p->label)
            BUG_ON(p->label[row] < 0 || p->label[row] > CLASSES, "label %d", p->label[row]);
        if (p->text)
            BUG_ON(p->text_count[row] < 1 || p->text_count[row] > p->text_tokens, "%d tokens",
                   p->text_count[row]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dit_config models[] = {
        {.text_dim = DIM, .text_tokens = 8},
        {.text_dim = DIM, .text_tokens = 8, .micro = true},
        {.classes = CLASSES},
        {.text_dim = DIM, .text_tokens = TOKENS, .text2_dim = DIM2, .text2_tokens = TOKENS2},
        {.text_dim = DIM, .text_tokens = 8, .joint = true, .pooled_dim = POOLED},
        {.text_dim = DIM,
         .text_tokens = 8,
         .joint = true,
         .pooled_dim = POOLED,
         .distilled = true,
         .guidance_in = true},
    };
    static const char *const ignore[] = {"latent", NULL};
    struct safetensors *file;

    if (safetensors_open_memory("fuzz", data, size, &file) != ST_OK)
        return 0;
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        enum prompt_use use = i == 1 ? PROMPT_RUN : PROMPT_FORWARD;
        struct prompt *prompt;

        if (prompt_open_file(&models[i], file, ROWS, 64, 32, use, ignore, &prompt) == ST_OK) {
            check(prompt);
            prompt_close(prompt);
        }
    }
    safetensors_close(file);
    return 0;
}
