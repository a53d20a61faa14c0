/* SPDX-License-Identifier: Apache-2.0 */
/* What ops_cuda measures with: shapes of models, random operands, captured calls and their lines.
 */
#ifndef TESTS_BENCH_RATE_H
#define TESTS_BENCH_RATE_H

#include "kernels/backend.h"
#include "kernels/base/arena.h"
#include "kernels/device.h"

enum {
    SETS = 4,   /* of operands, used in turn */
    LINE = 120, /* characters of a title */
};

enum qk { QK_NONE, QK_RMS, QK_RMS_ROPE, QK_LAYER_ROPE };

/* Shapes, and how often a step has a block's ops. Text of a stream of its own comes first in the
 * rows of a joint buffer. */
struct model {
    const char *name;
    int lanes, rows, text; /* rows of the image and of the text's stream, 0: it has none */
    int width, heads, head, mlp;
    int cross; /* keys of a cross-attention, 0: there is none */
    int blocks, singles;
    enum qk qk;
    int frames;                /* of the rows, 0: it is an image */
    int attn_rows, attn_heads; /* where a rank attends to other tokens than it has rows; else 0 */
};

struct bench {
    struct queue *q;
    struct arena *arena; /* of the line that is being measured */
    enum dtype dtype;
    const char *only; /* part of the lines wanted; NULL: all */
    const struct model *model;
    double step_us; /* sum of what a step's calls take, layer by layer */
};

struct work {
    const char *name;
    double amount;   /* floating-point operations or bytes of one call */
    double rate;     /* of the unit that bounds it */
    double per_step; /* calls in a step of the model */
    void (*call)(struct bench *, int set, void *operands);
    void *operands;
};

/* What an NVIDIA H200 was measured to do: large products, a copy. */
extern const double rate_gemm, rate_memory;

/* Prints and ends the program. */
void rate_check(enum status st);

/* Makes a line's title; false: nobody wants it. */
__attribute__((format(printf, 3, 4))) bool rate_title(const struct bench *b, char line[LINE],
                                                      const char *format, ...);

/* An arena for one line, whose memory is free for the next. */
void rate_open(struct bench *b);
void rate_close(struct bench *b);

/* Random, dense. */
struct tensor rate_tensor(struct bench *b, enum dtype dtype, int ndim, const int64_t *dim);

#define MAKE(b, dtype, ...)                                                                        \
    rate_tensor(b, dtype, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),               \
                (int64_t[]){__VA_ARGS__})

/* Rows of a buffer [lanes, all, wide]: from row `begin` and column `column` on. */
struct place {
    int64_t all, wide, begin, column;
};

struct place rate_dense(int64_t rows, int64_t columns); /* all of it */
struct tensor rate_part(struct bench *b, struct place at, int64_t rows, int64_t columns);

/* The which-th part of a product's columns as [.., heads, D]. */
struct tensor rate_heads(const struct bench *b, const struct tensor *rows, int64_t which,
                         int heads);

/* Measures, prints a line and adds to the step. */
void rate_report(struct bench *b, const struct work *w);

#endif
