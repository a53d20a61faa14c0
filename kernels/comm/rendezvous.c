/* SPDX-License-Identifier: Apache-2.0 */
/* Where ranks meet: tells from the environment whether mpirun started this process. Starts no
 * process itself. */
#include "kernels/comm/rendezvous.h"

#include "kernels/comm/comm_mpi.h"

#include <stdlib.h>

#ifdef WITH_MPI
static int number_in(const char *variable)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : 0;
}

/*
 * Ranks that the launcher says it started; 0: none did. Asked before MPI is initialised, as a
 * process on its own must never be: MPI would start daemons and catch signals. Open MPI, then MPICH
 * and its kin, then Slurm, whose batch scripts carry SLURM_PROCID too and only whose steps have a
 * step id.
 */
static int launched_ranks(void)
{
    if (getenv("OMPI_COMM_WORLD_SIZE"))
        return number_in("OMPI_COMM_WORLD_SIZE");
    if (getenv("PMI_RANK"))
        return getenv("PMI_SIZE") ? number_in("PMI_SIZE") : 1;
    if (getenv("SLURM_STEP_ID") && number_in("SLURM_STEP_NUM_TASKS") > 1)
        return number_in("SLURM_STEP_NUM_TASKS");
    return 0;
}

enum status rendezvous_mpi(int *argc, char ***argv, bool *under, struct rendezvous *out)
{
    int launched = launched_ranks();
    *under = launched > 0;
    *out = (struct rendezvous){.size = 1};
    if (!*under)
        return ST_OK;
    TRY(comm_mpi_start(argc, argv, &out->rank, &out->size));
    if (launched > 1 && out->size == 1)
        return fail(ST_COMM,
                    "the launcher started %d ranks and MPI sees one: it was built for another "
                    "launcher; start with its own mpirun, or srun --mpi=pmix",
                    launched);
    return ST_OK;
}

void rendezvous_finish(void)
{
    comm_mpi_finish();
}
#else
enum status rendezvous_mpi(int *argc, char ***argv, bool *under, struct rendezvous *out)
{
    (void)argc;
    (void)argv;
    *under = false;
    *out = (struct rendezvous){.size = 1};
    return ST_OK;
}

void rendezvous_finish(void) {}
#endif
