/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a checkpoint consists of. Parses no header. */
#include "models/checkpoint.h"

#include "kernels/base/hash.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEM       "diffusion_pytorch_model"
#define SINGLE     STEM ".safetensors"
#define INDEX_STEM SINGLE ".index"

enum { DESCRIPTION_LIMIT = 1 << 20, INDEX_LIMIT = 100 << 20 }; /* bytes */

/* ---- which files ---- */

static bool is_variant(const char *name, const char *stem, const char *ending)
{
    size_t length = strlen(name);
    size_t before = strlen(stem);
    size_t after = strlen(ending);
    return length > before + 1 + after && strncmp(name, stem, before) == 0 && name[before] == '.' &&
           strcmp(name + length - after, ending) == 0;
}

/* "diffusion_pytorch_model.fp16.safetensors" or the index of such shards; not a shard itself. */
static bool is_variant_entry(const struct dirent *entry)
{
    const char *name = entry->d_name;
    if (strncmp(name, INDEX_STEM, strlen(INDEX_STEM)) == 0)
        return is_variant(name, INDEX_STEM, ".json");
    return is_variant(name, STEM, ".safetensors") && !strstr(name, "-of-");
}

static enum status look_for(const char *folder, const char *name, bool *there)
{
    char path[PATH_MAX];
    *there = false;
    return snprintf(path, sizeof(path), "%s/%s", folder, name) < PATH_MAX ? file_there(path, there)
                                                                          : ST_OK;
}

static enum status choose_variant(const char *folder, char *name, size_t size)
{
    struct dirent **found = NULL;
    int n = scandir(folder, &found, NULL, alphasort);
    if (n < 0)
        return fail(ST_IO, "%s: this folder of weights cannot be read: %m", folder);
    int variants = 0;
    bool torch = false;
    for (int i = 0; i < n; i++) {
        if (is_variant_entry(found[i]) && variants++ == 0)
            snprintf(name, size, "%s", found[i]->d_name);
        torch |=
            strncmp(found[i]->d_name, STEM, strlen(STEM)) == 0 && strstr(found[i]->d_name, ".bin");
        free(found[i]);
    }
    free(found);
    if (variants > 1)
        return fail(ST_INVALID,
                    "%s: holds several variants of the weights; keep one, or name it " SINGLE,
                    folder);
    if (variants == 0 && torch)
        return fail(ST_INVALID,
                    "%s: holds the weights as .bin; save them again with safe_serialization=True",
                    folder);
    if (variants == 0)
        return fail(ST_INVALID, "%s: holds neither " SINGLE " nor " INDEX_STEM ".json", folder);
    return ST_OK;
}

/* diffusers' order: an index goes before a single file, both before a variant. */
static enum status choose_file(const char *folder, char *name, size_t size)
{
    static const char *const plain[] = {INDEX_STEM ".json", SINGLE};
    for (int i = 0; i < 2; i++) {
        bool there;
        TRY(look_for(folder, plain[i], &there));
        if (there) {
            snprintf(name, size, "%s", plain[i]);
            return ST_OK;
        }
    }
    return choose_variant(folder, name, size);
}

/* ---- one file or shards ---- */

static enum status open_file(struct checkpoint *c, const char *name)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%s", c->folder, name) >= PATH_MAX)
        return fail(ST_INVALID, "%s/%.100s: the path is too long", c->folder, name);
    if (c->files == CHECKPOINT_SHARDS)
        return fail(ST_INVALID, "%s: more than %d shards", c->folder, CHECKPOINT_SHARDS);
    TRY(safetensors_open(path, &c->file[c->files]));
    c->files++;
    return ST_OK;
}

static const char *file_name(const struct safetensors *file)
{
    return strrchr(safetensors_path(file), '/') + 1;
}

static struct safetensors *find_file(const struct checkpoint *c, const char *name)
{
    for (int i = 0; i < c->files; i++)
        if (strcmp(file_name(c->file[i]), name) == 0)
            return c->file[i];
    return NULL;
}

/* Opens the shards of the map { tensor: file } and checks that each holds what the map says. */
static enum status open_mapped(struct checkpoint *c, const char *index, json_t *map)
{
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!name || name[0] == '.' || strchr(name, '/') || !strstr(name, ".safetensors"))
            return fail(
                ST_INVALID,
                "%s/%s: weight_map: \"%.200s\" is not in a .safetensors file of this folder",
                c->folder, index, tensor);
        if (!find_file(c, name))
            TRY(open_file(c, name));
        struct safetensors *file = find_file(c, name);
        if (!safetensors_find(file, tensor))
            return fail(ST_INVALID,
                        "%s: tensor \"%.200s\" is missing, %s lists it here: fetch the shard again",
                        safetensors_path(file), tensor, index);
    }
    return ST_OK;
}

/* No shard holds a tensor that the map has elsewhere, so that looking through all shards finds the
 * right one. */
static enum status check_mapped(const struct checkpoint *c, const char *index, const json_t *map)
{
    for (int i = 0; i < c->files; i++) {
        for (int k = 0; k < safetensors_count(c->file[i]); k++) {
            const char *tensor = safetensors_at(c->file[i], k)->name;
            const char *wanted = json_string_value(json_object_get(map, tensor));
            if (!wanted || strcmp(wanted, file_name(c->file[i])) != 0)
                return fail(ST_INVALID, "%s: holds tensor \"%.200s\", which %s has in %.200s",
                            safetensors_path(c->file[i]), tensor, index,
                            wanted ? wanted : "no file");
        }
    }
    return ST_OK;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(safetensors_path(*(struct safetensors *const *)a),
                  safetensors_path(*(struct safetensors *const *)b));
}

static enum status open_shards(struct checkpoint *c, const char *name)
{
    struct checkpoint_file *index = &c->description[CHECKPOINT_INDEX];
    char *text;
    size_t size;
    json_error_t error;
    TRY(file_read_text(index->path, INDEX_LIMIT, &text, &size, &index->stamp));
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!root)
        return fail(ST_INVALID, "%s:%d: not valid JSON: %s", index->path, error.line, error.text);
    json_t *map = json_object_get(root, "weight_map");
    enum status st;
    if (!json_is_object(map) || json_object_size(map) == 0)
        st = fail(ST_INVALID, "%s: weight_map is not an object of tensor names and files",
                  index->path);
    else
        st = open_mapped(c, name, map);
    if (st == ST_OK)
        st = check_mapped(c, name, map);
    json_decref(root);
    qsort(c->file, (size_t)c->files, sizeof(c->file[0]), compare_files);
    return st;
}

/* ---- descriptions ---- */

static void name_descriptions(struct checkpoint *c)
{
    char above[PATH_MAX + 4];
    const char *last = strrchr(c->folder, '/');
    bool named = last && last[1] && strcmp(last, "/.") != 0 && strcmp(last, "/..") != 0;
    if (named)
        snprintf(above, sizeof(above), "%.*s", (int)(last - c->folder), c->folder);
    else
        snprintf(above, sizeof(above), "%s/..", c->folder);
    struct checkpoint_file *d = c->description;
    snprintf(d[CHECKPOINT_MODEL].path, PATH_MAX, "%s/config.json", c->folder);
    snprintf(d[CHECKPOINT_SCHEDULER].path, PATH_MAX, "%s/scheduler/scheduler_config.json", above);
    snprintf(d[CHECKPOINT_PIPELINE].path, PATH_MAX, "%s/model_index.json", above);
    snprintf(d[CHECKPOINT_INDEX].path, PATH_MAX, "%s/" INDEX_STEM ".json", c->folder);
}

/* One that is not there leaves the hash as it is. */
static enum status hash_description(struct checkpoint_file *d, uint64_t *hash)
{
    char *text;
    size_t size;
    bool there;
    TRY(file_there(d->path, &there));
    if (!there)
        return ST_OK;
    TRY(file_read_text(d->path, DESCRIPTION_LIMIT, &text, &size, &d->stamp));
    *hash = hash_bytes(*hash, text, size);
    free(text);
    return ST_OK;
}

static enum status open_files(struct checkpoint *c, const char *name)
{
    for (int i = 0; i < CHECKPOINT_INDEX; i++) // where the tensors are does not count
        TRY(hash_description(&c->description[i], &c->described));
    if (!strstr(name, ".json"))
        return open_file(c, name);
    snprintf(c->description[CHECKPOINT_INDEX].path, PATH_MAX, "%s/%s", c->folder, name);
    return open_shards(c, name);
}

enum status checkpoint_open(const char *folder, struct checkpoint **out)
{
    char name[NAME_MAX + 1];
    TRY(choose_file(folder, name, sizeof(name)));
    struct checkpoint *c = calloc(1, sizeof(*c));
    if (!c)
        return fail(ST_OOM, "%s: memory for a list of files", folder);
    snprintf(c->folder, sizeof(c->folder), "%s", folder);
    name_descriptions(c);
    enum status st = open_files(c, name);
    if (st != ST_OK) {
        checkpoint_close(c);
        return st;
    }
    *out = c;
    return ST_OK;
}

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->files; i++)
        safetensors_close(c->file[i]);
    free(c);
}

const struct safetensors_entry *checkpoint_find(const struct checkpoint *c, const char *name,
                                                const struct safetensors **file)
{
    for (int i = 0; i < c->files; i++) {
        const struct safetensors_entry *entry = safetensors_find(c->file[i], name);
        *file = c->file[i];
        if (entry)
            return entry;
    }
    return NULL;
}
