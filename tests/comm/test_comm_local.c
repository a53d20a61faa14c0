/* SPDX-License-Identifier: Apache-2.0 */
/* The local transport: conformance on CPU devices and on devices that run behind the host, and its
 * failures. */
#include "kernels/base/clock.h"
#include "kernels/comm/rendezvous.h"
#include "kernels/op.h"
#include "tests/comm/conformance.h"
#include "tests/comm/slow_device.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { LARGEST = 8 };

/* ---- conformance ---- */

static enum status on_cpu(struct thread_rank *self)
{
    uint64_t digest;
    return conformance_run(self->arg, self->world, self->queue, &digest);
}

/* The communicator goes before the device, whose events it has. */
static enum status on_slow_device(struct thread_rank *self)
{
    const struct device_options options = {.threads = 1};
    struct device *dev;
    struct queue *q;
    struct comm *all;
    uint64_t digest;
    TRY(device_open(slow_device_ops(), &options, &dev));
    TRY(queue_open(dev, &q));
    TRY(comm_split(self->world, 0, self->rank, "all", COMM_AT_ONCE, NULL, &all));
    enum status st = conformance_run(self->arg, all, q, &digest);
    comm_close(all);
    queue_close(q);
    device_close(dev);
    return st;
}

static void run_at_all_sizes(int index, threads_fn *fn, int step)
{
    const struct conformance_case *test = conformance_at(index);
    for (int n = 1; n <= LARGEST; n += step) {
        enum status st = threads_run(n, fn, (void *)test);
        cr_assert_eq(st, ST_OK, "%s on %d ranks: %s: %s", test->name, n, status_name(st),
                     status_message());
    }
}

static struct criterion_test_params all_cases(void)
{
    static int index[64];
    int n = 0;
    while (conformance_at(n)) {
        index[n] = n;
        n++;
    }
    return cr_make_param_array(int, index, (size_t)n);
}

ParameterizedTestParameters(comm_local, conformance)
{
    return all_cases();
}

ParameterizedTest(int *index, comm_local, conformance)
{
    run_at_all_sizes(*index, on_cpu, 1);
}

ParameterizedTestParameters(comm_local, conformance_behind_the_host)
{
    return all_cases();
}

ParameterizedTest(int *index, comm_local, conformance_behind_the_host)
{
    run_at_all_sizes(*index, on_slow_device, 2);
}

/* ---- failures ---- */

struct scene {
    struct threads_result result;
    double begin;
    pthread_barrier_t barrier;
};

static enum status vector(struct thread_rank *self, int64_t count, struct arena **arena,
                          struct tensor *out)
{
    TRY(arena_open(self->dev, ARENA_BUFFERS, arena));
    return arena_tensor(*arena, DTYPE_F32, 1, &count, out);
}

/* Rank 0 receives from rank 1, which does `nothing`, on a communicator called pipe. */
static enum status wait_in_vain(struct thread_rank *self, bool sends)
{
    struct arena *arena;
    struct tensor t;
    struct comm *pipe;
    struct comm_req req = {0};
    TRY(vector(self, 100, &arena, &t));
    TRY(comm_split(self->world, 0, self->rank, "pipe", COMM_AT_ONCE, NULL, &pipe));
    enum status st = ST_OK;
    for (int i = 0; i < 5 && self->rank == 0 && st == ST_OK; i++)
        st = sends ? comm_send(pipe, 1, &t, self->queue, &req)
                   : comm_recv(pipe, 1, &t, self->queue, &req);
    if (st == ST_OK)
        st = comm_wait(&req, self->queue);
    comm_close(pipe);
    arena_close(arena);
    return st;
}

static enum status receive_in_vain(struct thread_rank *self)
{
    return wait_in_vain(self, false);
}

static enum status send_in_vain(struct thread_rank *self)
{
    return wait_in_vain(self, true);
}

static void expect_timeout(threads_fn *fn, const char *text)
{
    struct scene scene;
    double begin = clock_seconds();
    enum status st = threads_run_within(3, 0.2, fn, NULL, &scene.result);
    double took = clock_seconds() - begin;
    cr_assert_eq(st, ST_TIMEOUT, "%s", status_message());
    cr_assert(took > 0.2 && took < 2, "took %g s", took);
    cr_assert(strstr(scene.result.message[0], text), "%s", scene.result.message[0]);
}

/* The message names communicator, rank and peer; five posts cost one timeout and not five. */
Test(comm_local, a_receive_that_nobody_sends_times_out)
{
    expect_timeout(receive_in_vain,
                   "communicator pipe, rank 0 of 3: the message from rank 1 did not come about");
}

Test(comm_local, a_send_that_nobody_receives_times_out)
{
    expect_timeout(send_in_vain,
                   "communicator pipe, rank 0 of 3: the message to rank 1 did not come about");
}

static enum status all_but_one_meet(struct thread_rank *self)
{
    return self->rank == 2 ? ST_OK : comm_barrier(self->world);
}

Test(comm_local, a_barrier_that_a_rank_never_reaches_times_out)
{
    struct threads_result result;
    enum status st = threads_run_within(3, 0.2, all_but_one_meet, NULL, &result);
    cr_assert_eq(st, ST_TIMEOUT, "%s", status_message());
    cr_assert(strstr(status_message(), "communicator world"), "%s", status_message());
    cr_assert(strstr(status_message(), "of 3 ranks met within 0.2 s"), "%s", status_message());
}

/* Rank 0 waits for a message, rank 1 in a barrier, rank 3 has a send nobody takes; then rank 2
 * gives up. */
static enum status one_gives_up(struct thread_rank *self)
{
    struct arena *arena;
    struct tensor t;
    struct comm_req req = {0};
    TRY(vector(self, 100, &arena, &t));
    enum status st = ST_OK;
    if (self->rank == 0) {
        TRY(comm_recv(self->world, 2, &t, self->queue, &req));
        st = comm_wait(&req, self->queue);
    } else if (self->rank == 1) {
        st = comm_barrier(self->world);
    } else if (self->rank == 2) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        st = fail(ST_OOM, "out of memory on purpose");
    } else {
        TRY(comm_send(self->world, 0, &t, self->queue, &req));
        st = comm_wait(&req, self->queue);
    }
    arena_close(arena);
    return st;
}

Test(comm_local, abort_wakes_every_wait)
{
    struct threads_result result;
    double begin = clock_seconds();
    enum status st = threads_run_within(4, 0, one_gives_up, NULL, &result);
    double took = clock_seconds() - begin;
    cr_assert_eq(st, ST_OOM, "%s", status_message());
    cr_assert(strstr(status_message(), "rank 2: out of memory on purpose"));
    cr_assert_eq(result.status[0], ST_COMM);
    cr_assert_eq(result.status[1], ST_COMM);
    cr_assert_eq(result.status[3], ST_COMM);
    cr_assert(strstr(result.message[0], "rank 0 of 4: a rank gave up"), "%s", result.message[0]);
    cr_assert(strstr(result.message[3], "the message to rank 0"), "%s", result.message[3]);
    cr_assert(took < 2, "took %g s", took);
}

/* After an abort nothing is posted any more, nor on a communicator that is split off later. */
static enum status post_after_abort(struct thread_rank *self)
{
    struct arena *arena;
    struct tensor t;
    struct comm_req req = {0};
    TRY(vector(self, 100, &arena, &t));
    comm_abort(self->world);
    enum status st = comm_send(self->world, 0, &t, self->queue, &req);
    arena_close(arena);
    TRY(expect(st == ST_COMM, "a post after the abort: %s", status_name(st)));
    TRY(expect(strstr(status_message(), "world.send, rank ") != NULL, "%s", status_message()));
    struct comm *part;
    st = comm_split(self->world, 0, 0, "part", COMM_AT_ONCE, NULL, &part);
    return expect(st == ST_COMM, "a split after the abort: %s", status_name(st));
}

/* Whoever gave up says why, though nobody can be asked any more. */
static enum status agree_after_abort(struct thread_rank *self)
{
    bool gave_up = self->rank == 1;
    if (gave_up)
        comm_abort(self->world);
    enum status mine = gave_up ? fail(ST_OOM, "no memory for a link") : ST_OK;
    enum status st = comm_agree(self->world, mine);
    enum status want = gave_up ? ST_OOM : ST_COMM;
    bool told = !gave_up || strcmp(status_message(), "no memory for a link") == 0;
    return expect(st == want && told, "rank %d: %s: %s", self->rank, status_name(st),
                  status_message());
}

Test(comm_local, a_rank_that_gave_up_agrees_on_its_own_failure)
{
    cr_assert_eq(threads_run(3, agree_after_abort, NULL), ST_OK, "%s", status_message());
}

Test(comm_local, nothing_is_posted_after_an_abort)
{
    cr_assert_eq(threads_run(3, post_after_abort, NULL), ST_OK, "%s", status_message());
}

/*
 * A rank that fails leaves posts behind, closes, and frees their memory: its peer, which posts to
 * the same communicator afterwards, must not touch it (the address sanitizer looks) and must time
 * out.
 */
static enum status leave_posts_behind(struct thread_rank *self)
{
    struct scene *scene = self->arg;
    struct arena *arena;
    struct tensor t;
    struct comm *pipe;
    struct comm_req req = {0};
    TRY(vector(self, 100000, &arena, &t));
    TRY(comm_split(self->world, 0, self->rank, "pipe", COMM_AT_ONCE, NULL, &pipe));
    if (self->rank == 0) {
        for (int i = 0; i < 3; i++)
            TRY(comm_send(pipe, 1, &t, self->queue, &req));
        comm_close(pipe);
        arena_close(arena);
        pthread_barrier_wait(&scene->barrier);
        return ST_OK;
    }
    pthread_barrier_wait(&scene->barrier);
    TRY(comm_recv(pipe, 0, &t, self->queue, &req));
    enum status st = comm_wait(&req, self->queue);
    comm_close(pipe);
    arena_close(arena);
    return expect(st == ST_TIMEOUT, "the message of a rank that left: %s", status_name(st));
}

Test(comm_local, posts_of_a_rank_that_left_are_gone)
{
    struct scene scene;
    pthread_barrier_init(&scene.barrier, NULL, 2);
    enum status st = threads_run_within(2, 0.2, leave_posts_behind, &scene, NULL);
    cr_assert_eq(st, ST_OK, "%s", status_message());
}

/* Closing waits for the partner of a message that this rank copied. */
static enum status close_early(struct thread_rank *self)
{
    struct arena *arena;
    struct tensor t;
    struct comm *pipe;
    struct comm_req req = {0};
    TRY(vector(self, 1000, &arena, &t));
    conformance_write(&t, self->rank, 0);
    TRY(comm_split(self->world, 0, self->rank, "pipe", COMM_AT_ONCE, NULL, &pipe));
    if (self->rank == 0)
        TRY(comm_recv(pipe, 1, &t, self->queue, &req));
    TRY(comm_barrier(self->world));
    if (self->rank == 1)
        TRY(comm_send(pipe, 0, &t, self->queue, &req)); // copies
    else
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    TRY(comm_wait(&req, self->queue));
    comm_close(pipe);
    enum status st = expect(((float *)t.data)[999] == conformance_value(1, 0, 999), "the message");
    arena_close(arena);
    return st;
}

Test(comm_local, closing_waits_for_partners)
{
    cr_assert_eq(threads_run(2, close_early, NULL), ST_OK, "%s", status_message());
}

/*
 * A rank that fails closes with a message under way, which its partner copies on a queue that lags:
 * once comm_close is back nothing writes to the memory any more.
 */
static enum status close_under_a_copy(struct thread_rank *self)
{
    enum { BACKLOG = 100, COUNT = 1000 };
    const struct device_options options = {.threads = 1};
    struct scene *scene = self->arg;
    struct device *dev;
    struct queue *q;
    struct comm *pipe;
    struct comm_req req = {0};
    static float memory[2][COUNT], scratch[2]; // of each rank
    TRY(device_open(slow_device_ops(), &options, &dev));
    TRY(queue_open(dev, &q));
    TRY(comm_split(self->world, 0, self->rank, "pipe", COMM_AT_ONCE, NULL, &pipe));
    const int64_t count = COUNT, one = 1;
    struct tensor t = tensor_of(memory[self->rank], dev, DTYPE_F32, 1, &count);
    struct tensor from = tensor_of(&scratch[0], dev, DTYPE_F32, 1, &one), to = from;
    to.data = &scratch[1];
    if (self->rank == 0)
        TRY(comm_recv(pipe, 1, &t, q, &req));
    pthread_barrier_wait(&scene->barrier);
    for (int i = 0; i < BACKLOG && self->rank == 1; i++)
        TRY(op_copy(q, &to, &from));
    if (self->rank == 1)
        TRY(comm_send(pipe, 0, &t, q, &req)); // copies
    pthread_barrier_wait(&scene->barrier);
    if (self->rank == 1)
        TRY(comm_wait(&req, q));
    comm_close(pipe);
    for (int i = 0; i < COUNT && self->rank == 0; i++)
        memory[0][i] = 7; // somebody else's by now
    queue_close(q);
    pthread_barrier_wait(&scene->barrier);
    enum status st = expect(self->rank == 1 || memory[0][COUNT - 1] == 7, "it was written to");
    device_close(dev);
    return st;
}

Test(comm_local, closing_waits_for_copies_of_others)
{
    struct scene scene;
    pthread_barrier_init(&scene.barrier, NULL, 2);
    enum status st = threads_run(2, close_under_a_copy, &scene);
    cr_assert_eq(st, ST_OK, "%s", status_message());
}

Test(comm_local, needs_a_world)
{
    const struct rendezvous where = {.size = 1};
    struct comm *world;
    cr_assert_eq(comm_open(comm_ops_find("local"), &where, NULL, &world), ST_INVALID);
    cr_assert(strstr(status_message(), "transport local: "), "%s", status_message());
}

/* Two worlds in one process know nothing of each other's abort. */
Test(comm_local, worlds_are_apart)
{
    struct local_world *one;
    struct local_world *two;
    struct comm *a;
    struct comm *b;
    cr_assert_eq(local_world_open(1, &one), ST_OK);
    cr_assert_eq(local_world_open(1, &two), ST_OK);
    const struct rendezvous at_one = {.size = 1, .local = one};
    const struct rendezvous at_two = {.size = 1, .local = two};
    cr_assert_eq(comm_open(comm_ops_find("local"), &at_one, NULL, &a), ST_OK);
    cr_assert_eq(comm_open(comm_ops_find("local"), &at_two, NULL, &b), ST_OK);
    comm_abort(a);
    cr_assert_eq(comm_barrier(a), ST_COMM);
    cr_assert_eq(comm_barrier(b), ST_OK);
    comm_close(a);
    comm_close(b);
    local_world_close(one);
    local_world_close(two);
}
