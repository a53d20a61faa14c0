/* SPDX-License-Identifier: Apache-2.0 */
/* The formulas of op_work.h. Nothing is computed of the tensors' elements. */
#include "kernels/op_work.h"

#include <stddef.h>

static double bytes_of(const struct tensor *t)
{
    return t ? (double)tensor_bytes(t) : 0;
}

static double count_of(const struct tensor *t)
{
    return t ? (double)tensor_count(t) : 0;
}

struct trace_work op_work_copy(const struct tensor *dst, const struct tensor *src)
{
    return (struct trace_work){.bytes = bytes_of(dst) + bytes_of(src)};
}

struct trace_work op_work_fill(const struct tensor *t)
{
    return (struct trace_work){.bytes = bytes_of(t)};
}

struct trace_work op_work_linear(const struct tensor *y, const struct tensor *x,
                                 const struct tensor *w, const struct tensor *bias)
{
    return (struct trace_work){
        .flops = 2 * count_of(y) * (double)w->dim[1],
        .bytes = bytes_of(y) + bytes_of(x) + bytes_of(w) + bytes_of(bias),
    };
}

struct trace_work op_work_linear_add(const struct tensor *h, const struct tensor *x,
                                     const struct tensor *w, const struct tensor *bias)
{
    struct trace_work work = op_work_linear(h, x, w, bias);
    work.bytes += bytes_of(h);
    return work;
}

/* FLOPs of an element. */
static double act_work(enum act act)
{
    return act == ACT_GELU_TANH ? 9 : act == ACT_SILU ? 4 : 0;
}

struct trace_work op_work_activate(const struct tensor *y, const struct tensor *x, enum act act)
{
    return (struct trace_work){act_work(act) * count_of(y), bytes_of(y) + bytes_of(x)};
}

/* Of `count` elements; the bytes are those of the vectors. */
static struct trace_work norm_work(double count, const struct norm *norm)
{
    const struct tensor *vector[] = {norm->weight, norm->bias, norm->shift, norm->scale};
    struct trace_work work = {.flops = 5 * count};
    for (int i = 0; i < 4; i++) {
        work.flops += vector[i] ? count : 0;
        work.bytes += bytes_of(vector[i]);
    }
    return work;
}

struct trace_work op_work_norm(const struct tensor *y, const struct tensor *x,
                               const struct norm *norm)
{
    struct trace_work work = norm_work(count_of(y), norm);
    work.bytes += bytes_of(y) + bytes_of(x) + bytes_of(norm->beside);
    return work;
}

struct trace_work op_work_gate_add(const struct tensor *h, const struct tensor *y,
                                   const struct tensor *bias, const struct tensor *gate)
{
    double each = 1 + (bias != NULL) + (gate != NULL);
    return (struct trace_work){
        .flops = each * count_of(h),
        .bytes = 2 * bytes_of(h) + bytes_of(y) + bytes_of(bias) + bytes_of(gate),
    };
}

struct trace_work op_work_gate_add_norm(const struct tensor *h, const struct tensor *y,
                                        const struct tensor *bias, const struct tensor *gate,
                                        const struct tensor *a, const struct norm *norm)
{
    struct trace_work sum = op_work_gate_add(h, y, bias, gate);
    struct trace_work work = norm_work(count_of(a), norm);
    work.flops += sum.flops;
    work.bytes += sum.bytes + bytes_of(a) + bytes_of(norm->beside);
    return work;
}

static struct trace_work heads_work(const struct tensor *x, const struct tensor *weight,
                                    const struct tensor *bias, const struct qk_norm *norm,
                                    bool rotated)
{
    double each = rotated ? 3 : 0;
    if (norm)
        each += (norm->centred ? 5 : 3) + (weight != NULL) + (bias != NULL);
    return (struct trace_work){each * count_of(x),
                               2 * bytes_of(x) + bytes_of(weight) + bytes_of(bias)};
}

struct trace_work op_work_qk_norm_rope(const struct tensor *query, const struct tensor *key,
                                       const struct qk_norm *norm, const struct tensor *rope)
{
    static const struct qk_norm none;
    const struct qk_norm *n = norm ? norm : &none;
    struct trace_work work = {.bytes = bytes_of(rope)};
    struct trace_work half[2] = {{0, 0}, {0, 0}};
    if (query)
        half[0] = heads_work(query, n->q_weight, n->q_bias, norm, rope);
    if (key)
        half[1] = heads_work(key, n->k_weight, n->k_bias, norm, rope);
    for (int i = 0; i < 2; i++) {
        work.flops += half[i].flops;
        work.bytes += half[i].bytes;
    }
    return work;
}

struct trace_work op_work_add_rows(const struct tensor *h, const struct tensor *table)
{
    return (struct trace_work){count_of(h), 2 * bytes_of(h) + bytes_of(table)};
}

struct trace_work op_work_add(const struct tensor *y, const struct tensor *x)
{
    return (struct trace_work){count_of(y), 2 * bytes_of(y) + bytes_of(x)};
}

struct trace_work op_work_add_outer(const struct tensor *out, const struct tensor *table,
                                    const struct tensor *t)
{
    return (struct trace_work){count_of(out), bytes_of(out) + bytes_of(table) + bytes_of(t)};
}

struct trace_work op_work_timestep(const struct tensor *out, const struct tensor *t)
{
    return (struct trace_work){2 * count_of(out), bytes_of(out) + bytes_of(t)};
}

/* [.., N, H, D]: where keys are counted, N is axis 1 and lanes are axis 0. */
struct trace_work op_work_attention(const struct tensor *o, const struct tensor *lse,
                                    const struct tensor *query, const struct tensor *key,
                                    const int *key_count)
{
    double rows = (double)key->dim[key->ndim - 3];
    double lanes = (double)query->dim[0] * (double)(query->ndim == 5 ? query->dim[1] : 1);
    double keys = lanes * rows; /* that take part, of all lanes */
    double all = keys;
    for (int64_t b = 0; key_count && b < query->dim[0]; b++)
        keys -= rows - key_count[b];
    if (all == 0)
        return (struct trace_work){.bytes = bytes_of(o) + bytes_of(lse) + bytes_of(query)};
    return (struct trace_work){
        .flops = 4 * count_of(query) / lanes * keys,
        .bytes = bytes_of(o) + bytes_of(lse) + bytes_of(query) + 2 * bytes_of(key) / all * keys,
    };
}

struct trace_work op_work_merge(const struct tensor *o, const struct tensor *lse)
{
    return (struct trace_work){
        .flops = 3 * count_of(o) + 9 * count_of(lse),
        .bytes = 3 * (bytes_of(o) + bytes_of(lse)),
    };
}

struct trace_work op_work_advance(const struct tensor *x, const struct tensor *eps_u,
                                  const struct tensor *eps_c, const struct tensor *noise)
{
    double each = 12 + (eps_u ? 3 : 0) + (noise ? 2 : 0);
    double coefs = ADVANCE_COEFS * sizeof(float);
    return (struct trace_work){
        .flops = each * count_of(x),
        .bytes = 4 * bytes_of(x) + bytes_of(eps_u) + bytes_of(eps_c) + bytes_of(noise) + coefs,
    };
}

struct trace_work op_work_random_normal(const struct tensor *out)
{
    return (struct trace_work){4 * count_of(out), bytes_of(out)};
}

struct trace_work op_work_random_uniform(const struct tensor *out)
{
    return (struct trace_work){count_of(out), bytes_of(out)};
}

struct trace_work op_work_conv(const struct tensor *y, const struct tensor *x,
                               const struct tensor *w, const struct conv *conv)
{
    double places = (double)(w->dim[w->ndim - 3] * w->dim[w->ndim - 2]);
    return (struct trace_work){
        .flops = 2 * count_of(y) * places * (double)x->dim[3],
        .bytes =
            bytes_of(y) + bytes_of(x) + bytes_of(w) + bytes_of(conv->bias) + bytes_of(conv->add),
    };
}

struct trace_work op_work_conv_fold(const struct tensor *folded, const struct tensor *w)
{
    return (struct trace_work){20.0 * (double)(w->dim[0] * w->dim[3]),
                               bytes_of(folded) + bytes_of(w)};
}

struct trace_work op_work_group_sums(const struct tensor *sums, const struct tensor *x)
{
    return (struct trace_work){4 * count_of(x), bytes_of(sums) + bytes_of(x)};
}

struct trace_work op_work_group_centre(const struct tensor *sums, const struct group_parts *parts)
{
    double written = bytes_of(sums) / 2; /* M; S is read only */
    return (struct trace_work){6 * count_of(parts->own),
                               bytes_of(sums) + written + bytes_of(parts->own)};
}

struct trace_work op_work_group_norm(const struct tensor *y, const struct tensor *x,
                                     const struct group_norm *norm)
{
    double each = 2 + (norm->weight != NULL) + (norm->bias != NULL) + act_work(norm->act);
    return (struct trace_work){
        .flops = each * count_of(x),
        .bytes = bytes_of(y) + bytes_of(x) + bytes_of(norm->sums) + bytes_of(norm->weight) +
                 bytes_of(norm->bias),
    };
}
