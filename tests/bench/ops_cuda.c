/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of the GPU's ops at the shapes of every model, of what a rank of two has of some, and of a
 * decoder, at 1024 px with guidance where there is any (Latte: 512 px, 16 frames): products and
 * attention in TFLOP/s, the rest in TB/s of what an op must read and write, each beside what the
 * unit that bounds it could do. Tensors lie as the models have them: two streams in one buffer,
 * heads within a product. Calls are captured and launched, on random data, in turn on more memory
 * than the cache holds. Not a test.
 */
#include "tests/bench/image.h"
#include "tests/bench/products.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A branch is what a rank of cfg=2 computes, a half what one of two computes that exchange tokens
 * for heads. */
static const struct model models[] = {
    {"pixart", 2, 4096, 0, 1152, 16, 72, 4608, 120, 28, 0, QK_NONE, 0, 0, 0},
    {"pixart-half", 2, 2048, 0, 1152, 16, 72, 4608, 120, 28, 0, QK_NONE, 0, 4096, 8},
    {"pixart-branch", 1, 4096, 0, 1152, 16, 72, 4608, 120, 28, 0, QK_NONE, 0, 0, 0},
    {"sd3-medium", 2, 4096, 333, 1536, 24, 64, 6144, 0, 24, 0, QK_NONE, 0, 0, 0},
    {"sd3-branch", 1, 4096, 333, 1536, 24, 64, 6144, 0, 24, 0, QK_NONE, 0, 0, 0},
    {"sd3.5-large", 2, 4096, 333, 2432, 38, 64, 9728, 0, 38, 0, QK_RMS, 0, 0, 0},
    {"flux", 1, 4096, 512, 3072, 24, 128, 12288, 0, 19, 38, QK_RMS_ROPE, 0, 0, 0},
    {"flux-half", 1, 2048, 256, 3072, 24, 128, 12288, 0, 19, 38, QK_RMS_ROPE, 0, 4608, 12},
    {"hunyuan", 2, 4096, 0, 1408, 16, 88, 6144, 333, 40, 0, QK_LAYER_ROPE, 0, 0, 0},
    {"hunyuan-branch", 1, 4096, 0, 1408, 16, 88, 6144, 333, 40, 0, QK_LAYER_ROPE, 0, 0, 0},
    {"latte", 2, 16384, 0, 1152, 16, 72, 4608, 120, 28, 28, QK_NONE, 16, 0, 0},
};

/* ---- attention ---- */

struct attention {
    struct tensor q[SETS], k[SETS], v[SETS], o[SETS], lse;
    bool with_lse;
    const int *count;
};

static void call_attention(struct bench *b, int set, void *operands)
{
    struct attention *p = operands;
    rate_check(op_attention(b->q, &p->o[set], p->with_lse ? &p->lse : NULL, &p->q[set], &p->k[set],
                            &p->v[set], p->count, 1.0f / sqrtf((float)b->model->head)));
}

/* Products of a step of sixteen columns, and of eight. */
static double attention_rate(int head)
{
    return rate_gemm * 2.0 * head / ((head + 15) / 16 * 16 + (head + 7) / 8 * 8);
}

struct sizes {
    int lanes, rows, keys, heads;
};

/* On views of one product where keys equals rows, else on text. */
static void bench_attention(struct bench *b, const char *name, struct sizes s, bool lse,
                            const int *count, double per_step)
{
    struct attention p = {.with_lse = lse, .count = count};
    char line[LINE];
    double pairs = 0.0;
    int64_t C = (int64_t)s.heads * b->model->head;
    if (!rate_title(b, line, "attention %s [%d] on [%d], %dx%d, %d lanes", name, s.rows, s.keys,
                    s.heads, b->model->head, s.lanes))
        return;
    rate_open(b);
    for (int i = 0; i < SETS; i++) {
        struct tensor qkv = MAKE(b, b->dtype, s.lanes, s.rows, 3 * C);
        struct tensor other = s.keys == s.rows ? qkv : MAKE(b, b->dtype, s.lanes, s.keys, 3 * C);
        struct tensor o = MAKE(b, b->dtype, s.lanes, s.rows, C);
        p.q[i] = rate_heads(b, &qkv, 0, s.heads);
        p.k[i] = rate_heads(b, &other, 1, s.heads);
        p.v[i] = rate_heads(b, &other, 2, s.heads);
        p.o[i] = rate_heads(b, &o, 0, s.heads);
    }
    p.lse = MAKE(b, DTYPE_F32, s.lanes, s.rows, s.heads);
    for (int lane = 0; lane < s.lanes; lane++)
        pairs += (double)s.rows * (double)(count ? count[lane] : s.keys);
    rate_report(b, &(struct work){line, 4.0 * pairs * (double)C, attention_rate(b->model->head),
                                  per_step, call_attention, &p});
    rate_close(b);
}

/* The frames of each place, where they lie. */
static void bench_frames(struct bench *b)
{
    const struct model *m = b->model;
    struct attention p = {.with_lse = false};
    char line[LINE];
    int places = m->rows / m->frames;
    if (!rate_title(b, line, "attention frames [%d] at %d places, %dx%d", m->frames, places,
                    m->heads, m->head))
        return;
    rate_open(b);
    for (int i = 0; i < SETS; i++) {
        struct tensor qkv = MAKE(b, b->dtype, m->lanes, m->frames, places, 3 * m->width);
        struct tensor o = MAKE(b, b->dtype, m->lanes, m->frames, places, m->width);
        struct tensor *view[] = {&p.q[i], &p.k[i], &p.v[i], &p.o[i]};
        for (int k = 0; k < 4; k++) {
            struct tensor t = rate_heads(b, k < 3 ? &qkv : &o, k % 3, m->heads);
            *view[k] = t;
            view[k]->dim[1] = t.dim[2], view[k]->stride[1] = t.stride[2];
            view[k]->dim[2] = t.dim[1], view[k]->stride[2] = t.stride[1];
        }
    }
    rate_report(b, &(struct work){line, 4.0 * (double)tensor_bytes(&p.o[0]), rate_memory,
                                  m->singles, call_attention, &p});
    rate_close(b);
}

/* ---- rows ---- */

struct rows {
    struct tensor h[SETS], y[SETS], a[SETS], bias, gate, shift, scale, weight, table, lse, lse2;
    struct norm norm;
    struct tensor *gated; /* NULL: sums without a gate */
};

static void call_norm(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    rate_check(op_norm(b->q, &p->a[set], &p->h[set], &p->norm));
}

static void call_gate_add(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    rate_check(op_gate_add(b->q, &p->h[set], &p->y[set], &p->bias, p->gated));
}

static void call_gate_add_norm(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    rate_check(
        op_gate_add_norm(b->q, &p->h[set], &p->y[set], &p->bias, p->gated, &p->a[set], &p->norm));
}

static void call_add_rows(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    rate_check(op_add_rows(b->q, &p->h[set], &p->table));
}

static void call_add(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    rate_check(op_add(b->q, &p->h[set], &p->y[set]));
}

static void call_merge(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    struct tensor o = rate_heads(b, &p->h[set], 0, b->model->heads);
    struct tensor o2 = rate_heads(b, &p->y[set], 0, b->model->heads);
    rate_check(op_merge(b->q, &o, &p->lse, &o2, &p->lse2));
}

/* Half the heads of all rows into a dense tensor, as an exchange of heads packs them. */
static void call_pack(struct bench *b, int set, void *operands)
{
    struct rows *p = operands;
    int64_t half_width = b->model->heads / 2 * b->model->head;
    struct tensor half = tensor_slice(&p->h[set], 2, 0, half_width);
    int64_t dim[3] = {half.dim[0], half.dim[1], half_width};
    struct tensor packed = tensor_of(p->a[set].data, p->a[set].dev, p->a[set].dtype, 3, dim);
    rate_check(op_copy(b->q, &packed, &half));
}

static void make_rows(struct bench *b, struct rows *p, int64_t rows)
{
    int64_t B = b->model->lanes, C = b->model->width;
    p->bias = MAKE(b, b->dtype, C);
    p->gate = MAKE(b, DTYPE_F32, B, C);
    p->shift = MAKE(b, DTYPE_F32, B, C);
    p->scale = MAKE(b, DTYPE_F32, B, C);
    p->weight = MAKE(b, DTYPE_F32, 2 * C);
    p->table = MAKE(b, DTYPE_F32, rows, C);
    p->lse = MAKE(b, DTYPE_F32, B, rows, b->model->heads);
    p->lse2 = MAKE(b, DTYPE_F32, B, rows, b->model->heads);
    for (int i = 0; i < SETS; i++) {
        p->h[i] = MAKE(b, b->dtype, B, rows, C);
        p->y[i] = MAKE(b, b->dtype, B, rows, C);
        p->a[i] = MAKE(b, b->dtype, B, rows, C);
    }
    p->gated = &p->gate;
    p->norm = (struct norm){.shift = &p->shift, .scale = &p->scale, .eps = 1e-6f};
}

/* `all`: the ops beside a block's, too. Affine norms come with sums that have no gate. */
static void bench_rows(struct bench *b, const char *stream, int64_t rows, double layers, bool all)
{
    bool affine = b->model->qk == QK_LAYER_ROPE, cross = b->model->cross > 0;
    double once =
        (double)b->model->lanes * (double)rows * b->model->width * (double)dtype_size(b->dtype);
    double lse = 4.0 * b->model->lanes * (double)rows * b->model->heads;
    double table = 4.0 * (double)rows * b->model->width;
    const struct work works[] = {
        {"norm", 2 * once, rate_memory, cross ? layers : 2, call_norm, NULL},
        {"gate_add_norm", 4 * once, rate_memory, cross ? layers : 2 * layers, call_gate_add_norm,
         NULL},
        {"gate_add", 3 * once, rate_memory, cross ? layers : 0, call_gate_add, NULL},
        {"add_rows", 2 * once + table, rate_memory, 1, call_add_rows, NULL},
        {"add", 3 * once, rate_memory, 0, call_add, NULL},
        {"merge", 3 * once + 3 * lse, rate_memory, 0, call_merge, NULL},
        {"copy of half the heads", once, rate_memory, 0, call_pack, NULL},
    };
    for (size_t i = 0; i < (all ? sizeof(works) / sizeof(works[0]) : 3); i++) {
        char line[LINE];
        struct rows p;
        struct work work = works[i];
        if (!rate_title(b, line, "%s%s [%d,%d]", work.name, stream, (int)(b->model->lanes * rows),
                        b->model->width))
            continue;
        rate_open(b);
        make_rows(b, &p, rows);
        struct tensor weight = tensor_slice(&p.weight, 0, 0, b->model->width);
        if (affine) {
            p.norm =
                (struct norm){.weight = &weight, .bias = &weight, .shift = &p.shift, .eps = 1e-6f};
            p.gated = NULL;
        }
        work.name = line;
        work.operands = &p;
        rate_report(b, &work);
        rate_close(b);
    }
}

/* A long skip: rows and those of an earlier layer, normed together. */
static void bench_skip(struct bench *b)
{
    struct rows p;
    char line[LINE];
    int64_t C = b->model->width, rows = b->model->rows;
    bench_product(b, "skip", rows, 2 * C, rate_dense(rows, 2 * C), C, rate_dense(rows, C), ACT_NONE,
                  19);
    if (!rate_title(b, line, "norm of two [%d,%d]", (int)(b->model->lanes * rows), (int)(2 * C)))
        return;
    rate_open(b);
    make_rows(b, &p, rows);
    p.norm = (struct norm){.weight = &p.weight, .bias = &p.weight, .beside = &p.y[0], .eps = 1e-6f};
    for (int i = 0; i < SETS; i++)
        p.a[i] = MAKE(b, b->dtype, b->model->lanes, rows, 2 * C);
    rate_report(b, &(struct work){line, 4.0 * (double)tensor_bytes(&p.h[0]), rate_memory, 19,
                                  call_norm, &p});
    rate_close(b);
}

/* ---- heads ---- */

struct heads {
    struct tensor q[SETS], k[SETS], rope, vector;
    struct qk_norm norm;
    bool turned;
};

static void call_heads(struct bench *b, int set, void *operands)
{
    struct heads *p = operands;
    rate_check(
        op_qk_norm_rope(b->q, &p->q[set], &p->k[set], &p->norm, p->turned ? &p->rope : NULL));
}

static void bench_heads(struct bench *b, const char *stream, struct place at, int64_t rows,
                        double per_step)
{
    const struct model *m = b->model;
    struct heads p = {.turned = m->qk != QK_RMS};
    char line[LINE];
    if (m->qk == QK_NONE || !rate_title(b, line, "qk_norm_rope%s [%d], %dx%d", stream,
                                        (int)(m->lanes * rows), m->heads, m->head))
        return;
    rate_open(b);
    for (int i = 0; i < SETS; i++) {
        struct tensor qkv = rate_part(b, at, rows, 3 * m->width);
        p.q[i] = rate_heads(b, &qkv, 0, m->heads);
        p.k[i] = rate_heads(b, &qkv, 1, m->heads);
    }
    p.rope = MAKE(b, DTYPE_F32, rows, m->head);
    p.vector = MAKE(b, DTYPE_F32, m->head);
    p.norm = (struct qk_norm){.centred = m->qk == QK_LAYER_ROPE,
                              .q_weight = &p.vector,
                              .k_weight = &p.vector,
                              .eps = 1e-6f};
    if (p.norm.centred)
        p.norm.q_bias = p.norm.k_bias = &p.vector;
    double bytes = 4.0 * (double)tensor_bytes(&p.q[0]);
    if (p.turned)
        bytes += (double)tensor_bytes(&p.rope);
    rate_report(b, &(struct work){line, bytes, rate_memory, per_step, call_heads, &p});
    rate_close(b);
}

/* ---- models ---- */

/* What a block does with the rows of one stream, `begin` of the joint buffer's `all`. */
static void bench_stream(struct bench *b, const char *name, int64_t begin, int64_t rows)
{
    const struct model *m = b->model;
    int64_t all = m->rows + m->text, C = m->width;
    double layers = m->blocks + (m->frames ? m->singles : 0);
    char title_of[60];
    const struct {
        const char *name;
        int64_t in, out;
        struct place from, to;
        enum act act;
    } products[] = {
        {"qkv", C, 3 * C, rate_dense(rows, C), {all, 3 * C, begin, 0}, ACT_NONE},
        {"out", C, C, {all, C, begin, 0}, rate_dense(rows, C), ACT_NONE},
        {"fc1+gelu", C, m->mlp, rate_dense(rows, C), rate_dense(rows, m->mlp), ACT_GELU_TANH},
        {"fc2", m->mlp, C, rate_dense(rows, m->mlp), rate_dense(rows, C), ACT_NONE},
    };
    for (int i = 0; i < 4; i++) {
        snprintf(title_of, sizeof(title_of), "%s%s", products[i].name, name);
        bench_product(b, title_of, rows, products[i].in, products[i].from, products[i].out,
                      products[i].to, products[i].act, layers);
    }
    bench_heads(b, name, (struct place){all, 3 * C, begin, 0}, rows, layers);
    bench_rows(b, name, rows, layers, begin == m->text && m == models);
}

/* Attention and MLP side by side, over both streams: one product in front of each, one behind both.
 */
static void bench_singles(struct bench *b)
{
    const struct model *m = b->model;
    int64_t all = m->rows + m->text, C = m->width, wide = C + m->mlp;
    bench_product(b, "qkv, single", all, C, rate_dense(all, C), 3 * C, rate_dense(all, 3 * C),
                  ACT_NONE, m->singles);
    bench_product(b, "fc1+gelu, single", all, C, rate_dense(all, C), m->mlp,
                  (struct place){all, wide, 0, C}, ACT_GELU_TANH, m->singles);
    bench_product(b, "out, single", all, wide, rate_dense(all, wide), C, rate_dense(all, C),
                  ACT_NONE, m->singles);
    bench_heads(b, ", single", rate_dense(all, 3 * C), all, m->singles);
    bench_rows(b, ", single", all, m->singles / 2.0, false); // one sum and norm in each
}

static void bench_cross(struct bench *b)
{
    static const int count[] = {20, 77};
    const struct model *m = b->model;
    struct sizes s = {m->lanes, m->rows, m->cross, m->heads};
    bench_product(b, "cross q", m->rows, m->width, rate_dense(m->rows, m->width), m->width,
                  rate_dense(m->rows, m->width), ACT_NONE, m->blocks);
    bench_product(b, "cross out, add", m->rows, m->width, rate_dense(m->rows, m->width), m->width,
                  rate_dense(m->rows, m->width), ACT_NONE, m->blocks);
    bench_attention(b, "text", s, false, NULL, m->blocks);
    if (m->lanes == 2)
        bench_attention(b, "text, 20 and 77 keys", s, false, count, 0);
}

/* Arenas of their own for each line: its memory is free for the next. */
static void bench_model(struct bench *b, const struct model *m)
{
    int all = m->rows + m->text, heads = m->attn_heads ? m->attn_heads : m->heads;
    int rows = m->attn_rows ? m->attn_rows : all;
    struct sizes s = {m->lanes, rows, rows, heads};
    if (m->frames)
        s = (struct sizes){m->lanes * m->frames, rows / m->frames, rows / m->frames, heads};
    b->model = m;
    b->step_us = 0.0;
    bench_stream(b, "", m->text, m->rows);
    if (m->text > 0)
        bench_stream(b, ", text", 0, m->text);
    bench_attention(b, "self", s, false, NULL, m->blocks + (m->frames ? 0 : m->singles));
    bench_attention(b, "self+lse", s, true, NULL, 0);
    if (m->cross > 0)
        bench_cross(b);
    if (m->frames > 0)
        bench_frames(b);
    else if (m->singles > 0)
        bench_singles(b);
    if (m->qk == QK_LAYER_ROPE)
        bench_skip(b);
    if (m == models) {
        bench_vectors(b);
        bench_draw(b);
    }
    if (!b->only || strcmp(b->only, m->name) == 0)
        printf("%s: sum over a step's blocks %.2f ms\n\n", m->name, b->step_us * 1e-3);
}

int main(int argc, char **argv)
{
    struct bench b = {.dtype = DTYPE_BF16};
    struct device_options options = {.threads = 1};
    struct device *dev;
    const struct backend_ops *cuda = backend_find("cuda");
    int devices = 0;
    if (argc > 1 && !dtype_find(argv[1], &b.dtype)) {
        fprintf(stderr, "usage: ops_cuda [fp32|bf16|fp16 [MODEL OR PART OF A LINE]]\n");
        return 2;
    }
    if (!cuda || cuda->count(&devices) != ST_OK || devices == 0) {
        printf("SKIP: no GPU is seen here, or this program was built without CUDA\n");
        return 0;
    }
    b.only = argc > 2 ? argv[2] : NULL;
    rate_check(device_open(cuda, &options, &dev));
    rate_check(queue_open(dev, &b.q));
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
        bench_model(&b, &models[i]);
    image_bench(&b);
    queue_close(b.q);
    device_close(dev);
    return 0;
}
