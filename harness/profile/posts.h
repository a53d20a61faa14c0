/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rank posted to others in a loop, in the order of its posts, with all that its own side
 * tells: when its stream had come to each, what carried it, and where the rank waited for it. Whose
 * post it meets is messages.h's.
 *
 * A communication that was captured once counts once for every launch of its graph. Messages of no
 * bytes, and those of a rank to itself, are never posted and are left out.
 */
#ifndef HARNESS_PROFILE_POSTS_H
#define HARNESS_PROFILE_POSTS_H

#include "harness/profile/recording.h"

enum post_side { POST_SEND, POST_RECEIVE, POST_COLLECTIVE };

struct post {
    int range, launch; /* its COMM range, and the range that launched it with a graph; or none */
    int axis, channel; /* axis: RECORDED_NONE: the world */
    int peer;          /* rank of the world; none: a collective */
    enum post_side side;
    int64_t came; /* on the host: its range's begin; on a device: the end of what its stream had to
                     finish before */
    int wait;     /* the first of its waits; posts that one request waits for have the same */
    int waits;    /* 0: none, as of a rank that died */
    int carrier; /* the kernel that carries it, which runs on every rank that takes part; or none */
    int64_t carrier_begin, carrier_end; /* of several: of all */
    int ops; /* other items in its COMM range: pack, own part, and the copies of messages whose
                other side had posted before */
    int64_t ops_begin, ops_end;
    int64_t copied; /* the end of those on a stream that only copies; 0: there is none */
    bool lone;      /* without a partner: set by messages.c */
    int64_t done;   /* when the last of its messages had come: set by messages.c */
};

/* On the host: a WAIT range. On a device: from when its stream had come to the wait until the next
 * item on it began. */
struct post_wait {
    int64_t begin, end;
};

struct posts {
    int n, waits;
    struct post *v;         /* [n] */
    struct post_wait *wait; /* [waits] */
    bool *carries;          /* [items] the item is the carrier of a post */
};

/* ST_OOM. */
enum status posts_open(const struct recording *recording, int rank, struct posts *out);
void posts_release(struct posts *posts);

#endif
