/* SPDX-License-Identifier: Apache-2.0 */
/* A model's parameters are the same bits whether its device draws them or the host reads and copies
 * them, in every dtype and for every shard. */
#include "kernels/backend.h"
#include "models/dit_internal.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- the same weights without a way to fill a device ---- */

static enum status read_inner(void *self, const char *name, int ndim, const int64_t *shape,
                              const struct weights_slice *slice, float *out)
{
    int64_t dim[2] = {slice->rows, slice->cols};
    struct tensor host = tensor_of(out, NULL, DTYPE_F32, 2, dim);
    return weights_fill(self, name, ndim, shape, slice, NULL, &host);
}

static void close_inner(void *self)
{
    weights_close(self);
}

static const struct weights_ops read_only = {
    .name = "read only",
    .read = read_inner,
    .close = close_inner,
};

/* ---- one loaded shard ---- */

struct loaded {
    struct device *dev;
    struct queue *q;
    struct arena *weights_arena, *activations;
    struct weights *weights;
    struct dit *dit;
    struct token_run run[2]; /* the text's, the image's */
    struct span all, image;
};

static void load(struct loaded *m, const struct dit_config *config, struct dit_shard shard,
                 enum dtype dtype, bool direct)
{
    struct device_options options = {.threads = 2};
    int side = config->sample_size / config->patch;
    m->run[0] = (struct token_run){side * side, 8};
    m->run[1] = (struct token_run){0, side * side};
    m->all = config->joint ? (struct span){2, 2, m->run} : (struct span){1, 1, m->run + 1};
    m->image = (struct span){1, 1, m->run + 1};
    struct dit_extent extent = {.lanes = 1,
                                .frames = dit_frames(config),
                                .all = &m->all,
                                .image = &m->image,
                                .text_tokens = 8,
                                .steps = 1,
                                .width = config->sample_size,
                                .height = config->sample_size,
                                .dtype = dtype};
    cr_assert_eq(device_open(backend_find("cpu"), &options, &m->dev), ST_OK, "%s", status_text());
    cr_assert_eq(queue_open(m->dev, &m->q), ST_OK);
    cr_assert_eq(arena_open(m->dev, ARENA_WEIGHTS, &m->weights_arena), ST_OK);
    cr_assert_eq(arena_open(m->dev, ARENA_ACTIVATIONS, &m->activations), ST_OK);
    cr_assert_eq(weights_open_synthetic(11, &m->weights), ST_OK);
    if (!direct)
        cr_assert_eq(weights_open(&read_only, m->weights, &m->weights), ST_OK);
    cr_assert_eq(dit_open(config, &shard, &extent, m->weights, m->q, m->weights_arena,
                          m->activations, &m->dit),
                 ST_OK, "%s", status_text());
}

static void unload(struct loaded *m)
{
    dit_close(m->dit);
    weights_close(m->weights);
    arena_close(m->weights_arena);
    arena_close(m->activations);
    queue_close(m->q);
    device_close(m->dev);
}

/* `n` tensors that lie beside each other in a struct; returns the bytes compared. */
static size_t same(const char *what, const void *a, const void *b, size_t n)
{
    const struct tensor *x = a;
    const struct tensor *y = b;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(x[i].ndim, y[i].ndim, "%s %zu", what, i);
        if (x[i].ndim == 0)
            continue;
        cr_assert(tensor_same_shape(&x[i], &y[i]) && x[i].dtype == y[i].dtype, "%s %zu", what, i);
        cr_assert_eq(memcmp(x[i].data, y[i].data, tensor_bytes(&x[i])), 0, "%s %zu", what, i);
        bytes += tensor_bytes(&x[i]);
    }
    return bytes;
}

#define SAME(a, b, member)                                                                         \
    same(#member, &(a)->member, &(b)->member, sizeof((a)->member) / sizeof(struct tensor))

static size_t same_stream(const struct dit_stream *a, const struct dit_stream *b)
{
    return SAME(a, b, attn) + SAME(a, b, fc1) + SAME(a, b, fc2) + SAME(a, b, attn_norm.weight) +
           SAME(a, b, attn_norm.bias) + SAME(a, b, mlp_norm.weight) + SAME(a, b, mlp_norm.bias);
}

static size_t same_block(const struct dit_block *a, const struct dit_block *b)
{
    return same_stream(&a->image, &b->image) + same_stream(&a->text, &b->text) +
           SAME(a, b, second) + SAME(a, b, cross.q) + SAME(a, b, cross.kv) + SAME(a, b, cross.out) +
           SAME(a, b, cross.head_norm) + SAME(a, b, cross.norm.weight) +
           SAME(a, b, cross.norm.bias) + SAME(a, b, skip) + SAME(a, b, skip_norm.weight) +
           SAME(a, b, skip_norm.bias);
}

static size_t same_around(const struct dit *a, const struct dit *b)
{
    return SAME(a, b, embed) + SAME(a, b, positions) + SAME(a, b, rope) +
           SAME(a, b, frame_positions) + SAME(a, b, head) + SAME(a, b, table) +
           SAME(a, b, head_table) + SAME(a, b, project) + SAME(a, b, head_project) +
           SAME(a, b, resolution) + SAME(a, b, aspect) + SAME(a, b, pooled) + SAME(a, b, guidance) +
           SAME(a, b, text_mlp) + SAME(a, b, text) + SAME(a, b, text2_mlp) +
           SAME(a, b, text_padding) + SAME(a, b, pool.positions) + SAME(a, b, pool.q) +
           SAME(a, b, pool.k) + SAME(a, b, pool.v) + SAME(a, b, pool.out);
}

static void compare(const struct dit *a, const struct dit *b, size_t wanted)
{
    size_t bytes = same_around(a, b);
    for (int l = 0; l < a->layers; l++)
        bytes += same_block(&a->block[l], &b->block[l]);
    for (int m = 0; m < a->modulators; m++)
        bytes += same("modulator", &a->modulator[m], &b->modulator[m],
                      sizeof(struct dit_modulator) / sizeof(struct tensor));
    cr_assert_gt(bytes, 0);
    cr_assert_leq(bytes, wanted);
    cr_assert_gt((double)bytes, 0.95 * (double)wanted, "%zu of %zu bytes compared", bytes, wanted);
}

static void check_model(const char *preset, bool micro)
{
    static const struct dit_shard shards[] = {
        {0, 4, 0, 1, true, true}, {0, 1, 0, 3, true, false}, {1, 4, 2, 3, false, true}};
    struct dit_config config;
    char folder[512];
    cr_assert_eq(dit_config_load(preset, &config, folder, sizeof(folder)), ST_OK, "%s",
                 status_text());
    config.layers = 4;
    config.parallel_layers = config.parallel_layers ? 2 : 0;
    config.sample_size = 8 * config.patch;
    config.micro = micro;
    for (int i = 0; i < 3 * DTYPE_COUNT; i++) {
        struct loaded direct, copied;
        load(&direct, &config, shards[i % 3], (enum dtype)(i / 3), true);
        load(&copied, &config, shards[i % 3], (enum dtype)(i / 3), false);
        compare(direct.dit, copied.dit, arena_peak(direct.weights_arena));
        unload(&direct);
        unload(&copied);
    }
}

Test(dit_weights, drawn_on_the_device_or_read_and_copied)
{
    check_model("pixart-tiny", false);
    check_model("pixart-tiny", true);
    check_model("dit-tiny", false);
    check_model("sd3-tiny", false);
    check_model("flux-tiny", false);
    check_model("hunyuandit-tiny", false);
    check_model("latte-tiny", false);
}
