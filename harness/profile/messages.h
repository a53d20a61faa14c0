/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages between ranks of a recording: whose post belongs to whose, since when both had
 * posted, and when the data had arrived. By axis, channel and pair of ranks the n-th send is the
 * n-th receive; of collectives the n-th of a rank belongs to the n-th of each of its peers, and is
 * one message for each ordered pair. What was captured posts again in every launch of its graph.
 *
 * On the host a message is posted when its COMM range begins, and begins when both ranges have. Of
 * two COMM ranges the one with more operations inside made the copy, as who posts second does
 * between threads: the receiver had it when that range ended, and at the latest when its own wait
 * for it did. With as many operations in one as in the other (processes) its wait is all that
 * tells.
 *
 * On a device, kernels of both sides that are no operations of the backend carry it together
 * (NCCL): it begins with the last of them, of a collective with the last of all its ranks', and
 * ends with the last of the two. Else the copies in the COMM range of whoever posted second are it:
 * of a send or receive, from its begin to its end; of a collective, from when both had posted until
 * the last of them ended.
 */
#ifndef HARNESS_PROFILE_MESSAGES_H
#define HARNESS_PROFILE_MESSAGES_H

#include "harness/profile/posts.h"
#include "harness/profile/recording.h"

struct message {
    const char *name; /* "send", "all_to_all", ... */
    int axis, channel;
    int from, to;                    /* ranks of the world */
    int send, receive;               /* their COMM ranges */
    int send_launch, receive_launch; /* the ranges that launched those with a graph; or none */
    int send_post, receive_post;     /* their indices in the posts of `from` and of `to` */
    int64_t sent, wanted; /* when each had posted; on a device: when its stream had come to it */
    int64_t begin, end;   /* under way: from when both had posted, or its copy began, until the
                             receiver had it */
    uint64_t bytes;       /* of a collective: this pair's share */
};

struct messages {
    int n;
    struct message *v; /* [n] by begin */
    int unmatched;     /* posts without a partner: of a rank that died */
    int ranks;
    struct posts *posts; /* [ranks] */
};

/* ST_OOM. */
enum status messages_open(const struct recording *recording, struct messages *out);
void messages_release(struct messages *messages);

/* From then on nobody is waited for: both had posted, or the last of its kernels had begun. */
int64_t messages_ready(const struct messages *messages, const struct message *message);

#endif
