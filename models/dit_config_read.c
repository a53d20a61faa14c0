/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint folder's configuration: what its files say together. Takes no keys itself. */
#include "models/dit_config.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_LIMIT = 1 << 20 }; /* bytes; diffusers writes less than one KiB */

static enum status read_file(const char *path, struct dit_config *out)
{
    FILE *from = fopen(path, "rbe");
    if (!from)
        return fail(ST_IO, "%s: cannot be opened: %s", path, strerror(errno));
    char *text = malloc(FILE_LIMIT + 1);
    size_t size = text ? fread(text, 1, FILE_LIMIT + 1, from) : 0;
    enum status st;
    if (!text)
        st = fail(ST_OOM, "%s: %d bytes", path, FILE_LIMIT);
    else if (ferror(from))
        st = fail(ST_IO, "%s: cannot be read: %s", path, strerror(errno));
    else if (size > FILE_LIMIT)
        st = fail(ST_INVALID, "%s: more than %d bytes, not a configuration", path, FILE_LIMIT);
    else
        st = dit_config_parse(path, text, size, out);
    free(text);
    fclose(from);
    return st;
}

/* *there: whether folder/name exists; path receives its name. */
static enum status look_for(const char *folder, const char *name, char path[PATH_MAX], bool *there)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return fail(ST_INVALID, "%.200s...: the path is too long", folder);
    *there = access(path, F_OK) == 0;
    return ST_OK;
}

/* What a pipeline's folder adds to its transformer: the scheduler, and by the pipeline's class the
 * length of texts. */
static enum status read_pipeline(const char *folder, struct dit_config *out)
{
    char path[PATH_MAX];
    char scheduler[PATH_MAX];
    bool has_index = false;
    bool has_scheduler = false;
    json_error_t error;
    TRY(look_for(folder, "model_index.json", path, &has_index));
    TRY(look_for(folder, "scheduler/scheduler_config.json", scheduler, &has_scheduler));
    if (has_index && !has_scheduler)
        return fail(ST_INVALID,
                    "%s: is missing; a folder with a model_index.json has one: save the whole "
                    "pipeline, or name "
                    "the transformer's folder to take the default sampler",
                    scheduler);
    if (has_scheduler)
        TRY(sampler_config_read(scheduler, &out->sampler));
    if (!has_index)
        return ST_OK;
    json_t *index = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!index)
        return fail(ST_INVALID, "%s:%d: not valid JSON: %s", path, error.line, error.text);
    const char *class = json_string_value(json_object_get(index, "_class_name"));
    if (out->text_dim > 0 && class && strncmp(class, "PixArtSigma", 11) == 0)
        out->text_tokens = 300;
    else if (out->text_dim > 0 && class && strncmp(class, "PixArtAlpha", 11) == 0)
        out->text_tokens = 120;
    json_decref(index);
    return ST_OK;
}

enum status dit_config_read(const char *folder, struct dit_config *out, char *folder_out,
                            unsigned long size)
{
    char inner[PATH_MAX];
    char bare[PATH_MAX];
    bool is_pipeline = false;
    bool is_bare = false;
    TRY(look_for(folder, "transformer/config.json", inner, &is_pipeline));
    TRY(look_for(folder, "config.json", bare, &is_bare));
    if (!is_pipeline && !is_bare)
        return fail(ST_INVALID,
                    "%s: holds neither transformer/config.json nor config.json: wanted a folder as "
                    "diffusers' "
                    "save_pretrained writes it for a pipeline or a transformer",
                    folder);
    TRY(read_file(is_pipeline ? inner : bare, out));
    if (is_pipeline)
        TRY(read_pipeline(folder, out));
    snprintf(out->name, sizeof(out->name), "%s", folder);
    if ((unsigned long)snprintf(folder_out, size, "%s%s", folder,
                                is_pipeline ? "/transformer" : "") >= size)
        return fail(ST_INVALID, "%s: the path is too long", folder);
    return ST_OK;
}
