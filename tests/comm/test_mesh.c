/* SPDX-License-Identifier: Apache-2.0 */
/* Coordinates: a bijection with the ranks, the inner axis fastest. Communicators are in the
 * conformance suite. */
#include "kernels/comm/mesh.h"

#include <criterion/criterion.h>

Test(mesh, the_inner_axis_varies_fastest)
{
    const struct mesh_shape shape = {.n_axes = 3, .name = {"a", "b", "c"}, .size = {2, 3, 4}};
    const int known[][4] = {// rank, coordinates
                            {0, 0, 0, 0},  {1, 0, 0, 1},  {3, 0, 0, 3}, {4, 0, 1, 0},
                            {11, 0, 2, 3}, {12, 1, 0, 0}, {23, 1, 2, 3}};
    cr_assert_eq(mesh_ranks(&shape), 24);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        int coord[3];
        mesh_coords(&shape, known[i][0], coord);
        for (int axis = 0; axis < 3; axis++)
            cr_assert_eq(coord[axis], known[i][1 + axis], "rank %d, axis %d: %d", known[i][0], axis,
                         coord[axis]);
    }
}

Test(mesh, rank_is_the_inverse_of_coords)
{
    const struct mesh_shape shapes[] = {
        {.n_axes = 0},
        {.n_axes = 1, .name = {"a"}, .size = {7}},
        {.n_axes = 4, .name = {"a", "b", "c", "d"}, .size = {1, 5, 1, 3}},
        {.n_axes = 8,
         .name = {"a", "b", "c", "d", "e", "f", "g", "h"},
         .size = {2, 1, 2, 3, 1, 2, 1, 2}},
    };
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        int ranks = mesh_ranks(&shapes[s]);
        for (int rank = 0; rank < ranks; rank++) {
            int coord[MESH_MAX_AXES];
            mesh_coords(&shapes[s], rank, coord);
            cr_assert_eq(mesh_rank(&shapes[s], coord), rank);
        }
    }
    cr_assert_eq(mesh_ranks(&shapes[0]), 1);
    cr_assert_eq(mesh_ranks(&shapes[3]), 48);
}
