/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution as matrix products: the pixels that one row of the kernel sees are gathered for a
 * block of output pixels (im2col, Chellapilla, Puri & Simard 2006, a kernel row at a time) and
 * multiplied with that row's weights; the rows' products add up in y. Channels last makes most of a
 * gathered row one copy, and a kernel of 1 needs none.
 */
#include "kernels/cpu/conv.h"

#include "kernels/cpu/backend_cpu.h"
#include "kernels/cpu/linear.h"

#include <string.h>

enum {
    PIXELS_MOST = 512, /* of a block: with 512 channels its sums stay in the second-level cache */
    PIXELS_LEAST = 16, /* a block is not cut smaller to occupy more workers */
    WORKER_MULTIPLIES = 1 << 17,
};

/*
 * Output pixels whose places in y are `step` pixels apart are a line: all of an image, or where the
 * kernel is folded every second pixel of a row. Items of the loop are blocks of lines.
 */
struct job {
    struct cpu_device *cpu;
    const struct tensor *x, *y, *add; /* add NULL: none, or y itself: it is there already */
    const float *w, *bias;
    int64_t taps; /* places of a kernel row */
    int64_t above;
    bool upsample, folded, add_to_y;
    int64_t line;          /* pixels of a line */
    int64_t block, blocks; /* pixels of a block; blocks of a line */
};

/* A block; in a plain line `first` counts the image's pixels, in a folded one x's columns. */
struct block {
    int64_t image, first, pixels;
    int64_t row, odd_row, odd_column; /* folded: row of y, and of E's pixel, whether it is odd */
    int64_t to, step;                 /* first pixel of y's image, and from one to the next */
    const float *w;                   /* kernel rows of [taps, I] */
    int64_t w_stride;                 /* from one output channel to the next */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `taps` pixels of a row of E from column `first` on, zeros where there are none; row NULL: all of
 * them. `columns` are x's. */
static void gather(const struct job *job, float *out, const float *row, int64_t first,
                   int64_t columns)
{
    int64_t channels = job->x->dim[3];
    size_t pixel = (size_t)channels * sizeof(float);
    bool enlarged = job->upsample && !job->folded;
    int64_t width = enlarged ? 2 * columns : columns;
    if (!row) {
        memset(out, 0, (size_t)job->taps * pixel);
        return;
    }
    if (!enlarged && first >= 0 && first + job->taps <= width) {
        memcpy(out, row + first * channels, (size_t)job->taps * pixel);
        return;
    }
    for (int64_t v = 0; v < job->taps; v++, out += channels) {
        int64_t column = first + v;
        if (column < 0 || column >= width)
            memset(out, 0, pixel);
        else
            memcpy(out, row + (enlarged ? column / 2 : column) * channels, pixel);
    }
}

/* What kernel row u sees of a block: [pixels, taps, I]. */
static void gather_block(const struct job *job, const struct block *b, int64_t u, float *out)
{
    int64_t rows = job->x->dim[1], columns = job->x->dim[2], channels = job->x->dim[3];
    const float *x = (const float *)job->x->data + b->image * job->x->stride[0];
    int64_t height = job->upsample && !job->folded ? 2 * rows : rows;
    for (int64_t p = b->first; p < b->first + b->pixels; p++, out += job->taps * channels) {
        int64_t row, column;
        if (job->folded) { // pixel (2s + odd) of E sees s - 1 + odd and s + odd
            row = (b->row + 1 - job->above) / 2 - 1 + b->odd_row + u;
            column = p - 1 + b->odd_column;
        } else {
            row = p / job->y->dim[2] + u - job->above;
            column = p % job->y->dim[2] - job->taps / 2;
        }
        bool inside = row >= 0 && row < height;
        int64_t from = height == rows ? row : row / 2;
        gather(job, out, inside ? x + from * columns * channels : NULL, column, columns);
    }
}

static void convolve(const struct job *job, const struct block *b, float *scratch)
{
    int64_t in = job->x->dim[3], out = job->y->dim[3];
    int64_t offset = b->image * job->y->stride[0] + b->to * out;
    float *y = (float *)job->y->data + offset;
    bool direct = job->taps == 1 && !job->upsample;
    const float *x = (const float *)job->x->data + b->image * job->x->stride[0] + b->first * in;
    if (job->add) {
        const float *add =
            (const float *)job->add->data + b->image * job->add->stride[0] + b->to * out;
        for (int64_t p = 0; p < b->pixels; p++)
            memcpy(y + p * b->step * out, add + p * b->step * out, (size_t)out * sizeof(float));
    }
    for (int64_t u = 0; u < job->taps; u++) {
        if (!direct)
            gather_block(job, b, u, scratch);
        linear_multiply(&(struct linear_product){
            .m = b->pixels,
            .n = out,
            .k = job->taps * in,
            .a = direct ? x : scratch,
            .b = b->w + u * job->taps * in,
            .c = y,
            .a_stride = job->taps * in,
            .b_stride = b->w_stride,
            .c_stride = b->step * out,
            .b_transposed = true,
            .alpha = 1.0f,
            .beta = u > 0 || job->add_to_y ? 1.0f : 0.0f,
        });
    }
    for (int64_t p = 0; p < b->pixels && job->bias; p++) {
        float *at = y + p * b->step * out;
        job->cpu->simd->activate(out, at, at, job->bias, ACT_NONE);
    }
}

static void convolve_items(void *arg, int worker, int64_t begin, int64_t end)
{
    const struct job *job = arg;
    float *scratch = job->cpu->scratch + (int64_t)worker * CPU_SCRATCH;
    int64_t in = job->x->dim[3], out = job->y->dim[3];
    for (int64_t item = begin; item < end; item++) {
        int64_t line = item / job->blocks;
        struct block b = {
            .image = line,
            .first = item % job->blocks * job->block,
            .step = 1,
            .w = job->w,
            .w_stride = job->taps * job->taps * in,
        };
        b.pixels = least(job->block, job->line - b.first);
        b.to = b.first;
        if (job->folded) {
            b.image = line / 2 / job->y->dim[1];
            b.row = line / 2 % job->y->dim[1];
            b.odd_row = (b.row + 1 - job->above) % 2;
            b.odd_column = line % 2;
            b.to = b.row * job->y->dim[2] + 2 * b.first + b.odd_column;
            b.step = 2;
            b.w += (2 * b.odd_row + b.odd_column) * out * b.w_stride;
        }
        convolve(job, &b, scratch);
    }
}

enum status conv_run(struct queue *q, struct tensor *y, const struct tensor *x,
                     const struct tensor *w, const struct conv *conv)
{
    struct cpu_device *cpu = cpu_of(q);
    struct job job = {
        .cpu = cpu,
        .x = x,
        .y = y,
        .add = conv->add && conv->add->data != y->data ? conv->add : NULL,
        .w = w->data,
        .bias = conv->bias ? conv->bias->data : NULL,
        .taps = w->dim[w->ndim - 2],
        .above = conv->above,
        .upsample = conv->upsample,
        .folded = w->ndim == 5,
        .add_to_y = conv->add != NULL,
    };
    int64_t lines = job.folded ? 2 * y->dim[0] * y->dim[1] : y->dim[0];
    int64_t gathered = job.taps * x->dim[3]; /* floats of a pixel */
    job.line = job.folded ? x->dim[2] : y->dim[1] * y->dim[2];
    if (tensor_count(y) == 0)
        return ST_OK;
    BUG_ON(gathered > CPU_SCRATCH, "conv: %lld input channels", (long long)x->dim[3]);
    job.block = least(PIXELS_MOST, CPU_SCRATCH / gathered);
    int64_t share = lines * job.line / pool_threads(cpu->pool) + 1;
    share = (share + PIXELS_LEAST - 1) / PIXELS_LEAST * PIXELS_LEAST;
    job.block = least(job.block, share);
    job.blocks = (job.line + job.block - 1) / job.block;
    int64_t item = job.block * y->dim[3] * job.taps * gathered; /* multiplications */
    pool_run(cpu->pool, lines * job.blocks, WORKER_MULTIPLIES / (item + 1) + 1, convolve_items,
             &job);
    return ST_OK;
}

struct fold_job {
    const float *w; /* [O, 3, 3, I] */
    float *folded;  /* [4, O, 2, 2, I] */
    int64_t in, out;
};

static void fold_items(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct fold_job *job = arg;
    int64_t in = job->in;
    for (int64_t item = begin; item < end; item++) { // (phase, o, u, v)
        int64_t v = item % 2, u = item / 2 % 2, o = item / 4 % job->out;
        int64_t a = item / 4 / job->out / 2, b = item / 4 / job->out % 2;
        float *to = job->folded + item * in;
        memset(to, 0, (size_t)in * sizeof(float));
        for (int64_t place = 0; place < 9; place++) {
            if ((place / 3 + 1 - a) / 2 != u || (place % 3 + 1 - b) / 2 != v)
                continue;
            const float *from = job->w + (o * 9 + place) * in;
            for (int64_t c = 0; c < in; c++)
                to[c] += from[c];
        }
    }
}

enum status conv_fold(struct queue *q, struct tensor *folded, const struct tensor *w)
{
    struct fold_job job = {w->data, folded->data, w->dim[3], w->dim[0]};
    pool_run(cpu_of(q)->pool, 16 * job.out, pool_grain(3 * job.in), fold_items, &job);
    return ST_OK;
}
