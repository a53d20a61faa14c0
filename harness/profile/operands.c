/* SPDX-License-Identifier: Apache-2.0 */
/* The pools of operands and the calls on them. */
#include "harness/profile/operands.h"

#include "kernels/op_work.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWN = 1 << 20, ROW = 1024, ALIGN = 256 };

static const double mib = 1 << 20;

size_t operands_cold(bool on_host)
{
    return (size_t)((on_host ? 128 : 256) * mib);
}

/* ---- memory ---- */

static size_t padded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

struct need {
    size_t read, written; /* bytes of one call */
    int lanes, width;
};

static struct need need_of(const struct ladder_rung *r, enum dtype dtype)
{
    size_t size = dtype_size(dtype);
    size_t rows = (size_t)r->lanes * (size_t)r->rows * size;
    size_t out = (size_t)r->out;
    size_t in = (size_t)r->in;
    struct need need = {.lanes = r->lanes, .width = r->out};
    if (r->op == LADDER_LINEAR) {
        need.read = padded(rows * in) + padded(size * in * out);
        need.written = padded(rows * out);
    } else if (r->op == LADDER_ATTENTION) {
        need.read = padded(3 * rows * in * out);
        need.written = padded(rows * in * out);
    } else {
        need.read = padded(rows * out);
        need.written = 2 * padded(rows * out);
    }
    return need;
}

static struct need largest(enum dtype dtype, bool on_host, bool brief)
{
    size_t cold = operands_cold(on_host) / 2; /* each; both pools together are cold */
    struct need all = {.read = cold, .written = cold};
    const struct ladder_rung *rung;
    for (int i = 0; (rung = ladder_at(on_host, brief, i)) != NULL; i++) {
        struct need one = need_of(rung, dtype);
        all.read = one.read > all.read ? one.read : all.read;
        all.written = one.written > all.written ? one.written : all.written;
        all.lanes = one.lanes > all.lanes ? one.lanes : all.lanes;
        all.width = one.width > all.width ? one.width : all.width;
    }
    return all;
}

/* The same numbers again and again: drawing them all would take longer than measuring. */
static enum status draw(struct queue *q, struct tensor *t, uint64_t stream)
{
    int64_t count = tensor_count(t);
    int64_t first = count < DRAWN ? count / ROW * ROW : DRAWN;
    struct tensor flat = tensor_reshape(t, 1, &count);
    struct tensor drawn = tensor_slice(&flat, 0, 0, first);
    int64_t dim[] = {first / ROW, ROW};
    struct tensor matrix = tensor_reshape(&drawn, 2, dim);
    TRY(op_random_uniform(q, &matrix, 1.0f, 1, stream, 0, ROW));
    for (int64_t at = first; at < count; at += first) {
        int64_t n = count - at < first ? count - at : first;
        struct tensor to = tensor_slice(&flat, 0, at, n);
        struct tensor from = tensor_slice(&flat, 0, 0, n);
        TRY(op_copy(q, &to, &from));
    }
    return ST_OK;
}

static enum status make(struct operands *o, enum dtype dtype, int64_t count, uint64_t stream,
                        struct tensor *out)
{
    int64_t dim = (count + ROW - 1) / ROW * ROW;
    TRY(arena_tensor(o->arena, dtype, 1, &dim, out));
    return draw(o->q, out, stream);
}

static enum status make_pool(struct operands *o, size_t bytes, uint64_t stream,
                             struct operands_pool *out)
{
    struct tensor t;
    TRY(make(o, o->dtype, (int64_t)(bytes / dtype_size(o->dtype)), stream, &t));
    *out = (struct operands_pool){t.data, tensor_bytes(&t), 0};
    return ST_OK;
}

static enum status fill(struct operands *o, const struct need *need)
{
    int64_t vectors = (int64_t)3 * need->lanes * need->width;
    TRY(arena_open(o->q->dev, ARENA_BUFFERS, &o->arena));
    TRY(make_pool(o, need->read, 1, &o->read));
    TRY(make_pool(o, need->written, 2, &o->written));
    TRY(make(o, o->dtype, need->width, 3, &o->bias));
    TRY(make(o, DTYPE_F32, vectors, 4, &o->vector));
    return queue_sync(o->q);
}

enum status operands_open(struct queue *q, enum dtype dtype, bool on_host, bool brief,
                          struct operands **out)
{
    struct need need = largest(dtype, on_host, brief);
    struct operands *o = calloc(1, sizeof *o);
    if (!o)
        return fail(ST_OOM, "operands: no host memory");
    o->q = q;
    o->dtype = dtype;
    enum status st = fill(o, &need);
    if (st != ST_OK) {
        operands_close(o);
        return st;
    }
    *out = o;
    return ST_OK;
}

void operands_close(struct operands *operands)
{
    if (!operands)
        return;
    arena_close(operands->arena);
    free(operands);
}

/* ---- calls ---- */

static struct tensor take(const struct operands *o, struct operands_pool *pool, int ndim,
                          const int64_t *dim)
{
    struct tensor t = tensor_of(NULL, o->q->dev, o->dtype, ndim, dim);
    size_t bytes = padded(tensor_bytes(&t));
    BUG_ON(bytes > pool->size, "operands of %zu bytes in a pool of %zu", bytes, pool->size);
    if (pool->at + bytes > pool->size)
        pool->at = 0;
    t.data = pool->base + pool->at;
    pool->at += bytes;
    return t;
}

static enum status call_linear(struct operands *o, const struct ladder_rung *r,
                               struct trace_work *work)
{
    const int64_t rows = (int64_t)r->lanes * r->rows;
    struct tensor x = take(o, &o->read, 2, (int64_t[]){rows, r->in});
    struct tensor w = take(o, &o->read, 2, (int64_t[]){r->out, r->in});
    struct tensor y = take(o, &o->written, 2, (int64_t[]){rows, r->out});
    struct tensor bias = tensor_slice(&o->bias, 0, 0, r->out);
    *work = op_work_linear(&y, &x, &w, &bias);
    return op_linear(o->q, &y, &x, &w, &bias, ACT_NONE);
}

/* Queries, keys and values lie side by side in a row, as a product leaves them. */
static enum status call_attention(struct operands *o, const struct ladder_rung *r,
                                  struct trace_work *work)
{
    const int64_t width = (int64_t)r->in * r->out;
    struct tensor qkv = take(o, &o->read, 3, (int64_t[]){r->lanes, r->rows, 3 * width});
    struct tensor out = take(o, &o->written, 3, (int64_t[]){r->lanes, r->rows, width});
    struct tensor part[3];
    out = tensor_split(&out, 2, r->in, r->out);
    for (int i = 0; i < 3; i++) {
        part[i] = tensor_slice(&qkv, 2, i * width, width);
        part[i] = tensor_split(&part[i], 2, r->in, r->out);
    }
    *work = op_work_attention(&out, NULL, &part[0], &part[1], NULL);
    return op_attention(o->q, &out, NULL, &part[0], &part[1], &part[2], NULL,
                        1.0f / sqrtf((float)r->out));
}

static enum status call_copy(struct operands *o, const struct ladder_rung *r,
                             struct trace_work *work)
{
    const int64_t dim[] = {r->lanes, r->rows, r->out};
    struct tensor src = take(o, &o->read, 3, dim);
    struct tensor dst = take(o, &o->written, 3, dim);
    *work = op_work_copy(&dst, &src);
    return op_copy(o->q, &dst, &src);
}

static enum status call_gate_add_norm(struct operands *o, const struct ladder_rung *r,
                                      struct trace_work *work)
{
    const int64_t dim[] = {r->lanes, r->rows, r->out};
    const int64_t count = (int64_t)r->lanes * r->out;
    struct tensor vector[3];
    for (int i = 0; i < 3; i++) {
        vector[i] = tensor_slice(&o->vector, 0, i * count, count);
        vector[i] = tensor_reshape(&vector[i], 2, (int64_t[]){r->lanes, r->out});
    }
    struct norm norm = {.shift = &vector[1], .scale = &vector[2], .eps = 1e-6f};
    struct tensor bias = tensor_slice(&o->bias, 0, 0, r->out);
    struct tensor y = take(o, &o->read, 3, dim);
    struct tensor h = take(o, &o->written, 3, dim);
    struct tensor a = take(o, &o->written, 3, dim);
    *work = op_work_gate_add_norm(&h, &y, &bias, &vector[0], &a, &norm);
    return op_gate_add_norm(o->q, &h, &y, &bias, &vector[0], &a, &norm);
}

enum status operands_call(struct operands *operands, const struct ladder_rung *rung,
                          struct trace_work *work)
{
    static enum status (*const calls[LADDER_OPS])(struct operands *, const struct ladder_rung *,
                                                  struct trace_work *) = {
        call_linear, call_attention, call_copy, call_gate_add_norm};
    struct trace_work unwanted;
    return calls[rung->op](operands, rung, work ? work : &unwanted);
}
