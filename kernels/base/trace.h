/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nested ranges of a thread's work, for whoever adds a sink: a loop, its steps, the passes of each,
 * layers, operations of the model, and inside those the operations of the backend and the
 * communications, with what they compute and move. Who opens them: op_*, comm_* and graph_* their
 * own, models/ and strategies/ the structure around them.
 *
 * Without a sink a range costs one look at a thread-local pointer: whatever it would tell is
 * reckoned behind that look.
 */
#ifndef KERNELS_BASE_TRACE_H
#define KERNELS_BASE_TRACE_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_kind {
    TRACE_LOOP,  /* from the barrier to the end */
    TRACE_STEP,  /* index: which */
    TRACE_PASS,  /* through this rank's layers; index: the patch, or -1: of the whole sequence */
    TRACE_LAYER, /* index: its number in the model */
    TRACE_MODEL, /* an operation of the model ("qkv"), or of a strategy's schedule ("leave") */
    TRACE_OP,    /* an operation of the backend: handed to the queue; on the CPU, done */
    TRACE_COMM,  /* a communication is posted; on the CPU some are done, too */
    TRACE_WAIT,  /* for communications, or for all ranks */
    TRACE_GRAPH, /* "capture": what is inside is remembered and not run; "launch" */
    TRACE_GROUP, /* posts of an axis that progress together are handed over, where the transport
                    does so when their group ends: what carries them is given here */
    TRACE_MARK,  /* a sign of progress is put on a stream: it carries and computes nothing */
    TRACE_KINDS
};

/* What an operation is good for, whatever a backend makes of it: formulas in kernels/op_work.h. */
struct trace_work {
    double flops;
    double bytes; /* of its operands, each read or written once */
};

struct trace_range {
    enum trace_kind kind;
    const char *name; /* static: sinks may keep the pointer */
    const char *axis; /* of COMM, WAIT and GROUP, static; NULL: none */
    int index;        /* of STEP, PASS and LAYER; else -1 */
    int channel;      /* of the axis: messages of one link match in order */
    int peer;         /* the one rank of the axis that it is from or to; -1: none or several */
    uint64_t payload; /* COMM: bytes of the tensors handed over, counted as api_bytes; of a receive
                         the bytes that come, counted nowhere */
    uint64_t wire;    /* COMM: bytes that leave this rank */
    struct trace_work work; /* OP */
};

/* Filled by its owner but for the last two. Any number at once; each sees balanced ranges. */
struct trace_sink {
    void (*push)(void *self, const struct trace_range *range); /* the range is gone afterwards */
    void (*pop)(void *self);
    void *self;
    int depth; /* ranges it has open */
    struct trace_sink *next;
};

const char *trace_kind_name(enum trace_kind kind); /* "loop", "step", ... */

/* The sinks of this thread; borrowed until removed. One that comes while ranges are open sees those
 * opened from then on; one that goes is told that they end. */
void trace_add(struct trace_sink *sink);
void trace_remove(struct trace_sink *sink);

/* ---- how a range is opened ---- */

extern _Thread_local struct trace_sink *trace_sinks; /* trace.c's; read by trace_on */

static inline bool trace_on(void)
{
    return trace_sinks != NULL;
}

/* Only where trace_on(), for what a range tells is not to be reckoned otherwise. */
void trace_push(const struct trace_range *range);
void trace_push_named(enum trace_kind kind, const char *name, int index);
void trace_pop(void);

static inline void trace_enter(enum trace_kind kind, const char *name, int index)
{
    if (trace_on())
        trace_push_named(kind, name, index);
}

/* Closes what was opened last; hands the status through. */
static inline enum status trace_leave(enum status st)
{
    if (trace_on())
        trace_pop();
    return st;
}

/* The status of a call made inside a range, which ends whatever comes of it. */
#define TRACE(kind, name, index, call) (trace_enter(kind, name, index), trace_leave(call))
#define TRACED(name, call)             TRACE(TRACE_MODEL, name, -1, call)

/* ---- the layer at hand ---- */

/* The layer that this thread works on, or -1; told without sinks, too: for messages about what it
 * posted there. */
int trace_layer(void);

void trace_enter_layer(int layer);
enum status trace_leave_layer(enum status st);

#define TRACED_LAYER(layer, call) (trace_enter_layer(layer), trace_leave_layer(call))

#endif
