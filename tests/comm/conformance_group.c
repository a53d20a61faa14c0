/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of counters, splits, meshes and the host side. */
#include "kernels/comm/mesh.h"
#include "tests/comm/conformance.h"

#include <stdio.h>
#include <string.h>

enum { RANKS = 64 };

static enum status expect_count(const struct comm_counters *counters, enum comm_op op,
                                enum comm_when when, uint64_t calls, uint64_t api, uint64_t wire)
{
    const struct comm_count *got = &counters->count[op][when];
    return expect(got->calls == calls && got->api_bytes == api && got->wire_bytes == wire,
                  "%s, %s: %llu calls, %llu and %llu bytes, not %llu, %llu and %llu",
                  comm_op_name(op), comm_when_name(when), (unsigned long long)got->calls,
                  (unsigned long long)got->api_bytes, (unsigned long long)got->wire_bytes,
                  (unsigned long long)calls, (unsigned long long)api, (unsigned long long)wire);
}

/* One of each, rank r with sizes of its own: all_gather 4(r+1) bytes, all_to_all 4(r+d) to rank d.
 */
static enum status one_of_each(struct conformance *c, struct comm *comm)
{
    struct tensor part[RANKS];
    struct tensor send[RANKS];
    struct tensor recv[RANKS];
    struct tensor x;
    struct tensor scratch;
    struct comm_req req = {0};
    int n = c->size;
    int r = comm_rank(comm);
    for (int i = 0; i < n; i++) {
        TRY(conformance_vector(c, i + 1, &part[i]));
        TRY(conformance_vector(c, r + i, &send[i]));
        TRY(conformance_vector(c, r + i, &recv[i]));
        conformance_write(&send[i], r, i);
    }
    conformance_write(&part[r], r, -1);
    TRY(conformance_vector(c, 10 * n + 1, &x));
    TRY(conformance_vector(c, 10 * n + 1, &scratch));
    conformance_write(&x, r, 0);
    TRY(comm_all_gather(comm, &part[r], part, c->q, &req));
    TRY(comm_all_to_all(comm, send, recv, c->q, &req));
    TRY(comm_send(comm, (r + 1) % n, &x, c->q, &req));
    TRY(comm_recv(comm, (r + n - 1) % n, &scratch, c->q, &req));
    TRY(comm_wait(&req, c->q));
    TRY(comm_all_reduce(comm, &x, &scratch, c->q, &req));
    TRY(comm_wait(&req, c->q));
    return queue_sync(c->q);
}

/* Bytes against closed forms; the first part of 10n+1 elements has 11, the others 10. */
enum status case_counters(struct conformance *c)
{
    static const struct comm_counters zero;
    struct comm_counters counters = {0};
    struct comm *comm;
    uint64_t n = (uint64_t)c->size;
    uint64_t r = (uint64_t)c->rank;
    TRY(comm_split(c->world, 0, c->rank, "axis", COMM_AT_ONCE, &counters, &comm));
    comm_set_when(comm, COMM_STEP);
    TRY(one_of_each(c, comm));
    TRY(one_of_each(c, comm));
    comm_set_when(comm, COMM_LAST_STEP);
    TRY(one_of_each(c, comm));
    comm_close(comm);
    if (n == 1)
        return expect(memcmp(&counters, &zero, sizeof(zero)) == 0, "one rank counts nothing");

    uint64_t own_part = 4 * (r + 1);
    uint64_t local = 4 * (n * r + n * (n - 1) / 2);
    uint64_t buffer = 4 * (10 * n + 1);
    uint64_t kept = (r == 0 ? 44 : 40) + (r + 1 == n ? 44 : 40);
    for (int k = 1; k <= 2; k++) {
        enum comm_when when = k == 2 ? COMM_STEP : COMM_LAST_STEP;
        uint64_t times = (uint64_t)k;
        TRY(expect_count(&counters, COMM_ALL_GATHER, when, times, times * own_part,
                         times * (n - 1) * own_part));
        TRY(expect_count(&counters, COMM_ALL_TO_ALL, when, times, times * local,
                         times * (local - 4 * 2 * r)));
        TRY(expect_count(&counters, COMM_SEND, when, times, times * buffer, times * buffer));
        TRY(expect_count(&counters, COMM_ALL_REDUCE, when, times, times * buffer,
                         times * (2 * buffer - kept)));
    }
    for (int op = 0; op < COMM_OPS; op++) {
        TRY(expect_count(&counters, (enum comm_op)op, COMM_WARMUP_STEP, 0, 0, 0));
        TRY(expect_count(&counters, (enum comm_op)op, COMM_ONCE, 0, 0, 0));
    }
    return ST_OK;
}

/* An axis of one rank moves its own parts and counts nothing. */
enum status case_counters_of_one_rank(struct conformance *c)
{
    static const struct comm_counters zero;
    struct comm_counters counters = {0};
    struct comm *alone;
    struct conformance one = *c;
    TRY(comm_split(c->world, c->rank, 5, "alone", COMM_AT_ONCE, &counters, &alone));
    TRY(expect(comm_size(alone) == 1 && comm_rank(alone) == 0, "rank %d of %d", comm_rank(alone),
               comm_size(alone)));
    one.size = 1;
    TRY(one_of_each(&one, alone));
    TRY(comm_agree(alone, ST_OK));
    TRY(comm_barrier(alone));
    comm_close(alone);
    return expect(memcmp(&counters, &zero, sizeof(zero)) == 0, "one rank counts nothing");
}

/* Three colors; keys turn the order round, equal keys keep the parent's. */
static enum status split_by(struct conformance *c, int key_of_rank, bool reversed)
{
    enum { COLORS = 3 };
    struct comm *part;
    int color = c->rank % COLORS;
    TRY(comm_split(c->world, color, key_of_rank, "third", COMM_AT_ONCE, NULL, &part));
    int size = (c->size - color + COLORS - 1) / COLORS;
    int place = c->rank / COLORS;
    int rank = reversed ? size - 1 - place : place;
    TRY(expect(comm_size(part) == size && comm_rank(part) == rank, "rank %d of %d, not %d of %d",
               comm_rank(part), comm_size(part), rank, size));
    int member[RANKS];
    TRY(comm_host_gather(part, &c->rank, sizeof(c->rank), member));
    for (int i = 0; i < size; i++) {
        int want = color + COLORS * (reversed ? size - 1 - i : i);
        TRY(expect(member[i] == want, "member %d is rank %d, not %d", i, member[i], want));
    }
    struct conformance inner = *c;
    inner.world = part;
    inner.rank = rank;
    inner.size = size;
    TRY(case_all_to_all_uneven(&inner));
    c->digest = inner.digest;
    comm_close(part);
    return ST_OK;
}

enum status case_split(struct conformance *c)
{
    TRY(split_by(c, 0, false));
    TRY(split_by(c, -10 * c->rank, true));
    return split_by(c, c->rank, false);
}

/* A mesh 1 x a x b: each axis gathers the world ranks that differ in its coordinate alone. */
static enum status mesh_of(struct conformance *c, int a, int b)
{
    const struct mesh_shape shape = {
        .n_axes = 3, .name = {"none", "outer", "inner"}, .size = {1, a, b}, .channels = {0, 1, 3}};
    const int wanted[3] = {1, 1, 3}; // channels
    struct mesh *mesh;
    int coord[3];
    TRY(mesh_open(c->world, &shape, &mesh));
    mesh_coords(&shape, c->rank, coord);
    for (int axis = 0; axis < 3; axis++) {
        TRY(expect(mesh_channels(mesh, axis) == wanted[axis], "axis %d: %d channels, wanted %d",
                   axis, mesh_channels(mesh, axis), wanted[axis]));
        for (int channel = 0; channel < wanted[axis]; channel++) {
            struct comm *comm = mesh_comm(mesh, axis, channel);
            int member[RANKS];
            TRY(expect(comm_size(comm) == shape.size[axis] && comm_rank(comm) == coord[axis],
                       "axis %d: rank %d of %d", axis, comm_rank(comm), comm_size(comm)));
            TRY(comm_host_gather(comm, &c->rank, sizeof(c->rank), member));
            for (int i = 0; i < shape.size[axis]; i++) {
                int other[3] = {coord[0], coord[1], coord[2]};
                other[axis] = i;
                TRY(expect(member[i] == mesh_rank(&shape, other), "axis %d: member %d is %d", axis,
                           i, member[i]));
            }
        }
    }
    mesh_set_when(mesh, COMM_WARMUP_STEP);
    for (int channel = 0; channel < wanted[2]; channel++) {
        struct conformance inner = *c;
        struct comm *comm = mesh_comm(mesh, 2, channel);
        inner.size = comm_size(comm);
        inner.rank = comm_rank(comm);
        TRY(one_of_each(&inner, comm));
    }
    uint64_t calls = b > 1 ? (uint64_t)wanted[2] : 0;
    uint64_t bytes = 4 * (10 * (uint64_t)b + 1) * calls;
    TRY(expect_count(mesh_counters(mesh, 2), COMM_SEND, COMM_WARMUP_STEP, calls, bytes, bytes));
    TRY(expect_count(mesh_counters(mesh, 1), COMM_SEND, COMM_WARMUP_STEP, 0, 0, 0));
    mesh_reset_counters(mesh);
    TRY(expect_count(mesh_counters(mesh, 2), COMM_SEND, COMM_WARMUP_STEP, 0, 0, 0));
    TRY(expect(mesh_world(mesh) == c->world, "the world is borrowed"));
    mesh_close(mesh);
    return ST_OK;
}

enum status case_mesh(struct conformance *c)
{
    for (int b = 1; b <= c->size; b++) {
        if (c->size % b == 0)
            TRY(mesh_of(c, c->size / b, b));
    }
    return ST_OK;
}

/* Sizes that grow and shrink, so that room is taken anew. */
enum status case_host_gather(struct conformance *c)
{
    static const size_t size[] = {1, 8, 5000, 3, 4096, 0, 5000};
    struct tensor own;
    struct tensor gathered;
    TRY(conformance_vector(c, 1250, &own));
    TRY(conformance_vector(c, 1250 * c->size, &gathered));
    for (int k = 0; k < (int)(sizeof(size) / sizeof(size[0])); k++) {
        unsigned char *from = own.data;
        unsigned char *to = gathered.data;
        for (size_t i = 0; i < size[k]; i++)
            from[i] = (unsigned char)(c->rank * 13 + (int)i * 3 + k);
        TRY(comm_host_gather(c->world, from, size[k], to));
        for (size_t i = 0; i < size[k] * (size_t)c->size; i++) {
            int want = (int)(i / size[k]) * 13 + (int)(i % size[k]) * 3 + k;
            TRY(expect(to[i] == (unsigned char)want, "byte %zu of gather %d", i, k));
        }
        TRY(comm_barrier(c->world));
    }
    return ST_OK;
}

/* Statuses by rank; everyone ends with the worst one, and the words of the first who said it. */
static enum status agree_on(struct conformance *c, int bad, enum status bad_status, int worse,
                            enum status worse_status)
{
    enum status mine = ST_OK;
    status_clear();
    if (c->rank == bad)
        mine = fail(bad_status, "rank %d is out of luck", c->rank);
    if (c->rank == worse)
        mine = fail(worse_status, "rank %d is worse off", c->rank);
    enum status worst = ST_OK;
    const char *text = "";
    char want[64];
    if (bad < c->size) {
        worst = bad_status;
        snprintf(want, sizeof(want), "rank %d is out of luck", bad);
        text = want;
    }
    if (worse < c->size && worse_status > worst) {
        worst = worse_status;
        snprintf(want, sizeof(want), "rank %d is worse off", worse);
        text = want;
    }
    enum status got = comm_agree(c->world, mine);
    TRY(expect(got == worst, "agreed on %s, not %s", status_name(got), status_name(worst)));
    return expect(strcmp(status_message(), text) == 0, "the message is '%s', not '%s'",
                  status_message(), text);
}

enum status case_agree(struct conformance *c)
{
    const int nobody = RANKS;
    TRY(agree_on(c, nobody, ST_OOM, nobody, ST_OOM));
    TRY(agree_on(c, 0, ST_OOM, nobody, ST_OOM));
    TRY(agree_on(c, c->size - 1, ST_IO, nobody, ST_OOM));
    TRY(agree_on(c, 0, ST_INVALID, c->size / 2 + 1, ST_DEVICE));
    TRY(agree_on(c, 0, ST_OOM, c->size / 2 + 1, ST_OOM));
    char text[3000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    enum status mine = c->rank == 0 ? fail(ST_IO, "%s", text) : ST_OK;
    TRY(expect(comm_agree(c->world, mine) == ST_IO, "a long message changes the status"));
    TRY(expect(strncmp(status_message(), text, 1000) == 0, "a long message keeps its beginning"));
    status_clear();
    return ST_OK;
}
