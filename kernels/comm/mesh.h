/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks as coordinates on named axes, and communicators for each axis. Axes are ordered outer to
 * inner; the inner one varies fastest. An axis of size 1 has a real communicator of one rank, so
 * that callers never branch.
 */
#ifndef KERNELS_COMM_MESH_H
#define KERNELS_COMM_MESH_H

#include "kernels/comm/comm.h"

enum { MESH_MAX_AXES = 8 };

struct mesh_shape {
    int n_axes;
    const char *name[MESH_MAX_AXES]; /* borrowed, static */
    int size[MESH_MAX_AXES];
    int channels[MESH_MAX_AXES]; /* independent links wanted along the axis; 0 means 1 */
    enum comm_use use[MESH_MAX_AXES];
};

int mesh_ranks(const struct mesh_shape *shape);                         /* product of sizes */
void mesh_coords(const struct mesh_shape *shape, int rank, int *coord); /* [n_axes] */
int mesh_rank(const struct mesh_shape *shape, const int *coord);        /* inverse */

struct mesh;

/* Splits the world (size must be the product) into a communicator for each channel of each axis.
 * Collective; where a rank has no memory to take part, the world is aborted. */
enum status mesh_open(struct comm *world, const struct mesh_shape *shape, struct mesh **out);
void mesh_close(struct mesh *mesh);

/* Independent links of one axis (a pipeline's directions, each skip's): channels 0 .. mesh_channels
 * - 1. Borrowed. */
int mesh_channels(const struct mesh *mesh, int axis);
struct comm *mesh_comm(struct mesh *mesh, int axis, int channel);
struct comm *mesh_world(struct mesh *mesh);
struct comm_counters *mesh_counters(struct mesh *mesh,
                                    int axis); /* all channels together; borrowed */

/* comm_set_when on every communicator of the mesh. */
void mesh_set_when(struct mesh *mesh, enum comm_when when);
void mesh_reset_counters(struct mesh *mesh);

#endif
