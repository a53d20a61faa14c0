/* SPDX-License-Identifier: Apache-2.0 */
/* What the fakes promise to the other tests here: a message waits for its receive, and one that
 * meets another is complained of. */
#include "tests/nccl/ranks.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct mesh_shape pair = {.n_axes = 1, .name = {"pair"}, .size = {2}};

/* Floats from rank 0 to rank 1, which takes some of them, or none. */
static enum status send_four(struct rank *self)
{
    static float data[4];
    const int *taken = self->arg;
    int64_t count = self->rank == 0 ? 4 : *taken;
    struct comm_req req = {0};
    TRY(mesh_open(self->world, &pair, &self->mesh));
    struct comm *comm = mesh_comm(self->mesh, 0, 0);
    struct tensor t = tensor_of(data, self->dev, DTYPE_F32, 1, &count);
    if (self->rank == 0)
        TRY(comm_send(comm, 1, &t, self->q, &req));
    else
        TRY(comm_recv(comm, 0, &t, self->q, &req));
    TRY(comm_wait(&req, self->q));
    enum status st = comm_drain(self->world, self->q);
    if (st != ST_OK)
        comm_abort(self->world);
    else if (self->rank == 1)
        ranks_await_end(0);
    return st;
}

static void run(int taken, struct rank_end *end)
{
    const struct ranks_job job = {.ranks = 2, .timeout_s = 0.5, .body = send_four, .arg = &taken};
    ranks_run(&job, end);
}

Test(fake, complains_of_sizes_that_differ)
{
    struct rank_end end[2];
    run(3, end);
    cr_assert_not_null(fake_complaint());
    cr_assert(strstr(fake_complaint(), "a message of 16 bytes meets rank 1's receive of a message "
                                       "of 12"),
              "%s", fake_complaint());
    ranks_close();
}

/* comm.h posts no message without elements. */
Test(fake, keeps_a_message_until_its_receive)
{
    struct rank_end end[2];
    run(0, end);
    cr_assert_null(fake_complaint(), "%s", fake_complaint());
    cr_assert_eq(end[0].status, ST_TIMEOUT, "%s", end[0].text);
    cr_assert_eq(end[1].status, ST_OK, "%s", end[1].text);
    ranks_close();
}
