/* SPDX-License-Identifier: Apache-2.0 */
/* Operands of attention and what it must give, in double. Not a test. */
#include "tests/cuda/attention.h"

#include <math.h>
#include <stdlib.h>

double attention_row(const struct attention_operands *p, int64_t lane, int64_t row, int64_t head,
                     int count, double scale, double *o)
{
    const struct attention_shape *s = &p->s;
    int64_t step = (int64_t)s->heads * s->width;
    const float *q = p->q->value + (lane * s->rows + row) * step + head * s->width;
    const float *k = p->k->value + lane * s->keys * step + head * s->width;
    const float *v = p->v->value + lane * s->keys * step + head * s->width;
    double *score = malloc((size_t)(count + 1) * sizeof(*score));
    double largest = -INFINITY, sum = 0.0;
    for (int i = 0; i < count; i++) {
        score[i] = 0.0;
        for (int d = 0; d < s->width; d++)
            score[i] += scale * q[d] * k[i * step + d];
        largest = fmax(largest, score[i]);
    }
    for (int d = 0; d < s->width; d++)
        o[d] = 0.0;
    for (int i = 0; i < count; i++) {
        double weight = exp(score[i] - largest);
        sum += weight;
        for (int d = 0; d < s->width; d++)
            o[d] += weight * v[i * step + d];
    }
    for (int d = 0; d < s->width && count > 0; d++)
        o[d] /= sum;
    free(score);
    return largest + log(sum);
}

struct attention_operands attention_make(struct gpu *gpu, enum dtype dtype,
                                         struct attention_shape s, float size)
{
    struct attention_operands p = {
        .q = gpu_random(gpu, dtype, size, GPU_DIM(s.lanes, s.rows, s.heads, s.width)),
        .k = gpu_random(gpu, dtype, size, GPU_DIM(s.lanes, s.keys, s.heads, s.width)),
        .v = gpu_random(gpu, dtype, 1.0f, GPU_DIM(s.lanes, s.keys, s.heads, s.width)),
        .o = gpu_blank(gpu, dtype, GPU_DIM(s.lanes, s.rows, s.heads, s.width)),
        .lse = gpu_blank(gpu, DTYPE_F32, GPU_DIM(s.lanes, s.rows, s.heads)),
        .s = s,
    };
    return p;
}

void attention_want(const struct attention_operands *p, const int *count, double scale, double *o,
                    double *lse)
{
    const struct attention_shape *s = &p->s;
    for (int64_t i = 0; i < (int64_t)s->lanes * s->rows * s->heads; i++) {
        int64_t lane = i / s->heads / s->rows, row = i / s->heads % s->rows;
        lse[i] = attention_row(p, lane, row, i % s->heads, count ? count[lane] : s->keys, scale,
                               o + i * s->width);
    }
}

struct attention_operands attention_apart(struct gpu *gpu, enum dtype dtype,
                                          struct attention_shape s, float size)
{
    struct attention_operands p = {
        .q = attention_part(gpu, dtype, size, s.rows, &s),
        .k = attention_part(gpu, dtype, size, s.keys, &s),
        .v = attention_part(gpu, dtype, 1.0f, s.keys, &s),
        .o = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(s.lanes, s.rows, s.heads, s.width + 8)),
        .lse = gpu_blank(gpu, DTYPE_F32, GPU_DIM(s.lanes, s.rows, s.heads)),
        .s = s,
    };
    p.o->t = tensor_slice(&p.o->t, 3, 0, s.width);
    return p;
}

void attention_poison(struct gpu *gpu, const struct attention_operands *p, const int *count)
{
    for (int b = 0; b < p->s.lanes; b++) {
        struct gpu_tensor *const both[] = {p->k, p->v};
        for (int i = 0; i < 2; i++) {
            struct tensor lane = tensor_slice(&both[i]->t, 0, b, 1);
            struct tensor rest = tensor_slice(&lane, 1, count[b], p->s.keys - count[b]);
            OK(op_fill(gpu->q, &rest, NAN));
        }
    }
}

struct gpu_tensor *attention_part(struct gpu *gpu, enum dtype dtype, float size, int rows,
                                  const struct attention_shape *s)
{
    struct gpu_tensor *t =
        gpu_dense(gpu, dtype, size, GPU_DIM(s->lanes, rows, s->heads, s->width + 8));
    struct tensor rest = tensor_slice(&t->t, 3, s->width, 8);
    OK(op_fill(gpu->q, &rest, NAN));
    t->t = tensor_slice(&t->t, 3, 0, s->width);
    free(t->value);
    t->value = gpu_read(gpu, &t->t);
    return t;
}
