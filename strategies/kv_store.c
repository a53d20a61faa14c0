/* SPDX-License-Identifier: Apache-2.0 */
/* The store of keys and values by token position. Who puts rows there, and when, is the strategies'
 * business. */
#include "strategies/kv_store.h"

static enum status spans_init(struct kv_store *store, const struct plan *plan, struct arena *arena)
{
    for (int set = 0; set < TOKEN_SETS; set++)
        TRY(plan_span(plan, set, PLAN_KEYS, NULL, PATCH_ALL, arena, &store->all[set]));
    return ST_OK;
}

enum status kv_store_init(struct kv_store *store, struct run *run)
{
    const struct plan *plan = run_plan(run);
    struct arena *arena = run_arena(run, ARENA_KV_STORE);
    store->n = plan_sites(plan, &store->first);
    store->grids = plan->n_grids;
    store->heads = plan->heads;
    store->head_dim = plan->problem.config->head_dim;
    TRY(spans_init(store, plan, arena));
    TRY(arena_host(arena, (size_t)store->n * sizeof *store->keys, (void **)&store->keys));
    TRY(arena_host(arena, ((size_t)store->n + 1) * sizeof *store->begin, (void **)&store->begin));
    for (int s = 0; s < store->n; s++) {
        store->keys[s] = dit_site_at(plan->problem.config, store->first + s).keys;
        int64_t rows = span_count(&store->all[store->keys[s]]);
        store->begin[s + 1] =
            store->begin[s] + store->grids * rows * store->heads * store->head_dim;
    }
    TRY(run_tensor(run, ARENA_KV_STORE, 1, &store->begin[store->n], &store->k));
    return run_tensor(run, ARENA_KV_STORE, 1, &store->begin[store->n], &store->v);
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

static struct tensor of_site(const struct kv_store *store, const struct tensor *flat, int site)
{
    int s = site - store->first;
    BUG_ON(s < 0 || s >= store->n, "site %d in a store of sites %d to %d", site, store->first,
           store->first + store->n - 1);
    int64_t dim[4] = {store->grids, span_count(&store->all[store->keys[s]]), store->heads,
                      store->head_dim};
    struct tensor part =
        tensor_slice(flat, 0, store->begin[s], store->begin[s + 1] - store->begin[s]);
    return tensor_reshape(&part, 4, dim);
}

struct tensor kv_store_keys(const struct kv_store *store, int site)
{
    return of_site(store, &store->k, site);
}

struct tensor kv_store_values(const struct kv_store *store, int site)
{
    return of_site(store, &store->v, site);
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

static enum status move(const struct kv_store *store, int site, const struct span *span,
                        const struct tensor *k, const struct tensor *v, bool put, struct queue *q)
{
    const struct span *all = &store->all[store->keys[site - store->first]];
    struct tensor keys = kv_store_keys(store, site);
    struct tensor values = kv_store_values(store, site);
    int row = 0;
    for (int r = 0; r < span->n; r++) {
        int token = span->run[r].begin;
        int left = span->run[r].count;
        while (left > 0) {
            int count;
            int at = locate(all, token, left, &count);
            TRY(copy_rows(&keys, at, k, row, count, put, q));
            TRY(copy_rows(&values, at, v, row, count, put, q));
            token += count;
            row += count;
            left -= count;
        }
    }
    return ST_OK;
}

enum status kv_store_put(struct kv_store *store, int site, const struct span *span,
                         const struct tensor *k, const struct tensor *v, struct queue *q)
{
    return move(store, site, span, k, v, true, q);
}

enum status kv_store_take(const struct kv_store *store, int site, const struct span *span,
                          struct tensor *k, struct tensor *v, struct queue *q)
{
    return move(store, site, span, k, v, false, q);
}
