/* SPDX-License-Identifier: Apache-2.0 */
/* Which ranks mpirun will put on this host, told from its hostfile and its variables. A forecast:
 * it starts nothing and asks no name server. */
#ifndef HARNESS_LAUNCH_HOSTFILE_H
#define HARNESS_LAUNCH_HOSTFILE_H

#include <stdbool.h>

/* Ranks *begin .. *begin + *count - 1 of n. False: it cannot be told, since ranks may be on other
 * hosts and nothing says how many. */
bool hostfile_ranks_here(int n, int *begin, int *count);

/* The same for the text of a hostfile, Open MPI's: "HOST [slots=N] ..." on each line. */
bool hostfile_share(const char *text, int n, int *begin, int *count);

#endif
