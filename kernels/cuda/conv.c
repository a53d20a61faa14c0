/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who computes a convolution. A kernel of 1 is a product of pixels. cuDNN computes the rest, in one
 * launch where it can add bias and summand; else in parts of bounded memory that conv_finish.cu
 * completes, as for a folded kernel, whose four results are one convolution of 2 x 2 to four times
 * the channels. Colours, and what cuDNN refuses, are left to kernels of our own.
 */
#include "kernels/cuda/conv_cudnn.h"
#include "kernels/cuda/launch_image.h"

enum {
    ROOM = 64 << 20
}; /* bytes of a part: not more, so that it is still cached when read again */

static struct cuda_conv describe(const struct tensor *y, const struct tensor *x,
                                 const struct tensor *w, const struct conv *conv)
{
    return (struct cuda_conv){
        .y = y->data,
        .x = x->data,
        .w = w->data,
        .bias = conv->bias ? conv->bias->data : NULL,
        .add = conv->add ? conv->add->data : NULL,
        .x_image = x->stride[0],
        .y_image = y->stride[0],
        .add_image = conv->add ? conv->add->stride[0] : 0,
        .images = (int)x->dim[0],
        .rows = (int)x->dim[1],
        .columns = (int)x->dim[2],
        .in = (int)x->dim[3],
        .out_rows = (int)y->dim[1],
        .out_columns = (int)y->dim[2],
        .out = (int)y->dim[3],
        .taps = (int)w->dim[w->ndim - 2],
        .above = conv->above,
        .upsample = conv->upsample,
        .folded = w->ndim == 5,
        .dtype = x->dtype,
    };
}

static struct cuda_conv image_of(const struct cuda_conv *c, int image)
{
    int64_t size = (int64_t)dtype_size(c->dtype);
    struct cuda_conv one = *c;
    one.images = 1;
    one.x = (const char *)c->x + image * c->x_image * size;
    one.y = (char *)c->y + image * c->y_image * size;
    one.add = c->add ? (const char *)c->add + image * c->add_image * size : NULL;
    return one;
}

/* Some rows of y, of one image. */
static struct cuda_conv rows_of(const struct cuda_conv *c, int begin, int rows)
{
    int64_t skipped = (int64_t)begin * c->out_columns * c->out * (int64_t)dtype_size(c->dtype);
    struct cuda_conv part = *c;
    part.y = (char *)c->y + skipped;
    part.add = c->add ? (const char *)c->add + skipped : NULL;
    part.out_rows = rows;
    part.above -= begin;
    return part;
}

/* In one launch of cuDNN's. */
static enum status convolve_whole(struct queue *q, const struct cuda_conv *c, bool *done)
{
    struct cuda_dnn_conv all = {
        .y = c->y,
        .x = c->x,
        .w = c->w,
        .bias = c->bias,
        .add = c->add,
        .images = c->images,
        .rows = c->rows,
        .columns = c->columns,
        .in = c->in,
        .out = c->out,
        .taps = c->taps,
        .above = c->above,
        .below = c->out_rows + c->taps - 1 - c->rows - c->above,
        .beside = c->taps / 2,
        .x_image = c->x_image,
        .y_image = c->y_image,
        .add_image = c->add_image,
        .dtype = c->dtype,
    };
    return cuda_dnn_convolve(q, &all, 0, NULL, done);
}

/*
 * Sums of products of the rows of y in a part, in z: x's rows that they see, with a row of zeros on
 * either side, since cuDNN's kernels want as many below as above. Where that is inside of x, z's
 * row there is wrong, and not looked at. z has as many rows as x in the part, one more where the
 * kernel is folded.
 */
static enum status convolve_part(struct queue *q, const struct cuda_conv *part, bool *done)
{
    int64_t size = (int64_t)dtype_size(part->dtype), extra = part->folded ? 1 : 0;
    int centre = 1 - part->above; // of the first row, in E
    int last = centre + part->out_rows - 1;
    int first = part->folded ? (centre + 1) / 2 - 1 : centre - 1;
    int end = part->folded ? (last + 1) / 2 + 1 : last + 2;
    void *z = NULL;
    struct cuda_target at = cuda_target(q);
    first = first < 0 ? 0 : first;
    end = end > part->rows ? part->rows : end;
    struct cuda_dnn_conv sums = {
        .x = (const char *)part->x + (int64_t)first * part->columns * part->in * size,
        .w = part->w,
        .images = 1,
        .rows = end - first,
        .columns = part->columns,
        .in = part->in,
        .out = (int64_t)part->out * (part->folded ? 4 : 1),
        .taps = part->taps,
        .above = 1,
        .below = 1,
        .beside = 1,
        .dtype = part->dtype,
    };
    int64_t columns = part->columns + extra;
    size_t bytes = (size_t)((end - first + extra) * columns * sums.out * size);
    TRY(cuda_dnn_convolve(q, &sums, bytes, &z, done));
    return *done ? cuda_conv_finish(&at, part, z, (int)columns, first) : ST_OK;
}

/* One image in parts, those that cuDNN refuses by our own kernel. */
static enum status convolve_parts(struct queue *q, const struct cuda_conv *c)
{
    int64_t row =
        (int64_t)(c->columns + 1) * c->out * (c->folded ? 4 : 1) * (int64_t)dtype_size(c->dtype);
    int64_t fit = ROOM / row - 3; // rows of x, beside those that parts share
    int64_t most = fit < 1 ? 1 : c->folded ? 2 * fit : fit;
    struct cuda_target at = cuda_target(q);
    for (int begin = 0; begin < c->out_rows; begin += (int)most) {
        int64_t rows = c->out_rows - begin < most ? c->out_rows - begin : most;
        struct cuda_conv part = rows_of(c, begin, (int)rows);
        bool done = false;
        if (fit >= 1)
            TRY(convolve_part(q, &part, &done));
        if (!done)
            TRY(cuda_conv_plain(&at, &part));
    }
    return ST_OK;
}

static enum status convolve(struct queue *q, const struct cuda_conv *c)
{
    const struct cuda_device *dev = cuda_device_of(q);
    struct cuda_target at = cuda_target(q);
    bool done = false;
    if (cuda_conv_colours_takes(c))
        return cuda_conv_colours(&at, c);
    if (cuda_conv_narrow_takes(c))
        return cuda_conv_narrow(&at, c);
    if (!dev->dnn || dev->conv == CUDA_CONV_OWN || (c->upsample && !c->folded))
        return cuda_conv_plain(&at, c);
    if (!c->folded)
        TRY(convolve_whole(q, c, &done));
    for (int i = 0; i < c->images && !done; i++) {
        struct cuda_conv one = image_of(c, i);
        bool whole = false;
        if (!c->folded && c->images > 1)
            TRY(convolve_whole(q, &one, &whole));
        if (!whole)
            TRY(convolve_parts(q, &one));
    }
    return ST_OK;
}

/* [B, H, W, C] as [B, H W, C]. */
static struct tensor pixels_of(const struct tensor *t)
{
    struct tensor rows = *t;
    rows.ndim = 3;
    rows.dim[1] = t->dim[1] * t->dim[2];
    rows.dim[2] = t->dim[3];
    rows.stride[1] = t->stride[2];
    rows.stride[2] = 1;
    return rows;
}

/* A kernel of 1. */
static enum status multiply(struct queue *q, const struct tensor *y, const struct tensor *x,
                            const struct tensor *w, const struct conv *conv)
{
    int64_t dim[2] = {w->dim[0], w->dim[3]};
    struct tensor matrix = tensor_reshape(w, 2, dim);
    struct tensor from = pixels_of(x), to = pixels_of(y);
    if (!conv->add)
        return cuda_linear(q, &to, &from, &matrix, conv->bias, ACT_NONE);
    struct tensor add = pixels_of(conv->add);
    if (add.data != to.data)
        TRY(cuda_copy(q, &to, &add));
    return cuda_linear_add(q, &to, &from, &matrix, conv->bias);
}

enum status cuda_conv(struct queue *q, struct tensor *y, const struct tensor *x,
                      const struct tensor *w, const struct conv *conv)
{
    if (tensor_count(y) == 0)
        return ST_OK;
    if (w->ndim == 4 && w->dim[1] == 1 && !conv->upsample)
        return multiply(q, y, x, w, conv);
    struct cuda_conv c = describe(y, x, w, conv);
    return convolve(q, &c);
}

enum status cuda_group_sums(struct queue *q, struct tensor *sums, const struct tensor *x)
{
    struct cuda_target at = cuda_target(q);
    void *work;
    if (x->dim[0] == 0)
        return ST_OK;
    if (tensor_count(x) == 0)
        return cuda_fill(q, sums, 0.0f);
    TRY(cuda_workspace(q, cuda_group_work(sums, x), &work));
    return cuda_group_sums_of(&at, sums, x, work);
}
