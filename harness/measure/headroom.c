/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over the ranks of each GPU. What a rank needs is the plan's business. */
#include "harness/measure/headroom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the ranks tell each other. */
struct entry {
    char id[sizeof((struct identity *)0)->id];
    int ordinal;
    uint64_t arenas;
    uint64_t available; /* now */
    uint64_t before;
};

enum status headroom_judge(const struct headroom_share *s)
{
    char libraries[60] = "";
    if (s->arenas <= s->available && s->margin <= s->available - s->arenas)
        return ST_OK;
    if (s->margin > 0)
        snprintf(libraries, sizeof libraries, " and %.1f GB for libraries",
                 1e-9 * (double)s->margin);
    if (s->ranks == 1)
        return fail(ST_OOM,
                    "rank %d needs %.1f GB in its arenas%s, and GPU %d has %.1f GB available; use "
                    "a smaller size or fewer requests",
                    s->first, 1e-9 * (double)s->arenas, libraries, s->gpu,
                    1e-9 * (double)s->available);
    return fail(ST_OOM,
                "%d ranks share GPU %d and need %.1f GB in their arenas%s, and it has %.1f GB "
                "available; use a smaller size, fewer requests or more GPUs",
                s->ranks, s->gpu, 1e-9 * (double)s->arenas, libraries, 1e-9 * (double)s->available);
}

/* Rank r has GPU r % devices, as ranks.c deals them out. */
enum status headroom_foresee(int ranks, const uint64_t *predicted)
{
    int devices = gpus_count();
    for (int gpu = 0; gpu < devices && gpu < ranks; gpu++) {
        struct headroom_share share = {.gpu = gpu, .first = gpu};
        for (int r = gpu; r < ranks; r += devices) {
            share.ranks++;
            share.arenas += predicted[r];
        }
        if (gpus_available(gpu, &share.available))
            TRY(headroom_judge(&share));
    }
    return ST_OK;
}

enum status headroom_look(const char *backend, struct headroom *out)
{
    const struct backend_ops *ops = backend_find(backend);
    int devices = 0;
    out->n = 0;
    if (!ops->identify)
        return ST_OK;
    TRY(ops->count(&devices));
    for (int i = 0; i < devices && i < GPUS_MAX; i++) {
        struct identity identity;
        TRY(identity_read(ops, i, &identity));
        memcpy(out->gpu[i].id, identity.id, sizeof identity.id);
        if (!gpus_available_of(identity.id, &out->gpu[i].before))
            out->gpu[i].before = HEADROOM_UNKNOWN;
        out->n++;
    }
    return ST_OK;
}

/* ---- among ranks ---- */

/* Every rank's entry, in `all` [ranks]. */
static enum status gather(const struct headroom *headroom, const struct rank *rank, uint64_t arenas,
                          uint64_t available, struct entry *all)
{
    struct entry mine = {.ordinal = rank->dev->options.ordinal};
    BUG_ON(mine.ordinal >= headroom->n, "GPU %d of %d", mine.ordinal, headroom->n);
    memcpy(mine.id, headroom->gpu[mine.ordinal].id, sizeof mine.id);
    mine.arenas = arenas;
    mine.available = available;
    mine.before = headroom->gpu[mine.ordinal].before;
    return comm_host_gather(rank->world, &mine, sizeof mine, all);
}

/* The ranks on rank `first`'s GPU; false: an earlier rank is on it. */
static bool share_of(const struct entry *all, int n, int first, struct headroom_share *out)
{
    *out = (struct headroom_share){
        .gpu = all[first].ordinal, .first = first, .available = all[first].available};
    for (int r = 0; r < n; r++) {
        if (strcmp(all[r].id, all[first].id) != 0)
            continue;
        if (r < first)
            return false;
        out->ranks++;
        out->arenas += all[r].arenas;
        out->margin += HEADROOM_MARGIN;
        if (all[r].available < out->available)
            out->available = all[r].available;
    }
    return true;
}

static enum status check(const struct headroom *headroom, const struct rank *rank,
                         uint64_t predicted, struct entry *all)
{
    size_t available = 0;
    TRY(comm_agree(rank->world, device_capacity(rank->dev, &available)));
    TRY(gather(headroom, rank, predicted, available, all));
    for (int r = 0; r < rank->n; r++) {
        struct headroom_share share;
        if (share_of(all, rank->n, r, &share))
            TRY(headroom_judge(&share));
    }
    return ST_OK;
}

enum status headroom_check(const struct headroom *headroom, const struct rank *rank,
                           uint64_t predicted)
{
    if (headroom->n == 0)
        return ST_OK;
    struct entry *all = calloc((size_t)rank->n, sizeof *all);
    enum status st = all ? ST_OK : fail(ST_OOM, "%d ranks: no host memory", rank->n);
    st = comm_agree(rank->world, st);
    if (st == ST_OK)
        st = check(headroom, rank, predicted, all);
    free(all);
    return st;
}

/* The gather also keeps every arena open until all have looked. */
static enum status library_of(const struct headroom *headroom, const struct rank *rank,
                              uint64_t arenas, struct entry *all, uint64_t *library)
{
    uint64_t now;
    struct headroom_share share = {0};
    TRY(comm_barrier(rank->world));
    if (!gpus_available_of(headroom->gpu[rank->dev->options.ordinal].id, &now))
        now = HEADROOM_UNKNOWN;
    TRY(gather(headroom, rank, arenas, now, all));
    const struct entry *mine = &all[rank->index];
    for (int r = 0; r < rank->n; r++)
        if (strcmp(all[r].id, mine->id) == 0) {
            share.ranks++;
            share.arenas += all[r].arenas;
        }
    if (now == HEADROOM_UNKNOWN || mine->before == HEADROOM_UNKNOWN)
        *library = HEADROOM_UNKNOWN;
    else if (mine->before > now && mine->before - now > share.arenas)
        *library = (mine->before - now - share.arenas) / (uint64_t)share.ranks;
    else
        *library = 0;
    return ST_OK;
}

enum status headroom_library(const struct headroom *headroom, const struct rank *rank,
                             uint64_t arenas, uint64_t *library)
{
    *library = 0;
    if (headroom->n == 0)
        return ST_OK;
    struct entry *all = calloc((size_t)rank->n, sizeof *all);
    enum status st = all ? ST_OK : fail(ST_OOM, "%d ranks: no host memory", rank->n);
    st = comm_agree(rank->world, st);
    if (st == ST_OK)
        st = library_of(headroom, rank, arenas, all, library);
    free(all);
    return st;
}
