/* SPDX-License-Identifier: Apache-2.0 */
/* What the capturing device and its transport share: remembered calls. */
#ifndef TESTS_STRATEGIES_CAPTURING_PRIVATE_H
#define TESTS_STRATEGIES_CAPTURING_PRIVATE_H

#include "kernels/op_image.h"
#include "tests/strategies/capturing.h"

enum job_kind {
    JOB_COPY,
    JOB_FILL,
    JOB_LINEAR,
    JOB_LINEAR_ADD,
    JOB_ACTIVATE,
    JOB_NORM,
    JOB_GATE_ADD,
    JOB_GATE_ADD_NORM,
    JOB_QK_NORM_ROPE,
    JOB_ADD_ROWS,
    JOB_ADD,
    JOB_ADD_OUTER,
    JOB_TIMESTEP,
    JOB_ATTENTION,
    JOB_MERGE,
    JOB_ADVANCE,
    JOB_CONV,
    JOB_CONV_FOLD,
    JOB_GROUP_SUMS,
    JOB_GROUP_CENTRE,
    JOB_GROUP_NORM,
    JOB_SEND,
    JOB_RECV,
    JOB_WAIT,
};

enum { TENSORS = 10, COUNTS = 64 };

struct message { /* a handle; the real one exists once it was posted */
    void *comm, *real;
    struct tensor sum; /* of an all-reduce; no data: another message */
};

struct job {
    enum job_kind kind;
    struct tensor t[TENSORS];
    bool has[TENSORS];
    float value;
    enum act act;
    bool centred, normed;        /* of heads */
    int count[COUNTS], n_counts; /* keys of each lane */
    struct conv conv;            /* without its tensors */
    int64_t elements;            /* of a group, for GroupNorm */
    int64_t own_elements;        /* those of a part */
    int peer;
    struct message *message;
};

struct capture {
    int n, room;
    struct job *job; /* [room] */
};

/* Tensors that may be missing are NULL. */
struct job capturing_job(enum job_kind kind, int n, const struct tensor *const *t);

#define JOB(kind, ...)                                                                             \
    capturing_job(kind, (int)(sizeof((const struct tensor *[]){__VA_ARGS__}) / sizeof(void *)),    \
                  (const struct tensor *[]){__VA_ARGS__})

/* Now, or when the graph that q captures is launched. */
enum status capturing_submit(struct queue *q, struct job job);

/* Sends, receives and waits: capturing_transport.c. */
enum status capturing_post(struct job *job, struct queue *cpu);

bool capturing_now(struct queue *q);
struct device *capturing_cpu(struct device *dev);

#endif
