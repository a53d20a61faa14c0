/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the cache, as safetensors files with a key and a checksum. */
#include "harness/check/reference_cache.h"

#include "harness/base/folder.h"
#include "kernels/base/cache.h"
#include "kernels/base/hash.h"
#include "models/safetensors.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "ditbench-latent-1"
#define STEM   "reference-"
#define ENDING ".safetensors"

enum { HASH_TEXT = 17, FOLDER_MAX = PATH_MAX - 100 };

static char *hex(uint64_t hash, char text[HASH_TEXT])
{
    snprintf(text, HASH_TEXT, "%016" PRIx64, hash);
    return text;
}

/* False where there is no folder. */
static bool find_entry(const char *key, char path[PATH_MAX])
{
    char folder[FOLDER_MAX];
    char hash[HASH_TEXT];
    if (!cache_folder(folder, sizeof folder)[0])
        return false;
    snprintf(path, PATH_MAX, "%s/" STEM "%s" ENDING, folder, hex(hash_text(0, key), hash));
    return true;
}

static char *checksum(const char *key, size_t count, const float *latent, char text[HASH_TEXT])
{
    return hex(hash_bytes(hash_text(0, key), latent, count * sizeof *latent), text);
}

static bool has_meta(const struct safetensors *file, const char *name, const char *want)
{
    const char *found = safetensors_meta(file, name);
    return found && strcmp(found, want) == 0;
}

bool reference_cache_load(const char *key, size_t count, float *out)
{
    char path[PATH_MAX];
    char hash[HASH_TEXT];
    struct safetensors *file;
    if (!find_entry(key, path) || access(path, F_OK) != 0)
        return false;
    if (safetensors_open(path, &file) != ST_OK) {
        status_clear();
        return false;
    }
    const struct safetensors_entry *e = safetensors_find(file, "latent");
    bool good = e && e->type == SAFETENSORS_F32 && e->bytes == count * sizeof *out &&
                has_meta(file, "format", FORMAT) && has_meta(file, "key", key) &&
                safetensors_floats(file, e, 0, (int64_t)count, out) == ST_OK &&
                has_meta(file, "checksum", checksum(key, count, out, hash));
    safetensors_close(file);
    return good;
}

enum status reference_cache_store(const char *key, size_t count, const float *latent)
{
    char path[PATH_MAX];
    char hash[HASH_TEXT];
    const struct safetensors_item item = {"latent", 1, {(int64_t)count}, latent};
    const char *const meta[][2] = {
        {"format", FORMAT}, {"key", key}, {"checksum", checksum(key, count, latent, hash)}};
    if (!find_entry(key, path))
        return fail(ST_IO, "no folder for a cache: none of DITBENCH_CACHE, XDG_CACHE_HOME and HOME "
                           "is set");
    TRY(folder_make_above(path));
    return safetensors_write(path, 1, &item, 3, meta);
}

static bool is_entry(const char *name)
{
    size_t n = strlen(name);
    return n == strlen(STEM ENDING) + HASH_TEXT - 1 && strncmp(name, STEM, strlen(STEM)) == 0 &&
           strcmp(name + n - strlen(ENDING), ENDING) == 0;
}

void reference_cache_count(int *entries, uint64_t *bytes)
{
    char folder[FOLDER_MAX];
    struct stat info;
    *entries = 0;
    *bytes = 0;
    DIR *dir = cache_folder(folder, sizeof folder)[0] ? opendir(folder) : NULL;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        if (!is_entry(e->d_name) || fstatat(dirfd(dir), e->d_name, &info, 0) != 0)
            continue;
        ++*entries;
        *bytes += (uint64_t)info.st_size;
    }
    if (dir)
        closedir(dir);
}
