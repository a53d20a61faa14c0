/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rank of the mpi transport's tests; test_comm_mpi.c starts it under mpirun. Rank 0 prints a
 * line for each case: "case NAME DIGEST", or "FAILED NAME: why". Modes: conformance, silence,
 * abort, large BYTES, alone.
 */
#include "kernels/backend.h"
#include "kernels/comm/rendezvous.h"
#include "tests/comm/conformance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct process_rank {
    struct rendezvous where;
    struct device *dev;
    struct queue *q;
    struct comm *world;
};

static enum status run_conformance(struct process_rank *self)
{
    for (int i = 0; conformance_at(i); i++) {
        const struct conformance_case *test = conformance_at(i);
        uint64_t digest;
        enum status st = conformance_run(test, self->world, self->q, &digest);
        if (st != ST_OK)
            return fail_prefix(st, "FAILED %s", test->name);
        if (self->where.rank == 0)
            printf("case %s %016" PRIx64 "\n", test->name, digest);
    }
    return ST_OK;
}

static enum status vector(struct process_rank *self, int64_t count, struct arena **arena,
                          struct tensor *out)
{
    TRY(arena_open(self->dev, ARENA_BUFFERS, arena));
    return arena_tensor(*arena, DTYPE_F32, 1, &count, out);
}

/* Rank 0 waits for a message that nobody sends. */
static enum status run_silence(struct process_rank *self)
{
    struct arena *arena;
    struct tensor in;
    struct comm_req req = {0};
    TRY(vector(self, 10, &arena, &in));
    if (self->where.rank == 0) {
        TRY(comm_recv(self->world, 1, &in, self->q, &req));
        TRY(comm_recv(self->world, 1, &in, self->q, &req));
        TRY(comm_wait(&req, self->q));
    }
    nanosleep(&(struct timespec){.tv_sec = 20}, NULL);
    return ST_OK;
}

/* Rank 0 waits without a limit, the last one gives up. */
static enum status run_abort(struct process_rank *self)
{
    struct arena *arena;
    struct tensor in;
    struct comm_req req = {0};
    TRY(vector(self, 10, &arena, &in));
    if (self->where.rank == self->where.size - 1)
        return fail(ST_COMM, "gives up on purpose");
    TRY(comm_recv(self->world, self->where.size - 1, &in, self->q, &req));
    return comm_wait(&req, self->q);
}

/* A message that no int can count, from rank 0 to 1. */
static enum status run_large(struct process_rank *self, int64_t bytes)
{
    struct arena *arena;
    struct tensor t;
    struct comm_req req = {0};
    int64_t count = bytes / 4;
    TRY(vector(self, count, &arena, &t));
    uint32_t *x = t.data;
    if (self->where.rank == 0) {
        for (int64_t i = 0; i < count; i++)
            x[i] = (uint32_t)(i * 2654435761u);
        TRY(comm_send(self->world, 1, &t, self->q, &req));
    } else if (self->where.rank == 1) {
        TRY(comm_recv(self->world, 0, &t, self->q, &req));
    }
    TRY(comm_wait(&req, self->q));
    for (int64_t i = 0; self->where.rank == 1 && i < count; i++)
        TRY(expect(x[i] == (uint32_t)(i * 2654435761u), "word %lld is wrong", (long long)i));
    if (self->where.rank == 0)
        printf("large ok\n");
    arena_close(arena);
    return comm_barrier(self->world);
}

static enum status run(struct process_rank *self, int argc, char **argv)
{
    const struct device_options options = {.threads = 1};
    const char *mode = argc > 1 ? argv[1] : "conformance";
    if (strcmp(mode, "silence") == 0)
        self->where.timeout_s = 0.3;
    else if (strcmp(mode, "abort") != 0)
        self->where.timeout_s = 60;
    TRY(device_open(backend_find("cpu"), &options, &self->dev));
    TRY(queue_open(self->dev, &self->q));
    TRY(comm_open(comm_ops_find("mpi"), &self->where, self->dev, &self->world));
    if (strcmp(mode, "silence") == 0)
        return run_silence(self);
    if (strcmp(mode, "abort") == 0)
        return run_abort(self);
    if (strcmp(mode, "large") == 0 && argc > 2)
        return run_large(self, atoll(argv[2]));
    return run_conformance(self);
}

/* What `alone` answers: without mpirun the transport refuses, and MPI was never initialised. */
static enum status run_alone(void)
{
    const struct rendezvous where = {.size = 1};
    struct comm *world;
    enum status st = comm_open(comm_ops_find("mpi"), &where, NULL, &world);
    printf("alone: %s: %s\n", status_name(st), status_message());
    return ST_OK;
}

int main(int argc, char **argv)
{
    struct process_rank self = {0};
    bool under;
    enum status st = rendezvous_mpi(&argc, &argv, &under, &self.where);
    if (st == ST_OK)
        st = under ? run(&self, argc, argv) : run_alone();
    if (st != ST_OK) {
        printf("rank %d: %s: %s\n", self.where.rank, status_name(st), status_text());
        fflush(stdout);
        if (self.world)
            comm_abort(self.world);
        return 1;
    }
    comm_close(self.world);
    queue_close(self.q);
    device_close(self.dev);
    rendezvous_finish();
    return 0;
}
