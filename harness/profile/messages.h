/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages between ranks of a recording: whose post belongs to whose, since when both had
 * posted, and when the data had arrived. By axis, channel and pair of ranks the n-th send is the
 * n-th receive; of collectives the n-th of a rank belongs to the n-th of each of its peers.
 */
#ifndef HARNESS_PROFILE_MESSAGES_H
#define HARNESS_PROFILE_MESSAGES_H

#include "harness/profile/recording.h"

struct message {
    const char *name; /* "send", "all_to_all", ... */
    int axis, channel;
    int from, to;         /* ranks of the world */
    int send, receive;    /* their COMM ranges */
    int64_t sent, wanted; /* when each had posted; on a device: when its stream had come to it */
    int64_t begin, end;   /* under way: from when both had posted, or its copy began, until the
                             receiver had it */
    uint64_t bytes;       /* of a collective: this pair's share */
};

struct messages {
    int n;
    struct message *v; /* [n] by begin */
    int unmatched;     /* posts without a partner: of a rank that died */
};

/* ST_OOM. */
enum status messages_open(const struct recording *recording, struct messages *out);
void messages_release(struct messages *messages);

#endif
