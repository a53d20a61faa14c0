/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a loop: the results of all ranks, and from there the images. */
#include "strategies/run_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- on the host ---- */

struct scatter {
    struct run_block block;
    const float *from;
    float *out;
    size_t image; /* elements */
    bool branches;
};

/* One rank's block [grids, n, features] into the images. */
static void scatter_block(struct scatter *s, const int *coord)
{
    const struct plan *plan = s->block.plan;
    struct latent_geometry *g = &s->block.geometry;
    int begin;
    int requests = plan_requests(plan, coord, &begin);
    int branches = s->branches && plan->branch_axis < 0 ? problem_branches(&plan->problem) : 1;
    int first = s->branches && plan->branch_axis >= 0 ? coord[plan->branch_axis] : 0;
    int64_t rows = (int64_t)plan_rows(plan, TOKENS_IMAGE, PLAN_OWN, coord, PATCH_ALL) *
                   problem_result_features(&plan->problem, s->block.channels);
    s->block.coord = coord;
    for (int b = 0; b < branches; b++)
        for (int r = 0; r < requests; r++) {
            size_t row = (size_t)(first + b) * (size_t)plan->problem.requests + (size_t)(begin + r);
            for (g->frame = 0; g->frame < g->frames; g->frame++, s->from += rows)
                plan->problem.kind->place(&s->block, s->from, s->out + row * s->image);
        }
}

static void scatter_over(struct scatter *s, int *coord, int axis)
{
    const struct plan *plan = s->block.plan;
    if (axis == plan->mesh.n_axes) {
        scatter_block(s, coord);
        return;
    }
    if (!plan_gathers(plan, axis, s->branches)) {
        scatter_over(s, coord, axis + 1);
        return;
    }
    int own = coord[axis];
    for (coord[axis] = 0; coord[axis] < plan->mesh.size[axis]; coord[axis]++)
        scatter_over(s, coord, axis + 1);
    coord[axis] = own;
}

/* Elements of an image of so many channels. */
static size_t image_size(const struct problem *p, int channels)
{
    int64_t dim[5];
    size_t count = (size_t)channels;
    for (int n = problem_result_dims(p, dim); n > 2; n--)
        count *= (size_t)dim[n - 1];
    return count;
}

static void scatter(const struct run *run, const float *from, bool branches, int channels,
                    float *out)
{
    const struct plan *plan = &run->plan;
    int coord[MESH_MAX_AXES];
    struct scatter s = {
        .block = {.plan = plan, .geometry = problem_geometry(&plan->problem), .channels = channels},
        .from = from,
        .out = out,
        .image = image_size(&plan->problem, channels),
        .branches = branches,
    };
    memcpy(coord, plan->coord, sizeof coord);
    scatter_over(&s, coord, 0);
}

/* ---- between ranks ---- */

enum status gather_open(struct run *run, bool branches, int channels)
{
    const struct plan *plan = &run->plan;
    int most = 1;
    for (int a = 0; a < plan->mesh.n_axes; a++)
        most = plan->mesh.size[a] > most ? plan->mesh.size[a] : most;
    TRY(arena_host(run->arena[ARENA_ACTIVATIONS], (size_t)most * sizeof *run->gather_part,
                   (void **)&run->gather_part));
    int64_t whole = plan_gather_rows(plan, plan->coord, 0, branches) *
                    problem_result_features(&plan->problem, channels);
    return arena_tensor(run->arena[ARENA_BUFFERS], DTYPE_F32, 1, &whole, &run->whole);
}

/* begin [axes + 1]: where my region of `whole` begins when axes >= a are gathered. */
static void find_begins(const struct plan *plan, bool branches, int features, int64_t *begin)
{
    int at[MESH_MAX_AXES];
    memcpy(at, plan->coord, sizeof at);
    begin[0] = 0;
    for (int a = 0; a < plan->mesh.n_axes; a++) {
        begin[a + 1] = begin[a];
        for (at[a] = 0; at[a] < plan->coord[a] && plan_gathers(plan, a, branches); at[a]++)
            begin[a + 1] += plan_gather_rows(plan, at, a + 1, branches) * features;
        at[a] = plan->coord[a];
    }
}

struct tensor gather_own(const struct run *run, bool branches, int features, int64_t count)
{
    int64_t begin[MESH_MAX_AXES + 1];
    find_begins(&run->plan, branches, features, begin);
    return tensor_slice(&run->whole, 0, begin[run->plan.mesh.n_axes], count);
}

/* All-gathers over the splitting axes, from the inside out, in place in run->whole: before the
 * gather over an axis my region holds the blocks of all inner coordinates. */
static enum status gather_axes(struct run *run, const struct tensor *mine, bool branches,
                               int features)
{
    const struct plan *plan = &run->plan;
    int64_t begin[MESH_MAX_AXES + 1];
    int at[MESH_MAX_AXES];
    find_begins(plan, branches, features, begin);
    memcpy(at, plan->coord, sizeof at);
    struct tensor own = gather_own(run, branches, features, tensor_count(mine));
    struct tensor to = tensor_reshape(&own, mine->ndim, mine->dim);
    if (to.data != mine->data)
        TRY(op_copy(run->q, &to, mine));
    for (int a = plan->mesh.n_axes - 1; a >= 0; a--) {
        if (!plan_gathers(plan, a, branches) || plan->mesh.size[a] == 1)
            continue;
        struct tensor *part = run->gather_part;
        struct comm_req req = {0};
        int64_t offset = begin[a];
        for (at[a] = 0; at[a] < plan->mesh.size[a]; at[a]++) {
            int64_t count = plan_gather_rows(plan, at, a + 1, branches) * features;
            part[at[a]] = tensor_slice(&run->whole, 0, offset, count);
            offset += count;
        }
        at[a] = plan->coord[a];
        TRY(comm_all_gather(run_comm(run, a, 0), &part[plan->coord[a]], part, run->q, &req));
        TRY(comm_wait(&req, run->q));
    }
    return ST_OK;
}

enum status gather_images(struct run *run, const struct tensor *mine, bool branches, int channels,
                          float *out)
{
    const struct plan *plan = &run->plan;
    int features = problem_result_features(&plan->problem, channels);
    mesh_set_when(run->mesh, COMM_ONCE);
    if (!plan->shard.head)
        return ST_OK;
    TRY(TRACED("gather", gather_axes(run, mine, branches, features)));
    if (plan->rank != plan_output_rank(plan) || !out)
        return run_drain(run);
    float *host = malloc(tensor_bytes(&run->whole) + 1);
    if (!host)
        return fail(ST_OOM, "output: %zu bytes of host memory", tensor_bytes(&run->whole));
    struct tensor to = tensor_of(host, NULL, DTYPE_F32, 1, run->whole.dim);
    enum status st = TRACED("gather", op_copy(run->q, &to, &run->whole));
    if (st == ST_OK)
        st = run_drain(run);
    if (st == ST_OK)
        scatter(run, host, branches, channels, out);
    free(host);
    return st;
}

enum status run_gather(struct run *run, float *out)
{
    return gather_images(run, &run->x, false, problem_facts(&run->plan.problem).result_channels,
                         out);
}
