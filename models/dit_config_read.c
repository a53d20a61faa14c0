/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint folder's configuration: what its files say together. Takes no keys itself. */
#include "models/dit_config.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 20 }; /* bytes; diffusers writes less than one KiB */

/* Reads folder/name where it is *there. */
static enum status read_part(const char *folder, const char *name,
                             enum status (*parse)(const char *path, const char *text, size_t size,
                                                  struct dit_config *out),
                             struct dit_config *out, struct file_stamp *stamp, bool *there)
{
    char path[PATH_MAX];
    char *text;
    size_t size;
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return fail(ST_INVALID, "%.200s...: the path is too long", folder);
    TRY(file_there(path, there));
    if (!*there)
        return ST_OK;
    TRY(file_read_text(path, FILE_LIMIT, &text, &size, stamp));
    enum status st = parse(path, text, size, out);
    free(text);
    return st;
}

static enum status parse_scheduler(const char *path, const char *text, size_t size,
                                   struct dit_config *out)
{
    bool unit_grid = out->sampler.unit_grid; // the model's, no key of a scheduler
    TRY(sampler_config_parse(path, text, size, &out->sampler));
    out->sampler.unit_grid = unit_grid;
    return ST_OK;
}

/* Two pipelines share PixArt's transformer: the class says how long the texts are. That of the
 * other transformers is a matter of their own class. */
static enum status parse_pipeline(const char *path, const char *text, size_t size,
                                  struct dit_config *out)
{
    json_error_t error;
    json_t *index = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!index)
        return fail(ST_INVALID, "%s:%d: not valid JSON: %s", path, error.line, error.text);
    const char *class = json_string_value(json_object_get(index, "_class_name"));
    bool pixart = out->naming == DIT_NAMES_PIXART && !out->temporal;
    if (pixart && class && strncmp(class, "PixArtSigma", 11) == 0)
        out->text_tokens = 300;
    else if (pixart && class && strncmp(class, "PixArtAlpha", 11) == 0)
        out->text_tokens = 120;
    json_decref(index);
    return ST_OK;
}

/* What a pipeline's folder adds to its transformer. */
static enum status read_pipeline(const char *folder, struct dit_config *out)
{
    static const char scheduler[] = "scheduler/scheduler_config.json";
    bool has_scheduler = false;
    bool has_index = false;
    TRY(read_part(folder, scheduler, parse_scheduler, out, &out->read_from[1], &has_scheduler));
    TRY(read_part(folder, "model_index.json", parse_pipeline, out, &out->read_from[2], &has_index));
    if (has_index && !has_scheduler)
        return fail(ST_INVALID,
                    "%s/%s: is missing; a folder with a model_index.json has one: save the whole "
                    "pipeline, or name the transformer's folder to take the default sampler",
                    folder, scheduler);
    return ST_OK;
}

enum status dit_config_read(const char *folder, struct dit_config *out, char *folder_out,
                            unsigned long size)
{
    struct file_stamp stamp;
    bool is_pipeline = false;
    bool is_bare = false;
    TRY(read_part(folder, "transformer/config.json", dit_config_parse, out, &stamp, &is_pipeline));
    if (!is_pipeline)
        TRY(read_part(folder, "config.json", dit_config_parse, out, &stamp, &is_bare));
    if (!is_pipeline && !is_bare)
        return fail(ST_INVALID,
                    "%s: holds neither transformer/config.json nor config.json: wanted a folder as "
                    "diffusers' save_pretrained writes it for a pipeline or a transformer",
                    folder);
    out->read_from[0] = stamp;
    if (is_pipeline)
        TRY(read_pipeline(folder, out));
    snprintf(out->name, sizeof(out->name), "%s", folder);
    if ((unsigned long)snprintf(folder_out, size, "%s%s", folder,
                                is_pipeline ? "/transformer" : "") >= size)
        return fail(ST_INVALID, "%s: the path is too long", folder);
    return ST_OK;
}
