/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of the exchange of tokens for heads: each element of the result is computed from its
 * place in the whole sequence. Shapes are random, rows uneven. */
#include "kernels/base/hash.h"
#include "kernels/comm/exchange.h"
#include "tests/comm/conformance.h"

enum { RANKS = 64, ROUNDS = 12 };

/* Shapes of one exchange; the same on all ranks. */
struct shape {
    int tensors, lanes, heads, width; /* n, B, h, D */
    int rows[RANKS], all;
    bool fused; /* narrow tensors are columns of one [B, n, tensors*P*h*D] */
};

static int draw(uint64_t seed, int what, int below)
{
    const int key = what;
    return (int)(hash_bytes(seed, &key, sizeof key) % (uint64_t)below);
}

/* What belongs at a place of the whole [B, W, P*h, D]; never that of another place nearby. */
static float value_at(int tensor, int64_t b, int64_t row, int64_t head, int64_t d)
{
    return (float)(tensor * 4000003 % 811 + b * 7919 % 1009 + row * 131 + head * 17 + d) + 0.25f;
}

static struct shape shape_of(const struct conformance *c, uint64_t seed)
{
    struct shape s = {
        .tensors = 1 + draw(seed, 0, EXCHANGE_TENSORS),
        .lanes = 1 + draw(seed, 1, 2 * EXCHANGE_LANES),
        .heads = 1 + draw(seed, 2, 3),
        .width = 1 + draw(seed, 3, 9),
        .fused = draw(seed, 4, 2) == 1,
    };
    for (int r = 0; r < c->size; r++) {
        s.rows[r] = draw(seed, 10 + r, 4) == 0 ? 0 : draw(seed, 100 + r, 7);
        s.all += s.rows[r];
    }
    return s;
}

/* Writes, or compares, every element of a [B, N, H, D] view that begins at that row and head. */
static enum status fill_or_compare(const struct tensor *t, int tensor, int row, int head,
                                   bool compare)
{
    for (int64_t b = 0; b < t->dim[0]; b++)
        for (int64_t i = 0; i < t->dim[1]; i++)
            for (int64_t j = 0; j < t->dim[2]; j++)
                for (int64_t d = 0; d < t->dim[3]; d++) {
                    float *x = (float *)t->data + b * t->stride[0] + i * t->stride[1] +
                               j * t->stride[2] + d * t->stride[3];
                    float want = value_at(tensor, b, row + i, head + j, d);
                    if (!compare)
                        *x = want;
                    TRY(expect(*x == want, "tensor %d, lane %lld, row %lld, head %lld: %g, not %g",
                               tensor, (long long)b, (long long)(row + i), (long long)(head + j),
                               (double)*x, (double)want));
                }
    return ST_OK;
}

struct buffers {
    struct tensor narrow[EXCHANGE_TENSORS], wide[EXCHANGE_TENSORS];
    struct tensor staging;
};

static enum status take(struct conformance *c, const struct shape *s, struct buffers *m)
{
    int64_t n = s->rows[c->rank];
    int64_t own = (int64_t)c->size * s->heads * s->width;
    int64_t columns[3] = {s->lanes, n, (s->fused ? s->tensors : 1) * own};
    int64_t wide[4] = {s->lanes, s->all, s->heads, s->width};
    int64_t row = (int64_t)s->heads * s->width;
    int64_t staging =
        comm_exchange_staging(s->tensors, c->size, c->rank, s->lanes, n * row, s->all * row);
    struct tensor whole;
    TRY(arena_tensor(c->arena, DTYPE_F32, 1, &staging, &m->staging));
    for (int i = 0; i < s->tensors; i++) {
        if (i == 0 || !s->fused)
            TRY(arena_tensor(c->arena, DTYPE_F32, 3, columns, &whole));
        struct tensor part = tensor_slice(&whole, 2, s->fused ? i * own : 0, own);
        m->narrow[i] = tensor_split(&part, 2, (int64_t)c->size * s->heads, s->width);
        TRY(arena_tensor(c->arena, DTYPE_F32, 4, wide, &m->wide[i]));
    }
    return ST_OK;
}

static int rows_before(const struct shape *s, int rank)
{
    int before = 0;
    for (int r = 0; r < rank; r++)
        before += s->rows[r];
    return before;
}

/* There and back; the way back begins with other memory for the rows, so that nothing is right by
 * having stayed. */
static enum status exchange(struct conformance *c, const struct shape *s)
{
    struct buffers m;
    struct comm_req req = {0};
    int row = rows_before(s, c->rank);
    TRY(take(c, s, &m));
    for (int i = 0; i < s->tensors; i++)
        TRY(fill_or_compare(&m.narrow[i], i, row, 0, false));
    TRY(comm_to_heads(c->world, s->tensors, m.narrow, m.wide, s->rows, &m.staging, c->q, &req));
    TRY(comm_wait(&req, c->q));
    TRY(queue_sync(c->q));
    for (int i = 0; i < s->tensors; i++) {
        TRY(fill_or_compare(&m.wide[i], i, 0, c->rank * s->heads, true));
        c->digest = hash_bytes(c->digest, m.wide[i].data, tensor_bytes(&m.wide[i]));
    }
    for (int i = 0; i < s->tensors; i++) {
        TRY(fill_or_compare(&m.narrow[i], 77, row, 0, false)); // anything else
        TRY(comm_to_tokens(c->world, &m.wide[i], &m.narrow[i], s->rows, &m.staging, c->q, &req));
        TRY(comm_wait(&req, c->q));
        TRY(queue_sync(c->q));
        TRY(fill_or_compare(&m.narrow[i], i, row, 0, true));
    }
    return ST_OK;
}

enum status case_exchange(struct conformance *c)
{
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct shape s = shape_of(c, round);
        TRY(exchange(c, &s));
    }
    return ST_OK;
}

/* Lanes that are one message, and more rows than ranks have alike. */
enum status case_exchange_many_lanes(struct conformance *c)
{
    struct shape s = {.tensors = 3, .lanes = 75, .heads = 1, .width = 2, .fused = true};
    for (int r = 0; r < c->size; r++) {
        s.rows[r] = 1 + (r + 1) % 3;
        s.all += s.rows[r];
    }
    return exchange(c, &s);
}

/* api: all that a rank puts in; wire: the parts for other ranks. */
static enum status count_exchange(struct conformance *c, int lanes)
{
    struct shape s = {.tensors = 3, .lanes = lanes, .heads = 2, .width = 4};
    struct comm_counters counters = {0};
    struct conformance inner = *c;
    for (int r = 0; r < c->size; r++) {
        s.rows[r] = 3 + (r == 0);
        s.all += s.rows[r];
    }
    TRY(comm_split(c->world, 0, c->rank, "axis", COMM_AT_ONCE, &counters, &inner.world));
    comm_set_when(inner.world, COMM_STEP);
    TRY(exchange(&inner, &s));
    comm_close(inner.world);
    uint64_t row =
        4u * (unsigned)lanes * 2 * 4; // bytes of one row with one rank's heads, all lanes
    uint64_t n = (uint64_t)s.rows[c->rank];
    uint64_t P = (uint64_t)c->size;
    const struct comm_count *got = &counters.count[COMM_ALL_TO_ALL][COMM_STEP];
    uint64_t api = 3 * (n * P + (uint64_t)s.all) * row;
    uint64_t wire = 3 * (n * (P - 1) + (uint64_t)s.all - n) * row;
    if (P == 1)
        return expect(got->calls == 0 && got->wire_bytes == 0, "one rank counts nothing");
    return expect(got->calls == 6 && got->api_bytes == api && got->wire_bytes == wire,
                  "%llu calls, %llu and %llu bytes, not 6, %llu and %llu",
                  (unsigned long long)got->calls, (unsigned long long)got->api_bytes,
                  (unsigned long long)got->wire_bytes, (unsigned long long)api,
                  (unsigned long long)wire);
}

enum status case_exchange_counters(struct conformance *c)
{
    TRY(count_exchange(c, EXCHANGE_LANES));
    return count_exchange(c, EXCHANGE_LANES + 1);
}
