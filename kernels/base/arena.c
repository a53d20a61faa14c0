/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas over the allocator of a device: one block a tensor, all freed together. Not a general
 * allocator. */
#include "kernels/base/arena.h"

#include "kernels/backend.h"

#include <stdlib.h>
#include <string.h>

struct block {
    void *data;
    bool host;                    /* from calloc, not from the device */
    void (*release)(void *owner); /* adopted; NULL: the arena's own */
};

struct arena {
    struct device *dev; /* NULL: measuring */
    enum arena_kind kind;
    bool sealed;
    size_t used; /* bytes of the tensors, each rounded up to ARENA_ALIGN */
    int n_blocks, room;
    struct block *block; /* [room] */
};

static _Thread_local int fail_after = -1; /* arena_fail_after; -1: off */

const char *arena_kind_name(enum arena_kind kind)
{
    static const char *const name[ARENA_KINDS] = {
        [ARENA_WEIGHTS] = "weights",
        [ARENA_ACTIVATIONS] = "activations",
        [ARENA_KV_STORE] = "kv_store",
        [ARENA_BUFFERS] = "buffers",
    };
    BUG_ON((unsigned)kind >= ARENA_KINDS, "arena kind %d does not exist", (int)kind);
    return name[kind];
}

enum status arena_open(struct device *dev, enum arena_kind kind, struct arena **out)
{
    struct arena *arena = calloc(1, sizeof(*arena));
    if (!arena)
        return fail(ST_OOM, "%s: no host memory for the arena itself", arena_kind_name(kind));
    arena->dev = dev;
    arena->kind = kind;
    *out = arena;
    return ST_OK;
}

void arena_close(struct arena *arena)
{
    if (!arena)
        return;
    for (int i = arena->n_blocks - 1; i >= 0; i--) {
        if (arena->block[i].release)
            arena->block[i].release(arena->block[i].data);
        else if (arena->block[i].host)
            free(arena->block[i].data);
        else
            device_release(arena->dev, arena->block[i].data);
    }
    free(arena->block);
    free(arena);
}

/* Makes room for one more block first, so that what was allocated is never lost. */
static enum status reserve_block(struct arena *arena)
{
    if (arena->n_blocks < arena->room)
        return ST_OK;
    int room = arena->room ? 2 * arena->room : 16;
    struct block *block = realloc(arena->block, (size_t)room * sizeof(*block));
    if (!block)
        return fail(ST_OOM, "%s: no host memory for a list of %d blocks",
                    arena_kind_name(arena->kind), room);
    arena->block = block;
    arena->room = room;
    return ST_OK;
}

static enum status injected_failure(const struct arena *arena)
{
    if (fail_after < 0 || fail_after-- > 0)
        return ST_OK;
    return fail(ST_OOM, "%s: this allocation fails because a test asked for it",
                arena_kind_name(arena->kind));
}

/* Bytes of a dense tensor; false when they cannot be addressed. */
static bool dense_bytes(enum dtype dtype, int ndim, const int64_t *dim, size_t *bytes)
{
    size_t product = dtype_size(dtype);
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        BUG_ON(dim[i] < 0, "axis %d of length %lld", i, (long long)dim[i]);
        empty |= dim[i] == 0;
        if (dim[i] > 0 && __builtin_mul_overflow(product, (size_t)dim[i], &product))
            return false;
    }
    *bytes = empty ? 0 : product;
    return product <=
           PTRDIFF_MAX - ARENA_ALIGN; /* checked without the empty axis: strides must fit as well */
}

static void poison(const struct arena *arena, void *data, size_t bytes)
{
#ifdef DEBUG
    if (strcmp(arena->dev->ops->name, "cpu") == 0)
        memset(data, 0xff, bytes); /* a NaN in each of our dtypes */
#else
    (void)arena, (void)data, (void)bytes;
#endif
}

static enum status take_block(struct arena *arena, const struct tensor *t, size_t bytes, void **out)
{
    struct device *dev = arena->dev;
    void *data = NULL;
    /* The exact size, not the padded one: address sanitizers then see a step over the tensor's end.
     */
    enum status st = device_alloc(dev, bytes > 0 ? bytes : 1, &data);
    if (st != ST_OK) {
        char shape[160];
        return fail_prefix(st, "%s: %s needs %zu bytes on %s, %zu are taken already",
                           arena_kind_name(arena->kind), tensor_describe(t, shape, sizeof(shape)),
                           bytes, dev->ops->name, arena->used);
    }
    BUG_ON((uintptr_t)data % ARENA_ALIGN != 0, "%s gave memory not aligned to %d bytes",
           dev->ops->name, ARENA_ALIGN);
    poison(arena, data, bytes);
    arena->block[arena->n_blocks++] = (struct block){.data = data};
    *out = data;
    return ST_OK;
}

/* Counts a tensor and gives its view, without memory. */
static enum status account(struct arena *arena, enum dtype dtype, int ndim, const int64_t *dim,
                           size_t *bytes, size_t *used, struct tensor *out)
{
    BUG_ON(arena->sealed, "a tensor was asked of the sealed arena %s",
           arena_kind_name(arena->kind));
    BUG_ON(ndim < 0 || ndim > TENSOR_MAX_DIMS, "a tensor of %d axes", ndim);
    if (!dense_bytes(dtype, ndim, dim, bytes))
        return fail(ST_OOM,
                    "%s: a tensor of more bytes than can be addressed: check the size, the "
                    "number of requests and the model's configuration",
                    arena_kind_name(arena->kind));
    /* Never less than one unit, so that even an empty tensor has data that is not NULL. */
    size_t padded = *bytes ? (*bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN : ARENA_ALIGN;
    if (__builtin_add_overflow(arena->used, padded, used))
        return fail(ST_OOM, "%s: more bytes in all than can be addressed",
                    arena_kind_name(arena->kind));
    TRY(injected_failure(arena));
    *out = tensor_of(NULL, arena->dev, dtype, ndim, dim);
    return ST_OK;
}

enum status arena_tensor(struct arena *arena, enum dtype dtype, int ndim, const int64_t *dim,
                         struct tensor *out)
{
    size_t bytes;
    size_t used;
    struct tensor t;
    TRY(account(arena, dtype, ndim, dim, &bytes, &used, &t));
    if (arena->dev) {
        TRY(reserve_block(arena));
        TRY(take_block(arena, &t, bytes, &t.data));
    }
    arena->used = used;
    *out = t;
    return ST_OK;
}

enum status arena_adopt(struct arena *arena, enum dtype dtype, int ndim, const int64_t *dim,
                        void *data, void (*release)(void *owner), void *owner, struct tensor *out)
{
    size_t bytes;
    size_t used;
    struct tensor t;
    BUG_ON(!arena->dev, "a measuring arena was given memory");
    TRY(account(arena, dtype, ndim, dim, &bytes, &used, &t));
    TRY(reserve_block(arena));
    arena->block[arena->n_blocks++] = (struct block){.data = owner, .release = release};
    t.data = data;
    arena->used = used;
    *out = t;
    return ST_OK;
}

enum status arena_host(struct arena *arena, size_t bytes, void **out)
{
    BUG_ON(arena->sealed, "host memory was asked of the sealed arena %s",
           arena_kind_name(arena->kind));
    TRY(injected_failure(arena));
    TRY(reserve_block(arena));
    void *data = calloc(1, bytes > 0 ? bytes : 1);
    if (!data)
        return fail(ST_OOM, "%s: no host memory for a table of %zu bytes",
                    arena_kind_name(arena->kind), bytes);
    arena->block[arena->n_blocks++] = (struct block){.data = data, .host = true};
    *out = data;
    return ST_OK;
}

bool arena_measuring(const struct arena *arena)
{
    return arena->dev == NULL;
}

void arena_seal(struct arena *arena)
{
    arena->sealed = true;
}

size_t arena_peak(const struct arena *arena)
{
    return arena->used; /* nothing is given back before arena_close */
}

void arena_fail_after(int n)
{
    fail_after = n;
}
