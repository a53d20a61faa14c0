/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks as coordinates on named axes, and one communicator per axis. Axes are ordered outer to
 * inner; the inner one varies fastest. An axis of size 1 has a real communicator of one rank, so
 * that callers never branch.
 */
#ifndef KERNELS_COMM_MESH_H
#define KERNELS_COMM_MESH_H

#include "kernels/comm/comm.h"

enum { MESH_MAX_AXES = 8, MESH_CHANNELS = 2 };

struct mesh_shape {
    int n_axes;
    const char *name[MESH_MAX_AXES]; /* borrowed, static */
    int size[MESH_MAX_AXES];
};

int mesh_ranks(const struct mesh_shape *shape);                         /* product of sizes */
void mesh_coords(const struct mesh_shape *shape, int rank, int *coord); /* [n_axes] */
int mesh_rank(const struct mesh_shape *shape, const int *coord);        /* inverse */

struct mesh;

/* Splits the world (size must be the product) into MESH_CHANNELS communicators for each axis.
 * Collective. */
enum status mesh_open(struct comm *world, const struct mesh_shape *shape, struct mesh **out);
void mesh_close(struct mesh *mesh);

/* channel 0 .. MESH_CHANNELS-1: independent links of one axis (a pipeline's two directions).
 * Borrowed. */
struct comm *mesh_comm(struct mesh *mesh, int axis, int channel);
struct comm *mesh_world(struct mesh *mesh);
struct comm_counters *mesh_counters(struct mesh *mesh,
                                    int axis); /* both channels together; borrowed */

/* comm_set_when on every communicator of the mesh. */
void mesh_set_when(struct mesh *mesh, enum comm_when when);
void mesh_reset_counters(struct mesh *mesh);

#endif
