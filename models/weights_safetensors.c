/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a diffusers transformer folder: which files, types and shapes. Parses no header. */
#include "kernels/base/hash.h"
#include "kernels/op.h"
#include "models/safetensors.h"
#include "models/weights.h"

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEM       "diffusion_pytorch_model"
#define SINGLE     STEM ".safetensors"
#define INDEX_STEM SINGLE ".index"

enum { MAX_SHARDS = 1000, SHAPE_TEXT = 200 };

/* Files of a folder that say what its parameters mean; the last one, where they are. */
static const char *const described_by[] = {"config.json", "../scheduler/scheduler_config.json",
                                           "../model_index.json", INDEX_STEM ".json"};

enum { DESCRIPTIONS = sizeof(described_by) / sizeof(described_by[0]) };

struct checkpoint {
    char folder[PATH_MAX];
    char description[DESCRIPTIONS][PATH_MAX]; /* they need not be there */
    int files;
    struct safetensors *file[MAX_SHARDS]; /* ordered by name */
};

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

static bool has_file(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof(path), "%s/%s", folder, name) < PATH_MAX &&
           access(path, F_OK) == 0;
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
        if (has_file(folder, plain[i])) {
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
    if (c->files == MAX_SHARDS)
        return fail(ST_INVALID, "%s: more than %d shards", c->folder, MAX_SHARDS);
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

static enum status open_shards(struct checkpoint *c, const char *index)
{
    char path[PATH_MAX];
    json_error_t error;
    if (snprintf(path, sizeof(path), "%s/%s", c->folder, index) >= PATH_MAX)
        return fail(ST_INVALID, "%s/%.100s: the path is too long", c->folder, index);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return fail(ST_INVALID, "%s:%d: not valid JSON: %s", path, error.line, error.text);
    json_t *map = json_object_get(root, "weight_map");
    enum status st;
    if (!json_is_object(map) || json_object_size(map) == 0)
        st = fail(ST_INVALID, "%s: weight_map is not an object of tensor names and files", path);
    else
        st = open_mapped(c, index, map);
    if (st == ST_OK)
        st = check_mapped(c, index, map);
    json_decref(root);
    qsort(c->file, (size_t)c->files, sizeof(c->file[0]), compare_files);
    return st;
}

/* ---- the table ---- */

static const struct safetensors_entry *find_entry(const struct checkpoint *c, const char *name,
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

static const char *checkpoint_name_at(const void *self, int index)
{
    const struct checkpoint *c = self;
    for (int i = 0; i < c->files; i++) {
        if (index < safetensors_count(c->file[i]))
            return safetensors_at(c->file[i], index)->name;
        index -= safetensors_count(c->file[i]);
    }
    return NULL;
}

/* "[2, 96]" into text; returns it. */
static const char *describe_shape(int ndim, const int64_t *dim, char text[SHAPE_TEXT])
{
    int used = snprintf(text, SHAPE_TEXT, "[");
    for (int i = 0; i < ndim; i++)
        used += snprintf(text + used, (size_t)(SHAPE_TEXT - used), i ? ", %lld" : "%lld",
                         (long long)dim[i]);
    snprintf(text + used, (size_t)(SHAPE_TEXT - used), "]");
    return text;
}

static enum status check_entry(const struct safetensors *file,
                               const struct safetensors_entry *entry, int ndim,
                               const int64_t *shape)
{
    char found[SHAPE_TEXT];
    char wanted[SHAPE_TEXT];
    if (entry->ndim != ndim || memcmp(entry->dim, shape, sizeof(*shape) * (size_t)ndim) != 0)
        return fail(ST_INVALID,
                    "%s: tensor \"%s\" is %s, the model's config.json wants %s: they do not belong "
                    "together",
                    safetensors_path(file), entry->name,
                    describe_shape(entry->ndim, entry->dim, found),
                    describe_shape(ndim, shape, wanted));
    if (entry->type != SAFETENSORS_F32 && entry->type != SAFETENSORS_F16 &&
        entry->type != SAFETENSORS_BF16)
        return fail(
            ST_INVALID,
            "%s: tensor \"%s\" is %s, wanted F32, F16 or BF16: save the model in one of these",
            safetensors_path(file), entry->name, entry->type_name);
    return ST_OK;
}

/* The tensor of a name, of the shape and one of the types that a model wants, and its file. */
static enum status want_entry(const struct checkpoint *c, const char *name, int ndim,
                              const int64_t *shape, const struct safetensors **file,
                              const struct safetensors_entry **out)
{
    char wanted[SHAPE_TEXT];
    *out = find_entry(c, name, file);
    if (!*out)
        return fail(ST_INVALID,
                    "%s: tensor \"%s\" %s is missing: the weights are not those of the config.json",
                    c->files == 1 ? safetensors_path(*file) : c->folder, name,
                    describe_shape(ndim, shape, wanted));
    return check_entry(*file, *out, ndim, shape);
}

static int64_t columns_of(int ndim, const int64_t *shape)
{
    int64_t cols = ndim == 1 ? shape[0] : 1;
    for (int i = 1; i < ndim; i++)
        cols *= shape[i];
    return cols;
}

static enum status checkpoint_read(void *self, const char *name, int ndim, const int64_t *shape,
                                   const struct weights_slice *slice, float *out)
{
    const struct safetensors *file;
    const struct safetensors_entry *entry;
    TRY(want_entry(self, name, ndim, shape, &file, &entry));
    int64_t cols = columns_of(ndim, shape);
    if (slice->cols == cols)
        return safetensors_floats(file, entry, slice->row_begin * cols, slice->rows * cols, out);
    for (int64_t i = 0; i < slice->rows; i++)
        TRY(safetensors_floats(file, entry, (slice->row_begin + i) * cols + slice->col_begin,
                               slice->cols, out + i * slice->cols));
    return ST_OK;
}

/* The mapped elements go to the device in the file's type and are converted there, at once. */
static enum status checkpoint_fill(void *self, const char *name, int ndim, const int64_t *shape,
                                   const struct weights_slice *slice, struct queue *q,
                                   struct tensor *out)
{
    const struct safetensors *file;
    const struct safetensors_entry *entry;
    TRY(want_entry(self, name, ndim, shape, &file, &entry));
    enum dtype dtype = entry->type == SAFETENSORS_F32    ? DTYPE_F32
                       : entry->type == SAFETENSORS_BF16 ? DTYPE_BF16
                                                         : DTYPE_F16;
    int64_t cols = columns_of(ndim, shape);
    int64_t dim[2] = {ndim == 1 ? 1 : shape[0], cols};
    struct tensor whole = tensor_of((void *)entry->data, NULL, dtype, 2, dim);
    struct tensor rows = tensor_slice(&whole, 0, slice->row_begin, slice->rows);
    struct tensor from = tensor_slice(&rows, 1, slice->col_begin, slice->cols);
    return op_copy(q, out, &from);
}

static const char *checkpoint_path_at(const void *self, int index)
{
    const struct checkpoint *c = self;
    if (index < DESCRIPTIONS)
        return c->description[index];
    return index - DESCRIPTIONS < c->files ? safetensors_path(c->file[index - DESCRIPTIONS]) : NULL;
}

static void name_descriptions(struct checkpoint *c)
{
    char above[PATH_MAX + 4];
    const char *last = strrchr(c->folder, '/');
    bool named = last && last[1] && strcmp(last, "/.") != 0 && strcmp(last, "/..") != 0;
    if (named)
        snprintf(above, sizeof(above), "%.*s", (int)(last - c->folder), c->folder);
    else
        snprintf(above, sizeof(above), "%s/..", c->folder);
    snprintf(c->description[0], PATH_MAX, "%s/config.json", c->folder);
    snprintf(c->description[1], PATH_MAX, "%s/scheduler/scheduler_config.json", above);
    snprintf(c->description[2], PATH_MAX, "%s/model_index.json", above);
    snprintf(c->description[3], PATH_MAX, "%s/" INDEX_STEM ".json", c->folder);
}

/* A file that is not there leaves the hash as it is. */
static uint64_t hash_file(uint64_t hash, const char *path)
{
    unsigned char piece[4096];
    size_t n;
    FILE *from = fopen(path, "rbe");
    if (!from)
        return hash;
    while ((n = fread(piece, 1, sizeof(piece), from)) > 0)
        hash = hash_bytes(hash, piece, n);
    fclose(from);
    return hash;
}

/* Over all that changes a number: every tensor, and the configurations of the model, of its
 * scheduler and of the pipeline. */
static uint64_t checkpoint_hash(const void *self)
{
    const struct checkpoint *c = self;
    uint64_t hash = 0;
    for (int i = 0; i < DESCRIPTIONS - 1; i++) // not the last: only the tensors count
        hash = hash_file(hash, c->description[i]);
    for (int i = 0; i < c->files; i++) {
        for (int k = 0; k < safetensors_count(c->file[i]); k++) {
            const struct safetensors_entry *entry = safetensors_at(c->file[i], k);
            hash = hash_text(hash_text(hash, entry->name), entry->type_name);
            hash = hash_bytes(hash, entry->dim, sizeof(entry->dim[0]) * (size_t)entry->ndim);
            hash = hash_bytes(hash, entry->data, entry->bytes);
        }
    }
    return hash;
}

static void checkpoint_close(void *self)
{
    struct checkpoint *c = self;
    for (int i = 0; i < c->files; i++)
        safetensors_close(c->file[i]);
    free(c);
}

static const struct weights_ops weights_safetensors = {
    .name = "safetensors",
    .read = checkpoint_read,
    .fill = checkpoint_fill,
    .name_at = checkpoint_name_at,
    .path_at = checkpoint_path_at,
    .hash = checkpoint_hash,
    .close = checkpoint_close,
};

enum status weights_open_safetensors(const char *folder, struct weights **out)
{
    char name[NAME_MAX + 1];
    TRY(choose_file(folder, name, sizeof(name)));
    struct checkpoint *c = calloc(1, sizeof(*c));
    if (!c)
        return fail(ST_OOM, "%s: memory for a list of files", folder);
    snprintf(c->folder, sizeof(c->folder), "%s", folder);
    name_descriptions(c);
    bool sharded = strstr(name, ".json") != NULL;
    enum status st = sharded ? open_shards(c, name) : open_file(c, name);
    if (st != ST_OK) {
        checkpoint_close(c);
        return st;
    }
    return weights_open(&weights_safetensors, c, out);
}
