/* SPDX-License-Identifier: Apache-2.0 */
/* What is particular about Open MPI's mpirun: variables and complaints. */
#include "harness/launch/mpirun.h"

#include "harness/base/limits.h"
#include "harness/launch/hostfile.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- surroundings ---- */

enum status mpirun_init(struct mpirun *out)
{
    memset(out->environment, 0, sizeof out->environment);
    TRY(scratch_open("mpi", &out->scratch));
    snprintf(out->tmpdir, sizeof out->tmpdir, "TMPDIR=%s", out->scratch.path);
    out->environment[0] = out->tmpdir; /* other hosts keep theirs */
    return ST_OK;
}

void mpirun_release(struct mpirun *mpirun)
{
    scratch_close(&mpirun->scratch);
}

/* Measured with Open MPI 4.1: 36 for 2 ranks, 64 for 8. */
enum status mpirun_check_limits(int n)
{
    char who[60];
    int begin;
    int here;
    if (!hostfile_ranks_here(n, &begin, &here))
        here = 1;
    snprintf(who, sizeof who, "mpirun with %d rank%s here", here, here == 1 ? "" : "s");
    return limits_files(40 + 6 * here, who);
}

/* ---- complaints ---- */

const char *mpirun_hint(const char *text)
{
    bool its = strstr(text, "allow-run-as-root") || strstr(text, "not enough slots") ||
               strstr(text, "ALLOW_RUN_AS_ROOT") || strstr(text, "--oversubscribe");
    return its ? "; mpirun as root or with more ranks than cores needs OMPI_ALLOW_RUN_AS_ROOT=1 "
                 "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 in the "
                 "environment"
               : "";
}

void mpirun_words(int ranks, char number[12], const char *words[MPIRUN_WORDS])
{
    snprintf(number, 12, "%d", ranks);
    const char *const call[MPIRUN_WORDS] = {"mpirun", "-n", number, "--bind-to", "none", NULL};
    memcpy(words, call, sizeof call);
}
