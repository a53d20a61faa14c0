/* SPDX-License-Identifier: Apache-2.0 */
/* One of several, or alone: what commands do about it. */
#include "harness/launch/place.h"

#include "harness/base/exit_code.h"
#include "harness/base/self.h"
#include "harness/record/ending.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum status place_find(unsigned starters, struct place *out)
{
    bool is = false;
    *out = (struct place){PLACE_ALONE, {.size = 1}};
    if (starters & PLACE_FORKED)
        TRY(fork_ranks_place(&is, &out->where));
    if (is)
        out->starter = PLACE_FORKED;
    if (is || !(starters & PLACE_MPI))
        return ST_OK;
    TRY(rendezvous_mpi(NULL, NULL, &is, &out->where));
    if (is)
        out->starter = PLACE_MPI;
    return ST_OK;
}

const struct rendezvous *place_rendezvous(const struct place *place)
{
    return place->starter == PLACE_ALONE ? NULL : &place->where;
}

bool place_speaks(void)
{
    return rendezvous_mpi_rank() <= 0;
}

/* What the rank that ended badly ended with. */
static enum status status_of(const struct fork_ranks_end *end)
{
    char text[200];
    if (end->rank < 0)
        return ST_OK;
    if (WIFSIGNALED(end->wait_status))
        return fail(ST_COMM, "%s", fork_ranks_text(end, text, sizeof text));
    status_clear();
    return exit_code_status(WEXITSTATUS(end->wait_status));
}

enum status place_start_ranks(char *const *words, int n, struct fork_ranks_end *end)
{
    char **again;
    TRY(self_words(words, &again));
    enum status st = fork_ranks_run((const char *const *)again, n, end);
    free(again);
    return st ? st : status_of(end);
}

enum status place_leave(const struct place *place, const char *command, enum status st, bool agreed)
{
    if (place->starter == PLACE_ALONE)
        return st;
    if (!agreed) {
        fprintf(stderr, "ditbench %s: rank %d: %s\n", command, place->where.rank, status_message());
        fflush(NULL);
        _exit(exit_code_of(st));
    }
    if (place->where.rank == 0 && st != ST_OK && status_message()[0])
        fprintf(stderr, "ditbench %s: %s\n", command, status_message());
    status_clear();
    fflush(stdout); /* before the first one ends */
    if (place->starter == PLACE_MPI)
        rendezvous_finish();
    return st;
}
