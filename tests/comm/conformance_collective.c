/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of the collectives: contents, uneven and empty parts, the order of sums. No counting.
 */
#include "kernels/base/hash.h"
#include "kernels/base/rng.h"
#include "tests/comm/conformance.h"

enum { RANKS = 64 };

/* Elements that `from` sends to `to` in a scheme; -1 scheme: none. */
static int64_t part_size(int scheme, int from, int to)
{
    if (scheme < 0)
        return 0;
    if (scheme == 0)
        return 777;
    return (from * 5 + to * 3 + scheme) % 4 * (1 + 50 * scheme * from);
}

static enum status all_to_all(struct conformance *c, int scheme)
{
    struct tensor send[RANKS];
    struct tensor recv[RANKS];
    struct comm_req req = {0};
    for (int i = 0; i < c->size; i++) {
        TRY(conformance_vector(c, part_size(scheme, c->rank, i), &send[i]));
        TRY(conformance_vector(c, part_size(scheme, i, c->rank), &recv[i]));
        conformance_write(&send[i], c->rank, i);
    }
    TRY(comm_all_to_all(c->world, send, recv, c->q, &req));
    TRY(comm_wait(&req, c->q));
    TRY(queue_sync(c->q));
    for (int i = 0; i < c->size; i++)
        TRY(conformance_read(c, &recv[i], i, c->rank));
    return ST_OK;
}

enum status case_all_to_all_even(struct conformance *c)
{
    return all_to_all(c, 0);
}

enum status case_all_to_all_uneven(struct conformance *c)
{
    for (int scheme = 1; scheme < 6; scheme++)
        TRY(all_to_all(c, scheme));
    return ST_OK;
}

enum status case_all_to_all_empty(struct conformance *c)
{
    return all_to_all(c, -1);
}

static enum status all_gather(struct conformance *c, bool in_place, int64_t step)
{
    struct tensor part[RANKS];
    struct tensor mine;
    struct comm_req req = {0};
    for (int i = 0; i < c->size; i++) // the first rank gives least, at step 1 nothing
        TRY(conformance_vector(c, (step - 1) * 100 + step * i * i, &part[i]));
    mine = part[c->rank];
    if (!in_place)
        TRY(conformance_vector(c, tensor_count(&part[c->rank]), &mine));
    conformance_write(&mine, c->rank, -1);
    TRY(comm_all_gather(c->world, &mine, part, c->q, &req));
    TRY(comm_wait(&req, c->q));
    TRY(queue_sync(c->q));
    for (int i = 0; i < c->size; i++)
        TRY(conformance_read(c, &part[i], i, -1));
    return ST_OK;
}

enum status case_all_gather(struct conformance *c)
{
    for (int64_t step = 1; step < 6; step++)
        TRY(all_gather(c, false, step * step * step));
    return ST_OK;
}

enum status case_all_gather_in_place(struct conformance *c)
{
    for (int64_t step = 1; step < 6; step++)
        TRY(all_gather(c, true, step * step * step));
    return ST_OK;
}

/* More messages in one group than NCCL takes: it is cut. */
enum status case_large_group(struct conformance *c)
{
    enum { GATHERS = 1100 };
    struct tensor own, all, part[RANKS];
    struct comm_req req = {0};
    TRY(conformance_vector(c, GATHERS, &own));
    TRY(conformance_vector(c, (int64_t)GATHERS * c->size, &all));
    conformance_write(&own, c->rank, 5);
    TRY(comm_group_begin(c->world));
    for (int g = 0; g < GATHERS; g++) {
        struct tensor mine = tensor_slice(&own, 0, g, 1);
        for (int r = 0; r < c->size; r++)
            part[r] = tensor_slice(&all, 0, (int64_t)r * GATHERS + g, 1);
        TRY(comm_all_gather(c->world, &mine, part, c->q, &req));
    }
    TRY(comm_group_end(c->world));
    TRY(comm_wait(&req, c->q));
    TRY(queue_sync(c->q));
    for (int r = 0; r < c->size; r++) {
        struct tensor of = tensor_slice(&all, 0, (int64_t)r * GATHERS, GATHERS);
        TRY(conformance_read(c, &of, r, 5));
    }
    return ST_OK;
}

/* Whole numbers: the sum is exact in any order. Counts around multiples of n, below n, and none. */
enum status case_all_reduce_exact(struct conformance *c)
{
    const int64_t count[] = {0, 1, 2, c->size - 1, c->size, c->size + 1, 1000, 4099, 65536};
    for (int k = 0; k < (int)(sizeof(count) / sizeof(count[0])); k++) {
        struct tensor x;
        struct tensor scratch;
        struct comm_req req = {0};
        TRY(conformance_vector(c, count[k], &x));
        TRY(conformance_vector(c, count[k], &scratch));
        conformance_write(&x, c->rank, k);
        TRY(comm_all_reduce(c->world, &x, &scratch, c->q, &req));
        TRY(comm_wait(&req, c->q));
        TRY(queue_sync(c->q));
        for (int64_t i = 0; i < count[k]; i++) {
            float want = 0;
            for (int r = 0; r < c->size; r++)
                want += conformance_value(r, k, i);
            float got = ((float *)x.data)[i];
            TRY(expect(got == want, "sum %lld of %lld is %g, not %g", (long long)i,
                       (long long)count[k], (double)got, (double)want));
        }
    }
    return ST_OK;
}

/*
 * Numbers whose sum depends on the order: part p of n is added up from rank p+1 round the ring to
 * rank p, so that the bits are the same on all ranks and transports.
 */
enum status case_all_reduce_order(struct conformance *c)
{
    enum { COUNT = 4999 };
    struct tensor x;
    struct tensor scratch;
    struct comm_req req = {0};
    TRY(conformance_vector(c, COUNT, &x));
    TRY(conformance_vector(c, COUNT, &scratch));
    rng_uniform(7, (uint64_t)c->rank, 0, COUNT, x.data);
    TRY(comm_all_reduce(c->world, &x, &scratch, c->q, &req));
    TRY(comm_wait(&req, c->q));
    TRY(queue_sync(c->q));
    int n = c->size;
    int64_t end = 0;
    for (int p = 0; p < n; p++) {
        int64_t begin = end;
        end = begin + COUNT / n + (p < COUNT % n);
        for (int64_t i = begin; i < end; i++) {
            float want = 0;
            for (int k = 1; k <= n; k++) {
                float value;
                rng_uniform(7, (uint64_t)((p + k) % n), (uint64_t)i, 1, &value);
                want = k == 1 ? value : value + want;
            }
            TRY(expect(((float *)x.data)[i] == want, "part %d, element %lld: %a, not %a", p,
                       (long long)i, (double)((float *)x.data)[i], (double)want));
        }
    }
    c->digest = hash_bytes(c->digest, x.data, tensor_bytes(&x));
    return expect(end == COUNT, "parts cover %lld elements", (long long)end);
}
