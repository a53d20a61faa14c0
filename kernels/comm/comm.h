/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Communication between the ranks of one axis: post now, wait later. This front end checks shapes,
 * counts bytes and traces; it is the only caller of comm_ops. Not a launcher: ranks find each other
 * through a rendezvous.
 *
 * All tensors handed to a communicator are contiguous and stay untouched (sources) or unread
 * (destinations) until the request was waited for. Posts of one communicator match in order on
 * every rank. Collectives without a native form in the transport are built here from send and recv,
 * in one fixed order, so that every CPU transport rounds alike. A communicator of one rank is legal
 * everywhere and moves nothing.
 */
#ifndef KERNELS_COMM_COMM_H
#define KERNELS_COMM_COMM_H

#include "kernels/base/tensor.h"
#include "kernels/device.h"
#include "kernels/op.h"

struct comm;
struct comm_ops;
struct rendezvous;

enum comm_op { COMM_ALL_TO_ALL, COMM_ALL_REDUCE, COMM_ALL_GATHER, COMM_SEND, COMM_OPS };
enum comm_when { COMM_WARMUP_STEP, COMM_STEP, COMM_LAST_STEP, COMM_ONCE, COMM_WHENS };

/* How a communicator is used. COMM_AHEAD: its receives are posted long before what they wait for is
 * sent, and wait while the device computes; whoever waits there should hold little of it. */
enum comm_use { COMM_AT_ONCE, COMM_AHEAD };

const char *comm_op_name(enum comm_op op);       /* "all_to_all", ... */
const char *comm_when_name(enum comm_when when); /* "warmup_step", "step", "last_step", "once" */

/* Bytes of one (op, when): what was handed to the front end, and what was posted to other ranks. */
struct comm_count {
    uint64_t calls;
    uint64_t api_bytes;
    uint64_t wire_bytes;
};

struct comm_counters {
    struct comm_count count[COMM_OPS][COMM_WHENS];
};

/* A posted operation: any number of messages. Zero-initialised = idle; waiting for an idle one is a
 * no-op. */
struct comm_req {
    struct comm *comm;
    struct comm_post *first, *last; /* messages under way, the communicator's; NULL: none */
};

/* ---- life ---- */

/* The world communicator of this rank over the transport `ops`. `dev` borrowed. */
enum status comm_open(const struct comm_ops *ops, const struct rendezvous *where,
                      struct device *dev, struct comm **out);

/* Collective over the parent, which is aborted where a rank has no memory to take part. Ranks with
 * equal color form one communicator, ordered by key. `counters` (borrowed, may be NULL) receives
 * its bytes; `name` (borrowed) is the axis' name, for traces and errors. */
enum status comm_split(struct comm *parent, int color, int key, const char *name, enum comm_use use,
                       struct comm_counters *counters, struct comm **out);

/* Which of its axis' channels it is, for traces; 0 where it is the only one. */
void comm_set_channel(struct comm *comm, int channel);

/* Takes back what was posted and never waited for, so it goes before the messages' memory and their
 * device. After a failure comm_abort comes first, or peers find out only at their timeout. */
void comm_close(struct comm *comm);

int comm_rank(const struct comm *comm);
int comm_size(const struct comm *comm);

/* Sets which column the bytes that follow are counted in. */
void comm_set_when(struct comm *comm, enum comm_when when);

/* ---- operations ---- */

/* inout := sum over ranks, fp32 or the model's dtype; `scratch`: same shape, contents lost. Where
 * the transport has no sum of its own, by the ring algorithm, adding as op_add does:
 * reduce-scatter, then all-gather, over n parts that differ by at most one element. The ring's
 * bytes are counted in either case. */
enum status comm_all_reduce(struct comm *comm, struct tensor *inout, struct tensor *scratch,
                            struct queue *q, struct comm_req *req);

/* part[i] := rank i's `mine` (sizes may differ by rank, part[i] has rank i's size). part[own] may
 * be `mine` itself; otherwise it is copied. api_bytes = own part; wire = (n-1) x own part. */
enum status comm_all_gather(struct comm *comm, const struct tensor *mine,
                            const struct tensor *part /* [n] */, struct queue *q,
                            struct comm_req *req);

/* recv[i] := rank i's send[own]; sizes per peer, zero allowed; own part copied. */
enum status comm_all_to_all(struct comm *comm, const struct tensor *send /* [n] */,
                            const struct tensor *recv /* [n] */, struct queue *q,
                            struct comm_req *req);

enum status comm_send(struct comm *comm, int peer, const struct tensor *t, struct queue *q,
                      struct comm_req *req);
enum status comm_recv(struct comm *comm, int peer, const struct tensor *t, struct queue *q,
                      struct comm_req *req);

/* Posts between begin and end progress together (NCCL groups, cut where a collective's posts are
 * more than a group takes); nothing on other transports. */
enum status comm_group_begin(struct comm *comm);
enum status comm_group_end(struct comm *comm);

/* Makes q wait for the request (the host, on CPU transports); the request is idle afterwards. Posts
 * before this on the same request object add to it: one wait finishes all of them. */
enum status comm_wait(struct comm_req *req, struct queue *q);

/* "lsa" once heads went for tokens, rows to peers, or sums were made (kernels/comm/exchange.h,
 * push.h, sum.h) by one kernel on some communicator of its world; NULL: by messages, or not at
 * all. */
const char *comm_exchange_form(const struct comm *comm);

/* ---- graphs (kernels/device.h) ---- */

/* Posts and waits on a queue that captures become part of its graph; every rank of the communicator
 * captures the same. False: such a queue must not be handed to this communicator. */
bool comm_captures(const struct comm *comm);

/* Before graph_end: q waits for whatever the communicator was posted while q captured, so that no
 * work is left outside the graph. */
enum status comm_join(struct comm *comm, struct queue *q);

/* ---- host side ---- */

/* The host waits until q is empty. Where the transport watches its ranks (NCCL): ST_COMM when one
 * failed, ST_TIMEOUT when no operation of any communicator came to its end for the rendezvous'
 * timeout_s; the message names layer and operation. */
enum status comm_drain(struct comm *comm, struct queue *q);

/* Returns the largest status of all ranks; the message of the lowest rank that has it becomes every
 * rank's. Where that cannot be found out, a rank that has failed keeps its own. */
enum status comm_agree(struct comm *comm, enum status mine);

enum status comm_barrier(struct comm *comm);

/* Host bytes from every rank, `size` each, into all[n * size] on every rank. */
enum status comm_host_gather(struct comm *comm, const void *mine, size_t size, void *all);

/* Makes waiting peers fail with ST_COMM instead of hanging. */
void comm_abort(struct comm *comm);

/* ---- transports ---- */
struct comm_push; /* push.h */

struct comm_ops {
    const char *name;    /* "local", "mpi", "nccl" */
    const char *summary; /* one line */
    bool captures;       /* posts on a capturing queue become part of its graph */
    enum status (*open)(const struct rendezvous *where, struct device *dev, void **world);
    enum status (*split)(void *comm, int color, int key, enum comm_use use, void **out, int *rank,
                         int *size);
    void (*close)(void *comm);
    enum status (*send)(void *comm, int peer, const struct tensor *t, struct queue *q,
                        void **handle);
    enum status (*recv)(void *comm, int peer, const struct tensor *t, struct queue *q,
                        void **handle);
    enum status (*wait)(void *handle, struct queue *q); /* frees the handle */
    enum status (*group)(void *comm, bool begin);       /* (optional) NULL: nothing */
    /* (optional) its own sum; NULL: built from send and recv, as the other collectives are */
    enum status (*all_reduce)(void *comm, struct tensor *inout, struct queue *q, void **handle);
    /* (optional) kernels/comm/exchange.h as one operation of q, my rows being those from first_row;
     * *taken false, on all ranks alike: not for these tensors. NULL: copies and messages */
    enum status (*exchange)(void *comm, bool to_heads, int n, const struct tensor *narrow,
                            const struct tensor *wide, int first_row, struct queue *q, bool *taken);
    /* (optional) comm_exchange_form */
    const char *(*exchange_form)(void *comm);
    /* (optional) memory that its wide tensors lie in, and who frees it; *out NULL, or no such
     * functions: any memory. exchange_free may come after close */
    enum status (*exchange_alloc)(void *comm, size_t bytes, void **out, void **owner);
    void (*exchange_free)(void *owner);
    /* (optional) kernels/comm/push.h as one operation of q; push_takes is asked first, on all
     * ranks, which get the same answer */
    enum status (*push_takes)(void *comm, const struct comm_push *push, struct queue *q,
                              bool *taken);
    enum status (*push)(void *comm, const struct comm_push *push, struct queue *q);
    /* (optional) kernels/comm/sum.h, likewise */
    enum status (*sum_takes)(void *comm, const struct tensor *part, struct queue *q, bool *taken);
    enum status (*sum)(void *comm, const struct tensor *out, const struct tensor *part,
                       struct queue *q);
    enum status (*host_gather)(void *comm, const void *mine, size_t size,
                               void *all); /* a barrier too */
    /* (optional) "ring.send": what the next posts are, for the messages of drain; borrowed. NULL:
     * nothing */
    void (*announce)(void *comm, const char *label);
    enum status (*join)(void *comm, struct queue *q);  /* (optional) comm_join; NULL: nothing */
    enum status (*drain)(void *comm, struct queue *q); /* (optional) NULL: queue_sync */
    void (*abort)(void *comm);
};

const struct comm_ops *comm_ops_find(const char *name); /* NULL: not built in or unknown */
const struct comm_ops *comm_ops_at(int index);

#endif
