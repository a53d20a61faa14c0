/* SPDX-License-Identifier: Apache-2.0 */
/* What the NCCL transport moves between ranks that all are well: on every axis and channel, in
 * collectives, between hosts; and that it gives everything back. */
#include "kernels/cuda/cuda_private.h"
#include "tests/nccl/ranks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 300, ROUNDS = 3 };
#define TIMEOUT_S 10.0

static void check(int n, const void *arg, enum status (*body)(struct rank *self))
{
    struct rank_end end[FAKE_RANKS];
    const struct ranks_job job = {.ranks = n, .timeout_s = TIMEOUT_S, .body = body, .arg = arg};
    ranks_run(&job, end);
    cr_assert_null(fake_complaint(), "%s", fake_complaint());
    for (int r = 0; r < n; r++) {
        cr_assert(end[r].ended, "rank %d of %d did not end: signal %d", r, n, end[r].signal);
        cr_assert_eq(end[r].status, ST_OK, "rank %d of %d: %s", r, n, end[r].text);
        cr_assert_eq(end[r].left, 0, "rank %d of %d keeps %d objects", r, n, end[r].left);
    }
    ranks_close();
}

static struct tensor floats(const struct rank *self, float *data, int64_t count)
{
    return tensor_of(data, self->dev, DTYPE_F32, 1, &count);
}

/* What rank `from` of a communicator sends in a round, at i. */
static float value(int from, int axis, int channel, int round, int i)
{
    return (float)(from + 10 * axis + 100 * channel + 1000 * round) + (float)i / 1024;
}

static enum status wrong(const char *what, int at, double got, double want)
{
    return fail(ST_INVALID, "%s: at %d, %g is not %g", what, at, got, want);
}

/* ---- messages ---- */

/* Everything goes on by one; rounds follow each other without a wait of the host. */
static enum status ring(struct rank *self, int axis, int channel)
{
    static float out[ROUNDS][COUNT], in[ROUNDS][COUNT];
    struct comm *comm = mesh_comm(self->mesh, axis, channel);
    int n = comm_size(comm), me = comm_rank(comm), before = (me + n - 1) % n;
    for (int k = 0; k < ROUNDS && n > 1; k++) {
        struct comm_req req = {0};
        struct tensor to = floats(self, out[k], COUNT - k);
        struct tensor from = floats(self, in[k], COUNT - k);
        for (int i = 0; i < COUNT; i++)
            out[k][i] = value(me, axis, channel, k, i);
        TRY(comm_group_begin(comm));
        TRY(comm_recv(comm, before, &from, self->q, &req));
        TRY(comm_send(comm, (me + 1) % n, &to, self->q, &req));
        TRY(comm_group_end(comm));
        TRY(comm_wait(&req, self->q));
    }
    TRY(comm_drain(self->world, self->q));
    for (int k = 0; k < ROUNDS && n > 1; k++)
        for (int i = 0; i < COUNT - k; i++)
            if (in[k][i] != value(before, axis, channel, k, i))
                return wrong("ring", i, in[k][i], value(before, axis, channel, k, i));
    return ST_OK;
}

static enum status every_axis(struct rank *self)
{
    const struct mesh_shape *shape = self->arg;
    TRY(mesh_open(self->world, shape, &self->mesh));
    TRY(comm_agree(self->world, ST_OK));
    for (int x = 0; x < shape->n_axes; x++)
        for (int c = 0; c < mesh_channels(self->mesh, x); c++)
            TRY(ring(self, x, c));
    return ST_OK;
}

static const struct mesh_shape cfg_pipe = {.n_axes = 2,
                                           .name = {"cfg", "pipefusion"},
                                           .size = {2, 2},
                                           .channels = {1, 3},
                                           .use = {COMM_AT_ONCE, COMM_AHEAD}};

Test(messages, on_every_axis_of_two)
{
    const struct mesh_shape ulysses = {.n_axes = 1, .name = {"ulysses"}, .size = {2}};
    const struct mesh_shape pipe = {
        .n_axes = 2, .name = {"cfg", "pipefusion"}, .size = {1, 2}, .channels = {1, 3}};
    check(2, &ulysses, every_axis);
    check(2, &pipe, every_axis);
}

Test(messages, on_every_axis_of_four)
{
    const struct mesh_shape ulysses = {.n_axes = 1, .name = {"ulysses"}, .size = {4}};
    check(4, &ulysses, every_axis);
    check(4, &cfg_pipe, every_axis);
}

Test(messages, on_every_axis_of_eight)
{
    const struct mesh_shape all = {.n_axes = 3,
                                   .name = {"cfg", "pipefusion", "ulysses"},
                                   .size = {2, 2, 2},
                                   .channels = {1, 3, 1}};
    const struct mesh_shape pipe = {
        .n_axes = 2, .name = {"cfg", "pipefusion"}, .size = {2, 4}, .channels = {1, 3}};
    check(8, &all, every_axis);
    check(8, &pipe, every_axis);
}

/* Receives far ahead of their sends on one channel, and messages on another meanwhile. */
static enum status ahead(struct rank *self)
{
    static float out[2][COUNT], in[2][COUNT];
    TRY(mesh_open(self->world, self->arg, &self->mesh));
    if (cuda_rest(self->q) != RANKS_SMS - 1)
        return wrong("SMs beside a waiting receive", 0, cuda_rest(self->q), RANKS_SMS - 1);
    struct comm *early = mesh_comm(self->mesh, 0, 0), *late = mesh_comm(self->mesh, 0, 1);
    struct comm_req got = {0}, sent = {0};
    struct tensor in0 = floats(self, in[0], COUNT), in1 = floats(self, in[1], COUNT);
    struct tensor out0 = floats(self, out[0], COUNT), out1 = floats(self, out[1], COUNT);
    int peer = 1 - self->rank;
    for (int i = 0; i < COUNT; i++) {
        out[0][i] = value(self->rank, 0, 0, 0, i);
        out[1][i] = value(self->rank, 0, 1, 0, i);
    }
    if (self->rank == 0)
        TRY(comm_recv(early, peer, &in0, self->q, &got));
    else
        TRY(comm_recv(late, peer, &in1, self->q, &got));
    TRY(comm_barrier(self->world));
    if (self->rank == 0)
        TRY(comm_send(late, peer, &out1, self->q, &sent));
    else
        TRY(comm_send(early, peer, &out0, self->q, &sent));
    TRY(comm_wait(&sent, self->q));
    TRY(comm_wait(&got, self->q));
    TRY(comm_drain(self->world, self->q));
    int channel = self->rank == 0 ? 0 : 1;
    for (int i = 0; i < COUNT; i++)
        if (in[channel][i] != value(peer, 0, channel, 0, i))
            return wrong("ahead", i, in[channel][i], value(peer, 0, channel, 0, i));
    return ST_OK;
}

Test(messages, of_two_channels_do_not_wait_for_each_other)
{
    const struct mesh_shape pipe = {
        .n_axes = 1, .name = {"pipefusion"}, .size = {2}, .channels = {2}, .use = {COMM_AHEAD}};
    check(2, &pipe, ahead);
}

/* Rank 2 of three is alone; the others change places. */
static enum status uneven(struct rank *self)
{
    static float data[2][COUNT];
    struct comm *pair;
    struct comm_req req = {0};
    int alone = self->rank == 2;
    TRY(comm_split(self->world, alone, -self->rank, "pair", COMM_AT_ONCE, NULL, &pair));
    enum status st = comm_size(pair) == 2 - alone && comm_rank(pair) == (self->rank == 0)
                         ? ST_OK
                         : fail(ST_INVALID, "rank %d of %d", comm_rank(pair), comm_size(pair));
    struct tensor in = floats(self, data[0], COUNT), out = floats(self, data[1], COUNT);
    data[1][COUNT - 1] = (float)(5 + self->rank);
    if (st == ST_OK && !alone)
        st = comm_group_begin(pair);
    if (st == ST_OK && !alone)
        st = comm_recv(pair, 1 - comm_rank(pair), &in, self->q, &req);
    if (st == ST_OK && !alone)
        st = comm_send(pair, 1 - comm_rank(pair), &out, self->q, &req);
    if (st == ST_OK && !alone)
        st = comm_group_end(pair);
    if (st == ST_OK)
        st = comm_wait(&req, self->q);
    if (st == ST_OK)
        st = comm_drain(self->world, self->q);
    comm_close(pair);
    if (st == ST_OK && !alone && data[0][COUNT - 1] != (float)(6 - self->rank))
        return wrong("pair", COUNT - 1, data[0][COUNT - 1], 6 - self->rank);
    return st;
}

Test(messages, of_a_pair_beside_a_rank_alone)
{
    check(3, NULL, uneven);
}

/* ---- collectives ---- */

static enum status collectives(struct rank *self)
{
    static float mine[FAKE_RANKS], got[FAKE_RANKS], all[FAKE_RANKS], sum[COUNT], scratch[COUNT];
    struct tensor out[FAKE_RANKS], in[FAKE_RANKS], part[FAKE_RANKS];
    struct comm_req req = {0};
    int n = self->size, me = self->rank;
    TRY(mesh_open(self->world, self->arg, &self->mesh));
    struct comm *comm = mesh_comm(self->mesh, 0, 0);
    for (int r = 0; r < n; r++) {
        mine[r] = (float)(10 * me + r);
        out[r] = floats(self, &mine[r], 1);
        in[r] = floats(self, &got[r], 1);
        part[r] = floats(self, &all[r], 1);
    }
    for (int i = 0; i < COUNT; i++)
        sum[i] = (float)(me + i);
    struct tensor whole = floats(self, sum, COUNT), spare = floats(self, scratch, COUNT);
    TRY(comm_all_to_all(comm, out, in, self->q, &req));
    TRY(comm_all_gather(comm, &out[0], part, self->q, &req));
    TRY(comm_wait(&req, self->q));
    TRY(comm_all_reduce(comm, &whole, &spare, self->q, &req));
    TRY(comm_wait(&req, self->q));
    TRY(comm_drain(self->world, self->q));
    for (int r = 0; r < n; r++) {
        if (got[r] != (float)(10 * r + me))
            return wrong("all-to-all", r, got[r], 10 * r + me);
        if (all[r] != (float)(10 * r))
            return wrong("all-gather", r, all[r], 10 * r);
    }
    for (int i = 0; i < COUNT; i++)
        if (sum[i] != (float)(n * i + n * (n - 1) / 2))
            return wrong("sum", i, sum[i], n * i + n * (n - 1) / 2);
    return ST_OK;
}

Test(messages, of_collectives)
{
    for (int n = 2; n <= 8; n *= 2) {
        const struct mesh_shape ulysses = {.n_axes = 1, .name = {"ulysses"}, .size = {n}};
        check(n, &ulysses, collectives);
    }
}

/* ---- between hosts ---- */

/* Sizes that grow and shrink, so that the memory for them is made again. */
static enum status gather(struct comm *comm)
{
    enum { LONGEST = 2000 };
    static const int size[] = {1, LONGEST, 3, 1020};
    static unsigned char mine[LONGEST], all[FAKE_RANKS * LONGEST];
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        for (int i = 0; i < size[k]; i++)
            mine[i] = (unsigned char)(comm_rank(comm) + 3 * i);
        TRY(comm_host_gather(comm, mine, (size_t)size[k], all));
        for (int i = 0; i < comm_size(comm) * size[k]; i++)
            if (all[i] != (unsigned char)(i / size[k] + 3 * (i % size[k])))
                return wrong("gather", i, all[i], i / size[k] + 3 * (i % size[k]));
        TRY(comm_barrier(comm));
    }
    return ST_OK;
}

static enum status gathers(struct rank *self)
{
    TRY(gather(self->world));
    TRY(mesh_open(self->world, self->arg, &self->mesh));
    for (int x = 0; x < 2; x++)
        for (int c = 0; c < mesh_channels(self->mesh, x); c++)
            TRY(gather(mesh_comm(self->mesh, x, c)));
    return gather(self->world);
}

Test(messages, between_hosts)
{
    check(4, &cfg_pipe, gathers);
}

/* The worst status of all, with the text of the first that has it. */
static enum status disagree(struct rank *self)
{
    enum status mine = self->rank == 0   ? fail(ST_OOM, "the least")
                       : self->rank == 1 ? fail(ST_COMM, "the first of the worst")
                       : self->rank == 2 ? ST_OK
                                         : fail(ST_COMM, "the second");
    enum status st = comm_agree(self->world, mine);
    if (st != ST_COMM || !strstr(status_message(), "the first of the worst"))
        return fail(ST_INVALID, "agreed on %s: %s", status_name(st), status_message());
    return ST_OK;
}

Test(messages, that_ranks_agree_on)
{
    check(4, NULL, disagree);
}
