/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of conditions: refused, or a prompt of finite numbers in range. */
#include "models/prompt.h"

#include <math.h>
#include <stdint.h>

enum { ROWS = 2, CLASSES = 5, DIM = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct prompt *p)
{
    for (int row = 0; row < p->rows; row++) {
        if (p->label)
            BUG_ON(p->label[row] < 0 || p->label[row] > CLASSES, "label %d", p->label[row]);
        if (!p->text)
            continue;
        BUG_ON(p->text_count[row] < 1 || p->text_count[row] > p->text_tokens, "%d tokens",
               p->text_count[row]);
        for (int64_t i = 0; i < (int64_t)p->text_tokens * p->text_dim; i++)
            BUG_ON(!isfinite(p->text[row * p->text_tokens * p->text_dim + i]), "row %d, element %d",
                   row, (int)i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dit_config models[] = {{.text_dim = DIM, .text_tokens = 8},
                                               {.text_dim = DIM, .text_tokens = 8, .micro = true},
                                               {.classes = CLASSES}};
    static const char *const ignore[] = {"latent", NULL};
    struct safetensors *file;

    if (safetensors_open_memory("fuzz", data, size, &file) != ST_OK)
        return 0;
    for (int i = 0; i < 3; i++) {
        struct prompt *prompt;

        if (prompt_open_file(&models[i], file, ROWS, 64, 32, i == 1, ignore, &prompt) == ST_OK) {
            check(prompt);
            prompt_close(prompt);
        }
    }
    safetensors_close(file);
    return 0;
}
