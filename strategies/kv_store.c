/* SPDX-License-Identifier: Apache-2.0 */
/* The store of keys and values by token position. Who puts rows there, and when, is the strategies'
 * business. */
#include "strategies/kv_store.h"

enum status kv_store_init(struct kv_store *store, struct run *run)
{
    const struct plan *plan = run_plan(run);
    TRY(plan_span(plan, PLAN_KEYS, NULL, PATCH_ALL, run_arena(run, ARENA_KV_STORE), &store->all));
    store->layer_begin = plan->shard.layer_begin;
    int64_t dim[5] = {plan_layers(plan), plan->n_lanes, span_count(&store->all), plan->heads,
                      plan->problem.config->head_dim};
    TRY(run_tensor(run, ARENA_KV_STORE, 5, dim, &store->k));
    return run_tensor(run, ARENA_KV_STORE, 5, dim, &store->v);
}

enum status kv_store_zero(struct kv_store *store, struct queue *q)
{
    TRY(op_fill(q, &store->k, 0.0f));
    return op_fill(q, &store->v, 0.0f);
}

enum status kv_store_copy(struct kv_store *to, const struct kv_store *from, struct queue *q)
{
    TRY(op_copy(q, &to->k, &from->k));
    return op_copy(q, &to->v, &from->v);
}

struct tensor kv_store_keys(const struct kv_store *store, int layer)
{
    return tensor_at(&store->k, layer - store->layer_begin);
}

struct tensor kv_store_values(const struct kv_store *store, int layer)
{
    return tensor_at(&store->v, layer - store->layer_begin);
}

/* Rows [row, row+count) of x and rows [at, at+count) of the store, in one direction or the other.
 */
static enum status copy_rows(struct tensor *stored, int at, const struct tensor *x, int row,
                             int count, bool put, struct queue *q)
{
    struct tensor inside = tensor_slice(stored, 1, at, count);
    struct tensor outside = tensor_slice(x, 1, row, count);
    return put ? op_copy(q, &inside, &outside) : op_copy(q, &outside, &inside);
}

/* Where the store holds `token`, and how many of the `want` tokens from there on lie together. */
static int locate(const struct span *all, int token, int want, int *together)
{
    int row = 0;
    for (int r = 0; r < all->n; row += all->run[r++].count) {
        int inside = token - all->run[r].begin;
        if (inside < 0 || inside >= all->run[r].count)
            continue;
        int rest = all->run[r].count - inside;
        *together = want < rest ? want : rest;
        return row + inside;
    }
    bug(__FILE__, __LINE__, "token %d is not in the key store", token);
}

static enum status move(const struct kv_store *store, int layer, const struct span *span,
                        const struct tensor *k, const struct tensor *v, bool put, struct queue *q)
{
    struct tensor keys = kv_store_keys(store, layer);
    struct tensor values = kv_store_values(store, layer);
    int row = 0;
    for (int r = 0; r < span->n; r++) {
        int token = span->run[r].begin;
        int left = span->run[r].count;
        while (left > 0) {
            int count;
            int at = locate(&store->all, token, left, &count);
            TRY(copy_rows(&keys, at, k, row, count, put, q));
            TRY(copy_rows(&values, at, v, row, count, put, q));
            token += count;
            row += count;
            left -= count;
        }
    }
    return ST_OK;
}

enum status kv_store_put(struct kv_store *store, int layer, const struct span *span,
                         const struct tensor *k, const struct tensor *v, struct queue *q)
{
    return move(store, layer, span, k, v, true, q);
}

enum status kv_store_take(const struct kv_store *store, int layer, const struct span *span,
                          struct tensor *k, struct tensor *v, struct queue *q)
{
    return move(store, layer, span, k, v, false, q);
}
