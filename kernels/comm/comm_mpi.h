/* SPDX-License-Identifier: Apache-2.0 */
/* MPI's start and end. Private to the mpi transport and the rendezvous; needs no mpi.h. */
#ifndef KERNELS_COMM_COMM_MPI_H
#define KERNELS_COMM_COMM_MPI_H

#include "kernels/base/status.h"

#include <stddef.h>

/* Initialises MPI unless it is; errors of the world then return. */
enum status comm_mpi_start(int *argc, char ***argv, int *rank, int *size);

/* value [size] := that of rank 0 of the world. */
enum status comm_mpi_broadcast(void *value, size_t size);

/* Ends MPI where it runs. */
void comm_mpi_finish(void);

#endif
