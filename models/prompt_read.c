/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions from a safetensors file, checked tensor by tensor. Not a text encoder. */
#include "models/prompt.h"

#include "models/prompt_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANY = -1 }; /* a dimension that the file decides, 1 to PROMPT_MAX_TOKENS */

/* "[2, 120, 64]" into a buffer. */
static void describe(int ndim, const int64_t *dim, char *buffer, size_t size)
{
    size_t used = (size_t)snprintf(buffer, size, "[");

    for (int i = 0; i < ndim && used < size; i++) {
        const char *comma = i > 0 ? ", " : "";

        if (dim[i] == ANY)
            used +=
                (size_t)snprintf(buffer + used, size - used, "%s1 to %d", comma, PROMPT_MAX_TOKENS);
        else
            used +=
                (size_t)snprintf(buffer + used, size - used, "%s%lld", comma, (long long)dim[i]);
    }
    if (used < size)
        snprintf(buffer + used, size - used, "]");
}

/* A tensor of that shape and of a type that `types` has a bit for. NULL where the file lacks it. */
static enum status find_shaped(const struct safetensors *file, const char *name, unsigned types,
                               int ndim, const int64_t *dim, const struct safetensors_entry **out)
{
    const struct safetensors_entry *entry = safetensors_find(file, name);
    char found[128], wanted[128];

    *out = entry;
    if (!entry)
        return ST_OK;
    if (!(types & 1u << entry->type))
        return fail(ST_INVALID, "%s: tensor \"%s\": found type %s, wanted %s",
                    safetensors_path(file), name, entry->type_name,
                    types & 1u << SAFETENSORS_F32 ? "F32, F16 or BF16" : "I64");

    bool same = entry->ndim == ndim;

    for (int i = 0; same && i < ndim; i++)
        same = dim[i] == ANY ? entry->dim[i] > 0 && entry->dim[i] <= PROMPT_MAX_TOKENS
                             : entry->dim[i] == dim[i];
    if (same)
        return ST_OK;
    describe(entry->ndim, entry->dim, found, sizeof(found));
    describe(ndim, dim, wanted, sizeof(wanted));
    return fail(ST_INVALID, "%s: tensor \"%s\": found shape %s, wanted %s", safetensors_path(file),
                name, found, wanted);
}

static const unsigned floats =
    1u << SAFETENSORS_F32 | 1u << SAFETENSORS_F16 | 1u << SAFETENSORS_BF16;
static const unsigned integers = 1u << SAFETENSORS_I64;

static enum status lacks(const struct safetensors *file, const char *name)
{
    return fail(ST_INVALID, "%s: tensor \"%s\": not in the file, and the model needs it",
                safetensors_path(file), name);
}

/* Every tensor of the file must be one that the model takes, or the caller's. */
static enum status refuse_strangers(const struct dit_config *config, const struct safetensors *file,
                                    enum prompt_use use, const char *const *ignore)
{
    const struct {
        const char *name;
        bool taken;
    } known[] = {{"text", config->text_dim > 0},
                 {"text_mask", prompt_packs(config) || config->text2_dim > 0},
                 {"text_2", config->text2_dim > 0},
                 {"text_mask_2", config->text2_dim > 0},
                 {"pooled", prompt_has_pooled(config)},
                 {"guidance_in", config->guidance_in && use == PROMPT_FORWARD},
                 {"class_labels", config->classes > 0},
                 {"resolution", config->micro},
                 {"aspect_ratio", config->micro}};
    enum { KNOWN = sizeof(known) / sizeof(known[0]) };

    for (int i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        char legal[160] = "";
        bool taken = false;

        for (const char *const *mine = ignore; mine && *mine && !taken; mine++)
            taken = strcmp(name, *mine) == 0;
        for (int k = 0; k < KNOWN; k++) {
            taken = taken || (known[k].taken && strcmp(name, known[k].name) == 0);
            if (known[k].taken)
                snprintf(legal + strlen(legal), sizeof(legal) - strlen(legal), " %s",
                         known[k].name);
        }
        if (!taken)
            return fail(ST_INVALID,
                        "%s: tensor \"%.200s\": the model has no use for it; its conditions are:%s",
                        safetensors_path(file), name, *legal ? legal : " none");
    }
    return ST_OK;
}

/* Finite values first .. first+count-1 of a tensor, elements of `row`. */
static enum status read_finite(const struct safetensors *file,
                               const struct safetensors_entry *entry, int row, int64_t first,
                               int64_t count, float *out)
{
    TRY(safetensors_floats(file, entry, first, count, out));
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(out[i]))
            return fail(ST_INVALID,
                        "%s: tensor \"%s\", row %d, element %lld: found %g, wanted a finite number",
                        safetensors_path(file), entry->name, row, (long long)(first + i),
                        (double)out[i]);
    return ST_OK;
}

/* One row of a mask of `tokens`: zeros and ones; all ones where the file has none (NULL). */
static enum status read_mask(const struct safetensors *file, const struct safetensors_entry *entry,
                             int row, int tokens, float *mask)
{
    for (int t = 0; t < tokens; t++)
        mask[t] = 1;
    if (!entry)
        return ST_OK;
    TRY(safetensors_floats(file, entry, (int64_t)row * tokens, tokens, mask));
    for (int t = 0; t < tokens; t++)
        if (mask[t] != 0.0f && mask[t] != 1.0f)
            return fail(ST_INVALID, "%s: tensor \"%s\", row %d, token %d: found %g, wanted 0 or 1",
                        safetensors_path(file), entry->name, row, t, (double)mask[t]);
    return ST_OK;
}

/* The real tokens of one row to its front, in order. What lies under the mask is not read: it may
 * be anything. */
static enum status pack_row(const struct safetensors *file, const struct safetensors_entry *entry,
                            int row, const float *mask, struct prompt *prompt)
{
    int64_t tokens = prompt->text_tokens;
    int64_t dim = prompt->text_dim;
    float *out = prompt->text + row * tokens * dim;
    int count = 0;

    for (int64_t t = 0; t < tokens; t++) {
        if (mask[t] == 0.0f)
            continue;
        TRY(read_finite(file, entry, row, (row * tokens + t) * dim, dim, out + count * dim));
        count++;
    }
    if (count == 0)
        return fail(ST_INVALID, "%s: tensor \"text_mask\", row %d: found no real token, wanted a 1",
                    safetensors_path(file), row);
    prompt->text_count[row] = count;
    return ST_OK;
}

/* One row of the first of two texts, in place. What lies under the mask is nowhere used, and may be
 * anything: what is not finite there becomes 0. */
static enum status place_row(const struct safetensors *file, const struct safetensors_entry *entry,
                             int row, const float *mask, struct prompt *prompt)
{
    int64_t tokens = prompt->text_tokens;
    int64_t dim = prompt->text_dim;
    float *out = prompt->text + row * tokens * dim;
    bool *real = prompt->real + (int64_t)row * (tokens + prompt->text2_tokens);

    for (int64_t t = 0; t < tokens; t++, out += dim) {
        int64_t first = (row * tokens + t) * dim;

        real[t] = mask[t] == 1.0f;
        if (real[t]) {
            TRY(read_finite(file, entry, row, first, dim, out));
            continue;
        }
        TRY(safetensors_floats(file, entry, first, dim, out));
        for (int64_t i = 0; i < dim; i++)
            out[i] = isfinite(out[i]) ? out[i] : 0;
    }
    prompt->text_count[row] = prompt->text_tokens;
    return ST_OK;
}

/* mask: room for a row. */
static enum status read_text(const struct safetensors *file, const struct safetensors_entry *text,
                             struct prompt *prompt, float *mask)
{
    const struct safetensors_entry *entry;
    const int64_t shape[] = {prompt->rows, prompt->text_tokens};

    TRY(find_shaped(file, "text_mask", floats | integers, 2, shape, &entry));
    for (int row = 0; row < prompt->rows; row++) {
        TRY(read_mask(file, entry, row, prompt->text_tokens, mask));
        TRY(prompt->text2 ? place_row(file, text, row, mask, prompt)
                          : pack_row(file, text, row, mask, prompt));
    }
    return ST_OK;
}

/* The second text with its mask, in place. All its rows enter the pooling, and must be finite. */
static enum status read_text2(const struct safetensors *file, struct prompt *prompt, float *mask)
{
    const struct safetensors_entry *text;
    const struct safetensors_entry *entry;
    int64_t tokens = prompt->text2_tokens;
    int64_t values = tokens * prompt->text2_dim;
    const int64_t shape[] = {prompt->rows, tokens, prompt->text2_dim};

    TRY(find_shaped(file, "text_2", floats, 3, shape, &text));
    if (!text)
        return lacks(file, "text_2");
    TRY(find_shaped(file, "text_mask_2", floats | integers, 2, shape, &entry));
    for (int row = 0; row < prompt->rows; row++) {
        bool *real = prompt->real + row * (prompt->text_tokens + tokens) + prompt->text_tokens;

        TRY(read_mask(file, entry, row, (int)tokens, mask));
        for (int64_t t = 0; t < tokens; t++)
            real[t] = mask[t] == 1.0f;
        TRY(read_finite(file, text, row, row * values, values, prompt->text2 + row * values));
    }
    return ST_OK;
}

static enum status read_texts(const struct safetensors *file, const struct safetensors_entry *text,
                              struct prompt *prompt)
{
    int most =
        prompt->text_tokens > prompt->text2_tokens ? prompt->text_tokens : prompt->text2_tokens;
    float *mask = calloc((size_t)most, sizeof(*mask));

    if (!mask)
        return fail(ST_OOM, "prompt: a mask of %d tokens", most);
    enum status st = read_text(file, text, prompt, mask);

    if (!st && prompt->text2)
        st = read_text2(file, prompt, mask);
    free(mask);
    return st;
}

static enum status read_labels(const struct dit_config *config, const struct safetensors *file,
                               struct prompt *prompt)
{
    const struct safetensors_entry *entry;
    const int64_t shape[] = {prompt->rows};

    TRY(find_shaped(file, "class_labels", integers, 1, shape, &entry));
    if (!entry)
        return lacks(file, "class_labels");
    for (int row = 0; row < prompt->rows; row++) {
        int64_t label;

        TRY(safetensors_bytes(file, entry, (size_t)row * sizeof(label), sizeof(label), &label));
        if (label < 0 || label > config->classes)
            return fail(
                ST_INVALID,
                "%s: tensor \"class_labels\", row %d: found %lld, wanted 0 to %d (%d: no class)",
                safetensors_path(file), row, (long long)label, config->classes, config->classes);
        prompt->label[row] = (int)label;
    }
    return ST_OK;
}

/* [rows, columns], or [rows] where ndim is 1, into out, where the file has it. */
static enum status read_numbers(const struct safetensors *file, const char *name, bool optional,
                                int rows, int ndim, int columns, float *out)
{
    const struct safetensors_entry *entry;
    const int64_t shape[] = {rows, columns};

    TRY(find_shaped(file, name, floats, ndim, shape, &entry));
    if (!entry)
        return optional ? ST_OK : lacks(file, name);
    for (int64_t row = 0; row < rows; row++)
        TRY(read_finite(file, entry, (int)row, row * columns, columns, out + row * columns));
    return ST_OK;
}

static enum status read_conditions(const struct dit_config *config, const struct safetensors *file,
                                   enum prompt_use use, const struct safetensors_entry *text,
                                   struct prompt *prompt)
{
    bool optional = use == PROMPT_RUN;
    int rows = prompt->rows;

    if (prompt->text)
        TRY(read_texts(file, text, prompt));
    if (prompt->pooled)
        TRY(read_numbers(file, "pooled", false, rows, 2, config->pooled_dim, prompt->pooled));
    if (prompt->guidance && use == PROMPT_FORWARD)
        TRY(read_numbers(file, "guidance_in", false, rows, 1, 1, prompt->guidance));
    if (prompt->label)
        TRY(read_labels(config, file, prompt));
    if (prompt->resolution)
        TRY(read_numbers(file, "resolution", optional, rows, 2, 2, prompt->resolution));
    if (prompt->aspect)
        TRY(read_numbers(file, "aspect_ratio", optional, rows, 2, 1, prompt->aspect));
    return ST_OK;
}

enum status prompt_open_file(const struct dit_config *config, const struct safetensors *file,
                             int rows, int width, int height, enum prompt_use use,
                             const char *const *ignore, struct prompt **out)
{
    int tokens = config->text2_dim > 0 ? config->text_tokens : ANY;
    const int64_t shape[] = {rows, tokens, config->text_dim};
    const struct safetensors_entry *text = NULL;
    struct prompt *prompt;

    TRY(refuse_strangers(config, file, use, ignore));
    if (config->text_dim > 0) {
        TRY(find_shaped(file, "text", floats, 3, shape, &text));
        if (!text)
            return lacks(file, "text");
    }
    TRY(prompt_open_zero(config, rows, text ? (int)text->dim[1] : 0, &prompt));
    prompt_fill_resolution(prompt, width, height);
    prompt_fill_aspect(prompt, width, height);

    enum status st = read_conditions(config, file, use, text, prompt);

    if (st) {
        prompt_close(prompt);
        return st;
    }
    *out = prompt;
    return ST_OK;
}
