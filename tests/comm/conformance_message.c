/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of send and recv: matching, order, requests, channels. No collectives. */
#include "kernels/comm/mesh.h"
#include "tests/comm/conformance.h"

static int next_of(const struct conformance *c)
{
    return (c->rank + 1) % c->size;
}

static int before_of(const struct conformance *c)
{
    return (c->rank + c->size - 1) % c->size;
}

/* Round the ring, from one element to four megabytes. */
enum status case_ring_shift(struct conformance *c)
{
    static const int64_t count[] = {1, 2, 255, 4096, 100003, 1 << 20};
    for (int k = 0; k < (int)(sizeof(count) / sizeof(count[0])); k++) {
        struct tensor out;
        struct tensor in;
        struct comm_req req = {0};
        TRY(conformance_vector(c, count[k], &out));
        TRY(conformance_vector(c, count[k], &in));
        conformance_write(&out, c->rank, next_of(c));
        TRY(comm_send(c->world, next_of(c), &out, c->q, &req));
        TRY(comm_recv(c->world, before_of(c), &in, c->q, &req));
        TRY(comm_wait(&req, c->q));
        TRY(expect(!req.first, "a request is idle after its wait"));
        TRY(comm_wait(&req, c->q));
        TRY(queue_sync(c->q));
        TRY(conformance_read(c, &in, before_of(c), c->rank));
    }
    return ST_OK;
}

/* Messages of one pair match in the order of their posts, whether the receive is there before or
 * after. */
enum status case_order(struct conformance *c)
{
    enum { MESSAGES = 12 };
    for (int late = 0; late < 2; late++) {
        struct tensor out[MESSAGES];
        struct tensor in[MESSAGES];
        struct comm_req sends = {0};
        struct comm_req receives = {0};
        for (int i = 0; i < MESSAGES; i++) {
            TRY(conformance_vector(c, 10 + 3 * i, &out[i]));
            TRY(conformance_vector(c, 10 + 3 * i, &in[i]));
            conformance_write(&out[i], c->rank, 100 + i);
        }
        for (int i = 0; late && i < MESSAGES; i++)
            TRY(comm_send(c->world, next_of(c), &out[i], c->q, &sends));
        for (int i = 0; i < MESSAGES; i++)
            TRY(comm_recv(c->world, before_of(c), &in[i], c->q, &receives));
        for (int i = 0; !late && i < MESSAGES; i++)
            TRY(comm_send(c->world, next_of(c), &out[i], c->q, &sends));
        TRY(comm_wait(&receives, c->q));
        TRY(comm_wait(&sends, c->q));
        TRY(queue_sync(c->q));
        for (int i = 0; i < MESSAGES; i++)
            TRY(conformance_read(c, &in[i], before_of(c), 100 + i));
    }
    return ST_OK;
}

/* Everyone waits for a large send first although its receive was posted too: nobody may hang. */
enum status case_wait_order(struct conformance *c)
{
    for (int round = 0; round < 8; round++) {
        struct tensor out;
        struct tensor in;
        struct comm_req first = {0};
        struct comm_req second = {0};
        TRY(conformance_vector(c, 50000, &out));
        TRY(conformance_vector(c, 50000, &in));
        conformance_write(&out, c->rank, round);
        TRY(comm_send(c->world, next_of(c), &out, c->q, &first));
        TRY(comm_recv(c->world, before_of(c), &in, c->q, &second));
        bool send_first = (c->rank + round) % 3 != 0;
        TRY(comm_wait(send_first ? &first : &second, c->q));
        TRY(comm_wait(send_first ? &second : &first, c->q));
        TRY(queue_sync(c->q));
        TRY(conformance_read(c, &in, before_of(c), round));
    }
    return ST_OK;
}

enum status case_self(struct conformance *c)
{
    struct tensor out;
    struct tensor in;
    struct comm_req req = {0};
    TRY(conformance_vector(c, 1000, &out));
    TRY(conformance_vector(c, 1000, &in));
    conformance_write(&out, c->rank, c->rank);
    TRY(comm_send(c->world, c->rank, &out, c->q, &req));
    TRY(comm_recv(c->world, c->rank, &in, c->q, &req));
    TRY(comm_wait(&req, c->q));
    TRY(queue_sync(c->q));
    return conformance_read(c, &in, c->rank, c->rank);
}

/* Two-byte types travel as they are; every bit pattern, also of not-a-numbers. */
enum status case_dtypes(struct conformance *c)
{
    static const enum dtype dtype[] = {DTYPE_BF16, DTYPE_F16};
    const int64_t dim[3] = {16, 64, 64};
    for (int k = 0; k < 2; k++) {
        struct tensor out;
        struct tensor in;
        struct comm_req req = {0};
        TRY(arena_tensor(c->arena, dtype[k], 3, dim, &out));
        TRY(arena_tensor(c->arena, dtype[k], 3, dim, &in));
        for (int i = 0; i < 65536; i++)
            ((uint16_t *)out.data)[i] = (uint16_t)(i + c->rank);
        TRY(comm_recv(c->world, before_of(c), &in, c->q, &req));
        TRY(comm_send(c->world, next_of(c), &out, c->q, &req));
        TRY(comm_wait(&req, c->q));
        TRY(queue_sync(c->q));
        for (int i = 0; i < 65536; i++)
            TRY(expect(((uint16_t *)in.data)[i] == (uint16_t)(i + before_of(c)),
                       "%s: pattern %d came as %d", dtype_name(dtype[k]), i + before_of(c),
                       ((uint16_t *)in.data)[i]));
    }
    return ST_OK;
}

/* A request takes any number of posts, messages without elements too. */
enum status case_many_per_request(struct conformance *c)
{
    enum { PAIRS = 300 };
    struct tensor out[PAIRS];
    struct tensor in[PAIRS];
    struct tensor nothing;
    struct comm_req req = {0};
    TRY(conformance_vector(c, 0, &nothing));
    for (int i = 0; i < PAIRS; i++) {
        TRY(conformance_vector(c, 1 + i, &out[i]));
        TRY(conformance_vector(c, 1 + i, &in[i]));
        conformance_write(&out[i], c->rank, i);
        TRY(comm_recv(c->world, before_of(c), &in[i], c->q, &req));
        TRY(comm_send(c->world, next_of(c), &out[i], c->q, &req));
        TRY(comm_send(c->world, next_of(c), &nothing, c->q, &req));
        TRY(comm_recv(c->world, before_of(c), &nothing, c->q, &req));
    }
    TRY(comm_wait(&req, c->q));
    TRY(expect(!req.first, "messages stay on the request"));
    TRY(queue_sync(c->q));
    for (int i = 0; i < PAIRS; i++)
        TRY(conformance_read(c, &in[i], before_of(c), i));
    return ST_OK;
}

/* The same pair on two communicators, received in the other order than sent. */
enum status case_two_communicators(struct conformance *c)
{
    struct comm *twin;
    struct tensor out[2];
    struct tensor in[2];
    struct comm_req on_world = {0};
    struct comm_req on_twin = {0};
    TRY(comm_split(c->world, 0, c->rank, "twin", COMM_AT_ONCE, NULL, &twin));
    for (int i = 0; i < 2; i++) {
        TRY(conformance_vector(c, 3000, &out[i]));
        TRY(conformance_vector(c, 3000, &in[i]));
        conformance_write(&out[i], c->rank, i);
    }
    TRY(comm_send(c->world, next_of(c), &out[0], c->q, &on_world));
    TRY(comm_send(twin, next_of(c), &out[1], c->q, &on_twin));
    TRY(comm_recv(twin, before_of(c), &in[1], c->q, &on_twin));
    TRY(comm_wait(&on_twin, c->q));
    TRY(comm_recv(c->world, before_of(c), &in[0], c->q, &on_world));
    TRY(comm_wait(&on_world, c->q));
    TRY(queue_sync(c->q));
    comm_close(twin);
    TRY(conformance_read(c, &in[0], before_of(c), 0));
    return conformance_read(c, &in[1], before_of(c), 1);
}

/* Large messages both ways round an axis, several rounds in flight, each way on its own channel. */
enum status case_channels(struct conformance *c)
{
    enum { ROUNDS = 3, COUNT = 300000 };
    const struct mesh_shape shape = {
        .n_axes = 1, .name = {"pipe"}, .size = {c->size}, .channels = {2}};
    struct mesh *mesh;
    struct tensor out[2];
    struct tensor in[2][ROUNDS];
    struct comm_req req[2] = {{0}, {0}};
    TRY(mesh_open(c->world, &shape, &mesh));
    for (int way = 0; way < 2; way++) {
        int to = way == 0 ? next_of(c) : before_of(c);
        int from = way == 0 ? before_of(c) : next_of(c);
        TRY(conformance_vector(c, COUNT, &out[way]));
        conformance_write(&out[way], c->rank, way);
        for (int i = 0; i < ROUNDS; i++) {
            TRY(conformance_vector(c, COUNT, &in[way][i]));
            TRY(comm_send(mesh_comm(mesh, 0, way), to, &out[way], c->q, &req[way]));
            TRY(comm_recv(mesh_comm(mesh, 0, way), from, &in[way][i], c->q, &req[way]));
        }
    }
    TRY(comm_wait(&req[1], c->q));
    TRY(comm_wait(&req[0], c->q));
    TRY(queue_sync(c->q));
    mesh_close(mesh);
    for (int i = 0; i < ROUNDS; i++) {
        TRY(conformance_read(c, &in[0][i], before_of(c), 0));
        TRY(conformance_read(c, &in[1][i], next_of(c), 1));
    }
    return ST_OK;
}
