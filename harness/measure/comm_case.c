/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the communication benchmark, with data that is a function of its place. */
#include "harness/measure/comm_case.h"

#include "kernels/comm/sum.h"

#include <math.h>
#include <stdlib.h>

/* ---- data ---- */

/* Element i of what a rank puts in: a multiple of 1/128 in [-1, 1), exact in every dtype. Mixed as
 * splitmix64 does (Steele, Lea and Flood, OOPSLA 2014). */
static double value_of(int rank, int64_t i)
{
    uint64_t x = ((uint64_t)i + ((uint64_t)rank << 40) + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return ((double)(x >> 56) - 128.0) / 128.0;
}

static enum status vector(struct comm_case *c, int64_t count, struct tensor *out)
{
    return arena_tensor(c->arena, c->dtype, 1, &count, out);
}

static enum status write_data(struct comm_case *c)
{
    int64_t count = tensor_count(&c->in);
    float *host = malloc((size_t)count * sizeof *host + 1);
    if (!host)
        return fail(ST_OOM, "%lld elements: no host memory", (long long)count);
    for (int64_t i = 0; i < count; i++)
        host[i] = (float)value_of(c->rank, i);
    struct tensor from = tensor_of(host, NULL, DTYPE_F32, 1, &count);
    enum status st = op_copy(c->q, &c->in, &from);
    if (st == ST_OK)
        st = queue_sync(c->q);
    free(host);
    return st;
}

/* ---- shapes of messages ---- */

static int64_t elements(const struct comm_case *c)
{
    int64_t count = c->bytes / (int64_t)dtype_size(c->dtype);
    return count > 0 ? count : 1;
}

static void set_size(struct comm_case *c, int64_t count)
{
    c->count = count;
    c->bytes = count * (int64_t)dtype_size(c->dtype);
}

/* The i-th of n equal parts. */
static struct tensor part(const struct comm_case *c, const struct tensor *flat, int i)
{
    int64_t each = flat->dim[0] / c->n;
    return tensor_slice(flat, 0, i * each, each);
}

/* A multiple of n, at least n. */
static int64_t whole_parts(const struct comm_case *c)
{
    int64_t each = elements(c) / c->n;
    return (each > 0 ? each : 1) * c->n;
}

static double bus_parts(int n)
{
    return (double)(n - 1) / n;
}

static double bus_reduce(int n)
{
    return 2.0 * (n - 1) / n;
}

static double one(int n)
{
    (void)n;
    return 1;
}

static double all(int n)
{
    return n;
}

/* ---- all_reduce ---- */

static enum status reduce_init(struct comm_case *c)
{
    set_size(c, elements(c));
    TRY(vector(c, c->count, &c->in));
    TRY(comm_exchange_tensor(c->comm, c->arena, c->dtype, c->count, &c->scratch));
    return vector(c, c->count, &c->out);
}

/* As tensor parallel does: the transport's own sum of `scratch`, or `out` in place. */
static enum status reduce_post(struct comm_case *c)
{
    struct comm_req req = {0};
    bool at_once;
    TRY(comm_sum_takes(c->comm, &c->scratch, c->q, &at_once));
    if (at_once)
        return comm_sum(c->comm, &c->out, &c->scratch, c->q);
    TRY(comm_all_reduce(c->comm, &c->out, &c->scratch, c->q, &req));
    return comm_wait(&req, c->q);
}

static double reduce_want(const struct comm_case *c, int64_t i)
{
    double sum = 0;
    for (int r = 0; r < c->n; r++)
        sum += value_of(r, i);
    return sum;
}

/* ---- all_gather, all_to_all, send ---- */

static enum status gather_init(struct comm_case *c)
{
    set_size(c, whole_parts(c));
    TRY(vector(c, c->count / c->n, &c->in));
    return vector(c, c->count, &c->out);
}

static enum status gather_post(struct comm_case *c)
{
    struct comm_req req = {0};
    for (int i = 0; i < c->n; i++)
        c->part[i] = part(c, &c->out, i);
    TRY(comm_all_gather(c->comm, &c->in, c->part, c->q, &req));
    return comm_wait(&req, c->q);
}

static double gather_want(const struct comm_case *c, int64_t i)
{
    int64_t each = c->count / c->n;
    return value_of((int)(i / each), i % each);
}

static enum status all_to_all_init(struct comm_case *c)
{
    set_size(c, whole_parts(c));
    TRY(vector(c, c->count, &c->in));
    return vector(c, c->count, &c->out);
}

static enum status all_to_all_post(struct comm_case *c)
{
    struct tensor *send = c->part;
    struct tensor *recv = c->part + c->n;
    struct comm_req req = {0};
    for (int i = 0; i < c->n; i++) {
        send[i] = part(c, &c->in, i);
        recv[i] = part(c, &c->out, i);
    }
    TRY(comm_all_to_all(c->comm, send, recv, c->q, &req));
    return comm_wait(&req, c->q);
}

static double all_to_all_want(const struct comm_case *c, int64_t i)
{
    int64_t each = c->count / c->n;
    return value_of((int)(i / each), c->rank * each + i % each);
}

static enum status send_init(struct comm_case *c)
{
    set_size(c, elements(c));
    TRY(vector(c, c->count, &c->in));
    return vector(c, c->count, &c->out);
}

/* Round the ring: to the next rank, from the one before. */
static enum status send_post(struct comm_case *c)
{
    struct comm_req req = {0};
    TRY(comm_group_begin(c->comm));
    enum status st = comm_recv(c->comm, (c->rank + c->n - 1) % c->n, &c->out, c->q, &req);
    if (st == ST_OK)
        st = comm_send(c->comm, (c->rank + 1) % c->n, &c->in, c->q, &req);
    TRY(st);
    TRY(comm_group_end(c->comm));
    return comm_wait(&req, c->q);
}

static double send_want(const struct comm_case *c, int64_t i)
{
    return value_of((c->rank + c->n - 1) % c->n, i);
}

/* ---- the exchange of heads ---- */

/* One head of COMM_CASE_WIDTH for each rank, more where n is small: about sixteen in all. */
static void set_heads(struct comm_case *c, int tensors)
{
    c->heads = c->n < 16 ? 16 / c->n : 1;
    int64_t row = tensors * COMM_CASE_LANES * c->n * c->heads * COMM_CASE_WIDTH;
    c->rows = elements(c) / row > 0 ? elements(c) / row : 1;
    set_size(c, c->rows * row);
}

static struct tensor shaped(const struct tensor *flat, int64_t rows, int64_t columns)
{
    int64_t dim[3] = {COMM_CASE_LANES, rows, columns};
    return tensor_reshape(flat, 3, dim);
}

/* Columns `column` and on of [B, rows, columns] as [B, rows, heads, D]. */
static struct tensor heads_of(const struct tensor *rows, int64_t column, int64_t heads)
{
    struct tensor cut = tensor_slice(rows, 2, column, heads * COMM_CASE_WIDTH);
    return tensor_split(&cut, 2, heads, COMM_CASE_WIDTH);
}

static enum status wide_init(struct comm_case *c, int tensors, struct tensor *flat)
{
    int64_t each = c->count / tensors;
    int64_t own = c->rows * c->heads * COMM_CASE_WIDTH;
    TRY(comm_exchange_tensor(c->comm, c->arena, c->dtype, c->count, flat));
    for (int i = 0; i < tensors; i++) {
        struct tensor one_of = tensor_slice(flat, 0, i * each, each);
        struct tensor rows = shaped(&one_of, c->n * c->rows, c->heads * COMM_CASE_WIDTH);
        c->wide[i] = heads_of(&rows, 0, c->heads);
    }
    return vector(c,
                  comm_exchange_staging(tensors, c->n, c->rank, COMM_CASE_LANES, own, c->n * own),
                  &c->scratch);
}

/* Queries, keys and values as columns of one product, as the model has them. */
static enum status to_heads_init(struct comm_case *c)
{
    set_heads(c, 3);
    int64_t own = c->n * c->heads * COMM_CASE_WIDTH;
    TRY(vector(c, c->count, &c->in));
    struct tensor rows = shaped(&c->in, c->rows, 3 * own);
    for (int i = 0; i < 3; i++)
        c->view[i] = heads_of(&rows, i * own, c->n * c->heads);
    return wide_init(c, 3, &c->out);
}

static enum status to_heads_post(struct comm_case *c)
{
    struct comm_req req = {0};
    for (int r = 0; r < c->n; r++)
        c->rows_of[r] = (int)c->rows;
    TRY(comm_to_heads(c->comm, 3, c->view, c->wide, c->rows_of, &c->scratch, c->q, &req));
    return comm_wait(&req, c->q);
}

/* i counts [3][B, W, h*D]; its source [B, rows, 3*P*h*D] is of the rank whose row it is. */
static double to_heads_want(const struct comm_case *c, int64_t i)
{
    int64_t columns = c->heads * COMM_CASE_WIDTH;
    int64_t all_rows = c->n * c->rows;
    int64_t column = i % columns;
    int64_t row = i / columns % all_rows;
    int64_t lane = i / columns / all_rows % COMM_CASE_LANES;
    int64_t tensor = i / columns / all_rows / COMM_CASE_LANES;
    int64_t at = (lane * c->rows + row % c->rows) * 3 * c->n * columns;
    return value_of((int)(row / c->rows), at + (tensor * c->n + c->rank) * columns + column);
}

static enum status to_tokens_init(struct comm_case *c)
{
    set_heads(c, 1);
    TRY(wide_init(c, 1, &c->in));
    TRY(vector(c, c->count, &c->out));
    struct tensor rows = shaped(&c->out, c->rows, c->n * c->heads * COMM_CASE_WIDTH);
    c->view[0] = heads_of(&rows, 0, c->n * c->heads);
    return ST_OK;
}

static enum status to_tokens_post(struct comm_case *c)
{
    struct comm_req req = {0};
    for (int r = 0; r < c->n; r++)
        c->rows_of[r] = (int)c->rows;
    TRY(comm_to_tokens(c->comm, &c->wide[0], &c->view[0], c->rows_of, &c->scratch, c->q, &req));
    return comm_wait(&req, c->q);
}

/* i counts [B, rows, P, h*D]; its source [B, W, h*D] is of the rank whose head it is. */
static double to_tokens_want(const struct comm_case *c, int64_t i)
{
    int64_t columns = c->heads * COMM_CASE_WIDTH;
    int64_t column = i % columns;
    int64_t rank = i / columns % c->n;
    int64_t row = i / columns / c->n % c->rows;
    int64_t lane = i / columns / c->n / c->rows;
    int64_t at = (lane * c->n + c->rank) * c->rows + row;
    return value_of((int)rank, at * columns + column);
}

/* ---- life ---- */

enum status comm_case_open(const struct comm_case_op *op, struct comm *comm, struct queue *q,
                           enum dtype dtype, int64_t bytes, struct comm_case *c)
{
    *c = (struct comm_case){
        .op = op,
        .comm = comm,
        .q = q,
        .dtype = dtype,
        .rank = comm_rank(comm),
        .n = comm_size(comm),
        .bytes = bytes,
    };
    c->part = calloc(2 * (size_t)c->n, sizeof *c->part);
    c->rows_of = calloc((size_t)c->n, sizeof *c->rows_of);
    if (!c->part || !c->rows_of)
        return fail(ST_OOM, "%d ranks: no host memory", c->n);
    TRY(arena_open(q->dev, ARENA_BUFFERS, &c->arena));
    TRY(op->init(c));
    return write_data(c);
}

void comm_case_close(struct comm_case *c)
{
    arena_close(c->arena);
    c->arena = NULL;
    free(c->part);
    free(c->rows_of);
}

enum status comm_case_reset(struct comm_case *c)
{
    if (c->op->post == reduce_post) {
        TRY(op_copy(c->q, &c->scratch, &c->in));
        return op_copy(c->q, &c->out, &c->in);
    }
    return op_fill(c->q, &c->out, -7.0f);
}

/* A sum may be rounded after each of its terms. */
enum status comm_case_wrong(struct comm_case *c, int64_t *wrong)
{
    static const double unit[DTYPE_COUNT] = {
        [DTYPE_F32] = 0x1p-24, [DTYPE_BF16] = 0x1p-8, [DTYPE_F16] = 0x1p-11};
    int64_t count = tensor_count(&c->out);
    double terms = c->op->sum(c->n);
    double tolerance = terms > 1 ? terms * terms * unit[c->dtype] : 0;
    float *host = malloc((size_t)count * sizeof *host + 1);
    if (!host)
        return fail(ST_OOM, "%lld elements: no host memory", (long long)count);
    struct tensor to = tensor_of(host, NULL, DTYPE_F32, 1, &count);
    enum status st = op_copy(c->q, &to, &c->out);
    if (st == ST_OK)
        st = comm_drain(c->comm, c->q);
    *wrong = 0;
    for (int64_t i = 0; i < count && st == ST_OK; i++) /* counts a NaN too */
        *wrong += !(fabs((double)host[i] - c->op->want(c, i)) <= tolerance);
    free(host);
    return st;
}

static const struct comm_case_op ops[] = {
    {"all_reduce", bus_reduce, reduce_init, reduce_post, reduce_want, all},
    {"all_gather", bus_parts, gather_init, gather_post, gather_want, one},
    {"all_to_all", bus_parts, all_to_all_init, all_to_all_post, all_to_all_want, one},
    {"send", one, send_init, send_post, send_want, one},
    {"to_heads", bus_parts, to_heads_init, to_heads_post, to_heads_want, one},
    {"to_tokens", bus_parts, to_tokens_init, to_tokens_post, to_tokens_want, one},
};

const struct comm_case_op *comm_case_at(int index)
{
    int n = (int)(sizeof ops / sizeof ops[0]);
    return index >= 0 && index < n ? &ops[index] : NULL;
}
