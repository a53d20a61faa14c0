/* SPDX-License-Identifier: Apache-2.0 */
/* On what machine, with what build and libraries a number was made. Reads only; sets and locks
 * nothing. */
#ifndef HARNESS_HOST_ENV_H
#define HARNESS_HOST_ENV_H

#include "harness/record/record.h"

#include <stdbool.h>

/* Fills record->env but for the load, the GPUs (gpus.h) and their libraries. */
void env_fill(struct record *record);

/* Runnable threads of the host, the last minute's mean; NaN: not told. */
double env_load(void);

/* env.load := [before, that of now], or nothing where one is not told. */
void env_add_load(struct record *record, double before);

/* Adds to env.libraries those of `more` whose names are not in it. */
void env_add_libraries(struct record *record, const struct record_map *more);

/* Adds the libraries that this process has loaded to use a backend and its transport: CUDA's, for
 * the processes that have them. */
void env_add_loaded(struct record *record, const char *backend);

/* CPUs that this process may run on: its affinity mask, at least 1. */
int env_cores(void);

/* CPUs that all ranks of a host may use together: those that are online where mpirun started this
 * process, for its mask is that of one rank; else env_cores. */
int env_cores_of_ranks(bool mpirun);

/* "2 x NVIDIA H200", or the CPU's model and its cores; into buffer, which is returned. For titles.
 */
char *env_hardware(const struct record_env *env, char *buffer, size_t size);

#endif
