/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mathematics of a DiT on one device: each op_* checks shapes, traces and hands the work to the
 * queue's backend. Nothing here knows ranks or strategies.
 *
 * Every op is asynchronous on its queue, accumulates in fp32, and allocates nothing. Activations,
 * weights and K/V have the model's dtype (fp32 on the CPU); conditioning (shift, scale, gate,
 * timesteps) and the sampler's state are fp32. Shape letters: B lanes, N rows (tokens), C channels,
 * I/O in/out features, H heads, D head dim, T text rows. Tensors may be strided as long as their
 * last axis is dense; [B, N, C] tensors may have any batch and row stride. Shape errors are bugs of
 * the caller and abort.
 */
#ifndef KERNELS_OP_H
#define KERNELS_OP_H

#include "kernels/base/status.h"
#include "kernels/base/tensor.h"

struct queue; /* kernels/device.h */

enum act { ACT_NONE, ACT_GELU_TANH, ACT_SILU };

// clang-format off
/*
 * One denoising step of any of our samplers is this, element by element (all fp32, m: guided model output):
 *   m    = eps_u + guidance * (eps_c - eps_u), or eps_c where there is no eps_u
 *   x0   = clamp(x0_x * x + x0_m * m, -clip, +clip)           (clip <= 0: no clamp)
 *   x    = c_x * x + c_m * m + c_x0 * x0 + c_hist * hist + c_noise * noise
 *   hist = x0
 */
// clang-format on
struct advance_coef {
    float guidance;
    float x0_x, x0_m, clip;
    float c_x, c_m, c_x0, c_hist, c_noise;
};

enum { ADVANCE_COEFS = sizeof(struct advance_coef) / sizeof(float) };

/* Which elements of a latent [C, frames, height, width] a tensor of tokens [N, C*p*p] holds: those
 * of one frame, in a grid of width/p columns. */
struct latent_geometry {
    int channels, height, width,
        patch;  /* latent pixels; a token is patch x patch, features ordered (c, dy, dx) */
    int frames; /* of a video; 0 or 1: an image */
    int frame;  /* that the tokens are of, 0 .. frames-1; of an image 0 */
};

/* dst = src, converting the dtype; same shape, any strides; host (dev NULL) and device may be
 * mixed. */
enum status op_copy(struct queue *q, struct tensor *dst, const struct tensor *src);

/* Every element of t = value. */
enum status op_fill(struct queue *q, struct tensor *t, float value);

/* y[..., O] = act(x[..., I] w[O, I]^T + bias[O]). x, y: 2 or 3 axes, same leading shape, any row
 * stride; w may have a row stride; bias NULL: none. All of one dtype (bias too), or x and y fp32
 * and w and bias of the model's dtype, which is meant for the few rows of conditioning: w is read
 * once for every eight rows. y must not alias x. */
enum status op_linear(struct queue *q, struct tensor *y, const struct tensor *x,
                      const struct tensor *w, const struct tensor *bias, enum act act);

/* h += x w^T + bias, in place: the sum in fp32, rounded once. Shapes, strides and dtypes as for
 * op_linear, but all of one dtype; bias NULL: none; h must not alias x. */
enum status op_linear_add(struct queue *q, struct tensor *h, const struct tensor *x,
                          const struct tensor *w, const struct tensor *bias);

/* y = act(x), same shape; y may be x. */
enum status op_activate(struct queue *q, struct tensor *y, const struct tensor *x, enum act act);

/*
 * How rows x [B, N, C] are normed: (LN(x) * weight + bias) * (1 + scale) + shift, where LN(x) is (x
 * - mean) / sqrt(variance + eps) over a row. All vectors are fp32, a NULL one is left out.
 * LayerNorm with weight and bias; AdaLN of DiT with shift and scale (Peebles & Xie 2023,
 * section 3.2).
 */
struct norm {
    const struct tensor *weight, *bias; /* [C] */
    const struct tensor *shift, *scale; /* [B, C], row stride allowed */
    const struct tensor *beside; /* [B, N, E] of x's dtype, or NULL: it continues the rows of x, and
                                    C is that of both side by side */
    float eps;
};

/* y = the rows of x normed, [B, N, C]; y may be x where there is nothing beside it. */
enum status op_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                    const struct norm *norm);

/* h += gate[b,:] * (y + bias[:]); h, y [B, N, C]; gate fp32 [B, C] or NULL (1); bias [C] in the
 * model's dtype or NULL (0). A sum beyond fp16's largest number becomes that number there, as FLUX
 * clips; a NaN stays one. */
enum status op_gate_add(struct queue *q, struct tensor *h, const struct tensor *y,
                        const struct tensor *bias, const struct tensor *gate);

/* op_gate_add, then a = the rows of h normed, in one pass over h. */
enum status op_gate_add_norm(struct queue *q, struct tensor *h, const struct tensor *y,
                             const struct tensor *bias, const struct tensor *gate, struct tensor *a,
                             const struct norm *norm);

/*
 * How the heads of queries and keys are normed, over their D elements: x / sqrt(mean(x^2) + eps) *
 * weight (RMS; Zhang & Sennrich 2019), or where `centred` LN(x) * weight + bias. Vectors are fp32
 * [D], a NULL one is left out.
 */
struct qk_norm {
    bool centred;
    const struct tensor *q_weight, *q_bias, *k_weight, *k_bias;
    float eps;
};

/* query and key [B, N, H, D], in place: normed (norm NULL: not), then rotated by the row's position
 * (RoPE; Su et al. 2021; rope NULL: not): elements 2i and 2i+1, x and y, become x c - y s and x s +
 * y c, where c and s are elements 2i and 2i+1 of row n of rope, fp32 [N, D]. Either of query and
 * key may be NULL. All in fp32, rounded once. D is even where it is rotated. */
enum status op_qk_norm_rope(struct queue *q, struct tensor *query, struct tensor *key,
                            const struct qk_norm *norm, const struct tensor *rope);

/* h[b,n,:] += table[n,:]; table fp32 [N, C]. Position embeddings. */
enum status op_add_rows(struct queue *q, struct tensor *h, const struct tensor *table);

/* y += x; same shape and dtype, both contiguous. Partial sums of a reduction. */
enum status op_add(struct queue *q, struct tensor *y, const struct tensor *x);

/* out[l,b,k] = table[l,k] + t[b,k]; fp32. adaLN-single (PixArt-alpha, section 2.3). */
enum status op_add_outer(struct queue *q, struct tensor *out, const struct tensor *table,
                         const struct tensor *t);

/* out[b,:] = [cos(t w_i), sin(t w_i)], w_i = 10000^(-i / (D/2 - freq_shift)), i < D/2; out fp32 [B,
 * D], t fp32 [B]. */
enum status op_timestep(struct queue *q, struct tensor *out, const struct tensor *t,
                        float freq_shift);

/* o = softmax(scale * q k^T) v; query [B,Nq,H,D], key and value [B,Nk,H,D], o [B,Nq,H,D]; any
 * strides but the last. lse: fp32 [B,Nq,H] natural log-sum-exp of the scaled scores, or NULL.
 * key_count: host array [B], keys 0..count-1 of each lane take part (>= 1), or NULL: all. Where
 * lanes lie at two distances, as the places of a video do whose frames attend to each other, all
 * tensors have one more axis: [B,L,N,H,D], lse [B,L,Nq,H], key_count NULL. */
enum status op_attention(struct queue *q, struct tensor *o, struct tensor *lse,
                         const struct tensor *query, const struct tensor *key,
                         const struct tensor *value, const int *key_count, float scale);

/* (o, lse) := the attention over both key sets, by log-sum-exp (Ring Attention; FlashAttention's
 * online softmax). lse2 may be -inf where a block had no key. */
enum status op_merge(struct queue *q, struct tensor *o, struct tensor *lse, const struct tensor *o2,
                     const struct tensor *lse2);

/* struct advance_coef's formula on x, hist fp32 [R, N, K]; eps_u (NULL: unguided), eps_c in the
 * model's dtype, same shape; noise fp32 or NULL. Any row strides. coef: fp32 [ADVANCE_COEFS], the
 * struct's members in order, on the device: a captured step reads them anew in every launch. */
enum status op_advance(struct queue *q, struct tensor *x, struct tensor *hist,
                       const struct tensor *eps_u, const struct tensor *eps_c,
                       const struct tensor *noise, const struct tensor *coef);

/* out fp32 [N, C*p*p]: the element of token first_token+n that is (c, y, x) of frame f is
 * rng_normal(seed, stream, ((c*frames + f)*height + y)*width + x); frames of an image is 1, f 0. */
enum status op_random_normal(struct queue *q, struct tensor *out,
                             const struct latent_geometry *geometry, int first_token, uint64_t seed,
                             uint64_t stream);

/* out [R, C], any dtype and row stride, := a rectangle of a random matrix with rows of row_step
 * elements: element (r, c) is scale * rng_uniform's element first + r * row_step + c, a product in
 * fp32, then rounded. The same bits on every backend. */
enum status op_random_uniform(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                              uint64_t stream, uint64_t first, int64_t row_step);

#endif
