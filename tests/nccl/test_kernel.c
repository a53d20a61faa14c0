/* SPDX-License-Identifier: Apache-2.0 */
/* What the NCCL transport moves by one kernel between ranks that all are well, and that it moves
 * the same by messages where some rank can do no better. */
#include "tests/nccl/moves.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

enum { ROUNDS = 3, IN_A_ROW = 9 };
#define TIMEOUT_S 10.0

enum { KINDS = 3, COUNTERS = 2 * FAKE_RANKS };

static const struct fake_faults none;
static const int lanes_of[KINDS] = {1, 2, 3};
static const int rows_of[KINDS][FAKE_RANKS] = {{4, 1, 3, 2}, {0, 5, 2, 1}, {3, 2, 0, 4}};

/* *pushes: those that the transport took. */
typedef enum status move_on_axis(struct rank *self, struct comm *comm, const struct moves *moves,
                                 int *pushes);

/* What a rank is told, and tells. */
struct moving {
    struct mesh_shape shape;
    struct moves moves[2]; /* on each axis */
    move_on_axis *on_axis;
    const char *form;            /* what comm_exchange_form says then */
    int pushes;                  /* that are taken on each axis */
    struct comm_counters *count; /* [ranks][2] shared */
};

/* ---- ranks ---- */

static enum status both_ways(struct rank *self, struct comm *comm, const struct moves *moves,
                             int *pushes)
{
    struct heads heads;
    (void)pushes;
    TRY(comm_agree(self->world, heads_open(&heads, self, comm, moves)));
    for (int round = 0; round < ROUNDS; round++) {
        TRY(heads_fill(&heads, round));
        TRY(heads_there(&heads));
        TRY(comm_drain(self->world, self->q));
        TRY(heads_check_there(&heads, round));
        heads_grow(&heads, 0.25f);
        TRY(heads_back(&heads));
        TRY(comm_drain(self->world, self->q));
        TRY(heads_check_back(&heads, round, 0.25f));
    }
    TRY(heads_fill(&heads, ROUNDS));
    for (int k = 0; k < IN_A_ROW; k++) {
        TRY(heads_there(&heads));
        TRY(heads_back(&heads));
    }
    TRY(comm_drain(self->world, self->q));
    return heads_check_back(&heads, ROUNDS, 0);
}

static enum status move(struct rank *self)
{
    const struct moving *job = self->arg;
    TRY(mesh_open(self->world, &job->shape, &self->mesh));
    for (int a = 0; a < job->shape.n_axes; a++) {
        int pushes = 0;
        TRY(job->on_axis(self, mesh_comm(self->mesh, a, 0), &job->moves[a], &pushes));
        if (pushes != job->pushes)
            return fail(ST_INVALID, "%d pushes, and not %d", pushes, job->pushes);
        job->count[2 * self->rank + a] = *mesh_counters(self->mesh, a);
    }
    const char *form = comm_exchange_form(self->world);
    if (!form != !job->form || (form && strcmp(form, job->form) != 0))
        return fail(ST_INVALID, "the form is %s", form ? form : "messages");
    return ST_OK;
}

/* ---- all of them ---- */

static struct comm_counters *counters(void)
{
    size_t bytes = COUNTERS * sizeof(struct comm_counters);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    return p;
}

static void run(const char *exchange, struct fake_faults faults, const struct moving *moving)
{
    struct rank_end end[FAKE_RANKS];
    const struct ranks_job job = {.ranks = mesh_ranks(&moving->shape),
                                  .timeout_s = TIMEOUT_S,
                                  .exchange = exchange,
                                  .body = move,
                                  .arg = moving,
                                  .faults = faults};
    ranks_run(&job, end);
    cr_assert_null(fake_complaint(), "%s", fake_complaint());
    for (int r = 0; r < job.ranks; r++) {
        cr_assert(end[r].ended, "%s, rank %d of %d did not end: signal %d", exchange, r, job.ranks,
                  end[r].signal);
        cr_assert_eq(end[r].status, ST_OK, "%s, rank %d of %d: %s", exchange, r, job.ranks,
                     end[r].text);
        cr_assert_eq(end[r].left, 0, "%s, rank %d of %d keeps %d objects", exchange, r, job.ranks,
                     end[r].left);
    }
    ranks_close();
}

/* By messages, by the kernel, and by what is best; the same bytes are counted. */
static void check(struct moving moving, int pushes)
{
    static const char *const by_kernel[] = {"lsa", "auto"};
    size_t bytes = COUNTERS * sizeof *moving.count;
    struct moving messages = moving;
    uint64_t sent = 0;
    messages.count = counters();
    run("nccl", none, &messages);
    for (int i = 0; i < COUNTERS; i++)
        for (int op = 0; op < COMM_OPS; op++)
            sent += messages.count[i].count[op][COMM_ONCE].wire_bytes;
    cr_assert_gt(sent, 0);
    for (int i = 0; i < 2; i++) {
        moving.form = "lsa";
        moving.pushes = pushes;
        moving.count = counters();
        run(by_kernel[i], none, &moving);
        cr_assert_eq(memcmp(moving.count, messages.count, bytes), 0, "other bytes are counted");
        munmap(moving.count, bytes);
    }
    munmap(messages.count, bytes);
}

static struct moving one_axis(int ranks, int kind, move_on_axis *on_axis)
{
    struct moving moving = {.shape = {.n_axes = 1, .name = {"ulysses"}, .size = {ranks}},
                            .on_axis = on_axis};
    moving.moves[0].n = kind == 1 ? 1 : 3;
    moving.moves[0].lanes = lanes_of[(ranks + kind) % 3];
    memcpy(moving.moves[0].rows, rows_of[kind], sizeof rows_of[kind]);
    return moving;
}

/* Of 2 to 4 ranks, with so many pushes, and so many more for each peer. */
static void check_one_axis(move_on_axis *on_axis, int pushes, int for_each)
{
    for (int ranks = 2; ranks <= 4; ranks++)
        for (int kind = 0; kind < KINDS; kind++)
            check(one_axis(ranks, kind, on_axis), pushes + for_each * (ranks - 1));
}

Test(kernel, exchanges_heads)
{
    check_one_axis(both_ways, 0, 0);
}

Test(kernel, pushes_to_the_next_rank)
{
    check_one_axis(moves_ring, 0, 1);
}

Test(kernel, pushes_to_all_ranks)
{
    check_one_axis(moves_gather, 1, 0);
}

Test(kernel, sums)
{
    check_one_axis(moves_sums, 3, 0);
}

static struct moving two_axes(move_on_axis *on_axis)
{
    return (struct moving){
        .shape = {.n_axes = 2, .name = {"ring", "ulysses"}, .size = {2, 2}},
        .moves = {{.n = 1, .lanes = 2, .rows = {3, 2}}, {.n = 3, .lanes = 1, .rows = {1, 4}}},
        .on_axis = on_axis};
}

/* The ranks of a communicator are not those of the world. */
Test(kernel, moves_on_two_axes)
{
    check(two_axes(both_ways), 0);
    check(two_axes(moves_ring), 1);
    check(two_axes(moves_gather), 1);
    check(two_axes(moves_sums), 3);
}

/* Windows that are made when the first ones are in use. */
static enum status one_after_another(struct rank *self, struct comm *comm,
                                     const struct moves *moves, int *pushes)
{
    TRY(both_ways(self, comm, moves, pushes));
    TRY(moves_gather(self, comm, moves, pushes));
    TRY(moves_sums(self, comm, moves, pushes));
    TRY(moves_ring(self, comm, moves, pushes));
    return moves_gather(self, comm, moves, pushes);
}

Test(kernel, uses_windows_that_come_later)
{
    for (int ranks = 2; ranks <= 4; ranks++)
        check(one_axis(ranks, 1, one_after_another), ranks + 4);
}

/* ---- where some rank cannot ---- */

/* Everything arrives by messages, on all ranks, whatever comes first. */
static void check_messages(struct fake_faults faults)
{
    static move_on_axis *const first[] = {one_after_another, moves_sums};
    for (int ranks = 2; ranks <= 4; ranks++) {
        for (int i = 0; i < 2; i++) {
            struct moving moving = one_axis(ranks, 0, first[i]);
            moving.count = counters();
            run("auto", faults, &moving);
            munmap(moving.count, COUNTERS * sizeof *moving.count);
        }
    }
}

static const unsigned one_or_all[] = {1u << 0, 1u << 1, ~0u};

Test(kernel, is_not_used_beside_another_version)
{
    for (int i = 0; i < 3; i++)
        check_messages((struct fake_faults){.other_version = one_or_all[i]});
}

Test(kernel, is_not_used_where_ranks_share_no_memory)
{
    for (int i = 0; i < 3; i++)
        check_messages((struct fake_faults){.small_team = one_or_all[i]});
}

Test(kernel, is_not_used_without_a_window)
{
    for (int i = 0; i < 3; i++)
        check_messages((struct fake_faults){.no_window = one_or_all[i]});
}
