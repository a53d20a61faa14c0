/* SPDX-License-Identifier: Apache-2.0 */
/* What the front end, the built-in collectives and the list of transports share. Not for callers of
 * comm.h. */
#ifndef KERNELS_COMM_COMM_PRIVATE_H
#define KERNELS_COMM_COMM_PRIVATE_H

#include "kernels/comm/comm.h"

/* What a communicator does, in messages and to transports: "<axis>.<op>", "<axis>.recv",
 * "<axis>.shift" (push.h, to one peer), "<axis>.wait". */
enum { COMM_LABEL_RECV = COMM_OPS, COMM_LABEL_SHIFT, COMM_LABEL_WAIT, COMM_LABELS };
enum { COMM_LABEL_SIZE = 48 };

/* A message under way, or one of the communicator's spare ones. */
struct comm_post {
    struct comm_post *next;  /* of its request, or of the spare ones */
    struct comm_post *older; /* of all that the communicator has */
    void *handle;            /* the transport's */
    int peer;                /* -1: several */
};

struct comm {
    const struct comm_ops *ops;
    void *link; /* the transport's half */
    int rank, size;
    const char *name;               /* borrowed */
    int channel;                    /* of its axis */
    struct comm_counters *counters; /* borrowed, may be NULL */
    enum comm_when when;
    struct comm_post *posts, *spare; /* all; those of no request */
    int depth, pairs;                /* of open groups; posted in the outermost */
    char label[COMM_LABELS][COMM_LABEL_SIZE];
};

/* A contiguous tensor seen as one axis. */
struct tensor comm_flat(const struct tensor *t);

/* Post one message and keep its handle in `req`; one without elements is not posted. What goes to
 * another rank is added to the wire bytes of `op`. */
enum status comm_post_send(struct comm *comm, enum comm_op op, int peer, const struct tensor *t,
                           struct queue *q, struct comm_req *req);
enum status comm_post_recv(struct comm *comm, int peer, const struct tensor *t, struct queue *q,
                           struct comm_req *req);

/* One step of a collective: a receive and a send. All ranks post the same number of pairs in the
 * same order, so that a group too long for the transport is cut between the same pairs. */
enum status comm_post_pair(struct comm *comm, enum comm_op op, int from, const struct tensor *in,
                           int to, const struct tensor *out, struct queue *q, struct comm_req *req);

/* The transport's own sum (comm_ops.all_reduce), whose messages nobody sees: the ring's bytes by
 * formula. */
enum status comm_post_sum(struct comm *comm, struct tensor *inout, struct queue *q,
                          struct comm_req *req);

void comm_post_free(struct comm *comm); /* at the communicator's end */

/* For a front end of its own file: tells the transport what comes; opens the range of an operation
 * (label, peer or -1, bytes handed over, bytes on the wire), which trace_leave ends, and is called
 * only where trace_on(); counts one call; counts bytes that a transport's own operation sends. */
void comm_begin_op(struct comm *comm, int label);
void comm_trace(const struct comm *comm, int label, int peer, uint64_t payload, uint64_t wire);
void comm_count_call(struct comm *comm, enum comm_op op, uint64_t api_bytes);
void comm_count_wire(struct comm *comm, enum comm_op op, uint64_t bytes);

/* For exchange.c, push.c and sum.c: the transport's own form, where it has one and takes the
 * tensors; and memory that it asks for, *out NULL: none. */
enum status comm_offer_exchange(struct comm *comm, bool to_heads, int n,
                                const struct tensor *narrow, const struct tensor *wide,
                                int first_row, struct queue *q, bool *taken);
enum status comm_push_takes(struct comm *comm, int label, const struct comm_push *push,
                            struct queue *q, bool *taken);
enum status comm_push_run(struct comm *comm, int label, const struct comm_push *push,
                          struct queue *q);
enum status comm_offer_sum(struct comm *comm, const struct tensor *part, struct queue *q,
                           bool *taken);
enum status comm_run_sum(struct comm *comm, const struct tensor *out, const struct tensor *part,
                         struct queue *q);
enum status comm_exchange_memory(struct comm *comm, size_t bytes, void **out, void **owner,
                                 void (**release)(void *owner));

/* ---- collective.c: for transports without their own ---- */
enum status collective_all_to_all(struct comm *comm, const struct tensor *send,
                                  const struct tensor *recv, struct queue *q, struct comm_req *req);
enum status collective_all_gather(struct comm *comm, const struct tensor *mine,
                                  const struct tensor *part, struct queue *q, struct comm_req *req);
/* What of it leaves this rank. */
uint64_t collective_all_reduce_wire(const struct comm *comm, const struct tensor *inout);
/* Complete on q when it returns. */
enum status collective_all_reduce(struct comm *comm, const struct tensor *inout,
                                  const struct tensor *scratch, struct queue *q);

/* ---- transports ---- */
extern const struct comm_ops comm_local_ops;
extern const struct comm_ops comm_mpi_ops;  /* only with MPI in the build */
extern const struct comm_ops comm_nccl_ops; /* only with CUDA and NCCL in the build */

#endif
