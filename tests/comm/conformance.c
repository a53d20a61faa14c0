/* SPDX-License-Identifier: Apache-2.0 */
/* The list of cases, and how one is run. Asserts nothing itself. */
#include "tests/comm/conformance.h"

#include "kernels/base/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct conformance_case cases[] = {
    {"ring_shift", case_ring_shift},
    {"order", case_order},
    {"wait_order", case_wait_order},
    {"self", case_self},
    {"dtypes", case_dtypes},
    {"many_per_request", case_many_per_request},
    {"two_communicators", case_two_communicators},
    {"channels", case_channels},
    {"all_to_all_even", case_all_to_all_even},
    {"all_to_all_uneven", case_all_to_all_uneven},
    {"all_to_all_empty", case_all_to_all_empty},
    {"all_gather", case_all_gather},
    {"all_gather_in_place", case_all_gather_in_place},
    {"large_group", case_large_group},
    {"all_reduce_exact", case_all_reduce_exact},
    {"all_reduce_order", case_all_reduce_order},
    {"exchange", case_exchange},
    {"exchange_many_lanes", case_exchange_many_lanes},
    {"exchange_counters", case_exchange_counters},
    {"counters", case_counters},
    {"counters_of_one_rank", case_counters_of_one_rank},
    {"split", case_split},
    {"mesh", case_mesh},
    {"host_gather", case_host_gather},
    {"agree", case_agree},
    {"random", case_random},
};

const struct conformance_case *conformance_at(int index)
{
    int n = (int)(sizeof(cases) / sizeof(cases[0]));
    return index >= 0 && index < n ? &cases[index] : NULL;
}

enum status expect(bool condition, const char *format, ...)
{
    char text[512];
    if (condition)
        return ST_OK;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fail(ST_WRONG, "%s", text);
}

enum status conformance_vector(struct conformance *c, int64_t count, struct tensor *out)
{
    return arena_tensor(c->arena, DTYPE_F32, 1, &count, out);
}

float conformance_value(int from, int to, int64_t i)
{
    return (float)((from * 31 + to * 17 + (i * 7 + i / 61) % 997) % 1021 - 300);
}

void conformance_write(const struct tensor *t, int from, int to)
{
    float *x = t->data;
    for (int64_t i = 0; i < tensor_count(t); i++)
        x[i] = conformance_value(from, to, i);
}

enum status conformance_read(struct conformance *c, const struct tensor *t, int from, int to)
{
    const float *x = t->data;
    for (int64_t i = 0; i < tensor_count(t); i++)
        TRY(expect(x[i] == conformance_value(from, to, i),
                   "rank %d: element %lld of %d's message to %d is %g, not %g", c->rank,
                   (long long)i, from, to, (double)x[i], (double)conformance_value(from, to, i)));
    c->digest = hash_bytes(c->digest, x, tensor_bytes(t));
    return ST_OK;
}

/* A rank that fails returns at once; its caller aborts the world, so that nobody waits for it. */
enum status conformance_run(const struct conformance_case *test, struct comm *world,
                            struct queue *q, uint64_t *digest)
{
    struct conformance c = {
        .world = world, .dev = q->dev, .q = q, .rank = comm_rank(world), .size = comm_size(world)};
    uint64_t *all = calloc((size_t)c.size, sizeof(*all));
    BUG_ON(!all, "no memory for %d digests", c.size);
    enum status st = arena_open(q->dev, ARENA_BUFFERS, &c.arena);
    if (st == ST_OK)
        st = test->run(&c);
    if (st == ST_OK)
        st = queue_sync(q);
    if (st == ST_OK)
        st = comm_host_gather(world, &c.digest, sizeof(c.digest), all);
    *digest = hash_bytes(0, all, (size_t)c.size * sizeof(*all));
    arena_close(c.arena);
    free(all);
    return st;
}
