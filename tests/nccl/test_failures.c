/* SPDX-License-Identifier: Apache-2.0 */
/* How ranks over the NCCL transport end where something fails on one of them: all of them, in time,
 * the one that knows the cause with its own words, and no call of NCCL meets another one. */
#include "kernels/base/clock.h"
#include "tests/nccl/in_time.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 100 };

/* Two colors on each axis. */
static const struct mesh_shape cfg_pipe = {
    .n_axes = 2, .name = {"cfg", "pipefusion"}, .size = {2, 2}, .channels = {1, 2}};
static const struct mesh_shape ulysses_of_two = {.n_axes = 1, .name = {"ulysses"}, .size = {2}};
static const struct mesh_shape ulysses_of_four = {.n_axes = 1, .name = {"ulysses"}, .size = {4}};

/* Rank `who` says what happened to it, and no rank ends well. */
static void check_cause(const struct rank_end *end, int n, int who, enum status want,
                        const char *words)
{
    for (int r = 0; r < n; r++)
        cr_expect_neq(end[r].status, ST_OK, "rank %d of %d ended well", r, n);
    cr_expect_eq(end[who].status, want, "rank %d: %s: %s", who, status_name(end[who].status),
                 end[who].text);
    cr_expect(strstr(end[who].text, words) != NULL, "rank %d: %s", who, end[who].text);
}

/* As strategies/run.c opens a run. */
static enum status open_mesh(struct rank *self)
{
    enum status st = mesh_open(self->world, self->arg, &self->mesh);
    return comm_agree(self->world, st);
}

/* ---- splits ---- */

static void split_fails(int nth, bool told)
{
    struct rank_end end[4];
    run_in_time((struct ranks_job){.ranks = 4,
                                   .body = open_mesh,
                                   .arg = &cfg_pipe,
                                   .faults = {.split = {1, nth}, .loss_is_told = told}},
                end);
    cr_assert(fake_struck(), "no rank came to split %d", nth);
    check_cause(end, 4, 1, ST_OOM, "out of memory");
    ranks_close();
}

/* The ranks of the other color have their communicator, and go on to the next split. */
Test(failures, of_a_split_in_one_color)
{
    for (int nth = 1; nth <= 3; nth++)
        split_fails(nth, false);
}

Test(failures, of_a_split_in_one_color_over_a_network)
{
    for (int nth = 1; nth <= 3; nth++)
        split_fails(nth, true);
}

enum memory { HOST_MEMORY, GPU_MEMORY, ALLOCATION };

static struct fake_faults lacks(enum memory memory, int nth)
{
    const struct fake_fault fault = {2, nth};
    struct fake_faults faults = {.loss_is_told = memory != GPU_MEMORY};
    *(memory == HOST_MEMORY  ? &faults.host_memory
      : memory == GPU_MEMORY ? &faults.gpu_memory
                             : &faults.allocation) = fault;
    return faults;
}

/* Each on the way to a mesh in its turn, those of the world's opening too. */
static void memory_fails(enum memory memory, const char *words)
{
    bool struck = true;
    int nth;
    for (nth = 1; struck; nth++) {
        struct rank_end end[4];
        const struct ranks_job job = {
            .ranks = 4, .body = open_mesh, .arg = &cfg_pipe, .faults = lacks(memory, nth)};
        run_in_time(job, end);
        struck = fake_struck();
        if (struck)
            check_cause(end, 4, 2, ST_OOM, words);
        for (int r = 0; r < 4 && !struck; r++)
            cr_expect_eq(end[r].status, ST_OK, "rank %d: %s", r, end[r].text);
        ranks_close();
    }
    cr_assert_gt(nth, 6, "only %d allocations", nth - 2);
}

Test(failures, of_host_memory)
{
    memory_fails(HOST_MEMORY, "cudaHostAlloc");
}

Test(failures, of_gpu_memory)
{
    memory_fails(GPU_MEMORY, "cudaMalloc");
}

Test(failures, of_an_allocation)
{
    memory_fails(ALLOCATION, "memory");
}

/* ---- peers that are not there ---- */

static enum status rank_one_stays_away(struct rank *self)
{
    TRY(mesh_open(self->world, self->arg, &self->mesh));
    if (self->rank == 1) {
        ranks_await_end(0);
        return ST_OK;
    }
    return comm_barrier(self->world);
}

/* What waits for the peer is still on the stream when the rank closes it. */
Test(failures, of_a_host_gather_whose_peer_never_comes)
{
    struct rank_end end[2];
    run_in_time((struct ranks_job){.ranks = 2, .body = rank_one_stays_away, .arg = &ulysses_of_two},
                end);
    cr_assert_eq(end[0].status, ST_TIMEOUT, "%s", end[0].text);
    cr_assert(strstr(end[0].text, "host gather"), "%s", end[0].text);
    cr_assert_eq(end[1].status, ST_OK, "%s", end[1].text);
    ranks_close();
}

static enum status all_to_all(struct rank *self)
{
    static float data[2][FAKE_RANKS][COUNT];
    struct comm *comm = mesh_comm(self->mesh, 0, 0);
    struct tensor out[FAKE_RANKS], in[FAKE_RANKS];
    struct comm_req req = {0};
    int64_t count = COUNT;
    for (int r = 0; r < self->size; r++) {
        out[r] = tensor_of(data[0][r], self->dev, DTYPE_F32, 1, &count);
        in[r] = tensor_of(data[1][r], self->dev, DTYPE_F32, 1, &count);
    }
    TRY(comm_all_to_all(comm, out, in, self->q, &req));
    TRY(comm_wait(&req, self->q));
    return comm_drain(self->world, self->q);
}

/* As strategies/run.c runs a loop. */
static enum status rank_two_dies_in_the_loop(struct rank *self)
{
    TRY(open_mesh(self));
    enum status st = all_to_all(self);
    if (self->rank == 2)
        raise(SIGKILL);
    if (st == ST_OK)
        st = all_to_all(self);
    if (st != ST_OK)
        comm_abort(self->world);
    return st;
}

static enum status rank_two_dies_before_the_split(struct rank *self)
{
    if (self->rank == 2)
        raise(SIGKILL);
    return open_mesh(self);
}

/* words: of a wait for the time limit, where the loss is not told. */
static void rank_two_dies(enum status (*body)(struct rank *self), const char *words, bool told)
{
    struct rank_end end[4];
    run_in_time((struct ranks_job){.ranks = 4,
                                   .body = body,
                                   .arg = &ulysses_of_four,
                                   .faults.loss_is_told = told,
                                   .dies = true,
                                   .dead = 2},
                end);
    for (int r = 0; r < 4; r++) {
        if (r == 2)
            continue;
        cr_expect_eq(end[r].status, told ? ST_COMM : ST_TIMEOUT, "rank %d: %s: %s", r,
                     status_name(end[r].status), end[r].text);
        cr_expect(strstr(end[r].text, told ? "a peer or the link to it" : words) != NULL,
                  "rank %d: %s", r, end[r].text);
    }
    ranks_close();
}

Test(failures, of_a_peer_that_is_killed_over_a_network)
{
    rank_two_dies(rank_two_dies_in_the_loop, "", true);
    rank_two_dies(rank_two_dies_before_the_split, "", true);
}

Test(failures, of_a_peer_that_is_killed_beside_it)
{
    rank_two_dies(rank_two_dies_in_the_loop, "ulysses.all_to_all (after", false);
    rank_two_dies(rank_two_dies_before_the_split, "host gather", false);
}

/* ---- a send that fails ---- */

static enum status give_up(struct rank *self, enum status st)
{
    char text[RANKS_TEXT];
    snprintf(text, sizeof text, "%s", st == ST_OK ? "" : status_message());
    if (fake_groups_open() > 0)
        return fail(ST_INVALID, "%d groups are left open", fake_groups_open());
    comm_abort(self->world);
    return st == ST_OK ? ST_OK : fail(st, "%s", text);
}

/* Receive and send in one group, or (arg) the send in its own. */
static enum status send_fails(struct rank *self)
{
    static float data[2][COUNT];
    int64_t count = COUNT;
    struct comm_req req = {0};
    bool alone = self->arg != NULL;
    TRY(mesh_open(self->world, &ulysses_of_two, &self->mesh));
    struct comm *comm = mesh_comm(self->mesh, 0, 0);
    struct tensor in = tensor_of(data[0], self->dev, DTYPE_F32, 1, &count);
    struct tensor out = tensor_of(data[1], self->dev, DTYPE_F32, 1, &count);
    enum status st = alone ? ST_OK : comm_group_begin(comm);
    if (st == ST_OK)
        st = comm_recv(comm, 1 - self->rank, &in, self->q, &req);
    if (st == ST_OK)
        st = comm_send(comm, 1 - self->rank, &out, self->q, &req);
    char text[RANKS_TEXT];
    snprintf(text, sizeof text, "%s", st == ST_OK ? "" : status_message());
    if (!alone && comm_group_end(comm) != ST_OK && st == ST_OK)
        st = ST_COMM;
    if (st != ST_OK)
        return give_up(self, fail(st, "%s", text));
    TRY(comm_wait(&req, self->q));
    return give_up(self, comm_drain(self->world, self->q));
}

static void send_of_rank_zero_fails(const void *alone)
{
    struct rank_end end[2];
    run_in_time(
        (struct ranks_job){.ranks = 2, .body = send_fails, .arg = alone, .faults.send = {0, 1}},
        end);
    check_cause(end, 2, 0, ST_COMM, "no proxy for the message");
    cr_expect(strstr(end[0].text, "ulysses.send, rank 0 of 2, to rank 1"), "%s", end[0].text);
    cr_expect_eq(end[1].status, ST_TIMEOUT, "%s", end[1].text);
    ranks_close();
}

Test(failures, of_a_send_in_a_group)
{
    send_of_rank_zero_fails(NULL);
}

Test(failures, of_a_send_alone)
{
    send_of_rank_zero_fails("alone");
}

/* ---- giving up ---- */

static void *abort_world(void *arg)
{
    struct rank *self = ((struct rank **)arg)[0];
    pthread_barrier_wait(((pthread_barrier_t **)arg)[1]);
    comm_abort(self->world);
    return NULL;
}

static enum status abort_often(struct rank *self)
{
    enum { THREADS = 4 };
    pthread_barrier_t all;
    pthread_t thread[THREADS];
    void *arg[2] = {self, &all};
    TRY(open_mesh(self));
    pthread_barrier_init(&all, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        BUG_ON(pthread_create(&thread[i], NULL, abort_world, arg) != 0, "no thread");
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&all);
    comm_abort(mesh_comm(self->mesh, 0, 0));
    comm_abort(self->world);
    return ST_OK;
}

Test(failures, given_up_by_several_threads_and_again)
{
    for (int i = 0; i < 10; i++) {
        struct rank_end end[2];
        run_in_time((struct ranks_job){.ranks = 2,
                                       .body = abort_often,
                                       .arg = &ulysses_of_two,
                                       .timeout_s = UNUSED_TIMEOUT_S},
                    end);
        for (int r = 0; r < 2; r++)
            cr_expect_eq(end[r].status, ST_OK, "rank %d: %s", r, end[r].text);
        ranks_close();
    }
}

/* Receives that nobody sends, in work of the rank's queue too; then nothing can be posted. */
static enum status leave_posts(struct rank *self)
{
    static float data[2][COUNT];
    int64_t count = COUNT;
    struct comm_req req[2] = {{0}};
    TRY(open_mesh(self));
    struct comm *comm = mesh_comm(self->mesh, 0, 0);
    struct tensor in[2] = {tensor_of(data[0], self->dev, DTYPE_F32, 1, &count),
                           tensor_of(data[1], self->dev, DTYPE_F32, 1, &count)};
    TRY(comm_recv(comm, 1 - self->rank, &in[0], self->q, &req[0]));
    TRY(comm_recv(comm, 1 - self->rank, &in[1], self->q, &req[1]));
    TRY(comm_wait(&req[0], self->q));
    double begin = clock_seconds();
    comm_abort(self->world);
    if (clock_seconds() - begin > CLOSING_S)
        return fail(ST_INVALID, "the abort took %g s", clock_seconds() - begin);
    if (comm_recv(comm, 1 - self->rank, &in[1], self->q, &req[1]) != ST_COMM)
        return fail(ST_INVALID, "a post after an abort: %s", status_message());
    if (comm_drain(self->world, self->q) != ST_COMM)
        return fail(ST_INVALID, "a wait after an abort: %s", status_message());
    if (comm_barrier(self->world) != ST_COMM)
        return fail(ST_INVALID, "a barrier after an abort: %s", status_message());
    return ST_OK;
}

static void posts_are_left(double abort_s)
{
    struct rank_end end[2];
    run_in_time((struct ranks_job){.ranks = 2,
                                   .body = leave_posts,
                                   .arg = &ulysses_of_two,
                                   .timeout_s = UNUSED_TIMEOUT_S,
                                   .faults.abort_s = abort_s},
                end);
    for (int r = 0; r < 2; r++)
        cr_expect_eq(end[r].status, ST_OK, "rank %d: %s", r, end[r].text);
    ranks_close();
}

Test(failures, given_up_with_posts_under_way)
{
    posts_are_left(0);
}

/* ncclCommAbort waits for graphs that are released after it. */
Test(failures, given_up_where_nccl_takes_long)
{
    posts_are_left(60);
}
