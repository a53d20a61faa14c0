/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange beyond what conformance.h asks of every transport: staging, many ranks, and
 * transports with a form of their own. */
#include "kernels/comm/exchange.h"
#include "kernels/comm/rendezvous.h"
#include "kernels/op.h"
#include "tests/comm/conformance.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* The first and the last rank stage the others' parts; one in between its own too, since a copy
 * moves a run of ranks. */
Test(exchange, staging)
{
    cr_assert_eq(comm_exchange_staging(3, 1, 0, 1, 10, 10), 0);
    cr_assert_eq(comm_exchange_staging(3, 2, 0, 1, 10, 20), 30);
    cr_assert_eq(comm_exchange_staging(3, 2, 1, 1, 10, 20), 30);
    cr_assert_eq(comm_exchange_staging(1, 5, 0, 2, 5, 25), 40);
    cr_assert_eq(comm_exchange_staging(1, 5, 4, 2, 5, 25), 40);
    for (int r = 1; r < 4; r++)
        cr_assert_eq(comm_exchange_staging(2, 5, r, 2, 5, 25), 100);
}

/* Many lanes are one message, which has a place at its wide end too: all but the own rows. */
Test(exchange, staging_of_many_lanes)
{
    cr_assert_eq(comm_exchange_staging(3, 1, 0, 7, 10, 10), 0);
    cr_assert_eq(comm_exchange_staging(3, 2, 0, 7, 10, 24), 3 * 7 * (10 + 14));
    cr_assert_eq(comm_exchange_staging(1, 3, 1, 7, 10, 31), 7 * (30 + 21));
}

static enum status run_exchange(struct thread_rank *self)
{
    uint64_t digest;
    const struct conformance_case test = {"exchange", case_exchange};
    return conformance_run(&test, self->world, self->queue, &digest);
}

Test(exchange, on_many_ranks)
{
    cr_assert_eq(threads_run(24, run_exchange, NULL), ST_OK, "%s", status_message());
}

/* ---- a transport with a form of its own ---- */

/* Counts what it is asked; takes the way to heads only, and does nothing for it. */
struct fake {
    int to_heads, to_tokens, allocated, freed;
    int first_row;
};

static _Thread_local struct fake *fake_now; /* of the rank that is this thread */

static enum status fake_exchange(void *comm, bool to_heads, int n, const struct tensor *narrow,
                                 const struct tensor *wide, int first_row, struct queue *q,
                                 bool *taken)
{
    (void)comm, (void)narrow, (void)wide, (void)q;
    fake_now->to_heads += to_heads ? n : 0;
    fake_now->to_tokens += to_heads ? 0 : n;
    fake_now->first_row = first_row;
    *taken = to_heads;
    return ST_OK;
}

static enum status fake_alloc(void *comm, size_t bytes, void **out, void **owner)
{
    (void)comm;
    fake_now->allocated += (int)bytes;
    *out = aligned_alloc(ARENA_ALIGN, (bytes / ARENA_ALIGN + 1) * ARENA_ALIGN);
    *owner = *out;
    return *out ? ST_OK : fail(ST_OOM, "fake");
}

static void fake_free(void *owner)
{
    fake_now->freed++;
    free(owner);
}

enum { LANES = 2, ROWS = 3, HEADS = 2, WIDTH = 4 };

static enum status take_four(struct fake *fake, struct comm *comm, struct arena *arena,
                             struct tensor x[4])
{
    int P = comm_size(comm);
    int64_t count = (int64_t)LANES * P * ROWS * HEADS * WIDTH;
    int64_t narrow[4] = {LANES, ROWS, P * HEADS, WIDTH};
    int64_t wide[4] = {LANES, P * ROWS, HEADS, WIDTH};
    int64_t staging = comm_exchange_staging(1, P, comm_rank(comm), LANES, ROWS * HEADS * WIDTH,
                                            (int64_t)P * ROWS * HEADS * WIDTH);
    TRY(arena_tensor(arena, DTYPE_F32, 4, narrow, &x[0]));
    size_t before = arena_peak(arena);
    TRY(comm_exchange_tensor(comm, arena, DTYPE_F32, count, &x[1]));
    TRY(expect(arena_peak(arena) == before + ((size_t)count * 4 + 255) / 256 * 256,
               "%zu bytes of it counted", arena_peak(arena) - before));
    TRY(expect(fake->allocated == 4 * count, "%d bytes asked for", fake->allocated));
    x[1] = tensor_reshape(&x[1], 4, wide);
    TRY(arena_tensor(arena, DTYPE_F32, 4, narrow, &x[2]));
    return arena_tensor(arena, DTYPE_F32, 1, &staging, &x[3]);
}

/* The transport's own way is counted by formula, and the one that it does not take goes by
 * messages. */
static enum status use_fake(struct fake *fake, struct comm *comm, struct arena *arena,
                            struct queue *q, struct comm_counters *counters)
{
    struct tensor x[4];
    struct comm_req req = {0};
    int rows[8];
    int P = comm_size(comm);
    for (int r = 0; r < P; r++)
        rows[r] = ROWS;
    TRY(take_four(fake, comm, arena, x));
    TRY(op_fill(q, &x[0], 1.0f));
    TRY(op_fill(q, &x[1], 2.0f));
    TRY(op_fill(q, &x[2], 3.0f));
    TRY(comm_to_heads(comm, 1, &x[0], &x[1], rows, &x[3], q, &req));
    TRY(comm_wait(&req, q));
    uint64_t part = 4u * LANES * ROWS * HEADS * WIDTH;
    const struct comm_count *got = &counters->count[COMM_ALL_TO_ALL][COMM_ONCE];
    TRY(expect(got->calls == 1 && got->api_bytes == part * (uint64_t)P &&
                   got->wire_bytes == part * (uint64_t)(P - 1),
               "%llu bytes on the wire", (unsigned long long)got->wire_bytes));
    TRY(expect(*(float *)x[1].data == 2.0f, "nobody else wrote it"));
    TRY(comm_to_tokens(comm, &x[1], &x[2], rows, &x[3], q, &req));
    TRY(comm_wait(&req, q));
    for (int64_t i = 0; i < tensor_count(&x[2]); i++)
        TRY(expect(((float *)x[2].data)[i] == 2.0f, "element %lld came", (long long)i));
    TRY(expect(got->calls == 2 && got->wire_bytes == 2 * part * (uint64_t)(P - 1), "counted once"));
    TRY(expect(fake->first_row == comm_rank(comm) * ROWS, "row %d", fake->first_row));
    return expect(fake->to_heads == 1 && fake->to_tokens == 1, "asked %d and %d times",
                  fake->to_heads, fake->to_tokens);
}

static enum status run_fake(struct thread_rank *self)
{
    struct comm_ops ops = *comm_ops_find("local");
    struct comm_counters counters = {0};
    struct fake fake = {0};
    struct comm *world;
    struct comm *comm;
    struct arena *arena;
    ops.exchange = fake_exchange;
    ops.exchange_alloc = fake_alloc;
    ops.exchange_free = fake_free;
    fake_now = &fake;
    const struct rendezvous where = {
        .rank = self->rank, .size = self->size, .local = self->arg, .timeout_s = 30};
    TRY(comm_open(&ops, &where, self->dev, &world));
    TRY(comm_split(world, 0, self->rank, "axis", COMM_AT_ONCE, &counters, &comm));
    comm_set_when(comm, COMM_ONCE);
    TRY(arena_open(self->dev, ARENA_BUFFERS, &arena));
    enum status st = use_fake(&fake, comm, arena, self->queue, &counters);
    comm_close(comm);
    comm_close(world);
    arena_close(arena);
    TRY(st);
    return expect(fake.freed == 1, "freed %d times", fake.freed);
}

Test(exchange, a_form_of_the_transport)
{
    for (int n = 2; n <= 4; n++) {
        struct local_world *world;
        cr_assert_eq(local_world_open(n, &world), ST_OK);
        cr_assert_eq(threads_run(n, run_fake, world), ST_OK, "%s", status_message());
        local_world_close(world);
    }
}
