/* SPDX-License-Identifier: Apache-2.0 */
/* The file of chosen algorithms: one line each, "key word word ...", the last line of a key counts.
 */
#include "kernels/cuda/linear_cache.h"

#include "kernels/base/cache.h"
#include "kernels/base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
    char key[LINEAR_CACHE_KEY];
    uint64_t words[LINEAR_CACHE_WORDS];
};

struct linear_cache {
    char path[1024]; /* "": nowhere */
    int n, room;
    struct entry *entry; /* [room] */
};

/* Creates the folder and the one above it; a failure shows when the file is opened. */
static void find_path(struct linear_cache *cache)
{
    char folder[960];
    char *last = strrchr(cache_folder(folder, sizeof(folder)), '/');
    if (!folder[0])
        return;
    if (last && last != folder) {
        *last = '\0';
        mkdir(folder, 0700);
        *last = '/';
    }
    mkdir(folder, 0755);
    snprintf(cache->path, sizeof(cache->path), "%s/gemm-algorithms", folder);
}

static struct entry *entry_of(const struct linear_cache *cache, const char *key)
{
    for (int i = 0; i < cache->n; i++) {
        if (strcmp(cache->entry[i].key, key) == 0)
            return &cache->entry[i];
    }
    return NULL;
}

static enum status put(struct linear_cache *cache, const struct entry *entry)
{
    struct entry *old = entry_of(cache, entry->key);
    if (old) {
        *old = *entry;
        return ST_OK;
    }
    if (cache->n == cache->room) {
        int room = cache->room ? 2 * cache->room : 64;
        struct entry *more = realloc(cache->entry, (size_t)room * sizeof(*more));
        if (!more)
            return fail(ST_OOM, "%s: no host memory for %d entries", cache->path, room);
        cache->entry = more;
        cache->room = room;
    }
    cache->entry[cache->n++] = *entry;
    return ST_OK;
}

/* False for a line that is not whole. */
static bool parse(const char *line, struct entry *out)
{
    int at = 0;
    if (!strchr(line, '\n') || sscanf(line, "%255s%n", out->key, &at) != 1)
        return false;
    for (int i = 0; i < LINEAR_CACHE_WORDS; i++) {
        int length = 0;
        if (sscanf(line + at, "%" SCNx64 "%n", &out->words[i], &length) != 1)
            return false;
        at += length;
    }
    return true;
}

static enum status read_file(struct linear_cache *cache)
{
    char line[LINEAR_CACHE_KEY + LINEAR_CACHE_WORDS * 20];
    enum status st = ST_OK;
    int fd;
    if (file_open_regular(cache->path, O_RDONLY, &fd, NULL) != ST_OK) { // there need be none
        status_clear();
        return ST_OK;
    }
    FILE *file = fdopen(fd, "r");
    if (!file) {
        close(fd);
        return fail(ST_OOM, "%s: no host memory to read it", cache->path);
    }
    while (st == ST_OK && fgets(line, sizeof(line), file)) {
        struct entry entry;
        if (parse(line, &entry))
            st = put(cache, &entry);
    }
    fclose(file);
    return st;
}

enum status linear_cache_open(struct linear_cache **out)
{
    struct linear_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return fail(ST_OOM, "the list of product algorithms: no host memory");
    find_path(cache);
    enum status st = cache->path[0] ? read_file(cache) : ST_OK;
    if (st != ST_OK) {
        linear_cache_close(cache);
        return st;
    }
    *out = cache;
    return ST_OK;
}

void linear_cache_close(struct linear_cache *cache)
{
    if (!cache)
        return;
    free(cache->entry);
    free(cache);
}

bool linear_cache_find(const struct linear_cache *cache, const char *key,
                       uint64_t words[LINEAR_CACHE_WORDS])
{
    const struct entry *entry = entry_of(cache, key);
    if (entry)
        memcpy(words, entry->words, sizeof(entry->words));
    return entry != NULL;
}

void linear_cache_add(struct linear_cache *cache, const char *key,
                      const uint64_t words[LINEAR_CACHE_WORDS])
{
    struct entry entry;
    char line[LINEAR_CACHE_KEY + LINEAR_CACHE_WORDS * 20];
    int n = snprintf(entry.key, sizeof(entry.key), "%s", key);
    BUG_ON(n >= (int)sizeof(entry.key), "a key of %d characters", n);
    memcpy(entry.words, words, sizeof(entry.words));
    if (put(cache, &entry) != ST_OK || !cache->path[0])
        return;
    n = snprintf(line, sizeof(line), "%s", key);
    for (int i = 0; i < LINEAR_CACHE_WORDS; i++)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " %" PRIx64, words[i]);
    line[n++] = '\n';
    int fd;
    if (file_open_regular(cache->path, O_WRONLY | O_CREAT | O_APPEND, &fd, NULL) != ST_OK) {
        status_clear();
        return;
    }
    ssize_t written = write(fd, line, (size_t)n);
    (void)written; // half a line is passed over by the next reader
    close(fd);
}
