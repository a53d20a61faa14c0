/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border between host C and CUDA sources: what launchers need from a queue, and the launchers.
 * Read by both compilers, so plain declarations only. For this folder and the NCCL transport.
 *
 * A launcher has the meaning of the op of its name (kernels/op.h), is asynchronous on the
 * queue, allocates nothing and can be captured into a graph. Tensors were checked by the front end;
 * those in host memory come here as pinned copies only.
 */
#ifndef KERNELS_CUDA_LAUNCH_H
#define KERNELS_CUDA_LAUNCH_H

#include "kernels/base/status.h"
#include "kernels/base/tensor.h"
#include "kernels/cuda/attention_split.h"

#ifdef __cplusplus
extern "C" {
#endif

#include "kernels/op.h"

enum { CUDA_ZEROS = 4096 };

/* Where a kernel is launched. */
struct cuda_target {
    void *stream;        /* cudaStream_t */
    void *zeros;         /* device memory of the queue, CUDA_ZEROS bytes: a kernel may count there
                            and leaves zeros again */
    int compute;         /* 10 * major + minor of the compute capability */
    int multiprocessors; /* of the GPU, that a grid may count on */
    size_t shared_limit; /* bytes of shared memory that a block can ask for */
};

/* Makes the queue's GPU the current one of this thread. */
struct cuda_target cuda_target(const struct queue *q);

/* Turns a cudaError_t into a status; `call` is named in the message. */
enum status cuda_check(int error, const char *call);

/* After a launch: its status. */
enum status cuda_launched(const char *kernel);

/* ---- copy_strided.cu ---- */

/* dst = src, any strides and dtypes; pinned host memory may take part. Fewer than 2^31 elements. */
enum status cuda_copy_strided(const struct cuda_target *at, const struct tensor *dst,
                              const struct tensor *src);

/* Every element = value; fewer than 2^31 elements. */
enum status cuda_fill_strided(const struct cuda_target *at, const struct tensor *t, float value);

/* Writes `bytes` (at most CUDA_SMALL, a multiple of 4) of host memory to device memory; the bytes
 * travel with the launch, so that the host may change them at once. */
enum { CUDA_SMALL = 1024 };
enum status cuda_upload_small(const struct cuda_target *at, void *device, const void *host,
                              size_t bytes);

/* ---- linear_plain.cu: products without cuBLAS ---- */

/* Rows of x and y under each other: x [rows, in], y [rows, out] with row strides. */
struct cuda_product {
    void *y;
    const void *x, *w, *bias; /* bias NULL: 0 */
    int64_t rows, out, in;
    int64_t y_stride, x_stride, w_stride;
    enum dtype dtype;
    int act; /* enum act */
    int add; /* 1: to what y holds */
};

/* Reads all of w once for every eight rows: right for few rows, slow for many. */
enum status cuda_product_plain(const struct cuda_target *at, const struct cuda_product *p);

/* linear_rows.cu: the same where x and y are fp32, w and bias (dtype) bf16 or fp16; add is 0. */
enum status cuda_product_rows(const struct cuda_target *at, const struct cuda_product *p);

/* Lanes of rows with one w; `each` is the first lane. */
struct cuda_products {
    struct cuda_product each;
    int64_t lanes;
    int64_t x_lane, y_lane; /* strides in elements; without meaning of one lane */
};

/* linear_hopper.cu: on tensor cores. False where it cannot: another GPU than Hopper, fp32, another
 * activation than GELU in tanh form, add, widths that are no multiples of 8, strides or addresses
 * that are none of 16 bytes. */
bool cuda_linear_hopper_takes(const struct cuda_target *at, const struct cuda_products *g);
enum status cuda_linear_hopper(const struct cuda_target *at, const struct cuda_products *g);

/* ---- norm.cu ---- */
enum status cuda_norm(struct queue *q, struct tensor *y, const struct tensor *x,
                      const struct norm *norm);
enum status cuda_gate_add(struct queue *q, struct tensor *h, const struct tensor *y,
                          const struct tensor *bias, const struct tensor *gate);
enum status cuda_gate_add_norm(struct queue *q, struct tensor *h, const struct tensor *y,
                               const struct tensor *bias, const struct tensor *gate,
                               struct tensor *a, const struct norm *norm);

/* ---- qk_norm.cu ---- */
enum status cuda_qk_norm_rope(struct queue *q, struct tensor *query, struct tensor *key,
                              const struct qk_norm *norm, const struct tensor *rope);

/* ---- pointwise.cu ---- */
enum status cuda_activate(struct queue *q, struct tensor *y, const struct tensor *x, enum act act);
enum status cuda_add_rows(struct queue *q, struct tensor *h, const struct tensor *table);
enum status cuda_add(struct queue *q, struct tensor *y, const struct tensor *x);
enum status cuda_add_outer(struct queue *q, struct tensor *out, const struct tensor *table,
                           const struct tensor *t);
enum status cuda_timestep(struct queue *q, struct tensor *out, const struct tensor *t,
                          float freq_shift);

/* ---- sampler.cu ---- */

enum status cuda_advance(struct queue *q, struct tensor *x, struct tensor *hist,
                         const struct tensor *eps_u, const struct tensor *eps_c,
                         const struct tensor *noise, const struct tensor *coef);

/* ---- random.cu ---- */
enum status cuda_random_normal(struct queue *q, struct tensor *out,
                               const struct latent_geometry *geometry, int first_token,
                               uint64_t seed, uint64_t stream);
enum status cuda_random_uniform(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                                uint64_t stream, uint64_t first, int64_t row_step);

/* ---- attention ---- */

enum { CUDA_LANES = 64 }; /* lanes that one launch of attention takes */

/* One launch: up to CUDA_LANES lanes. */
struct cuda_attention {
    void *o;
    float *lse; /* NULL: not wanted */
    const void *q, *k, *v;
    int64_t o_stride[3], q_stride[3], k_stride[3], v_stride[3], lse_stride[3]; /* [B, N, H] */
    int lanes, rows, heads, width;
    int keys[CUDA_LANES]; /* of each lane */
    float scale;
    enum dtype dtype;
};

/* attention_flash.cu: on tensor cores. False where it cannot: fp32, unaligned or wide heads, a GPU
 * without the dtype. */
bool cuda_attention_flash_takes(const struct cuda_target *at, const struct cuda_attention *a);
enum status cuda_attention_flash(const struct cuda_target *at, const struct cuda_attention *a);

/* attention_hopper.cu: the same on Hopper for heads 64, 72, 88 or 128 wide, where all lanes have as
 * many keys, at least 256; dealt out as `split` says. `pays`: not where cuDNN promises to be
 * faster. `work`: attention_split_slot bytes for each of its slots, from a multiple of sixteen on.
 */
bool cuda_attention_hopper_takes(const struct cuda_target *at, const struct cuda_attention *a);
struct attention_split cuda_attention_hopper_split(const struct cuda_target *at,
                                                   const struct cuda_attention *a, bool *pays);
enum status cuda_attention_hopper(const struct cuda_target *at, const struct cuda_attention *a,
                                  const struct attention_split *split, void *work);

/* attention_resident_hopper.cu: the same for many queries on few keys, which may differ from lane
 * to lane: as many as fit into shared memory, 512, 368 or 336 in heads 64, 72 or 88 wide. */
bool cuda_attention_resident_takes(const struct cuda_target *at, const struct cuda_attention *a);
enum status cuda_attention_resident(const struct cuda_target *at, const struct cuda_attention *a);

/* attention_few.cu: the same for up to 128 keys in every lane and heads up to 128 wide. */
bool cuda_attention_few_takes(const struct cuda_target *at, const struct cuda_attention *a);
enum status cuda_attention_few(const struct cuda_target *at, const struct cuda_attention *a);

/* Lanes [outer, inner] of few rows and keys, all of a lane's taking part. */
struct cuda_attention_short {
    void *o;
    float *lse; /* NULL: not wanted */
    const void *q, *k, *v;
    int64_t o_stride[4], q_stride[4], k_stride[4], v_stride[4], lse_stride[4]; /* [B, L, N, H] */
    int outer, inner, rows, keys, heads, width;
    float scale;
    enum dtype dtype;
};

/* attention_short.cu: up to 16 rows and keys, any number of lanes, on tensor cores. */
bool cuda_attention_short_takes(const struct cuda_target *at, const struct cuda_attention_short *a);
enum status cuda_attention_short(const struct cuda_target *at,
                                 const struct cuda_attention_short *a);

/* attention_plain.cu: fp32 arithmetic, any dtype and stride; heads up to 256 wide. */
enum status cuda_attention_plain(const struct cuda_target *at, const struct cuda_attention *a);

enum status cuda_merge(struct queue *q, struct tensor *o, struct tensor *lse,
                       const struct tensor *o2, const struct tensor *lse2);

/* ---- watch.cu ---- */

/* word[0] := value and word[1] := ++*count when `stream` (cudaStream_t) gets there; word [2] is
 * pinned host memory that the GPU sees, count the GPU's own, of this stream alone. */
enum status cuda_watch_write(void *stream, unsigned *word, unsigned *count, unsigned value);

#ifdef __cplusplus
}
#endif
#endif
