/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena hands out tensors of one purpose on one device and frees them all at once. Not a general
 * allocator.
 *
 * It is either real (memory of a device) or measuring: arena_open with a NULL device gives tensors
 * whose data is NULL and only counts. The plan's memory prediction runs the same initialisation
 * code over measuring arenas, so that the layout is written down once. Every block is aligned to
 * ARENA_ALIGN bytes, in both kinds, and the padding is counted.
 */
#ifndef KERNELS_BASE_ARENA_H
#define KERNELS_BASE_ARENA_H

#include "kernels/base/status.h"
#include "kernels/base/tensor.h"

enum { ARENA_ALIGN = 256 };

enum arena_kind { ARENA_WEIGHTS, ARENA_ACTIVATIONS, ARENA_KV_STORE, ARENA_BUFFERS, ARENA_KINDS };

struct arena;

/* "weights", "activations", "kv_store", "buffers" */
const char *arena_kind_name(enum arena_kind kind);

enum status arena_open(struct device *dev /* NULL: measuring */, enum arena_kind kind,
                       struct arena **out);
void arena_close(struct arena *arena);

/* A dense tensor; its contents are undefined (debug builds fill it with NaNs on the CPU). ST_OOM
 * names bytes and kind. */
enum status arena_tensor(struct arena *arena, enum dtype dtype, int ndim, const int64_t *dim,
                         struct tensor *out);

/* A dense tensor in memory from elsewhere that the arena's device can reach, counted as its own.
 * arena_close calls release(owner); after a failure that is the caller's to do. Real arenas only.
 */
enum status arena_adopt(struct arena *arena, enum dtype dtype, int ndim, const int64_t *dim,
                        void *data, void (*release)(void *owner), void *owner, struct tensor *out);

/* Plain host memory, zeroed, with the arena's lifetime; not in arena_peak. For tables and
 * pointers. */
enum status arena_host(struct arena *arena, size_t bytes, void **out);

bool arena_measuring(const struct arena *arena);

/* After sealing, arena_tensor and arena_host are bugs: the denoising loop allocates nothing. */
void arena_seal(struct arena *arena);

/* Bytes handed out; nothing is given back before arena_close, so that this is the high-water mark.
 */
size_t arena_peak(const struct arena *arena);

/* Tests: the n-th allocation from now (0 = the next) of any arena of this thread fails with ST_OOM;
 * -1 switches off. */
void arena_fail_after(int n);

#endif
