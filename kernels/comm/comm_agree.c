/* SPDX-License-Identifier: Apache-2.0 */
/* The ranks' agreement on one status and one message. Never between two denoising steps. */
#include "kernels/comm/comm_private.h"

#include <stdio.h>
#include <stdlib.h>

enum { BALLOT_TEXT = 1020 };

/* What a rank says in comm_agree; its message is cut to fit. */
struct ballot {
    int32_t status;
    char text[BALLOT_TEXT];
};

/* The first of the worst. */
static const struct ballot *worst_of(const struct ballot *all, int n)
{
    const struct ballot *worst = &all[0];
    for (int i = 1; i < n; i++) {
        if (all[i].status > worst->status)
            worst = &all[i];
    }
    return worst;
}

enum status comm_agree(struct comm *comm, enum status mine)
{
    if (comm->size == 1)
        return mine;
    struct ballot own = {.status = (int32_t)mine};
    if (mine != ST_OK)
        snprintf(own.text, sizeof(own.text), "%s", status_message());
    struct ballot *all = calloc((size_t)comm->size, sizeof(*all));
    if (!all) {
        if (mine == ST_OK)
            mine = fail(ST_OOM, "communicator %s: no memory for the answers of %d ranks",
                        comm->name, comm->size);
        comm_abort(comm); /* the others wait for this one's */
        return mine;
    }
    enum status st = comm_host_gather(comm, &own, sizeof(own), all);
    if (st != ST_OK && mine != ST_OK) /* it gave up, or the others did: its cause is to be told */
        st = own.text[0] ? fail(mine, "%s", own.text) : mine;
    else if (st == ST_OK) {
        const struct ballot *worst = worst_of(all, comm->size);
        st = (enum status)worst->status;
        if (st != ST_OK && worst->text[0])
            fail(st, "%s", worst->text);
        else if (st != ST_OK)
            fail(st, "rank %d of %d failed: %s", (int)(worst - all), comm->size, status_name(st));
    }
    free(all);
    return st;
}
