/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in large pieces, and a hash table of what is in it. */
#include "harness/record/pool.h"

#include "harness/record/fields.h"
#include "kernels/base/hash.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct piece {
    struct piece *next;
    size_t used, room; /* bytes of data */
    max_align_t data[];
};

/* Something that is kept once. */
struct entry {
    uint32_t hash, size;
    const void *data; /* NULL: free */
};

struct record_pool {
    struct piece *pieces;
    struct entry *table;
    size_t entries, slots; /* slots: a power of two, or 0 */
};

enum status record_pool_open(struct record_pool **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? ST_OK : fail(ST_OOM, "no memory for records");
}

void record_pool_close(struct record_pool *pool)
{
    if (!pool)
        return;
    while (pool->pieces) {
        struct piece *next = pool->pieces->next;
        free(pool->pieces);
        pool->pieces = next;
    }
    free(pool->table);
    free(pool);
}

/* ---- memory ---- */

/* Copies `size` bytes. NULL: no memory. */
static void *copy(struct record_pool *pool, const void *data, size_t size, size_t align)
{
    enum { ROOM = 1 << 20 };
    struct piece *piece = pool->pieces;
    size_t begin = piece ? (piece->used + align - 1) / align * align : 0;
    if (!piece || begin > piece->room || piece->room - begin < size) {
        size_t room = size > ROOM ? size : ROOM;
        piece = malloc(sizeof *piece + room);
        if (!piece)
            return NULL;
        *piece = (struct piece){.next = pool->pieces, .room = room};
        pool->pieces = piece;
        begin = 0;
    }
    piece->used = begin + size;
    return memcpy((char *)piece->data + begin, data, size);
}

/* ---- what is kept once ---- */

/* The entry of such data, or the free one where it belongs. */
static struct entry *find(const struct record_pool *pool, uint32_t hash, const void *data,
                          size_t size)
{
    for (size_t i = hash;; i++) {
        struct entry *e = &pool->table[i & (pool->slots - 1)];
        if (!e->data || (e->hash == hash && e->size == size && memcmp(e->data, data, size) == 0))
            return e;
    }
}

/* Room for one more entry. */
static bool widen(struct record_pool *pool)
{
    struct record_pool wider = *pool;
    if (4 * pool->entries < 3 * pool->slots)
        return true;
    wider.slots = pool->slots ? 2 * pool->slots : 1024;
    wider.table = calloc(wider.slots, sizeof *wider.table);
    if (!wider.table)
        return false;
    for (size_t i = 0; i < pool->slots; i++)
        if (pool->table[i].data)
            *find(&wider, pool->table[i].hash, pool->table[i].data, pool->table[i].size) =
                pool->table[i];
    free(pool->table);
    *pool = wider;
    return true;
}

/* A copy, or one that is there already. NULL: no memory. */
static const void *share(struct record_pool *pool, const void *data, size_t size, size_t align)
{
    if (size > UINT32_MAX) // nothing so large comes twice
        return copy(pool, data, size, align);
    if (!widen(pool))
        return NULL;
    uint32_t hash = (uint32_t)hash_bytes(align, data, size); // texts and numbers do not meet
    struct entry *e = find(pool, hash, data, size);
    if (!e->data) {
        *e = (struct entry){hash, (uint32_t)size, copy(pool, data, size, align)};
        pool->entries += e->data != NULL;
    }
    return e->data;
}

/* ---- a record ---- */

static bool share_fields(struct record_pool *pool, const struct field *fields, char *base);

static bool share_text(struct record_pool *pool, const char **text)
{
    if (!*text)
        return true;
    *text = share(pool, *text, strlen(*text) + 1, 1);
    return *text != NULL;
}

static bool share_map(struct record_pool *pool, struct record_map *map)
{
    for (int i = 0; i < map->n; i++)
        if (!share_text(pool, &map->v[i].name) || !share_text(pool, &map->v[i].value))
            return false;
    if (map->n == 0)
        return true;
    map->v = (void *)share(pool, map->v, (size_t)map->n * sizeof *map->v, sizeof(void *));
    return map->v != NULL;
}

/* at: a { int n; T *v }; the pointer is moved as bytes, for T differs from list to list. */
static bool share_list(struct record_pool *pool, const struct field *field, char *at)
{
    int n = *(const int *)at;
    char *v;
    memcpy(&v, at + field->offset_v, sizeof v);
    if (n == 0)
        return true;
    for (int i = 0; i < n; i++)
        if (!share_fields(pool, field->inner, v + (size_t)i * field->size))
            return false;
    size_t size = (size_t)n * field->size;
    const void *kept = field->inner->kind == FIELD_NUMBER // measured: never the same twice
                           ? copy(pool, v, size, sizeof(double))
                           : share(pool, v, size, sizeof(void *));
    memcpy(at + field->offset_v, &kept, sizeof kept);
    return kept != NULL;
}

/* Moves what the members of a struct own. false: no memory. */
static bool share_fields(struct record_pool *pool, const struct field *fields, char *base)
{
    bool done = true;
    for (const struct field *f = fields; f->name && done; f++) {
        char *at = base + f->offset;
        if (f->kind == FIELD_TEXT || f->kind == FIELD_TEXT_OR_NULL)
            done = share_text(pool, (const char **)at);
        else if (f->kind == FIELD_MAP)
            done = share_map(pool, (struct record_map *)at);
        else if (f->kind == FIELD_OBJECT)
            done = share_fields(pool, f->inner, at);
        else if (f->kind == FIELD_LIST)
            done = share_list(pool, f, at);
    }
    return done;
}

enum status record_pool_take(struct record_pool *pool, struct record *record, struct record **out)
{
    *out = NULL;
    if (share_fields(pool, record_fields, (char *)record))
        *out = copy(pool, record, sizeof *record, sizeof(max_align_t));
    if (*out)
        (*out)->blocks = NULL;
    record_close(record);
    return *out ? ST_OK : fail(ST_OOM, "results: no memory for another record");
}
