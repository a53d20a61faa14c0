/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared half of the local transport: groups of threads, the mailboxes between them, and how
 * they sleep. One group is one communicator. Private to the transport; copies no tensor.
 *
 * A group's lock guards everything in it and everything that a post says about its progress. A rank
 * is one thread and sleeps on its own condition only, so that a finished message wakes exactly who
 * waits for it.
 */
#ifndef KERNELS_COMM_LOCAL_WORLD_H
#define KERNELS_COMM_LOCAL_WORLD_H

#include "kernels/base/tensor.h"
#include "kernels/comm/rendezvous.h"
#include "kernels/device.h"

#include <math.h>
#include <pthread.h>

struct local_endpoint;

/* One posted message of one rank (comm_local.c fills it). */
struct local_post {
    struct local_endpoint *owner;
    struct local_post *next;  /* in a mailbox, or in the owner's list of free posts */
    struct local_post *older; /* the owner's list of all its posts */
    struct tensor message;    /* one axis, contiguous */
    int source, destination;  /* ranks of the group */
    bool sends;
    struct device *dev;
    struct event ready;  /* the owner's queue had reached the post */
    struct event copied; /* on the queue of the rank that copied */
    /* guarded by the group's lock */
    bool busy;                 /* posted and not waited for */
    bool queued;               /* in a mailbox, without a partner */
    bool done;                 /* the copy was issued, and `copier` tells when it is through */
    bool lent;                 /* the partner has yet to wait for this post's `copied` */
    enum status outcome;       /* of the copy */
    struct local_post *copier; /* this post or its partner */
};

/* Posts that wait for a partner, oldest first; all sends or all receives. */
struct local_mailbox {
    struct local_post *head, *tail;
};

struct local_group {
    struct local_world *world;
    struct local_group *next; /* in the world's list */
    int size;
    int members;   /* ranks that have not left; the last one frees it */
    bool is_world; /* lives as long as the world */
    pthread_mutex_t lock;
    pthread_cond_t *wake; /* [size] */
    bool aborted;
    struct local_mailbox *mailbox; /* [source * size + destination] */
    struct local_post *orphans;    /* posts of ranks that left, still looked at by a partner */
    /* Host gathers take turns on two shelves: to write a shelf again, a rank must have seen
     * everyone arrive at the round between, so all have read it. */
    char *shelf[2];
    size_t shelf_room[2]; /* bytes */
    size_t shelf_part;    /* bytes of one rank in this round */
    int arrived;
    unsigned round;
};

/* The group of all ranks. */
struct local_group *local_world_group(struct local_world *world);

/* No rank of the process waits for another any more: waits and posts fail from now on. */
void local_world_abort(struct local_world *world);

/* The last of its ranks frees it; that of all ranks is freed with the world. */
void local_group_leave(struct local_group *group);

/* Sleeps until woken, with the lock held by the caller. False: the deadline, a moment of
 * clock_seconds or LOCAL_NEVER, has passed. */
bool local_group_sleep(struct local_group *group, int rank, double deadline);

/* The deadline of a wait that begins now and may last so long; seconds 0: LOCAL_NEVER. */
#define LOCAL_NEVER INFINITY
double local_deadline_in(double seconds);

/* Collective over the parent: ranks of one color get one group, in the order of their keys. */
enum status local_group_split(struct local_group *parent, int rank, double timeout_s, int color,
                              int key, struct local_group **out, int *new_rank);

/* all[i * size] := rank i's `mine`. A barrier. */
enum status local_group_gather(struct local_group *group, int rank, double timeout_s,
                               const void *mine, size_t size, void *all);

#endif
