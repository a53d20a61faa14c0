/* SPDX-License-Identifier: Apache-2.0 */
/* The front end: names, the list of transports, trace ranges, broken calls. What moves is in the
 * conformance suite. */
#include "kernels/backend.h"
#include "kernels/base/trace.h"
#include "kernels/comm/mesh.h"
#include "kernels/comm/rendezvous.h"
#include "tests/support/ranges.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

Test(comm, names)
{
    cr_assert_str_eq(comm_op_name(COMM_ALL_TO_ALL), "all_to_all");
    cr_assert_str_eq(comm_op_name(COMM_ALL_REDUCE), "all_reduce");
    cr_assert_str_eq(comm_op_name(COMM_ALL_GATHER), "all_gather");
    cr_assert_str_eq(comm_op_name(COMM_SEND), "send");
    cr_assert_str_eq(comm_when_name(COMM_WARMUP_STEP), "warmup_step");
    cr_assert_str_eq(comm_when_name(COMM_STEP), "step");
    cr_assert_str_eq(comm_when_name(COMM_LAST_STEP), "last_step");
    cr_assert_str_eq(comm_when_name(COMM_ONCE), "once");
}

Test(comm, transports_have_unique_names_and_mandatory_slots)
{
    cr_assert_null(comm_ops_find("carrier pigeon"));
    cr_assert_null(comm_ops_at(-1));
    cr_assert_not_null(comm_ops_find("local"));
    for (int i = 0; comm_ops_at(i); i++) {
        const struct comm_ops *ops = comm_ops_at(i);
        cr_assert_eq(comm_ops_find(ops->name), ops, "%s is not unique", ops->name);
        cr_assert(ops->summary && ops->open && ops->split && ops->close);
        cr_assert(ops->send && ops->recv && ops->wait && ops->host_gather && ops->abort);
    }
}

/* A world of this one thread on a CPU device. */
struct single {
    struct local_world *where;
    struct device *dev;
    struct queue *q;
    struct comm *world;
};

static void single_open_over(struct single *s, const struct comm_ops *ops)
{
    const struct device_options options = {.threads = 1};
    cr_assert_eq(local_world_open(1, &s->where), ST_OK);
    const struct rendezvous where = {.size = 1, .local = s->where};
    cr_assert_eq(device_open(backend_find("cpu"), &options, &s->dev), ST_OK);
    cr_assert_eq(queue_open(s->dev, &s->q), ST_OK);
    cr_assert_eq(comm_open(ops, &where, s->dev, &s->world), ST_OK);
}

static void single_open(struct single *s)
{
    single_open_over(s, comm_ops_find("local"));
}

static void single_close(struct single *s)
{
    comm_close(s->world);
    queue_close(s->q);
    device_close(s->dev);
    local_world_close(s->where);
}

static struct tensor vector_of(struct single *s, float *data, int64_t count)
{
    return tensor_of(data, s->dev, DTYPE_F32, 1, &count);
}

static char log_of_ranges[1024];

static void log_push(void *self, const struct trace_range *range)
{
    (void)self;
    if (range->axis)
        strcat(strcat(log_of_ranges, range->axis), ".");
    strcat(strcat(log_of_ranges, range->name), "(");
}

static void log_pop(void *self)
{
    (void)self;
    strcat(log_of_ranges, ")");
}

Test(comm, trace_ranges_carry_the_axis)
{
    struct trace_sink sink = {.push = log_push, .pop = log_pop};
    struct single s;
    float out[2] = {1, 2};
    float in[2];
    struct comm_req req = {0};
    struct comm *axis;
    single_open(&s);
    struct tensor from = vector_of(&s, out, 2);
    struct tensor to = vector_of(&s, in, 2);
    cr_assert_eq(comm_split(s.world, 0, 0, "axis", COMM_AT_ONCE, NULL, &axis), ST_OK);
    trace_add(&sink);
    comm_send(axis, 0, &from, s.q, &req);
    comm_recv(axis, 0, &to, s.q, &req);
    comm_wait(&req, s.q);
    comm_wait(&req, s.q);
    trace_remove(&sink);
    cr_assert(strstr(log_of_ranges, "axis.send()axis.recv(") == log_of_ranges, "%s", log_of_ranges);
    cr_assert(strstr(log_of_ranges, ")axis.wait()"), "%s", log_of_ranges);
    cr_assert_eq(in[1], 2.0f);
    comm_close(axis);
    single_close(&s);
}

static enum comm_use uses[8];
static int n_uses;

static enum status split_and_tell(void *comm, int color, int key, enum comm_use use, void **out,
                                  int *rank, int *size)
{
    uses[n_uses++] = use;
    return comm_ops_find("local")->split(comm, color, key, use, out, rank, size);
}

Test(comm, the_transport_hears_how_an_axis_is_used)
{
    const enum comm_use want[] = {COMM_AT_ONCE, COMM_AHEAD, COMM_AHEAD, COMM_AT_ONCE};
    const struct mesh_shape shape = {.n_axes = 3,
                                     .name = {"a", "b", "c"},
                                     .size = {1, 1, 1},
                                     .channels = {1, 2, 0},
                                     .use = {[1] = COMM_AHEAD}};
    struct comm_ops telling = *comm_ops_find("local");
    struct single s;
    struct mesh *mesh;
    telling.split = split_and_tell;
    single_open_over(&s, &telling);
    cr_assert_eq(mesh_open(s.world, &shape, &mesh), ST_OK);
    cr_assert_eq(n_uses, 4);
    cr_assert_arr_eq(uses, want, sizeof want);
    mesh_close(mesh);
    single_close(&s);
}

Test(comm, an_idle_request_is_done)
{
    struct comm_req req = {0};
    cr_assert_eq(comm_wait(&req, NULL), ST_OK);
    comm_close(NULL);
}

/* Bugs of the caller end the program. */
Test(comm, a_request_of_two_communicators_is_a_bug, .signal = SIGABRT)
{
    struct single s;
    float x = 0;
    struct comm_req req = {0};
    struct comm *other;
    single_open(&s);
    struct tensor t = vector_of(&s, &x, 1);
    cr_assert_eq(comm_split(s.world, 0, 0, "other", COMM_AT_ONCE, NULL, &other), ST_OK);
    comm_send(s.world, 0, &t, s.q, &req);
    comm_send(other, 0, &t, s.q, &req);
}

Test(comm, a_tensor_with_gaps_is_a_bug, .signal = SIGABRT)
{
    struct single s;
    float x[4] = {0};
    const int64_t dim[2] = {2, 2};
    struct comm_req req = {0};
    single_open(&s);
    struct tensor t = tensor_of(x, s.dev, DTYPE_F32, 2, dim);
    struct tensor column = tensor_slice(&t, 1, 0, 1);
    comm_send(s.world, 0, &column, s.q, &req);
}

Test(comm, messages_of_two_sizes_are_a_bug, .signal = SIGABRT)
{
    struct single s;
    float x[4] = {0};
    struct comm_req req = {0};
    single_open(&s);
    struct tensor three = vector_of(&s, x, 3);
    struct tensor four = vector_of(&s, x, 4);
    comm_send(s.world, 0, &three, s.q, &req);
    comm_recv(s.world, 0, &four, s.q, &req);
}

static int groups[2]; /* begun, ended */

static enum status count_group(void *comm, bool begin)
{
    (void)comm;
    groups[begin ? 0 : 1]++;
    return ST_OK;
}

/* The outermost group counts, and its end is a range, for what it hands over is given there. */
Test(comm, the_end_of_a_group_is_a_range_where_the_transport_has_groups)
{
    struct single s;
    struct ranges ranges = {.n = 0};
    struct comm_ops ops = *comm_ops_find("local");
    for (int with = 0; with < 2; with++) {
        ops.group = with ? count_group : NULL;
        single_open_over(&s, &ops);
        ranges_begin(&ranges);
        for (int depth = 0; depth < 2; depth++)
            cr_assert_eq(comm_group_begin(s.world), ST_OK);
        for (int depth = 0; depth < 2; depth++)
            cr_assert_eq(comm_group_end(s.world), ST_OK);
        ranges_end(&ranges);
        cr_expect(groups[0] == with && groups[1] == with, "%d, %d", groups[0], groups[1]);
        cr_expect_eq(ranges_count(&ranges, TRACE_GROUP, "group"), with);
        cr_expect_eq(ranges.n, with);
        ranges_release(&ranges);
        single_close(&s);
    }
}

Test(comm, no_mpi_without_mpirun)
{
    struct rendezvous where;
    bool under = true;
    int argc = 0;
    char **argv = NULL;
    unsetenv("OMPI_COMM_WORLD_SIZE");
    unsetenv("PMI_RANK");
    setenv("SLURM_PROCID", "0", 1); // a batch script's, which runs programs outside of any step
    unsetenv("SLURM_STEP_ID");
    cr_assert_eq(rendezvous_mpi(&argc, &argv, &under, &where), ST_OK);
    cr_assert(!under);
    cr_assert_eq(where.size, 1);
    rendezvous_finish();
}
