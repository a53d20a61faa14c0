/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and values by token position, for every attention site of this rank's shard and every token
 * that it sees, or its share of them where the COLLECT level gets the others. Shared by the stale
 * strategies. Not a cache with a policy: every row is always there, fresh or one step old.
 */
#ifndef STRATEGIES_KV_STORE_H
#define STRATEGIES_KV_STORE_H

#include "strategies/strategy.h"

struct kv_store {
    struct span all[TOKEN_SETS]; /* tokens of the rows, PLAN_KEYS */
    int first, n;                /* sites */
    enum token_set *keys;        /* [n] which tokens a site's rows stand for */
    int64_t *begin;              /* [n + 1] elements before a site's in k and v */
    struct tensor k, v;          /* flat: of each site [grids, rows, h, D], model dtype */
    int64_t grids, heads, head_dim;
};

enum status kv_store_init(struct kv_store *store, struct run *run);

/* Zeros in every row: what a first stale step without warm-up steps reads. */
enum status kv_store_zero(struct kv_store *store, struct queue *q);

/* to := from, stores of the same rows. */
enum status kv_store_copy(struct kv_store *to, const struct kv_store *from, struct queue *q);

/* Rows of `span` := k, v [grids, n, h, D]. */
enum status kv_store_put(struct kv_store *store, int site, const struct span *span,
                         const struct tensor *k, const struct tensor *v, struct queue *q);

/* The inverse: k, v := rows of `span`. */
enum status kv_store_take(const struct kv_store *store, int site, const struct span *span,
                          struct tensor *k, struct tensor *v, struct queue *q);

/* All rows of a site: [grids, rows, h, D], dense. */
struct tensor kv_store_keys(const struct kv_store *store, int site);
struct tensor kv_store_values(const struct kv_store *store, int site);

#endif
