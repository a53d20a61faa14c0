/* SPDX-License-Identifier: Apache-2.0 */
/* How ranks end that wait for a peer in the kernel of the NCCL transport, or were refused it: all
 * of them, in time. */
#include "kernels/base/clock.h"
#include "tests/nccl/in_time.h"
#include "tests/nccl/moves.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct mesh_shape ulysses[5] = {[2] = {.n_axes = 1, .name = {"ulysses"}, .size = {2}},
                                             [3] = {.n_axes = 1, .name = {"ulysses"}, .size = {3}},
                                             [4] = {.n_axes = 1, .name = {"ulysses"}, .size = {4}}};
static const struct moves moves = {.n = 3, .lanes = 2, .rows = {2, 3, 1, 4}};

/* As strategies/run.c opens a run. */
static enum status open_all(struct rank *self, struct heads *heads)
{
    enum status st = mesh_open(self->world, &ulysses[self->size], &self->mesh);
    TRY(comm_agree(self->world, st));
    st = heads_open(heads, self, mesh_comm(self->mesh, 0, 0), &moves);
    TRY(comm_agree(self->world, st));
    return heads_fill(heads, 0);
}

static enum status give_up(struct rank *self, enum status st)
{
    char text[RANKS_TEXT];
    snprintf(text, sizeof text, "%s", status_message());
    comm_abort(self->world);
    return fail(st, "%s", text);
}

/* ---- refusals ---- */

static enum status exchange(struct rank *self)
{
    struct heads heads;
    TRY(open_all(self, &heads));
    enum status st = heads_there(&heads);
    if (st == ST_OK)
        st = comm_drain(self->world, self->q);
    return st == ST_OK ? heads_check_there(&heads, 0) : give_up(self, st);
}

/* "lsa" is asked for: whoever knows why says so; the others hear of it, or see that a peer left. */
static void refused(struct fake_faults faults, unsigned who, enum status want, const char *words)
{
    for (int told = 0; told < 2; told++) {
        for (int ranks = 2; ranks <= 4; ranks++) {
            struct rank_end end[4];
            faults.loss_is_told = told;
            run_in_time(
                (struct ranks_job){
                    .ranks = ranks, .exchange = "lsa", .body = exchange, .faults = faults},
                end);
            for (int r = 0; r < ranks; r++) {
                bool knows = (who >> r & 1) != 0;
                enum status st = end[r].status;
                cr_expect(knows ? st == want
                                : st == ST_UNSUPPORTED || st == (told ? ST_COMM : ST_TIMEOUT),
                          "rank %d of %d: %s: %s", r, ranks, status_name(st), end[r].text);
                cr_expect(!knows || strstr(end[r].text, words), "rank %d of %d: %s", r, ranks,
                          end[r].text);
            }
            ranks_close();
        }
    }
}

Test(kernel_failures, of_a_rank_of_another_version)
{
    refused((struct fake_faults){.other_version = 1u << 1}, 1u << 1, ST_UNSUPPORTED, "is loaded");
    refused((struct fake_faults){.other_version = ~0u}, ~0u, ST_UNSUPPORTED, "is loaded");
}

Test(kernel_failures, of_a_rank_that_shares_no_memory)
{
    refused((struct fake_faults){.small_team = 1u << 1}, ~0u, ST_UNSUPPORTED, "share a memory");
    refused((struct fake_faults){.small_team = ~0u}, ~0u, ST_UNSUPPORTED, "share a memory");
}

Test(kernel_failures, of_a_rank_without_a_window)
{
    refused((struct fake_faults){.no_window = 1u << 1}, ~0u, ST_UNSUPPORTED, "window");
    refused((struct fake_faults){.no_window = ~0u}, ~0u, ST_UNSUPPORTED, "window");
}

/* The nth allocation of windows, the first of them that of the meeting. */
Test(kernel_failures, of_memory_for_windows)
{
    static const char *const choice[] = {"auto", "lsa"};
    for (int i = 0; i < 2; i++) {
        for (int nth = 1; nth <= 3; nth++) {
            struct rank_end end[3];
            run_in_time((struct ranks_job){.ranks = 3,
                                           .exchange = choice[i],
                                           .body = exchange,
                                           .faults = {.window_memory = {1, nth}}},
                        end);
            cr_assert(fake_struck());
            for (int r = 0; r < 3; r++) {
                cr_expect_eq(end[r].status, ST_OOM, "rank %d: %s", r, end[r].text);
                cr_expect(strstr(end[r].text, "ncclMemAlloc"), "rank %d: %s", r, end[r].text);
                cr_expect_eq(end[r].left, 0, "rank %d keeps %d objects", r, end[r].left);
            }
            ranks_close();
        }
    }
}

/* ---- peers that are not there ---- */

enum leaving { DIES, GIVES_UP, STAYS_AWAY };

/* What is posted while an exchange is under way; its windows are met for. */
typedef enum status move_after(struct rank *self, struct comm *comm, const struct moves *moves,
                               int *pushes);

/* The last rank leaves after the nth exchange, the first of which registers the windows. */
struct parting {
    enum leaving how;
    int nth;
    move_after *after; /* NULL: another exchange */
};

static void leave(struct rank *self, enum leaving how)
{
    if (how == DIES)
        raise(SIGKILL);
    if (how == GIVES_UP)
        comm_abort(self->world);
    for (int r = 0; r < self->size - 1 && how == STAYS_AWAY; r++)
        ranks_await_end(r);
}

static enum status part(struct rank *self)
{
    const struct parting *parting = self->arg;
    struct heads heads;
    enum status st = ST_OK;
    int pushes = 0;
    TRY(open_all(self, &heads));
    for (int i = 0; i <= parting->nth && st == ST_OK; i++) {
        if (i == parting->nth && self->rank == self->size - 1) {
            leave(self, parting->how);
            return ST_OK;
        }
        st = heads_there(&heads);
        if (st == ST_OK)
            st = heads_back(&heads);
        if (st == ST_OK && (i < parting->nth || !parting->after))
            st = comm_drain(self->world, self->q);
    }
    if (st == ST_OK && parting->after)
        st = parting->after(self, heads.comm, &moves, &pushes);
    return st == ST_OK ? fail(ST_INVALID, "not missed") : give_up(self, st);
}

static void missed(struct parting parting, bool told)
{
    for (int ranks = 2; ranks <= 4; ranks++) {
        struct rank_end end[4];
        run_in_time((struct ranks_job){.ranks = ranks,
                                       .exchange = "auto",
                                       .body = part,
                                       .arg = &parting,
                                       .faults.loss_is_told = told,
                                       .dies = parting.how == DIES,
                                       .dead = ranks - 1},
                    end);
        for (int r = 0; r < ranks - 1; r++)
            cr_expect_eq(end[r].status, told ? ST_COMM : ST_TIMEOUT, "rank %d of %d: %s: %s", r,
                         ranks, status_name(end[r].status), end[r].text);
        ranks_close();
    }
}

Test(kernel_failures, of_a_peer_that_is_killed)
{
    for (int nth = 0; nth < 2; nth++)
        for (int told = 0; told < 2; told++)
            missed((struct parting){DIES, nth, NULL}, told);
}

Test(kernel_failures, of_a_peer_that_gives_up)
{
    for (int nth = 0; nth < 2; nth++)
        for (int told = 0; told < 2; told++)
            missed((struct parting){GIVES_UP, nth, NULL}, told);
}

Test(kernel_failures, of_a_peer_that_never_comes)
{
    missed((struct parting){STAYS_AWAY, 1, NULL}, false);
}

Test(kernel_failures, of_a_peer_that_is_missed_by_a_push_too)
{
    missed((struct parting){DIES, 1, moves_gather}, true);
    missed((struct parting){STAYS_AWAY, 1, moves_gather}, false);
}

Test(kernel_failures, of_a_peer_that_is_missed_by_a_sum_too)
{
    missed((struct parting){DIES, 1, moves_sums}, true);
    missed((struct parting){STAYS_AWAY, 1, moves_sums}, false);
}

/* ---- giving up ---- */

static void *abort_soon(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    comm_abort(((struct rank *)arg)->world);
    return NULL;
}

/* Exchanges that wait for rank 1 leave; nothing can be posted then. */
static enum status leave_exchanges(struct rank *self)
{
    struct heads heads;
    pthread_t thread;
    TRY(open_all(self, &heads));
    TRY(heads_there(&heads));
    TRY(comm_drain(self->world, self->q));
    if (self->rank == 1) {
        ranks_await_end(0);
        return ST_OK;
    }
    TRY(heads_there(&heads));
    TRY(heads_back(&heads));
    BUG_ON(pthread_create(&thread, NULL, abort_soon, self) != 0, "no thread");
    double begin = clock_seconds();
    comm_drain(self->world, self->q);
    double waited = clock_seconds() - begin;
    pthread_join(thread, NULL);
    if (waited > CLOSING_S)
        return fail(ST_INVALID, "the exchanges left after %g s", waited);
    if (heads_there(&heads) != ST_COMM || heads_back(&heads) != ST_COMM)
        return fail(ST_INVALID, "an exchange after an abort: %s", status_message());
    if (comm_drain(self->world, self->q) != ST_COMM)
        return fail(ST_INVALID, "a wait after an abort: %s", status_message());
    return ST_OK;
}

Test(kernel_failures, given_up_with_exchanges_under_way)
{
    struct rank_end end[2];
    run_in_time(
        (struct ranks_job){
            .ranks = 2, .exchange = "lsa", .body = leave_exchanges, .faults.loss_is_told = true},
        end);
    for (int r = 0; r < 2; r++)
        cr_expect_eq(end[r].status, ST_OK, "rank %d: %s", r, end[r].text);
    ranks_close();
}
