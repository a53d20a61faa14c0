/* SPDX-License-Identifier: Apache-2.0 */
/* Where ranks meet: tells from the environment whether mpirun started this process. Starts no
 * process itself. */
#include "kernels/comm/rendezvous.h"

#include "kernels/base/clock.h"
#include "kernels/base/file.h"
#include "kernels/comm/comm_mpi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, FOLDER_TIMEOUT_S = 60 };

/* Whole or not at all, whoever looks. */
static enum status folder_write(const char *path, const void *value, size_t size)
{
    char aside[PATH_ROOM + 8];
    snprintf(aside, sizeof aside, "%s.new", path);
    int fd;
    TRY(file_open_regular(aside, O_WRONLY | O_CREAT | O_TRUNC, &fd, NULL));
    ssize_t written = write(fd, value, size);
    int error = errno;
    close(fd);
    if (written != (ssize_t)size)
        return fail(ST_IO, "%s: %zd of %zu bytes written: %s", aside, written, size,
                    strerror(error));
    if (rename(aside, path) != 0)
        return fail(ST_IO, "%s: %s", path, strerror(errno));
    return ST_OK;
}

static enum status folder_read(const struct rendezvous *where, const char *path, void *value,
                               size_t size)
{
    double left = where->timeout_s > 0 ? where->timeout_s : FOLDER_TIMEOUT_S;
    double end = clock_seconds() + left;
    const struct timespec nap = {.tv_nsec = 2000000};
    while (access(path, F_OK) != 0) {
        if (errno != ENOENT)
            return fail(ST_IO, "%s: %s", path, strerror(errno));
        if (clock_seconds() > end)
            return fail(ST_TIMEOUT,
                        "rank %d of %d: rank 0 wrote no %s within %g s; look at what it does",
                        where->rank, where->size, path, left);
        nanosleep(&nap, NULL);
    }
    int fd;
    TRY(file_open_regular(path, O_RDONLY, &fd, NULL));
    enum status st = file_read_at(fd, path, 0, size, value);
    close(fd);
    return st;
}

static enum status folder_broadcast(const struct rendezvous *where, const char *name, void *value,
                                    size_t size)
{
    char path[PATH_ROOM];
    if (snprintf(path, sizeof path, "%s/%s", where->folder, name) >= (int)sizeof path)
        return fail(ST_IO, "%s: a path of over %d bytes", where->folder, PATH_ROOM);
    return where->rank == 0 ? folder_write(path, value, size)
                            : folder_read(where, path, value, size);
}

#ifdef WITH_MPI
enum status rendezvous_broadcast(const struct rendezvous *where, const char *name, void *value,
                                 size_t size)
{
    if (where->size == 1)
        return ST_OK;
    return where->folder ? folder_broadcast(where, name, value, size)
                         : comm_mpi_broadcast(value, size);
}

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

int rendezvous_mpi_rank(void)
{
    if (getenv("OMPI_COMM_WORLD_RANK"))
        return number_in("OMPI_COMM_WORLD_RANK");
    if (getenv("PMI_RANK"))
        return number_in("PMI_RANK");
    return launched_ranks() > 0 && getenv("SLURM_PROCID") ? number_in("SLURM_PROCID") : -1;
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
enum status rendezvous_broadcast(const struct rendezvous *where, const char *name, void *value,
                                 size_t size)
{
    if (where->size == 1)
        return ST_OK;
    if (!where->folder)
        return fail(ST_INVALID, "%d ranks have no folder to meet in", where->size);
    return folder_broadcast(where, name, value, size);
}

enum status rendezvous_mpi(int *argc, char ***argv, bool *under, struct rendezvous *out)
{
    (void)argc;
    (void)argv;
    *under = false;
    *out = (struct rendezvous){.size = 1};
    return ST_OK;
}

void rendezvous_finish(void) {}

int rendezvous_mpi_rank(void)
{
    return -1;
}
#endif
