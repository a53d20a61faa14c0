/* SPDX-License-Identifier: Apache-2.0 */
/* cuBLASLt, found at run time: plans of shapes and the timing that picks an algorithm, where one of
 * the candidates may be a kernel of our own. */
#include "kernels/cuda/linear_cublas.h"

#include "kernels/cuda/library.h"
#include "kernels/cuda/linear_cache.h"
#include "kernels/cuda/linear_own.h"
#include "kernels/cuda/linear_timing.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROPOSALS = 24,  /* asked of the library */
    OWN_VERSION = 4, /* counted up when our own kernel changes, so that it is timed again */
    OWN_ROWS = 1024, /* with fewer, nobody gains from it */
    WORKSPACE = CUDA_BLAS_WORKSPACE, /* cuBLAS's own default on Hopper is 32 MiB */
};

/* The functions that are called. */
struct blas_api {
    __typeof__(cublasLtGetStatusString) *text;
    __typeof__(cublasLtGetVersion) *version;
    __typeof__(cublasLtCreate) *create;
    __typeof__(cublasLtDestroy) *destroy;
    __typeof__(cublasLtMatmul) *matmul;
    __typeof__(cublasLtMatmulDescCreate) *desc_create;
    __typeof__(cublasLtMatmulDescDestroy) *desc_destroy;
    __typeof__(cublasLtMatmulDescSetAttribute) *desc_set;
    __typeof__(cublasLtMatrixLayoutCreate) *layout_create;
    __typeof__(cublasLtMatrixLayoutDestroy) *layout_destroy;
    __typeof__(cublasLtMatrixLayoutSetAttribute) *layout_set;
    __typeof__(cublasLtMatmulPreferenceCreate) *preference_create;
    __typeof__(cublasLtMatmulPreferenceDestroy) *preference_destroy;
    __typeof__(cublasLtMatmulPreferenceSetAttribute) *preference_set;
    __typeof__(cublasLtMatmulAlgoGetHeuristic) *propose;
    __typeof__(cublasLtMatmulAlgoCheck) *check;
};

static const struct {
    const char *function;
    size_t at;
} api_table[] = {
    {"cublasLtGetStatusString", offsetof(struct blas_api, text)},
    {"cublasLtGetVersion", offsetof(struct blas_api, version)},
    {"cublasLtCreate", offsetof(struct blas_api, create)},
    {"cublasLtDestroy", offsetof(struct blas_api, destroy)},
    {"cublasLtMatmul", offsetof(struct blas_api, matmul)},
    {"cublasLtMatmulDescCreate", offsetof(struct blas_api, desc_create)},
    {"cublasLtMatmulDescDestroy", offsetof(struct blas_api, desc_destroy)},
    {"cublasLtMatmulDescSetAttribute", offsetof(struct blas_api, desc_set)},
    {"cublasLtMatrixLayoutCreate", offsetof(struct blas_api, layout_create)},
    {"cublasLtMatrixLayoutDestroy", offsetof(struct blas_api, layout_destroy)},
    {"cublasLtMatrixLayoutSetAttribute", offsetof(struct blas_api, layout_set)},
    {"cublasLtMatmulPreferenceCreate", offsetof(struct blas_api, preference_create)},
    {"cublasLtMatmulPreferenceDestroy", offsetof(struct blas_api, preference_destroy)},
    {"cublasLtMatmulPreferenceSetAttribute", offsetof(struct blas_api, preference_set)},
    {"cublasLtMatmulAlgoGetHeuristic", offsetof(struct blas_api, propose)},
    {"cublasLtMatmulAlgoCheck", offsetof(struct blas_api, check)},
};

/* Who computes: an algorithm of the library, or our own kernel. */
struct candidate {
    cublasLtMatmulAlgo_t algo;
    bool own;
};

/* What a shape needs. In cuBLAS's column-major terms y^T [out, rows] = (w^T)^T x^T: A is w, B is x.
 */
struct plan {
    struct plan *next;
    struct linear_shape shape;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t w, x, y;
    struct candidate best;
    bool possible; /* there is a candidate */
    bool chosen;   /* by timing, now or in an earlier run */
};

struct cuda_blas {
    struct blas_api api;
    cublasLtHandle_t handle;
    char key[120]; /* GPU and library version */
    struct linear_cache *cache;
    struct plan *plans; /* the latest first */
};

#define CUBLAS(call) blas_check(blas, (call), #call)

static enum status blas_check(const struct cuda_blas *blas, cublasStatus_t code, const char *call)
{
    if (code == CUBLAS_STATUS_SUCCESS)
        return ST_OK;
    enum status st = code == CUBLAS_STATUS_ALLOC_FAILED    ? ST_OOM
                     : code == CUBLAS_STATUS_NOT_SUPPORTED ? ST_UNSUPPORTED
                                                           : ST_DEVICE;
    return fail(st, "%s: %s", call, blas->api.text(code));
}

/* ---- life ---- */

static enum status load(struct cuda_blas *blas)
{
    void *library;
    char name[40];
    snprintf(name, sizeof(name), "libcublasLt.so.%d", CUBLAS_VER_MAJOR);
    TRY(cuda_library_open(name, &library));
    for (size_t i = 0; i < sizeof(api_table) / sizeof(api_table[0]); i++)
        TRY(cuda_library_find(library, name, api_table[i].function,
                              (char *)&blas->api + api_table[i].at));
    return CUBLAS(blas->api.create(&blas->handle));
}

enum status cuda_blas_open(const char *gpu, struct cuda_blas **out)
{
    struct cuda_blas *blas = calloc(1, sizeof(*blas));
    if (!blas)
        return fail(ST_OOM, "cuBLASLt: no host memory for its table");
    enum status st = load(blas);
    if (st == ST_OK)
        st = linear_cache_open(&blas->cache);
    if (st != ST_OK) {
        cuda_blas_close(blas);
        return st;
    }
    snprintf(blas->key, sizeof(blas->key), "%s/%zu", gpu, blas->api.version());
    *out = blas;
    return ST_OK;
}

static void plan_close(struct cuda_blas *blas, struct plan *plan)
{
    if (plan->desc)
        blas->api.desc_destroy(plan->desc);
    cublasLtMatrixLayout_t layouts[] = {plan->w, plan->x, plan->y};
    for (int i = 0; i < 3; i++) {
        if (layouts[i])
            blas->api.layout_destroy(layouts[i]);
    }
    free(plan);
}

/* The library itself stays loaded: its threads and the driver's callbacks may outlive us. */
void cuda_blas_close(struct cuda_blas *blas)
{
    if (!blas)
        return;
    while (blas->plans) {
        struct plan *plan = blas->plans;
        blas->plans = plan->next;
        plan_close(blas, plan);
    }
    if (blas->handle)
        blas->api.destroy(blas->handle);
    linear_cache_close(blas->cache);
    free(blas);
}

/* ---- plans ---- */

static cudaDataType_t type_of(int dtype)
{
    return dtype == DTYPE_F32 ? CUDA_R_32F : dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_16F;
}

static int y_dtype(const struct linear_shape *s)
{
    return s->y_fp32 ? DTYPE_F32 : s->dtype;
}

static enum status layout_open(const struct cuda_blas *blas, const struct linear_shape *s,
                               int dtype, int64_t columns, int64_t rows, int64_t row, int64_t lane,
                               cublasLtMatrixLayout_t *out)
{
    int32_t lanes = (int32_t)s->lanes;
    TRY(CUBLAS(
        blas->api.layout_create(out, type_of(dtype), (uint64_t)columns, (uint64_t)rows, row)));
    TRY(CUBLAS(
        blas->api.layout_set(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &lanes, sizeof(lanes))));
    return CUBLAS(blas->api.layout_set(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &lane,
                                       sizeof(lane)));
}

static enum status desc_open(const struct cuda_blas *blas, const struct linear_shape *s,
                             cublasLtMatmulDesc_t *out)
{
    int32_t rest = s->multiprocessors;
    cublasOperation_t transposed = s->w_across ? CUBLAS_OP_N : CUBLAS_OP_T;
    cublasLtEpilogue_t epilogue =
        s->gelu   ? s->bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU
        : s->bias ? CUBLASLT_EPILOGUE_BIAS
                  : CUBLASLT_EPILOGUE_DEFAULT;
    TRY(CUBLAS(blas->api.desc_create(out, CUBLAS_COMPUTE_32F, CUDA_R_32F))); // TF32 stays off
    if (rest > 0)
        TRY(CUBLAS(
            blas->api.desc_set(*out, CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, &rest, sizeof(rest))));
    TRY(CUBLAS(
        blas->api.desc_set(*out, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed))));
    return CUBLAS(
        blas->api.desc_set(*out, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue)));
}

static enum status plan_init(const struct cuda_blas *blas, struct plan *plan)
{
    const struct linear_shape *s = &plan->shape;
    TRY(desc_open(blas, s, &plan->desc));
    int64_t columns = s->w_across ? s->out : s->in, rows = s->w_across ? s->in : s->out;
    TRY(layout_open(blas, s, s->dtype, columns, rows, s->w_row, 0, &plan->w));
    TRY(layout_open(blas, s, s->dtype, s->in, s->rows, s->x_row, s->x_lane, &plan->x));
    return layout_open(blas, s, y_dtype(s), s->out, s->rows, s->y_row, s->y_lane, &plan->y);
}

/* The library's proposals, the best first by its own estimate; *found 0: it has none. Sums of
 * partial products are kept in fp32. */
static enum status propose(const struct cuda_blas *blas, const struct plan *plan,
                           cublasLtMatmulHeuristicResult_t *proposal, int *found)
{
    cublasLtMatmulPreference_t preference;
    uint64_t workspace = WORKSPACE;
    uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    uint32_t alignment = (uint32_t)plan->shape.alignment;
    TRY(CUBLAS(blas->api.preference_create(&preference)));
    enum status st = CUBLAS(blas->api.preference_set(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace)));
    if (st == ST_OK)
        st = CUBLAS(blas->api.preference_set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                             &reduction, sizeof(reduction)));
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    for (int i = 0; i < 4 && st == ST_OK; i++)
        st =
            CUBLAS(blas->api.preference_set(preference, aligned[i], &alignment, sizeof(alignment)));
    *found = 0;
    if (st == ST_OK &&
        blas->api.propose(blas->handle, plan->desc, plan->w, plan->x, plan->y, plan->y, preference,
                          PROPOSALS, proposal, found) != CUBLAS_STATUS_SUCCESS)
        *found = 0;
    blas->api.preference_destroy(preference);
    return st;
}

static enum status launch(struct queue *q, const struct cuda_blas *blas, const struct plan *plan,
                          const struct linear_operands *o, const struct candidate *c)
{
    static const float one = 1.0f, zero = 0.0f;
    const float *kept = plan->shape.add ? &one : &zero; // of y
    void *workspace;
    struct cuda_target at = cuda_target(q);
    if (c->own)
        return linear_own(&at, &plan->shape, o);
    TRY(cuda_workspace(q, WORKSPACE, &workspace));
    if (plan->shape.bias)
        TRY(CUBLAS(blas->api.desc_set(plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &o->bias,
                                      sizeof(o->bias))));
    return CUBLAS(blas->api.matmul(blas->handle, plan->desc, &one, o->w, plan->w, o->x, plan->x,
                                   kept, o->y, plan->y, o->y, plan->y, &c->algo, workspace,
                                   WORKSPACE, at.stream));
}

/* ---- choice ---- */

/* What linear_timing.h launches. */
struct contest {
    struct queue *q;
    const struct cuda_blas *blas;
    const struct plan *plan;
    struct linear_operands operands;
    const struct candidate *candidate;
};

static enum status launch_candidate(void *self, int which)
{
    const struct contest *c = self;
    return launch(c->q, c->blas, c->plan, &c->operands, &c->candidate[which]);
}

/* Where y is added to, it must not change: the candidates get a copy of it. In the stream's order,
 * since a plain cudaFree would wait for the receptions of other streams, too, which may wait for
 * this rank. *timed is false where there is no memory for a copy. */
static enum status time_beside(struct contest *c, const struct linear_trial *trial, bool *timed,
                               int *fastest)
{
    const struct linear_shape *s = &c->plan->shape;
    const void *y = c->operands.y;
    int64_t last = (s->lanes - 1) * s->y_lane + (s->rows - 1) * s->y_row + s->out;
    size_t bytes = (size_t)last * dtype_size((enum dtype)y_dtype(s));
    *timed = !s->add || cudaMallocAsync(&c->operands.y, bytes, trial->stream) == cudaSuccess;
    if (!*timed) {
        cudaGetLastError();
        return ST_OK;
    }
    if (!s->add)
        return linear_timing_fastest(trial, fastest);
    enum status st =
        CU(cudaMemcpyAsync(c->operands.y, y, bytes, cudaMemcpyDeviceToDevice, trial->stream));
    if (st == ST_OK)
        st = linear_timing_fastest(trial, fastest);
    cudaFreeAsync(c->operands.y, trial->stream);
    return st;
}

/* own: our kernel is a candidate, too. */
static void key_of(const struct cuda_blas *blas, const struct linear_shape *s, bool own,
                   char key[LINEAR_CACHE_KEY])
{
    char with[40] = "", on[20] = "";
    if (own)
        snprintf(with, sizeof(with), "+own%d", OWN_VERSION);
    else
        snprintf(with, sizeof(with), "%s%s", s->y_fp32 ? "+fp32" : "",
                 s->w_across ? "+across" : "");
    if (s->multiprocessors > 0)
        snprintf(on, sizeof(on), "+on%d", s->multiprocessors);
    snprintf(key, LINEAR_CACHE_KEY,
             "%s/%s%s%s%s%s%s/%" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 "/%" PRId64 ",%" PRId64
             ",%" PRId64 ",%" PRId64 ",%" PRId64 "/%d",
             blas->key, dtype_name((enum dtype)s->dtype), s->bias ? "+bias" : "",
             s->gelu ? "+gelu" : "", s->add ? "+add" : "", with, on, s->lanes, s->rows, s->out,
             s->in, s->x_lane, s->x_row, s->w_row, s->y_lane, s->y_row, s->alignment);
}

/* In the file, the first word of our own kernel's line: the library's words begin with the small
 * numbers of a configuration. */
static const uint64_t own_mark = 0x6b72656e6c206f77;

static void remember(struct cuda_blas *blas, const char *key, const struct candidate *c)
{
    uint64_t words[LINEAR_CACHE_WORDS] = {own_mark};
    _Static_assert(sizeof(c->algo) == sizeof(words), "cached whole");
    linear_cache_add(blas->cache, key, c->own ? words : c->algo.data);
}

/* The choice of an earlier run, if it can still be had. */
static bool recall(const struct cuda_blas *blas, struct plan *plan, bool own, const char *key)
{
    cublasLtMatmulHeuristicResult_t result;
    uint64_t words[LINEAR_CACHE_WORDS];
    if (!linear_cache_find(blas->cache, key, words))
        return false;
    plan->best.own = own && words[0] == own_mark;
    if (plan->best.own)
        return true;
    memcpy(plan->best.algo.data, words, sizeof(words));
    return blas->api.check(blas->handle, plan->desc, plan->w, plan->x, plan->y, plan->y,
                           &plan->best.algo, &result) == CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= WORKSPACE;
}

/* The library's algorithms, then our own kernel; *n counts them from 0 on. */
static enum status list_candidates(const struct cuda_blas *blas, const struct plan *plan, bool own,
                                   struct candidate *candidate, int *n)
{
    cublasLtMatmulHeuristicResult_t proposal[PROPOSALS];
    int found;
    TRY(propose(blas, plan, proposal, &found));
    for (int i = 0; i < found; i++) {
        if (proposal[i].state == CUBLAS_STATUS_SUCCESS)
            candidate[(*n)++] = (struct candidate){.algo = proposal[i].algo};
    }
    if (own)
        candidate[(*n)++] = (struct candidate){.own = true};
    return ST_OK;
}

/* By timing, which a capture has no time for: the first candidate serves until there is. */
static enum status choose_fastest(struct queue *q, struct cuda_blas *blas, struct plan *plan,
                                  const struct linear_operands *o, bool own)
{
    struct candidate candidate[PROPOSALS + 1];
    char key[LINEAR_CACHE_KEY];
    int n = 0;
    key_of(blas, &plan->shape, own, key);
    plan->chosen = plan->possible = recall(blas, plan, own, key);
    if (plan->chosen)
        return ST_OK;
    TRY(list_candidates(blas, plan, own, candidate, &n));
    plan->possible = n > 0;
    plan->chosen = n == 0;
    if (n == 0)
        return ST_OK;
    int fastest = 0;
    if (!cuda_capturing(q)) {
        struct contest contest = {q, blas, plan, *o, candidate};
        struct linear_trial trial = {launch_candidate, &contest, cuda_queue_of(q)->stream, n, own};
        bool timed;
        TRY(time_beside(&contest, &trial, &timed, &fastest));
        plan->possible = fastest >= 0;
        plan->chosen = true;
        if (timed && plan->possible)
            remember(blas, key, &candidate[fastest]);
    }
    if (plan->possible)
        plan->best = candidate[fastest];
    return ST_OK;
}

static enum status choose(struct queue *q, struct cuda_blas *blas, struct plan *plan,
                          const struct linear_operands *o)
{
    enum cuda_linear_choice wish = cuda_device_of(q)->linear;
    struct cuda_target at = cuda_target(q);
    bool own = wish != CUDA_LINEAR_CUBLAS && linear_own_takes(&at, &plan->shape, o);
    if (own && wish != CUDA_LINEAR_TIMED) {
        plan->best.own = plan->chosen = plan->possible = true;
        return ST_OK;
    }
    own = own && plan->shape.lanes * plan->shape.rows >= OWN_ROWS;
    return choose_fastest(q, blas, plan, o, own);
}

/* The shape's plan, without an algorithm when it is new. */
static enum status plan_get(struct cuda_blas *blas, const struct linear_shape *shape,
                            struct plan **out)
{
    for (struct plan *plan = blas->plans; plan; plan = plan->next) {
        if (memcmp(&plan->shape, shape, sizeof(*shape)) == 0) {
            *out = plan;
            return ST_OK;
        }
    }
    struct plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return fail(ST_OOM, "a product's plan: no host memory");
    plan->shape = *shape;
    enum status st = plan_init(blas, plan);
    if (st != ST_OK) {
        plan_close(blas, plan);
        return st;
    }
    plan->next = blas->plans;
    blas->plans = plan;
    *out = plan;
    return ST_OK;
}

enum status cuda_blas_multiply(struct queue *q, const struct linear_shape *shape,
                               const struct linear_operands *operands, bool *done)
{
    struct cuda_blas *blas = cuda_device_of(q)->blas;
    struct plan *plan = NULL;
    TRY(plan_get(blas, shape, &plan));
    if (!plan->chosen)
        TRY(choose(q, blas, plan, operands));
    *done = plan->possible;
    return plan->possible ? launch(q, blas, plan, operands, &plan->best) : ST_OK;
}
