/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over the ranks of each GPU. What a rank needs is the plan's business. */
#include "harness/room.h"

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

enum status room_judge(const struct room_share *s)
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
enum status room_foresee(int ranks, const uint64_t *predicted)
{
    int devices = gpus_count();
    for (int gpu = 0; gpu < devices && gpu < ranks; gpu++) {
        struct room_share share = {.gpu = gpu, .first = gpu};
        for (int r = gpu; r < ranks; r += devices) {
            share.ranks++;
            share.arenas += predicted[r];
        }
        if (gpus_available(gpu, &share.available))
            TRY(room_judge(&share));
    }
    return ST_OK;
}

enum status room_look(const char *backend, struct room *out)
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
            out->gpu[i].before = ROOM_UNKNOWN;
        out->n++;
    }
    return ST_OK;
}

/* ---- among ranks ---- */

/* Every rank's entry, in `all` [ranks]. */
static enum status gather(const struct room *room, const struct rank *rank, uint64_t arenas,
                          uint64_t available, struct entry *all)
{
    struct entry mine = {.ordinal = rank->dev->options.ordinal};
    BUG_ON(mine.ordinal >= room->n, "GPU %d of %d", mine.ordinal, room->n);
    memcpy(mine.id, room->gpu[mine.ordinal].id, sizeof mine.id);
    mine.arenas = arenas;
    mine.available = available;
    mine.before = room->gpu[mine.ordinal].before;
    return comm_host_gather(rank->world, &mine, sizeof mine, all);
}

/* The ranks on rank `first`'s GPU; false: an earlier rank is on it. */
static bool share_of(const struct entry *all, int n, int first, struct room_share *out)
{
    *out = (struct room_share){
        .gpu = all[first].ordinal, .first = first, .available = all[first].available};
    for (int r = 0; r < n; r++) {
        if (strcmp(all[r].id, all[first].id) != 0)
            continue;
        if (r < first)
            return false;
        out->ranks++;
        out->arenas += all[r].arenas;
        out->margin += ROOM_MARGIN;
        if (all[r].available < out->available)
            out->available = all[r].available;
    }
    return true;
}

static enum status check(const struct room *room, const struct rank *rank, uint64_t predicted,
                         struct entry *all)
{
    size_t available = 0;
    TRY(comm_agree(rank->world, device_capacity(rank->dev, &available)));
    TRY(gather(room, rank, predicted, available, all));
    for (int r = 0; r < rank->n; r++) {
        struct room_share share;
        if (share_of(all, rank->n, r, &share))
            TRY(room_judge(&share));
    }
    return ST_OK;
}

enum status room_check(const struct room *room, const struct rank *rank, uint64_t predicted)
{
    if (room->n == 0)
        return ST_OK;
    struct entry *all = calloc((size_t)rank->n, sizeof *all);
    enum status st = all ? ST_OK : fail(ST_OOM, "%d ranks: no host memory", rank->n);
    st = comm_agree(rank->world, st);
    if (st == ST_OK)
        st = check(room, rank, predicted, all);
    free(all);
    return st;
}

/* The gather also keeps every arena open until all have looked. */
static enum status library_of(const struct room *room, const struct rank *rank, uint64_t arenas,
                              struct entry *all, uint64_t *library)
{
    uint64_t now;
    struct room_share share = {0};
    TRY(comm_barrier(rank->world));
    if (!gpus_available_of(room->gpu[rank->dev->options.ordinal].id, &now))
        now = ROOM_UNKNOWN;
    TRY(gather(room, rank, arenas, now, all));
    const struct entry *mine = &all[rank->index];
    for (int r = 0; r < rank->n; r++)
        if (strcmp(all[r].id, mine->id) == 0) {
            share.ranks++;
            share.arenas += all[r].arenas;
        }
    if (now == ROOM_UNKNOWN || mine->before == ROOM_UNKNOWN)
        *library = ROOM_UNKNOWN;
    else if (mine->before > now && mine->before - now > share.arenas)
        *library = (mine->before - now - share.arenas) / (uint64_t)share.ranks;
    else
        *library = 0;
    return ST_OK;
}

enum status room_library(const struct room *room, const struct rank *rank, uint64_t arenas,
                         uint64_t *library)
{
    *library = 0;
    if (room->n == 0)
        return ST_OK;
    struct entry *all = calloc((size_t)rank->n, sizeof *all);
    enum status st = all ? ST_OK : fail(ST_OOM, "%d ranks: no host memory", rank->n);
    st = comm_agree(rank->world, st);
    if (st == ST_OK)
        st = library_of(room, rank, arenas, all, library);
    free(all);
    return st;
}
