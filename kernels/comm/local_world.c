/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of ranks that are threads of one process: life, sleep, abort and host gathers. Knows no
 * message. */
#include "kernels/comm/local_world.h"

#include "kernels/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct local_world {
    pthread_mutex_t lock; /* guards what follows; taken before a group's lock */
    struct local_group *groups;
    bool aborted;
    struct local_group *everyone;
};

/* ---- life ---- */

static void group_free(struct local_group *group)
{
    while (group->orphans) {
        struct local_post *post = group->orphans;
        group->orphans = post->older;
        free(post);
    }
    for (int i = 0; i < group->size; i++)
        pthread_cond_destroy(&group->wake[i]);
    pthread_mutex_destroy(&group->lock);
    free(group->shelf[0]);
    free(group->shelf[1]);
    free(group->mailbox);
    free(group->wake);
    free(group);
}

static struct local_group *group_alloc(int size)
{
    struct local_group *group = calloc(1, sizeof(*group));
    if (!group)
        return NULL;
    group->size = size;
    group->members = size;
    group->wake = calloc((size_t)size, sizeof(*group->wake));
    group->mailbox = calloc((size_t)size * (size_t)size, sizeof(*group->mailbox));
    if (!group->wake || !group->mailbox) {
        free(group->wake);
        free(group->mailbox);
        free(group);
        return NULL;
    }
    pthread_mutex_init(&group->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    for (int i = 0; i < size; i++)
        pthread_cond_init(&group->wake[i], &attr);
    pthread_condattr_destroy(&attr);
    return group;
}

static enum status group_open(struct local_world *world, int size, struct local_group **out)
{
    struct local_group *group = group_alloc(size);
    if (!group)
        return fail(ST_OOM, "no memory for the mailboxes of %d local ranks", size);
    pthread_mutex_lock(&world->lock);
    group->world = world;
    group->aborted = world->aborted;
    group->next = world->groups;
    world->groups = group;
    pthread_mutex_unlock(&world->lock);
    *out = group;
    return ST_OK;
}

static void group_unlink(struct local_group *group)
{
    struct local_world *world = group->world;
    pthread_mutex_lock(&world->lock);
    struct local_group **at = &world->groups;
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    pthread_mutex_unlock(&world->lock);
}

void local_group_leave(struct local_group *group)
{
    pthread_mutex_lock(&group->lock);
    bool last = --group->members == 0;
    pthread_mutex_unlock(&group->lock);
    if (!last || group->is_world)
        return;
    group_unlink(group);
    group_free(group);
}

enum status local_world_open(int size, struct local_world **out)
{
    BUG_ON(size < 1, "a local world of %d ranks", size);
    struct local_world *world = calloc(1, sizeof(*world));
    if (!world)
        return fail(ST_OOM, "no memory for a world of %d local ranks", size);
    pthread_mutex_init(&world->lock, NULL);
    enum status st = group_open(world, size, &world->everyone);
    if (st != ST_OK) {
        pthread_mutex_destroy(&world->lock);
        free(world);
        return st;
    }
    world->everyone->is_world = true;
    *out = world;
    return ST_OK;
}

/* Every thread has ended. Groups that some rank never left go too. */
void local_world_close(struct local_world *world)
{
    if (!world)
        return;
    while (world->groups) {
        struct local_group *group = world->groups;
        world->groups = group->next;
        group_free(group);
    }
    pthread_mutex_destroy(&world->lock);
    free(world);
}

struct local_group *local_world_group(struct local_world *world)
{
    return world->everyone;
}

void local_world_abort(struct local_world *world)
{
    pthread_mutex_lock(&world->lock);
    world->aborted = true;
    for (struct local_group *group = world->groups; group; group = group->next) {
        pthread_mutex_lock(&group->lock);
        group->aborted = true;
        for (int i = 0; i < group->size; i++)
            pthread_cond_broadcast(&group->wake[i]);
        pthread_mutex_unlock(&group->lock);
    }
    pthread_mutex_unlock(&world->lock);
}

/* ---- sleep ---- */

double local_deadline_in(double seconds)
{
    return seconds > 0 ? clock_seconds() + seconds : LOCAL_NEVER;
}

bool local_group_sleep(struct local_group *group, int rank, double deadline)
{
    pthread_cond_t *wake = &group->wake[rank];
    if (deadline == LOCAL_NEVER) {
        pthread_cond_wait(wake, &group->lock);
        return true;
    }
    struct timespec moment = clock_moment(deadline);
    return pthread_cond_timedwait(wake, &group->lock, &moment) != ETIMEDOUT;
}

/* ---- host gather ---- */

/* The first rank of a round makes room, while nobody reads this shelf. */
static enum status shelf_prepare(struct local_group *group, size_t size)
{
    int side = group->round & 1;
    size_t wanted = size * (size_t)group->size;
    if (group->arrived > 0) {
        BUG_ON(group->shelf_part != size, "a host gather of %zu bytes meets one of %zu", size,
               group->shelf_part);
        return ST_OK;
    }
    group->shelf_part = size;
    if (group->shelf_room[side] >= wanted)
        return ST_OK;
    char *room = realloc(group->shelf[side], wanted);
    if (!room)
        return fail(ST_OOM, "no memory to gather %zu bytes from each of %d ranks", size,
                    group->size);
    group->shelf[side] = room;
    group->shelf_room[side] = wanted;
    return ST_OK;
}

static void round_complete(struct local_group *group)
{
    group->arrived = 0;
    group->round++;
    for (int i = 0; i < group->size; i++)
        pthread_cond_signal(&group->wake[i]);
}

/* Sleeps until the round is over; takes the rank back out of a round that will never be. */
static enum status round_wait(struct local_group *group, int rank, double timeout_s)
{
    unsigned round = group->round;
    double deadline = local_deadline_in(timeout_s);
    while (group->round == round) {
        bool awake = !group->aborted && local_group_sleep(group, rank, deadline);
        if (group->round != round)
            break;
        if (group->aborted) {
            group->arrived--;
            return fail(ST_COMM, "a rank gave up; this one stopped waiting for all to meet");
        }
        if (!awake) {
            int here = group->arrived--;
            return fail(ST_TIMEOUT,
                        "only %d of %d ranks met within %g s; look at what the others "
                        "do, or allow more with --timeout",
                        here, group->size, timeout_s);
        }
    }
    return ST_OK;
}

static enum status gather_locked(struct local_group *group, int rank, double timeout_s,
                                 const void *mine, size_t size, void *all)
{
    if (group->aborted)
        return fail(ST_COMM, "a rank gave up before all met");
    TRY(shelf_prepare(group, size));
    int side = group->round & 1;
    if (size > 0)
        memcpy(group->shelf[side] + (size_t)rank * size, mine, size);
    if (++group->arrived == group->size)
        round_complete(group);
    else
        TRY(round_wait(group, rank, timeout_s));
    if (size > 0)
        memcpy(all, group->shelf[side], size * (size_t)group->size);
    return ST_OK;
}

enum status local_group_gather(struct local_group *group, int rank, double timeout_s,
                               const void *mine, size_t size, void *all)
{
    pthread_mutex_lock(&group->lock);
    enum status st = gather_locked(group, rank, timeout_s, mine, size, all);
    pthread_mutex_unlock(&group->lock);
    return st;
}

/* ---- split ---- */

/* What a rank tells the others before a split. */
struct vote {
    int color, key;
};

static bool goes_before(const struct vote *vote, int a, int b)
{
    return vote[a].key < vote[b].key || (vote[a].key == vote[b].key && a < b);
}

/* Place of `rank` among the ranks of its color, by key and then rank; the first of them; how many
 * they are. */
static int place_among(const struct vote *vote, int n, int rank, int *first, int *count)
{
    int place = 0;
    *count = 0;
    *first = rank;
    for (int i = 0; i < n; i++) {
        if (vote[i].color != vote[rank].color)
            continue;
        (*count)++;
        if (goes_before(vote, i, rank))
            place++;
        if (goes_before(vote, i, *first))
            *first = i;
    }
    return place;
}

/* The first rank of a color opens its group and shows it to the others. vote, shown: [parent's
 * size], room to gather. */
static enum status split_shown(struct local_group *parent, int rank, double timeout_s,
                               const struct vote *mine, struct vote *vote,
                               struct local_group **shown, struct local_group **out, int *new_rank)
{
    struct local_group *opened = NULL;
    int first;
    int count;
    enum status st = ST_OK;
    TRY(local_group_gather(parent, rank, timeout_s, mine, sizeof(*mine), vote));
    *new_rank = place_among(vote, parent->size, rank, &first, &count);
    if (first == rank)
        st = group_open(parent->world, count, &opened);
    TRY(local_group_gather(parent, rank, timeout_s, &opened, sizeof(struct local_group *), shown));
    if (st != ST_OK)
        return st;
    if (!shown[first])
        return fail(ST_OOM, "rank %d found no memory for the mailboxes", first);
    *out = shown[first];
    return ST_OK;
}

enum status local_group_split(struct local_group *parent, int rank, double timeout_s, int color,
                              int key, struct local_group **out, int *new_rank)
{
    size_t n = (size_t)parent->size;
    struct vote mine = {color, key};
    struct vote *vote = calloc(n, sizeof(*vote));
    struct local_group **shown = calloc(n, sizeof(struct local_group *));
    enum status st;
    if (vote && shown)
        st = split_shown(parent, rank, timeout_s, &mine, vote, shown, out, new_rank);
    else
        st = fail(ST_OOM, "no memory to split %zu ranks", n);
    free(vote);
    free(shown);
    return st;
}
