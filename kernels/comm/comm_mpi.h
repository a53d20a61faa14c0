/* SPDX-License-Identifier: Apache-2.0 */
/* MPI's errors in our words, and its start and end. Private to the mpi transport and the
 * rendezvous; needs no mpi.h. */
#ifndef KERNELS_COMM_COMM_MPI_H
#define KERNELS_COMM_COMM_MPI_H

#include "kernels/base/status.h"

#include <stddef.h>

/* A call's return code as a status: ST_COMM with the call and MPI's own text, ST_OOM where MPI is
 * out of memory. Use as TRY(MPI(MPI_Barrier(comm))). */
#define MPI(call) comm_mpi_status((call), #call)
enum status comm_mpi_status(int code, const char *call);

/* Initialises MPI unless it is; errors of the world then return. */
enum status comm_mpi_start(int *argc, char ***argv, int *rank, int *size);

/* value [size] := that of rank 0 of the world. */
enum status comm_mpi_broadcast(void *value, size_t size);

/* Ends MPI where it runs. */
void comm_mpi_finish(void);

#endif
