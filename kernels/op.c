/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of a backend's operations: checks, traces, dispatches; no maths. */
#include "kernels/op.h"

#include "kernels/backend.h"
#include "kernels/op_work.h"

/* ---- checks: what an op asks of its tensors. A failed one is a bug of the caller. ---- */

static int64_t length(const struct tensor *t, int axis)
{
    return axis < t->ndim ? t->dim[axis] : -1;
}

static void need(bool ok, const char *op, const char *what, const struct tensor *a,
                 const struct tensor *b)
{
    char text_a[128];
    char text_b[128];
    BUG_ON(!ok, "%s wants %s: %s, %s", op, what, tensor_describe(a, text_a, sizeof(text_a)),
           b ? tensor_describe(b, text_b, sizeof(text_b)) : "-");
}

/* Of this backend or in host memory, of this many axes, the last one dense. */
static void need_tensor(const struct queue *q, const char *op, const struct tensor *t, int ndim)
{
    need(!t->dev || t->dev->ops == q->dev->ops, op, "a tensor of its own backend", t, NULL);
    need(t->ndim == ndim, op, "another number of axes", t, NULL);
    need(ndim == 0 || t->dim[ndim - 1] <= 1 || t->stride[ndim - 1] == 1, op, "a dense last axis", t,
         NULL);
}

static void need_model_dtype(const struct queue *q, const char *op, const struct tensor *t)
{
    need(q->dev->ops->supports(t->dtype), op, "a dtype that its backend computes in", t, NULL);
}

static void need_same(const char *op, const struct tensor *a, const struct tensor *b)
{
    need(tensor_same_shape(a, b), op, "equal shapes", a, b);
}

static void need_same_dtype(const char *op, const struct tensor *a, const struct tensor *b)
{
    need(a->dtype == b->dtype, op, "equal dtypes", a, b);
}

/* Conditioning for h [B, N, C]: fp32 [B, C]. */
static void need_vector(const struct queue *q, const char *op, const struct tensor *v,
                        const struct tensor *h)
{
    need_tensor(q, op, v, 2);
    need(v->dtype == DTYPE_F32 && length(v, 0) == length(h, 0) && length(v, 1) == length(h, 2), op,
         "an fp32 vector [B, C] for each lane", v, h);
}

/* y [.., O] of x [.., I], w [O, I] and bias [O] or NULL. `mixed`: x and y may be fp32 where w is
 * not. */
static void need_product(const struct queue *q, const char *op, const struct tensor *y,
                         const struct tensor *x, const struct tensor *w, const struct tensor *bias,
                         bool mixed)
{
    int ndim = x->ndim;
    need(ndim == 2 || ndim == 3, op, "2 or 3 axes", x, NULL);
    need_tensor(q, op, x, ndim);
    need_tensor(q, op, y, ndim);
    need_tensor(q, op, w, 2);
    need_model_dtype(q, op, x);
    need_model_dtype(q, op, w);
    need_same_dtype(op, x, y);
    if (!mixed || x->dtype != DTYPE_F32)
        need_same_dtype(op, x, w);
    need(length(x, ndim - 1) == length(w, 1) && length(w, 1) > 0, op, "w [O, I] for x [.., I]", w,
         x);
    need(length(y, ndim - 1) == length(w, 0), op, "w [O, I] for y [.., O]", w, y);
    for (int a = 0; a < ndim - 1; a++)
        need(length(x, a) == length(y, a), op, "equal rows", x, y);
    if (bias) {
        need_tensor(q, op, bias, 1);
        need_same_dtype(op, w, bias);
        need(length(bias, 0) == length(w, 0), op, "a bias [O]", bias, w);
    }
}

/* An fp32 vector of `length` that may be missing. */
static void need_shared(const struct queue *q, const char *op, const struct tensor *v, int64_t n)
{
    if (!v)
        return;
    need_tensor(q, op, v, 1);
    need(v->dtype == DTYPE_F32 && length(v, 0) == n, op, "an fp32 vector of a row's length", v,
         NULL);
}

static void need_norm(const struct queue *q, const char *op, const struct tensor *y,
                      const struct tensor *x, const struct norm *norm)
{
    int64_t width = length(x, 2) + (norm->beside ? length(norm->beside, 2) : 0);
    const struct tensor *part[] = {y, x, norm->beside ? norm->beside : x};
    need_model_dtype(q, op, x);
    for (int i = 0; i < 3; i++) {
        need_tensor(q, op, part[i], 3);
        need_same_dtype(op, part[i], x);
        need(length(part[i], 0) == length(x, 0) && length(part[i], 1) == length(x, 1), op,
             "equal lanes and rows", part[i], x);
    }
    need(length(y, 2) == width, op, "rows as long as those that are normed", y, x);
    need_shared(q, op, norm->weight, width);
    need_shared(q, op, norm->bias, width);
    if (norm->shift)
        need_vector(q, op, norm->shift, y);
    if (norm->scale)
        need_vector(q, op, norm->scale, y);
}

static void need_gate(const struct queue *q, const char *op, const struct tensor *h,
                      const struct tensor *y, const struct tensor *bias, const struct tensor *gate)
{
    need_tensor(q, op, h, 3);
    need_tensor(q, op, y, 3);
    need_model_dtype(q, op, h);
    need_same(op, h, y);
    need_same_dtype(op, h, y);
    if (bias) {
        need_tensor(q, op, bias, 1);
        need_same_dtype(op, h, bias);
        need(length(bias, 0) == length(h, 2), op, "a bias [C]", bias, h);
    }
    if (gate)
        need_vector(q, op, gate, h);
}

/* [B, N, H, D] or [B, L, N, H, D] beside another: same lanes, heads and head dim. */
static void need_heads(const struct queue *q, const char *op, const struct tensor *a,
                       const struct tensor *b)
{
    int rows = b->ndim - 3;
    need(b->ndim == 4 || b->ndim == 5, op, "4 or 5 axes", b, NULL);
    need_tensor(q, op, a, b->ndim);
    need_same_dtype(op, a, b);
    for (int axis = 0; axis < b->ndim; axis++)
        need(axis == rows || length(a, axis) == length(b, axis), op,
             "equal lanes, heads and head dim", a, b);
}

static void need_lse(const struct queue *q, const char *op, const struct tensor *lse,
                     const struct tensor *o)
{
    need(!lse->dev || lse->dev->ops == q->dev->ops, op, "a tensor of its own backend", lse, NULL);
    need(lse->dtype == DTYPE_F32 && lse->ndim == o->ndim - 1, op, "an fp32 log-sum-exp", lse, o);
    for (int axis = 0; axis < lse->ndim; axis++)
        need(length(lse, axis) == length(o, axis), op, "a log-sum-exp for each head of a row", lse,
             o);
}

/* ---- operations ---- */

static void open_range(const char *name, struct trace_work work)
{
    const struct trace_range range = {
        .kind = TRACE_OP, .name = name, .index = -1, .peer = -1, .work = work};
    trace_push(&range);
}

/* Runs one slot of the table inside a range; op_work.h's `work` is reckoned for a sink only. */
#define DISPATCH(slot, work, ...)                                                                  \
    (trace_on() ? open_range(#slot, work) : (void)0, trace_leave(q->dev->ops->slot(q, __VA_ARGS__)))

enum status op_copy(struct queue *q, struct tensor *dst, const struct tensor *src)
{
    need_same("copy", dst, src);
    return DISPATCH(copy, op_work_copy(dst, src), dst, src);
}

enum status op_fill(struct queue *q, struct tensor *t, float value)
{
    return DISPATCH(fill, op_work_fill(t), t, value);
}

enum status op_linear(struct queue *q, struct tensor *y, const struct tensor *x,
                      const struct tensor *w, const struct tensor *bias, enum act act)
{
    need_product(q, "linear", y, x, w, bias, true);
    return DISPATCH(linear, op_work_linear(y, x, w, bias), y, x, w, bias, act);
}

enum status op_linear_add(struct queue *q, struct tensor *h, const struct tensor *x,
                          const struct tensor *w, const struct tensor *bias)
{
    need_product(q, "linear_add", h, x, w, bias, false);
    return DISPATCH(linear_add, op_work_linear_add(h, x, w, bias), h, x, w, bias);
}

enum status op_activate(struct queue *q, struct tensor *y, const struct tensor *x, enum act act)
{
    need_tensor(q, "activate", x, x->ndim);
    need_tensor(q, "activate", y, x->ndim);
    need_model_dtype(q, "activate", x);
    need_same("activate", y, x);
    need_same_dtype("activate", y, x);
    return DISPATCH(activate, op_work_activate(y, x, act), y, x, act);
}

enum status op_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                    const struct norm *norm)
{
    need_norm(q, "norm", y, x, norm);
    return DISPATCH(norm, op_work_norm(y, x, norm), y, x, norm);
}

enum status op_gate_add(struct queue *q, struct tensor *h, const struct tensor *y,
                        const struct tensor *bias, const struct tensor *gate)
{
    need_gate(q, "gate_add", h, y, bias, gate);
    return DISPATCH(gate_add, op_work_gate_add(h, y, bias, gate), h, y, bias, gate);
}

enum status op_gate_add_norm(struct queue *q, struct tensor *h, const struct tensor *y,
                             const struct tensor *bias, const struct tensor *gate, struct tensor *a,
                             const struct norm *norm)
{
    need_gate(q, "gate_add_norm", h, y, bias, gate);
    need_norm(q, "gate_add_norm", a, h, norm);
    return DISPATCH(gate_add_norm, op_work_gate_add_norm(h, y, bias, gate, a, norm), h, y, bias,
                    gate, a, norm);
}

enum status op_qk_norm_rope(struct queue *q, struct tensor *query, struct tensor *key,
                            const struct qk_norm *norm, const struct tensor *rope)
{
    const struct tensor *x = query ? query : key;
    BUG_ON(!x, "qk_norm_rope: neither query nor key");
    int64_t width = length(x, 3);
    need_tensor(q, "qk_norm_rope", x, 4);
    need_model_dtype(q, "qk_norm_rope", x);
    need(!rope || width % 2 == 0, "qk_norm_rope", "heads of an even width to rotate", x, NULL);
    if (query && key) {
        need_heads(q, "qk_norm_rope", key, query);
        need_same("qk_norm_rope", key, query);
    }
    if (norm) {
        const struct tensor *vector[] = {norm->q_weight, norm->q_bias, norm->k_weight,
                                         norm->k_bias};
        for (int i = 0; i < 4; i++)
            need_shared(q, "qk_norm_rope", vector[i], width);
    }
    if (rope) {
        need_tensor(q, "qk_norm_rope", rope, 2);
        need(rope->dtype == DTYPE_F32 && length(rope, 0) == length(x, 1) &&
                 length(rope, 1) == width,
             "qk_norm_rope", "an fp32 table [N, D]", rope, x);
    }
    return DISPATCH(qk_norm_rope, op_work_qk_norm_rope(query, key, norm, rope), query, key, norm,
                    rope);
}

enum status op_add_rows(struct queue *q, struct tensor *h, const struct tensor *table)
{
    need_tensor(q, "add_rows", h, 3);
    need_tensor(q, "add_rows", table, 2);
    need_model_dtype(q, "add_rows", h);
    need(table->dtype == DTYPE_F32 && length(table, 0) == length(h, 1) &&
             length(table, 1) == length(h, 2),
         "add_rows", "an fp32 table [N, C]", table, h);
    return DISPATCH(add_rows, op_work_add_rows(h, table), h, table);
}

enum status op_add(struct queue *q, struct tensor *y, const struct tensor *x)
{
    need_same("add", y, x);
    need_same_dtype("add", y, x);
    need(y->dtype == DTYPE_F32 || q->dev->ops->supports(y->dtype), "add",
         "a dtype that its backend adds in", y, NULL);
    need(tensor_contiguous(y) && tensor_contiguous(x), "add", "contiguous tensors", y, x);
    return DISPATCH(add, op_work_add(y, x), y, x);
}

enum status op_add_outer(struct queue *q, struct tensor *out, const struct tensor *table,
                         const struct tensor *t)
{
    need_tensor(q, "add_outer", out, 3);
    need_tensor(q, "add_outer", table, 2);
    need_tensor(q, "add_outer", t, 2);
    need(out->dtype == DTYPE_F32 && table->dtype == DTYPE_F32 && t->dtype == DTYPE_F32, "add_outer",
         "fp32", out, NULL);
    need(length(table, 0) == length(out, 0) && length(table, 1) == length(out, 2), "add_outer",
         "a table [L, K]", table, out);
    need(length(t, 0) == length(out, 1) && length(t, 1) == length(out, 2), "add_outer",
         "lanes [B, K]", t, out);
    return DISPATCH(add_outer, op_work_add_outer(out, table, t), out, table, t);
}

enum status op_timestep(struct queue *q, struct tensor *out, const struct tensor *t,
                        float freq_shift)
{
    need_tensor(q, "timestep", out, 2);
    need(t->ndim == 1, "timestep", "times [B]", t, NULL);
    need(out->dtype == DTYPE_F32 && t->dtype == DTYPE_F32, "timestep", "fp32", out, t);
    need(length(t, 0) == length(out, 0) && length(out, 1) % 2 == 0, "timestep",
         "features [B, D], D even", out, t);
    return DISPATCH(timestep, op_work_timestep(out, t), out, t, freq_shift);
}

enum status op_attention(struct queue *q, struct tensor *o, struct tensor *lse,
                         const struct tensor *query, const struct tensor *key,
                         const struct tensor *value, const int *key_count, float scale)
{
    need_tensor(q, "attention", query, query->ndim);
    need_model_dtype(q, "attention", query);
    need_heads(q, "attention", o, query);
    need_heads(q, "attention", key, query);
    need_heads(q, "attention", value, query);
    need_same("attention", o, query);
    need_same("attention", value, key);
    if (lse)
        need_lse(q, "attention", lse, o);
    need(!key_count || query->ndim == 4, "attention", "4 axes where keys are counted", query, NULL);
    for (int64_t b = 0; key_count && b < length(query, 0); b++)
        need(key_count[b] >= 0 && key_count[b] <= length(key, 1), "attention",
             "key counts within its keys", key, NULL);
    return DISPATCH(attention, op_work_attention(o, lse, query, key, key_count), o, lse, query, key,
                    value, key_count, scale);
}

enum status op_merge(struct queue *q, struct tensor *o, struct tensor *lse, const struct tensor *o2,
                     const struct tensor *lse2)
{
    need_tensor(q, "merge", o, 4);
    need_model_dtype(q, "merge", o);
    need_heads(q, "merge", o2, o);
    need_same("merge", o2, o);
    need_lse(q, "merge", lse, o);
    need_lse(q, "merge", lse2, o);
    return DISPATCH(merge, op_work_merge(o, lse), o, lse, o2, lse2);
}

enum status op_advance(struct queue *q, struct tensor *x, struct tensor *hist,
                       const struct tensor *eps_u, const struct tensor *eps_c,
                       const struct tensor *noise, const struct tensor *coef)
{
    need_tensor(q, "advance", x, 3);
    need_tensor(q, "advance", coef, 1);
    need(coef->dtype == DTYPE_F32 && coef->dim[0] == ADVANCE_COEFS, "advance", "coefficients", coef,
         NULL);
    need(x->dtype == DTYPE_F32, "advance", "fp32", x, NULL);
    const struct tensor *others[] = {hist, noise, eps_c, eps_u};
    for (int i = 0; i < 4; i++) {
        if (!others[i] && (i == 1 || i == 3))
            continue; /* noise and eps_u may be missing */
        need_tensor(q, "advance", others[i], 3);
        need_same("advance", x, others[i]);
        if (i < 2)
            need_same_dtype("advance", x, others[i]);
        else
            need_model_dtype(q, "advance", others[i]);
    }
    return DISPATCH(advance, op_work_advance(x, eps_u, eps_c, noise), x, hist, eps_u, eps_c, noise,
                    coef);
}

enum status op_random_normal(struct queue *q, struct tensor *out,
                             const struct latent_geometry *geometry, int first_token, uint64_t seed,
                             uint64_t stream)
{
    need_tensor(q, "random_normal", out, 2);
    need(out->dtype == DTYPE_F32, "random_normal", "fp32", out, NULL);
    struct latent_geometry g = *geometry;
    int64_t patch = g.patch;
    g.frames = g.frames == 0 ? 1 : g.frames;
    BUG_ON(patch < 1 || g.width % patch != 0 || g.height % patch != 0,
           "random_normal: a latent of %d x %d in patches of %d", g.width, g.height, g.patch);
    BUG_ON(g.frame < 0 || g.frame >= g.frames, "random_normal: frame %d of %d", g.frame, g.frames);
    int64_t tokens = (g.width / patch) * (g.height / patch);
    need(length(out, 1) == g.channels * patch * patch && first_token >= 0 &&
             first_token + length(out, 0) <= tokens,
         "random_normal", "tokens [N, C*p*p] within its latent", out, NULL);
    return DISPATCH(random_normal, op_work_random_normal(out), out, &g, first_token, seed, stream);
}

enum status op_random_uniform(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                              uint64_t stream, uint64_t first, int64_t row_step)
{
    need_tensor(q, "random_uniform", out, 2);
    need(length(out, 0) <= 1 || row_step >= length(out, 1), "random_uniform",
         "rows within those of its matrix", out, NULL);
    return DISPATCH(random_uniform, op_work_random_uniform(out), out, scale, seed, stream, first,
                    row_step);
}
