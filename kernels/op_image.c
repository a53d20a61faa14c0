/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of a decoder's operations: checks, traces, dispatches; no maths. */
#include "kernels/op_image.h"

#include "kernels/backend.h"
#include "kernels/op_work.h"

enum { GROUPS_MOST = 1024 };

/* ---- checks: a failed one is a bug of the caller ---- */

static void need(bool ok, const char *op, const char *what, const struct tensor *a,
                 const struct tensor *b)
{
    char text_a[128];
    char text_b[128];
    BUG_ON(!ok, "%s wants %s: %s, %s", op, what, tensor_describe(a, text_a, sizeof(text_a)),
           b ? tensor_describe(b, text_b, sizeof(text_b)) : "-");
}

static void need_own(const struct queue *q, const char *op, const struct tensor *t)
{
    need(!t->dev || t->dev->ops == q->dev->ops, op, "a tensor of its own backend", t, NULL);
}

static void need_dense(const struct queue *q, const char *op, const struct tensor *t)
{
    need_own(q, op, t);
    need(tensor_contiguous(t), op, "a contiguous tensor", t, NULL);
}

/* [B, H, W, C] of a dtype that is computed in; all but the batch stride dense. */
static void need_image(const struct queue *q, const char *op, const struct tensor *t)
{
    need_own(q, op, t);
    need(q->dev->ops->supports(t->dtype), op, "a dtype that its backend computes in", t, NULL);
    need(t->ndim == 4, op, "an image [B, H, W, C]", t, NULL);
    if (t->dim[0] == 0)
        return;
    struct tensor one = tensor_at(t, 0);
    need(tensor_contiguous(&one), op, "dense rows, columns and channels", t, NULL);
}

static void need_same(const char *op, const struct tensor *a, const struct tensor *b)
{
    need(tensor_same_shape(a, b) && a->dtype == b->dtype, op, "equal shapes and dtypes", a, b);
}

/* An fp32 vector [C] for x [.., C], or none. */
static void need_vector(const struct queue *q, const char *op, const struct tensor *v,
                        const struct tensor *x)
{
    if (!v)
        return;
    need_dense(q, op, v);
    need(v->dtype == DTYPE_F32 && v->ndim == 1 && v->dim[0] == x->dim[3], op, "an fp32 vector [C]",
         v, x);
}

static void need_sums(const struct queue *q, const char *op, const struct tensor *sums,
                      const struct tensor *x)
{
    need_dense(q, op, sums);
    need(sums->dtype == DTYPE_F32 && sums->ndim == 3 && sums->dim[0] == x->dim[0] &&
             sums->dim[1] == 2,
         op, "fp32 sums [B, 2, G]", sums, x);
    need(sums->dim[2] > 0 && sums->dim[2] <= GROUPS_MOST && x->dim[3] % sums->dim[2] == 0, op,
         "groups that divide the channels, at most 1024", sums, x);
}

/* The kernel's size; 3 of a folded one. */
static int64_t need_kernel(const struct queue *q, const struct tensor *w, const struct tensor *x,
                           const struct tensor *y, const struct conv *conv)
{
    need_dense(q, "conv", w);
    need(w->dtype == x->dtype, "conv", "equal dtypes", w, x);
    bool folded = w->ndim == 5;
    int a = folded ? 1 : 0;
    int64_t k = w->dim[a + 1];
    need(w->ndim == 4 || folded, "conv", "w [O, k, k, I], or [4, O, 2, 2, I] folded", w, NULL);
    need(w->dim[a + 2] == k && (folded ? k == 2 && w->dim[0] == 4 : k == 1 || k == 3), "conv",
         "a square kernel of 1 or 3, or one that op_conv_fold made", w, NULL);
    need(!folded || conv->upsample, "conv", "an enlargement for a folded kernel", w, NULL);
    need(w->dim[a + 3] == x->dim[3] && w->dim[a] == y->dim[3] && x->dim[3] > 0, "conv",
         "a kernel for x [.., I] and y [.., O]", w, x);
    return folded ? 3 : k;
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

enum status op_conv(struct queue *q, struct tensor *y, const struct tensor *x,
                    const struct tensor *w, const struct conv *conv)
{
    need_image(q, "conv", x);
    need_image(q, "conv", y);
    need(x->dtype == y->dtype, "conv", "equal dtypes", x, y);
    int64_t k = need_kernel(q, w, x, y, conv);
    int least = k == 1 ? 0 : conv->upsample ? -1 : 0;
    int most = k == 1 ? 0 : 1;
    BUG_ON(conv->above < least || conv->above > most || conv->below < least || conv->below > most,
           "conv: %d rows above and %d below, between %d and %d each", conv->above, conv->below,
           least, most);
    int64_t scale = conv->upsample ? 2 : 1;
    need(y->dim[0] == x->dim[0] && y->dim[2] == scale * x->dim[2] &&
             y->dim[1] == scale * x->dim[1] + conv->above + conv->below - (k - 1),
         "conv", "as many rows and columns as its input gives", y, x);
    if (conv->bias) {
        need_dense(q, "conv", conv->bias);
        need(conv->bias->ndim == 1 && conv->bias->dim[0] == y->dim[3] &&
                 conv->bias->dtype == y->dtype,
             "conv", "a bias [O]", conv->bias, y);
    }
    if (conv->add) {
        need_image(q, "conv", conv->add);
        need_same("conv", conv->add, y);
    }
    return DISPATCH(conv, op_work_conv(y, x, w, conv), y, x, w, conv);
}

enum status op_conv_fold(struct queue *q, struct tensor *folded, const struct tensor *w)
{
    need_dense(q, "conv_fold", w);
    need_dense(q, "conv_fold", folded);
    need(q->dev->ops->supports(w->dtype) && w->dtype == folded->dtype, "conv_fold",
         "one dtype that its backend computes in", w, folded);
    need(w->ndim == 4 && w->dim[1] == 3 && w->dim[2] == 3, "conv_fold", "w [O, 3, 3, I]", w, NULL);
    need(folded->ndim == 5 && folded->dim[0] == 4 && folded->dim[1] == w->dim[0] &&
             folded->dim[2] == 2 && folded->dim[3] == 2 && folded->dim[4] == w->dim[3],
         "conv_fold", "[4, O, 2, 2, I] for w", folded, w);
    return DISPATCH(conv_fold, op_work_conv_fold(folded, w), folded, w);
}

enum status op_group_sums(struct queue *q, struct tensor *sums, const struct tensor *x)
{
    need_image(q, "group_sums", x);
    need_sums(q, "group_sums", sums, x);
    return DISPATCH(group_sums, op_work_group_sums(sums, x), sums, x);
}

enum status op_group_centre(struct queue *q, struct tensor *sums, const struct group_parts *parts)
{
    const struct tensor *own = parts->own;
    need_dense(q, "group_centre", sums);
    need_dense(q, "group_centre", own);
    need(sums->dtype == DTYPE_F32 && sums->ndim == 3 && sums->dim[1] == 2, "group_centre",
         "fp32 sums [B, 2, G]", sums, NULL);
    need(own->dtype == DTYPE_F32 && own->ndim == 3 && own->dim[0] == sums->dim[0] &&
             own->dim[1] == 1 && own->dim[2] == sums->dim[2],
         "group_centre", "fp32 sums [B, 1, G] of a part", own, sums);
    BUG_ON(parts->own_count < 1 || parts->own_count > parts->count,
           "group_centre: a part of %lld elements of %lld", (long long)parts->own_count,
           (long long)parts->count);
    return DISPATCH(group_centre, op_work_group_centre(sums, parts), sums, parts);
}

enum status op_group_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                          const struct group_norm *norm)
{
    need_image(q, "group_norm", x);
    need_image(q, "group_norm", y);
    need_same("group_norm", y, x);
    need_sums(q, "group_norm", norm->sums, x);
    need_vector(q, "group_norm", norm->weight, x);
    need_vector(q, "group_norm", norm->bias, x);
    BUG_ON(norm->count < 1, "group_norm: sums over %lld elements", (long long)norm->count);
    return DISPATCH(group_norm, op_work_group_norm(y, x, norm), y, x, norm);
}
