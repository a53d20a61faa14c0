/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration by its name, and how many parameters it has. */
#include "models/dit_config.h"

#include "kernels/base/suggest.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum status refuse_name(const char *name)
{
    char names[1024] = "";
    char hint[SUGGEST_HINT];
    int n = 0;
    while (dit_config_at(n))
        n++;
    const char **words = calloc((size_t)n + 1, sizeof *words);
    if (!words)
        return fail(ST_OOM, "model \"%s\": no host memory", name);
    for (int i = 0; i < n; i++) {
        size_t used = strlen(names);
        words[i] = dit_config_at(i)->name;
        snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", words[i]);
    }
    suggest_hint(name, words, hint);
    free(words);
    return fail(ST_INVALID, "model \"%s\"%s is neither a checkpoint folder nor one of %s", name,
                hint, names);
}

enum status dit_config_load(const char *name_or_folder, struct dit_config *out, char *folder_out,
                            unsigned long size)
{
    struct stat info;
    for (int i = 0; dit_config_at(i); i++) {
        if (strcmp(name_or_folder, dit_config_at(i)->name) == 0) {
            *out = *dit_config_at(i);
            snprintf(folder_out, size, "%s", "");
            return ST_OK;
        }
    }
    if (stat(name_or_folder, &info) != 0 && (errno == EACCES || errno == ELOOP || errno == EIO))
        return fail(ST_IO, "%s: %s", name_or_folder, strerror(errno));
    if (stat(name_or_folder, &info) != 0 || !S_ISDIR(info.st_mode))
        return refuse_name(name_or_folder);
    return dit_config_read(name_or_folder, out, folder_out, size);
}

/* ---- parameters ---- */

/* A linear layer. */
static uint64_t linear(uint64_t in, uint64_t out, bool bias)
{
    return in * out + (bias ? out : 0);
}

/* Linear, activation, linear; with biases. */
static uint64_t perceptron(uint64_t in, uint64_t mid)
{
    return linear(in, mid, true) + linear(mid, mid, true);
}

static uint64_t attention(const struct dit_config *c)
{
    uint64_t width = (uint64_t)dit_channels(c);
    return 3 * linear(width, width, c->attn_bias) + linear(width, width, true);
}

/* The embedder of time and label and the projection to six modulations: one of the model or one of
 * each block. */
static uint64_t modulator(const struct dit_config *c)
{
    uint64_t width = (uint64_t)dit_channels(c);
    uint64_t labels = c->classes > 0 ? (uint64_t)c->classes + 1 : 0;
    return perceptron(256, width) + labels * width + linear(width, 6 * width, true);
}

unsigned long long dit_config_parameters(const struct dit_config *c)
{
    uint64_t width = (uint64_t)dit_channels(c);
    uint64_t mlp = (uint64_t)c->mlp;
    bool single = c->modulation == DIT_ADALN_SINGLE;
    uint64_t block = attention(c) + linear(width, mlp, true) + linear(mlp, width, true);
    if (c->cross)
        block += attention(c);
    block += single ? 6 * width : modulator(c);
    uint64_t head = linear(width, (uint64_t)dit_features(c, c->out_channels), true);
    head += single ? 2 * width : linear(width, 2 * width, true);
    uint64_t total = linear((uint64_t)dit_features(c, c->in_channels), width, true) +
                     (uint64_t)c->layers * block + head;
    if (single)
        total += modulator(c);
    if (c->text_dim > 0)
        total += perceptron((uint64_t)c->text_dim, width);
    if (c->micro)
        total += 2 * perceptron(256, width / 3);
    return total;
}
