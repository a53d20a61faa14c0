/* SPDX-License-Identifier: Apache-2.0 */
/* From shapes and operands to the launcher of linear_hopper.cu. */
#include "kernels/cuda/linear_own.h"

static struct cuda_products product_of(const struct linear_shape *s,
                                       const struct linear_operands *o)
{
    return (struct cuda_products){
        .each =
            {
                .y = o->y,
                .x = o->x,
                .w = o->w,
                .bias = s->bias ? o->bias : NULL,
                .rows = s->rows,
                .out = s->out,
                .in = s->in,
                .y_stride = s->y_row,
                .x_stride = s->x_row,
                .w_stride = s->w_row,
                .dtype = (enum dtype)s->dtype,
                .act = s->gelu ? ACT_GELU_TANH : ACT_NONE,
                .add = s->add,
            },
        .lanes = s->lanes,
        .x_lane = s->x_lane,
        .y_lane = s->y_lane,
    };
}

bool linear_own_takes(const struct cuda_target *at, const struct linear_shape *shape,
                      const struct linear_operands *operands)
{
    struct cuda_products product = product_of(shape, operands);
    return !shape->y_fp32 && !shape->w_across && cuda_linear_hopper_takes(at, &product);
}

enum status linear_own(const struct cuda_target *at, const struct linear_shape *shape,
                       const struct linear_operands *operands)
{
    struct cuda_products product = product_of(shape, operands);
    return cuda_linear_hopper(at, &product);
}
