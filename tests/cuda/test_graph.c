/* SPDX-License-Identifier: Apache-2.0 */
/* Captured work: the same bits as the calls themselves, with what memory holds at the launch. */
#include "tests/cuda/gpu.h"

#include "kernels/device.h"
#include "tests/support/near.h"

#include <stdlib.h>

enum { B = 2, N = 130, H = 4, D = 72, C = H * D };

struct block {
    struct gpu_tensor *x, *w, *bias, *qkv, *o, *lse, *h, *a, *shift, *scale, *text;
};

static struct block make(struct gpu *gpu, enum dtype dtype)
{
    return (struct block){
        .x = gpu_dense(gpu, dtype, 1.0f, GPU_DIM(B, N, C)),
        .w = gpu_dense(gpu, dtype, 0.1f, GPU_DIM(3 * C, C)),
        .bias = gpu_dense(gpu, dtype, 1.0f, GPU_DIM(3 * C)),
        .qkv = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(B, N, 3 * C)),
        .o = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(B, N, H, D)),
        .lse = gpu_dense(gpu, DTYPE_F32, 0.0f, GPU_DIM(B, N, H)),
        .h = gpu_dense(gpu, dtype, 1.0f, GPU_DIM(B, N, C)),
        .a = gpu_dense(gpu, dtype, 0.0f, GPU_DIM(B, N, C)),
        .shift = gpu_dense(gpu, DTYPE_F32, 1.0f, GPU_DIM(B, C)),
        .scale = gpu_dense(gpu, DTYPE_F32, 1.0f, GPU_DIM(B, C)),
        .text = gpu_dense(gpu, dtype, 1.0f, GPU_DIM(B, 20, 2 * C)),
    };
}

/* Every op that a step has, two queues, and a merge. */
static void run(struct gpu *gpu, struct queue *other, struct event event[2], const struct block *b)
{
    struct tensor part[3], text[2], o = b->o->t, flat;
    const int count[B] = {20, 7};
    for (int i = 0; i < 3; i++) {
        part[i] = tensor_slice(&b->qkv->t, 2, i * C, C);
        part[i] = tensor_split(&part[i], 2, H, D);
    }
    for (int i = 0; i < 2; i++) {
        text[i] = tensor_slice(&b->text->t, 2, i * C, C);
        text[i] = tensor_split(&text[i], 2, H, D);
    }
    flat = tensor_merge(&o, 2);
    OK(op_linear(gpu->q, &b->qkv->t, &b->x->t, &b->w->t, &b->bias->t, ACT_GELU_TANH));
    OK(op_attention(gpu->q, &o, &b->lse->t, &part[0], &part[1], &part[2], NULL, 0.1f));
    OK(op_gate_add_norm(gpu->q, &b->h->t, &flat, NULL, NULL, &b->a->t,
                        &(struct modulation){&b->shift->t, &b->scale->t, 1e-6f}));
    OK(queue_mark(gpu->q, &event[0]));
    OK(queue_await(other, &event[0]));
    OK(op_copy(other, &b->x->t, &b->a->t));
    OK(queue_mark(other, &event[1]));
    OK(queue_await(gpu->q, &event[1]));
    OK(op_attention(gpu->q, &o, NULL, &part[0], &text[0], &text[1], count, 0.1f));
    OK(op_add(gpu->q, &b->x->t, &flat));
    OK(op_activate(gpu->q, &b->a->t, &b->x->t, ACT_SILU));
}

static void launches(enum dtype dtype)
{
    struct gpu gpu;
    struct queue *other;
    struct event event[2] = {{0}, {0}};
    struct graph graph = {0};
    float *want[3];
    gpu_open(&gpu, 51);
    OK(queue_open(gpu.dev, &other));
    OK(event_open(gpu.dev, &event[0]));
    OK(event_open(gpu.dev, &event[1]));
    CHECK(graph_supported(gpu.dev) && !graph_supported(gpu.host), "graph_supported");
    struct block b = make(&gpu, dtype);
    float *x = gpu_read(&gpu, &b.x->t), *h = gpu_read(&gpu, &b.h->t);
    for (int i = 0; i < 3; i++) { // each step goes on from the one before
        run(&gpu, other, event, &b);
        want[i] = gpu_read(&gpu, &b.a->t);
    }
    gpu_write(&gpu, b.x, x);
    gpu_write(&gpu, b.h, h);
    OK(graph_begin(gpu.q));
    run(&gpu, other, event, &b);
    OK(graph_end(gpu.q, &graph));
    for (int i = 0; i < 3; i++) {
        OK(graph_launch(gpu.q, &graph));
        float *got = gpu_read(&gpu, &b.a->t);
        CHECK(near_equal("launch", got, want[i], (int64_t)B * N * C), "%s, launch %d",
              dtype_name(dtype), i);
        free(got);
        free(want[i]);
    }
    graph_release(gpu.dev, &graph);
    graph_release(gpu.dev, &graph); // of nothing
    free(x);
    free(h);
    event_close(gpu.dev, &event[0]);
    event_close(gpu.dev, &event[1]);
    queue_close(other);
    gpu_close(&gpu);
}

static void test_launches(void)
{
    launches(DTYPE_BF16);
    launches(DTYPE_F32);
}

/* A shape that was never computed before can be captured too: by the library's own choice. */
static void test_unseen_shapes(void)
{
    struct gpu gpu;
    struct graph graph = {0};
    setenv("DITBENCH_CACHE", "/proc/no/such/folder", 1);
    gpu_open(&gpu, 52);
    struct block b = make(&gpu, DTYPE_BF16);
    OK(graph_begin(gpu.q));
    OK(op_linear(gpu.q, &b.qkv->t, &b.x->t, &b.w->t, &b.bias->t, ACT_NONE));
    OK(graph_end(gpu.q, &graph));
    OK(graph_launch(gpu.q, &graph));
    float *captured = gpu_read(&gpu, &b.qkv->t);
    OK(op_linear(gpu.q, &b.qkv->t, &b.x->t, &b.w->t, &b.bias->t, ACT_NONE));
    float *direct = gpu_read(&gpu, &b.qkv->t);
    CHECK(near_floats("unseen", captured, direct, (int64_t)B * N * 3 * C, 3e-3), "differs");
    free(captured);
    free(direct);
    graph_release(gpu.dev, &graph);
    gpu_close(&gpu);
}

const struct gpu_test tests_graph[] = {
    {"graph/launches", test_launches},
    {"graph/unseen_shapes", test_unseen_shapes},
    {NULL, NULL},
};
