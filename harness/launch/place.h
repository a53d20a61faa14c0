/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rank this process is and who started it; the same command again as the ranks of this host;
 * and how a rank leaves the others. What ranks compute is the commands' business.
 */
#ifndef HARNESS_LAUNCH_PLACE_H
#define HARNESS_LAUNCH_PLACE_H

#include "harness/launch/fork_ranks.h"
#include "kernels/comm/rendezvous.h"

enum place_starter {
    PLACE_ALONE = 0,
    PLACE_FORKED = 1, /* fork_ranks.h started it */
    PLACE_MPI = 2,    /* mpirun did */
};

struct place {
    enum place_starter starter;
    struct rendezvous where; /* of this rank; alone: rank 0 of 1 */
};

/* Looks for the starters in `starters`, PLACE_FORKED | PLACE_MPI; initialises MPI where mpirun is
 * found. ST_INVALID, ST_COMM. */
enum status place_find(unsigned starters, struct place *out);

/* The place as struct ranks takes it: NULL alone, where ranks are threads. Borrowed. */
const struct rendezvous *place_rendezvous(const struct place *place);

/* False on a rank of mpirun other than 0: what it has to say before it meets the others, such as a
 * wrong option, rank 0 says too. Asks the environment only. */
bool place_speaks(void);

/*
 * Starts this program again with the same words (the command's name first) as `n` ranks of this
 * host, and ends as they end: ST_OK when all did well, the status of the exit code of the rank that
 * brought the others down, without a message, as it has said why; ST_COMM with one where it died of
 * a signal. *end: which rank that was. ST_IO, ST_OOM, ST_INTERRUPTED: as fork_ranks_run.
 */
enum status place_start_ranks(char *const *words, int n, struct fork_ranks_end *end);

/*
 * The end of a command on a rank of several. agreed: every rank has the same status, so rank 0 says
 * for all what there is to say, and they end together. Otherwise peers may wait for this one: it
 * says so and dies, and whoever started it ends them. Returns st, with nothing left to say. Alone
 * it only returns st.
 */
enum status place_leave(const struct place *place, const char *command, enum status st,
                        bool agreed);

#endif
