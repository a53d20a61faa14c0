/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks of several hosts against each other, by gathers on the host's side. */
#include "harness/profile/recorder_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 32 };

struct reading {
    int64_t before, after_last; /* this gather, and the one before it */
};

/* A host between two starts of it. */
struct host {
    char name[100], boot[60];
};

static void read_host(struct host *out)
{
    memset(out, 0, sizeof *out);
    gethostname(out->name, sizeof out->name - 1);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file && !fgets(out->boot, sizeof out->boot, file))
        out->boot[0] = '\0';
    if (file)
        fclose(file);
}

enum status recorder_clock_differs(struct comm *world, bool *differs)
{
    size_t n = (size_t)comm_size(world);
    struct host mine;
    struct host *all = calloc(n, sizeof *all);
    read_host(&mine);
    *differs = false;
    enum status st = comm_agree(world, all ? ST_OK : fail(ST_OOM, "%zu hosts: no host memory", n));
    if (st == ST_OK)
        st = comm_host_gather(world, &mine, sizeof mine, all);
    for (size_t i = 0; st == ST_OK && i < n; i++)
        *differs |= memcmp(&all[i], &all[0], sizeof *all) != 0;
    free(all);
    return st;
}

/* The readings around each gather tell most when the next one has brought rank 0's second one. */
static enum status narrow(struct comm *world, int64_t (*now)(void *), void *self,
                          struct reading *all, int64_t *least, int64_t *most)
{
    struct reading mine = {0, 0};
    struct reading last = {0, 0};
    int64_t zero = 0; /* rank 0 before the last gather */
    for (int i = 0; i <= ROUNDS; i++) {
        mine.before = now(self);
        TRY(comm_host_gather(world, &mine, sizeof mine, all));
        int64_t after = now(self);
        if (i > 0) {
            int64_t low = zero - mine.after_last;
            int64_t high = all[0].after_last - last.before;
            *least = i == 1 || low > *least ? low : *least;
            *most = i == 1 || high < *most ? high : *most;
        }
        zero = all[0].before;
        last = mine;
        mine.after_last = after;
    }
    return ST_OK;
}

enum status recorder_clock_measure(struct comm *world, int64_t (*now)(void *self), void *self,
                                   struct recorder_clock *out)
{
    size_t n = (size_t)comm_size(world);
    int64_t least = 0;
    int64_t most = 0;
    struct reading *all = calloc(n, sizeof *all);
    *out = (struct recorder_clock){0, 0};
    enum status st = comm_agree(world, all ? ST_OK : fail(ST_OOM, "%zu clocks: no host memory", n));
    if (st == ST_OK)
        st = narrow(world, now, self, all, &least, &most);
    free(all);
    if (st != ST_OK || comm_rank(world) == 0)
        return st;
    int64_t width = most - least; /* below 0 where the clocks drifted apart meanwhile */
    out->offset = least + width / 2;
    out->error = (width < 0 ? -width : width) / 2 + 1;
    return ST_OK;
}

struct recorder_clock recorder_clock_between(struct recorder_clock before,
                                             struct recorder_clock after)
{
    int64_t apart = after.offset - before.offset;
    int64_t error = before.error > after.error ? before.error : after.error;
    return (struct recorder_clock){before.offset + apart / 2,
                                   error + (apart < 0 ? -apart : apart) / 2};
}
