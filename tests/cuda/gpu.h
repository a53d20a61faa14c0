/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the CUDA backend share: a GPU beside a CPU device, tensors with gaps between
 * their rows in poisoned memory, the comparison with a double reference and the bounds of all ops.
 * Independent of Criterion, which GPU machines seldom have. Not a test.
 *
 * Every tensor lies in a buffer of NaNs: whoever reads an element that was not set computes a NaN,
 * and gpu_near fails where an op wrote beside its output.
 */
#ifndef TESTS_CUDA_GPU_H
#define TESTS_CUDA_GPU_H

#include "kernels/backend.h"

enum { GPU_TENSORS = 64 };

/* A tensor on the GPU and its values, in order, as the GPU's dtype rounds them. */
struct gpu_tensor {
    struct tensor t;
    float *value;        /* [count]; NULL for outputs */
    struct tensor whole; /* the words of the buffer around it, fp32 [words] */
};

struct gpu {
    struct device *dev, *host;
    struct queue *q, *hq;
    uint64_t seed, drawn; /* of the random numbers */
    int n;
    struct gpu_tensor *tensor[GPU_TENSORS];
};

/* What is tested. Another backend's name here tries what the tests themselves do where there is no
 * GPU. */
#ifndef GPU_BACKEND
#define GPU_BACKEND "cuda"
#endif

/* One test; its process ends with it, so it need not clean up when it fails. */
struct gpu_test {
    const char *name;
    void (*run)(void);
};

/* Each test file's list, ended by a NULL name. */
extern const struct gpu_test tests_activity[], tests_activity_host[], tests_counters[];
extern const struct gpu_test tests_attention[], tests_attention_short[], tests_attention_resident[],
    tests_copy[], tests_graph[], tests_linear[], tests_linear_hopper[], tests_linear_rows[],
    tests_norm[], tests_pointwise[], tests_qk_norm[], tests_attention_wide[],
    tests_attention_split[], tests_conv[], tests_group_norm[];
extern const struct gpu_test tests_cells[], tests_cells_nccl[], tests_golden[];

/* Prints and ends the test. */
__attribute__((noreturn, format(printf, 3, 4))) void gpu_failed(const char *file, int line,
                                                                const char *format, ...);

/* The test cannot run here: tells why, and that is what its line says too. It returns then. */
__attribute__((format(printf, 1, 2))) void gpu_skip(const char *format, ...);
bool gpu_skipped(void);

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            gpu_failed(__FILE__, __LINE__, __VA_ARGS__);                                           \
    } while (0)

#define OK(expr) CHECK((expr) == ST_OK, "%s: %s", #expr, status_text())

/* ---- processes.c: where the driver may not have been woken, since it does not survive a fork ----
 */

/* GPUs seen, asked in a process of its own. */
int gpu_count(void);

/* One of several ranks that are processes of one GPU each; 0: well. */
typedef int gpu_rank_fn(int rank, int ranks, const char *folder, void *arg);

/* Runs all ranks with a new folder where they can meet, and waits; true when all did well. Prints
 * how the others ended. Those that are left a few seconds after the first bad end are killed. */
bool gpu_ranks(int ranks, gpu_rank_fn *run, void *arg);

/* ---- gpu.c ---- */

void gpu_open(struct gpu *gpu, uint64_t seed);
void gpu_close(struct gpu *gpu);

/* Frees the tensors and keeps the devices. */
void gpu_forget(struct gpu *gpu);

/* Uniform in first..last, both included. */
int gpu_pick(struct gpu *gpu, int first, int last);

/* A tensor with dense rows of random gaps and alignment; NaN everywhere. */
struct gpu_tensor *gpu_blank(struct gpu *gpu, enum dtype dtype, int ndim, const int64_t *dim);

/* The same with uniform elements in [-size, size). */
struct gpu_tensor *gpu_random(struct gpu *gpu, enum dtype dtype, float size, int ndim,
                              const int64_t *dim);

/* Dense and aligned, as the arenas give them. */
struct gpu_tensor *gpu_dense(struct gpu *gpu, enum dtype dtype, float size, int ndim,
                             const int64_t *dim);

#define GPU_DIM(...)                                                                               \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* Sets the elements of t to values that are rounded to its dtype. */
void gpu_write(struct gpu *gpu, struct gpu_tensor *t, const float *value);

/* The elements of t in order, in fp32; from malloc. Waits for the queue. */
float *gpu_read(struct gpu *gpu, const struct tensor *t);

/* Within op's bound for the dtype of t (relative L2) of want [count], and nothing around t touched.
 */
void gpu_near(struct gpu *gpu, const char *op, const struct gpu_tensor *t, const double *want);
void gpu_near_by(struct gpu *gpu, const char *op, const struct gpu_tensor *t, const double *want,
                 double bound);

/* Every word around t is still poison. */
void gpu_untouched(struct gpu *gpu, const char *op, const struct gpu_tensor *t);

/* Bound of an op in a dtype. */
double gpu_bound(const char *op, enum dtype dtype);

/* "fp32" etc. of the dtypes that a test goes through; the n-th, n < 3. */
enum dtype gpu_dtype(int n);

#endif
