/* SPDX-License-Identifier: Apache-2.0 */
/* Copies: axes are merged as far as both sides allow, then walked in runs along the last one. */
#include "kernels/cpu/copy.h"

#include "kernels/cpu/backend_cpu.h"

#include <string.h>

/* The bits of a value in memory, of any alignment: a file's tensors lie where its header ends. */
typedef uint32_t bits32 __attribute__((may_alias, aligned(1)));
typedef uint16_t bits16 __attribute__((may_alias, aligned(1)));

static inline uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    return u;
}

static inline uint32_t same32(uint32_t u)
{
    return u;
}

static inline uint16_t same16(uint16_t h)
{
    return h;
}

static inline uint32_t f32_of_bf16(uint16_t h)
{
    return (uint32_t)h << 16;
}

static inline uint16_t bf16_of_f32(uint32_t u)
{
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40); /* a NaN, made quiet */
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline uint32_t f32_of_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t rest = h & 0x7fff;
    if (rest >= 0x7c00) /* infinite or a NaN */
        return sign | 0x7f800000 | (rest & 0x3ff) << 13;
    if (rest < 0x400) /* a multiple of 2^-24 */
        return sign | bits_of((float)rest * 0x1p-24f);
    return sign | ((rest << 13) + ((127 - 15) << 23));
}

static inline uint16_t f16_of_f32(uint32_t u)
{
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    uint32_t rest = u & 0x7fffffff;
    if (rest > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (rest >> 13 & 0x1ff));
    if (rest >= bits_of(65520.0f)) /* halfway from the largest, 65504, to the next step */
        return sign | 0x7c00;
    if (rest < bits_of(0x1p-14f)) { /* in [0.5, 1) a float has steps of 2^-24 too */
        float f;
        memcpy(&f, &rest, sizeof(f));
        return (uint16_t)(sign | (bits_of(f + 0.5f) - bits_of(0.5f)));
    }
    rest += 0xfff + (rest >> 13 & 1);
    return (uint16_t)(sign | ((rest >> 13) - ((127 - 15) << 10)));
}

static inline uint16_t f16_of_bf16(uint16_t h)
{
    return f16_of_f32(f32_of_bf16(h));
}

static inline uint16_t bf16_of_f16(uint16_t h)
{
    return bf16_of_f32(f32_of_f16(h));
}

/* n elements at strides, converted one by one. */
#define RUN(to_bits, from_bits, convert)                                                           \
    static void run_##convert(int64_t n, void *to, int64_t to_stride, const void *from,            \
                              int64_t from_stride)                                                 \
    {                                                                                              \
        to_bits *t = to;                                                                           \
        const from_bits *f = from;                                                                 \
        for (int64_t i = 0; i < n; i++)                                                            \
            t[i * to_stride] = convert(f[i * from_stride]);                                        \
    }
RUN(bits32, bits32, same32)
RUN(bits32, bits16, f32_of_bf16)
RUN(bits32, bits16, f32_of_f16)
RUN(bits16, bits32, bf16_of_f32)
RUN(bits16, bits16, same16)
RUN(bits16, bits16, bf16_of_f16)
RUN(bits16, bits32, f16_of_f32)
RUN(bits16, bits16, f16_of_bf16)

static void (*const runs[DTYPE_COUNT][DTYPE_COUNT])(int64_t n, void *to, int64_t to_stride,
                                                    const void *from, int64_t from_stride) = {
    [DTYPE_F32] =
        {[DTYPE_F32] = run_same32, [DTYPE_BF16] = run_f32_of_bf16, [DTYPE_F16] = run_f32_of_f16},
    [DTYPE_BF16] =
        {[DTYPE_F32] = run_bf16_of_f32, [DTYPE_BF16] = run_same16, [DTYPE_F16] = run_bf16_of_f16},
    [DTYPE_F16] =
        {[DTYPE_F32] = run_f16_of_f32, [DTYPE_BF16] = run_f16_of_bf16, [DTYPE_F16] = run_same16},
};

void copy_run(int64_t n, enum dtype to_dtype, void *to, enum dtype from_dtype, const void *from)
{
    runs[to_dtype][from_dtype](n, to, 1, from, 1);
}

/* A copy with as few axes as it can be told with; the last one is the run's. */
struct job {
    char *dst;
    const char *src;
    enum dtype dst_dtype, src_dtype;
    int axes;
    int64_t dim[TENSOR_MAX_DIMS];
    int64_t dst_stride[TENSOR_MAX_DIMS], src_stride[TENSOR_MAX_DIMS];
};

static void add_axis(struct job *job, int64_t dim, int64_t dst_stride, int64_t src_stride)
{
    int last = job->axes - 1;
    if (dim == 1)
        return;
    if (last >= 0 && job->dst_stride[last] == dim * dst_stride &&
        job->src_stride[last] == dim * src_stride) {
        dim *= job->dim[last];
        job->axes--;
    }
    job->dim[job->axes] = dim;
    job->dst_stride[job->axes] = dst_stride;
    job->src_stride[job->axes] = src_stride;
    job->axes++;
}

static void move_run(const struct job *job, int64_t n, int64_t dst_offset, int64_t src_offset)
{
    int last = job->axes - 1;
    size_t dst_size = dtype_size(job->dst_dtype);
    size_t src_size = dtype_size(job->src_dtype);
    char *dst = job->dst + dst_offset * (int64_t)dst_size;
    const char *src = job->src + src_offset * (int64_t)src_size;
    if (job->dst_dtype == job->src_dtype && job->dst_stride[last] == 1 &&
        job->src_stride[last] == 1)
        memcpy(dst, src, (size_t)n * dst_size);
    else
        runs[job->dst_dtype][job->src_dtype](n, dst, job->dst_stride[last], src,
                                             job->src_stride[last]);
}

/* Elements begin..end-1 in the order of the axes: a part of a run, whole runs, a part of a run. */
static void copy_elements(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct job *job = arg;
    int last = job->axes - 1;
    int64_t at[TENSOR_MAX_DIMS];
    int64_t rest = begin;
    for (int a = last; a >= 0; a--) {
        at[a] = rest % job->dim[a];
        rest /= job->dim[a];
    }
    while (begin < end) {
        int64_t dst = 0;
        int64_t src = 0;
        for (int a = 0; a <= last; a++) {
            dst += at[a] * job->dst_stride[a];
            src += at[a] * job->src_stride[a];
        }
        int64_t n = job->dim[last] - at[last];
        n = n < end - begin ? n : end - begin;
        move_run(job, n, dst, src);
        begin += n;
        at[last] += n;
        for (int a = last; a > 0 && at[a] == job->dim[a]; a--) {
            at[a] = 0;
            at[a - 1]++;
        }
    }
}

enum status copy_tensor(struct queue *q, struct tensor *dst, const struct tensor *src)
{
    int64_t count = tensor_count(dst);
    if (count == 0)
        return ST_OK;
    struct job job = {
        .dst = dst->data, .src = src->data, .dst_dtype = dst->dtype, .src_dtype = src->dtype};
    for (int a = 0; a < dst->ndim; a++)
        add_axis(&job, dst->dim[a], dst->stride[a], src->stride[a]);
    if (job.axes == 0) { /* one element */
        job.dim[0] = job.dst_stride[0] = job.src_stride[0] = 1;
        job.axes = 1;
    }
    pool_run(cpu_of(q)->pool, count, pool_grain(1), copy_elements, &job);
    return ST_OK;
}

enum status copy_fill(struct queue *q, struct tensor *t, float value)
{
    struct tensor all = *t; /* one value, seen through strides of 0 */
    all.data = &value;
    all.dev = NULL;
    all.dtype = DTYPE_F32;
    memset(all.stride, 0, sizeof(all.stride));
    return copy_tensor(q, t, &all);
}
