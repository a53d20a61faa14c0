/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The best that a device was measured to do, and what an operation could reach by that: rates of
 * products, attentions, element-wise traffic and exchanges. Never from a data sheet. Measures
 * nothing (ceilings_measure.h) and reads no file (ceilings_file.h).
 *
 * An operation is held by what it computes or by what it moves: whichever would take longer at its
 * best rate. GB = 1e9 bytes.
 */
#ifndef HARNESS_PROFILE_CEILINGS_H
#define HARNESS_PROFILE_CEILINGS_H

#include "kernels/base/tensor.h"

enum ceilings_kind {
    CEILINGS_PRODUCT,
    CEILINGS_ATTENTION,
    CEILINGS_TRAFFIC,  /* element-wise, rows and copies: bytes alone hold it */
    CEILINGS_EXCHANGE, /* between ranks that are threads, each with a GPU */
    CEILINGS_KINDS
};

enum {
    CEILINGS_RATES = 64,    /* of one set */
    CEILINGS_CLASSES = 5,   /* of products by their FLOPs: see ceilings_class */
    CEILINGS_LIBRARIES = 6, /* of a key */
};

/* One rung of a ladder: an operation of one shape. */
struct ceilings_rate {
    enum ceilings_kind kind;
    char name[20];  /* of the operation: "linear", "all_reduce" */
    char shape[40]; /* "8192x1152x4608": rows, in, out; "2x4096, 16x72": lanes and rows, heads */
    int head;       /* ATTENTION: elements of a head; else 0 */
    double flops;   /* of one call, as op_work.h counts them */
    double bytes;   /* the same; EXCHANGE: what busbw counts (comm_bench.h) */
    int samples;
    double median_us, p10_us, p90_us; /* of one call */
};

/* Whose rates they are. */
struct ceilings_key {
    char backend[16];
    char device[128]; /* "NVIDIA H200"; the CPU's model and the threads that computed */
    int libraries;
    struct {
        char name[16], version[112];
    } library[CEILINGS_LIBRARIES]; /* the driver too, as far as known */
};

/* The rates of one dtype. */
struct ceilings_set {
    struct ceilings_key key;
    enum dtype dtype;
    char time[24];         /* UTC, RFC 3339 */
    double seconds;        /* it was given */
    char no_exchange[200]; /* why no EXCHANGE is among the rates; "": some are */
    int n;
    struct ceilings_rate rate[CEILINGS_RATES];
};

/* What is known of one device. */
struct ceilings {
    bool have[DTYPE_COUNT];
    struct ceilings_set set[DTYPE_COUNT];
};

double ceilings_tflops(const struct ceilings_rate *rate); /* of the median */
double ceilings_gbps(const struct ceilings_rate *rate);

/* Which of CEILINGS_CLASSES a product is in: below 1 GFLOP, below 10, 100, 1000, and above. */
int ceilings_class(double flops);
const char *ceilings_class_name(int size_class); /* "1 to 10 GFLOP" */

const char *ceilings_kind_name(enum ceilings_kind kind); /* "product", ... */

/* What holds the operation of that name (op.h's, without "op_"): "linear", "linear_add" and "conv"
 * are PRODUCT, "attention" is ATTENTION, all others are TRAFFIC. */
enum ceilings_kind ceilings_kind_of(const char *op);

/* The fastest rung of a kind, by TFLOP/s of products and attentions, by GB/s of others. head: of
 * this one only, 0: of any; size_class: of this one only, -1: of any. NULL: there is none. */
const struct ceilings_rate *ceilings_best(const struct ceilings_set *set, enum ceilings_kind kind,
                                          int head, int size_class);

/* ---- what an operation could reach ---- */

struct ceilings_op {
    enum ceilings_kind kind;
    enum dtype dtype;
    int head; /* ATTENTION */
    double flops, bytes;
};

struct ceilings_limit {
    bool by_bytes;        /* what it moves binds, not what it computes */
    double rate;          /* that it could reach: GB/s by bytes, else TFLOP/s */
    double least_us;      /* at that rate */
    double rate_of_size;  /* PRODUCT: TFLOP/s that one of its size class reached, or of the nearest
                             class, smaller ones first; else 0 */
    double tflops, gbps;  /* the two ceilings; tflops is 0 where nothing is computed */
    const char *of_flops; /* names of the operations that they are of; NULL where 0; borrowed */
    const char *of_bytes;
};

/*
 * False: nothing was measured that could tell, as for a dtype without a set. A head dim that was
 * not measured takes the next larger one's, else the fastest. TRAFFIC is the same in all dtypes, so
 * another set will do.
 */
bool ceilings_find(const struct ceilings *ceilings, const struct ceilings_op *op,
                   struct ceilings_limit *out);

#endif
