/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler's step with guidance in one pass: small fp32 tensors, one element a thread. */
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

/* Elements of x [R, N, K], in order. */
struct walk {
    struct divisor rows, features;
    uint32_t count;
};

struct view {
    int64_t lane, row; /* strides */
};

static struct view view_of(const struct tensor *t)
{
    struct view v = {};
    if (t) {
        v.lane = t->stride[0];
        v.row = t->stride[1];
    }
    return v;
}

__device__ inline int64_t offset(const struct view &v, uint32_t lane, uint32_t row, uint32_t k)
{
    return lane * v.lane + row * v.row + k;
}

/* eps_u and noise NULL: none. hist is not read where its coefficient is 0: before the first step it
 * holds nothing. */
template <typename T> struct operands {
    float *x, *hist;
    const T *eps_u, *eps_c;
    const float *noise, *coef;
    struct view x_view, hist_view, u_view, c_view, noise_view;
};

template <typename T>
static __global__ void advance_elements(const struct walk w, const struct operands<T> o)
{
    uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= w.count)
        return;
    uint32_t n = divide(i, w.features);
    uint32_t lane = divide(n, w.rows);
    uint32_t row = n - lane * w.rows.by;
    uint32_t k = i - n * w.features.by;
    const struct advance_coef c = *reinterpret_cast<const struct advance_coef *>(o.coef);
    float *at = o.x + offset(o.x_view, lane, row, k);
    float *old = o.hist + offset(o.hist_view, lane, row, k);
    float m = to_float(o.eps_c[offset(o.c_view, lane, row, k)]);
    if (o.eps_u) {
        float u = to_float(o.eps_u[offset(o.u_view, lane, row, k)]);
        m = u + c.guidance * (m - u);
    }
    float x0 = c.x0_x * *at + c.x0_m * m;
    if (c.clip > 0.0f)
        x0 = x0 > c.clip ? c.clip : x0 < -c.clip ? -c.clip : x0;
    float next = c.c_x * *at + c.c_m * m + c.c_x0 * x0;
    if (c.c_hist != 0.0f)
        next += c.c_hist * *old;
    if (o.noise)
        next += c.c_noise * o.noise[offset(o.noise_view, lane, row, k)];
    *at = next;
    *old = x0;
}

template <typename T>
static enum status advance(const struct cuda_target *at, const struct tensor *x,
                           const struct tensor *hist, const struct tensor *eps_u,
                           const struct tensor *eps_c, const struct tensor *noise,
                           const float *coef)
{
    struct walk w = {};
    int64_t count = tensor_count(x);
    BUG_ON(count > INT32_MAX, "a latent of %lld elements in one launch", (long long)count);
    w.rows = divisor_of((uint32_t)x->dim[1]);
    w.features = divisor_of((uint32_t)x->dim[2]);
    w.count = (uint32_t)count;
    struct operands<T> o = {
    };
    o.x = static_cast<float *>(x->data);
    o.hist = static_cast<float *>(hist->data);
    o.eps_u = eps_u ? static_cast<const T *>(eps_u->data) : NULL;
    o.eps_c = static_cast<const T *>(eps_c->data);
    o.noise = noise ? static_cast<const float *>(noise->data) : NULL;
    o.coef = coef;
    o.x_view = view_of(x);
    o.hist_view = view_of(hist);
    o.u_view = view_of(eps_u);
    o.c_view = view_of(eps_c);
    o.noise_view = view_of(noise);
    advance_elements<T><<<blocks_for(count, THREADS), THREADS, 0, stream_of(at)>>>(w, o);
    return cuda_launched("advance");
}

enum status cuda_advance(struct queue *q, struct tensor *x, struct tensor *hist,
                         const struct tensor *eps_u, const struct tensor *eps_c,
                         const struct tensor *noise, const struct tensor *coefs)
{
    struct cuda_target at = cuda_target(q);
    const float *coef = static_cast<const float *>(coefs->data);
    if (tensor_count(x) == 0)
        return ST_OK;
    BUG_ON(eps_u && eps_u->dtype != eps_c->dtype, "advance: two dtypes of model outputs");
    switch (eps_c->dtype) {
    case DTYPE_F32:
        return advance<float>(&at, x, hist, eps_u, eps_c, noise, coef);
    case DTYPE_BF16:
        return advance<bf16>(&at, x, hist, eps_u, eps_c, noise, coef);
    default:
        return advance<fp16>(&at, x, hist, eps_u, eps_c, noise, coef);
    }
}
