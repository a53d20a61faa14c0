/* SPDX-License-Identifier: Apache-2.0 */
/* Coordinates of ranks, and the communicators of every axis and channel. Knows no strategy. */
#include "kernels/comm/mesh.h"

#include <stdlib.h>
#include <string.h>

struct mesh {
    struct comm *world; /* borrowed */
    int n_axes;
    int channels[MESH_MAX_AXES];
    struct comm **axis[MESH_MAX_AXES]; /* [channels] */
    struct comm_counters counters[MESH_MAX_AXES];
};

int mesh_ranks(const struct mesh_shape *shape)
{
    int ranks = 1;
    for (int i = 0; i < shape->n_axes; i++) {
        BUG_ON(shape->size[i] < 1, "axis %s of size %d", shape->name[i], shape->size[i]);
        BUG_ON(__builtin_mul_overflow(ranks, shape->size[i], &ranks), "a mesh of over 2^31 ranks");
    }
    return ranks;
}

void mesh_coords(const struct mesh_shape *shape, int rank, int *coord)
{
    BUG_ON(rank < 0 || rank >= mesh_ranks(shape), "rank %d of a mesh of %d", rank,
           mesh_ranks(shape));
    for (int i = shape->n_axes - 1; i >= 0; i--) {
        coord[i] = rank % shape->size[i];
        rank /= shape->size[i];
    }
}

int mesh_rank(const struct mesh_shape *shape, const int *coord)
{
    int rank = 0;
    for (int i = 0; i < shape->n_axes; i++) {
        BUG_ON(coord[i] < 0 || coord[i] >= shape->size[i], "coordinate %d on axis %s of size %d",
               coord[i], shape->name[i], shape->size[i]);
        rank = rank * shape->size[i] + coord[i];
    }
    return rank;
}

/* For want of memory, while the others wait for this rank in a split. */
static enum status give_up(struct comm *world, enum status st)
{
    comm_abort(world);
    return st;
}

/* Ranks that differ in this coordinate only: they share the rank of the one at 0, which is their
 * color. */
static enum status split_axis(struct mesh *mesh, const struct mesh_shape *shape, int axis)
{
    int coord[MESH_MAX_AXES];
    mesh_coords(shape, comm_rank(mesh->world), coord);
    int place = coord[axis];
    coord[axis] = 0;
    int color = mesh_rank(shape, coord);
    int channels = shape->channels[axis] > 0 ? shape->channels[axis] : 1;
    mesh->axis[axis] = calloc((size_t)channels, sizeof(struct comm *));
    if (!mesh->axis[axis])
        return give_up(mesh->world, fail(ST_OOM, "no memory for %d channels of axis %s", channels,
                                         shape->name[axis]));
    mesh->channels[axis] = channels;
    for (int c = 0; c < channels; c++) {
        TRY(comm_split(mesh->world, color, place, shape->name[axis], shape->use[axis],
                       &mesh->counters[axis], &mesh->axis[axis][c]));
        comm_set_channel(mesh->axis[axis][c], c);
    }
    return ST_OK;
}

enum status mesh_open(struct comm *world, const struct mesh_shape *shape, struct mesh **out)
{
    BUG_ON(shape->n_axes > MESH_MAX_AXES, "a mesh of %d axes", shape->n_axes);
    BUG_ON(mesh_ranks(shape) != comm_size(world), "a mesh of %d ranks in a world of %d",
           mesh_ranks(shape), comm_size(world));
    struct mesh *mesh = calloc(1, sizeof(*mesh));
    if (!mesh)
        return give_up(world, fail(ST_OOM, "no memory for a mesh of %d axes", shape->n_axes));
    mesh->world = world;
    mesh->n_axes = shape->n_axes;
    for (int i = 0; i < shape->n_axes; i++) {
        enum status st = split_axis(mesh, shape, i);
        if (st != ST_OK) {
            mesh_close(mesh);
            return st;
        }
    }
    *out = mesh;
    return ST_OK;
}

void mesh_close(struct mesh *mesh)
{
    if (!mesh)
        return;
    for (int i = 0; i < mesh->n_axes; i++) {
        for (int c = 0; c < mesh->channels[i]; c++)
            comm_close(mesh->axis[i][c]);
        free(mesh->axis[i]);
    }
    free(mesh);
}

static void check_axis(const struct mesh *mesh, int axis)
{
    BUG_ON(axis < 0 || axis >= mesh->n_axes, "axis %d of a mesh of %d axes", axis, mesh->n_axes);
}

int mesh_channels(const struct mesh *mesh, int axis)
{
    check_axis(mesh, axis);
    return mesh->channels[axis];
}

struct comm *mesh_comm(struct mesh *mesh, int axis, int channel)
{
    check_axis(mesh, axis);
    BUG_ON(channel < 0 || channel >= mesh->channels[axis], "channel %d of %d", channel,
           mesh->channels[axis]);
    return mesh->axis[axis][channel];
}

struct comm *mesh_world(struct mesh *mesh)
{
    return mesh->world;
}

struct comm_counters *mesh_counters(struct mesh *mesh, int axis)
{
    check_axis(mesh, axis);
    return &mesh->counters[axis];
}

void mesh_set_when(struct mesh *mesh, enum comm_when when)
{
    comm_set_when(mesh->world, when);
    for (int i = 0; i < mesh->n_axes; i++) {
        for (int c = 0; c < mesh->channels[i]; c++)
            comm_set_when(mesh->axis[i][c], when);
    }
}

void mesh_reset_counters(struct mesh *mesh)
{
    memset(mesh->counters, 0, sizeof(mesh->counters));
}
