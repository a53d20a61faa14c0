/* SPDX-License-Identifier: Apache-2.0 */
/* The DiT alone against diffusers: every golden forward file, on one device, without strategies;
 * and row invariance. */
#include "kernels/backend.h"
#include "models/dit.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One rank's whole model over given lanes. */
struct model {
    struct dit_config config;
    struct device *dev;
    struct queue *q;
    struct arena *weights_arena, *activations;
    struct weights *weights;
    struct dit *dit;
    struct token_run run; /* the one of `all` */
    struct span all;
};

static void model_open(struct model *m, int lanes, int text_tokens, int width, int height)
{
    struct device_options options = {.threads = 1};
    struct dit_shard shard = {
        .layer_end = m->config.layers, .parts = 1, .embed = true, .head = true};
    m->run = (struct token_run){0, width / m->config.patch * (height / m->config.patch)};
    m->all = (struct span){1, 1, &m->run};
    struct dit_extent extent = {.lanes = lanes,
                                .frames = 1,
                                .all = &m->all,
                                .image = &m->all,
                                .text_tokens = text_tokens,
                                .steps = 1,
                                .width = width,
                                .height = height,
                                .dtype = DTYPE_F32};
    cr_assert_eq(device_open(backend_find("cpu"), &options, &m->dev), ST_OK, "%s", status_text());
    cr_assert_eq(queue_open(m->dev, &m->q), ST_OK);
    cr_assert_eq(arena_open(m->dev, ARENA_WEIGHTS, &m->weights_arena), ST_OK);
    cr_assert_eq(arena_open(m->dev, ARENA_ACTIVATIONS, &m->activations), ST_OK);
    cr_assert_eq(dit_open(&m->config, &shard, &extent, m->weights, m->q, m->weights_arena,
                          m->activations, &m->dit),
                 ST_OK, "%s", status_text());
}

static void model_close(struct model *m)
{
    dit_close(m->dit);
    weights_close(m->weights);
    arena_close(m->weights_arena);
    arena_close(m->activations);
    queue_close(m->q);
    device_close(m->dev);
}

/* Features (c, dy, dx) of every token of an image [channels, height, width], or back. */
static void tokens(float *image, float *rows, int channels, int width, int height, int patch,
                   bool unpack)
{
    for (int y = 0; y < height; y += patch)
        for (int x = 0; x < width; x += patch)
            for (int c = 0; c < channels; c++)
                for (int dy = 0; dy < patch; dy++)
                    for (int dx = 0; dx < patch; dx++, rows++) {
                        float *pixel = image + (c * height + y + dy) * width + x + dx;
                        *(unpack ? pixel : rows) = *(unpack ? rows : pixel);
                    }
}

static float *read_all(const struct safetensors *file, const char *name, int64_t *dim)
{
    const struct safetensors_entry *e = safetensors_find(file, name);
    cr_assert_not_null(e, "%s", name);
    int64_t count = 1;
    for (int i = 0; i < e->ndim; i++) {
        count *= e->dim[i];
        if (dim)
            dim[i] = e->dim[i];
    }
    float *out = malloc((size_t)count * sizeof *out);
    cr_assert_eq(safetensors_floats(file, e, 0, count, out), ST_OK, "%s", status_text());
    return out;
}

static struct dit_call whole_call(const struct model *m)
{
    return (struct dit_call){.patch = PATCH_ALL,
                             .fresh = true,
                             .span = &m->all,
                             .image = &m->all,
                             .hooks = &dit_hooks_serial,
                             .queue = m->q};
}

/* Tells the model what a step depends on besides its latent. */
static void set_step(const struct model *m, const struct prompt *prompt, const int *row,
                     const struct tensor *times)
{
    cr_assert_eq(dit_set_prompt(m->dit, prompt, row, m->q), ST_OK, "%s", status_text());
    cr_assert_eq(dit_begin(m->dit, m->q), ST_OK, "%s", status_text());
    cr_assert_eq(dit_condition(m->dit, times, m->q), ST_OK, "%s", status_text());
    cr_assert_eq(dit_step(m->dit, 0, m->q), ST_OK, "%s", status_text());
}

static void check_family(const char *family)
{
    static const char *const mine[] = {"latent", "timestep", "expected", NULL};
    struct model m = {0};
    struct safetensors *file;
    struct prompt *prompt;
    char path[512];
    char folder[512];
    int64_t dim[4];
    snprintf(path, sizeof path, "%s/tests/golden/%s", DITBENCH_SOURCE_DIR, family);
    cr_assert_eq(dit_config_load(path, &m.config, folder, sizeof folder), ST_OK, "%s",
                 status_text());
    cr_assert_eq(weights_open_safetensors(folder, &m.weights), ST_OK, "%s", status_text());
    snprintf(path, sizeof path, "%s/tests/golden/%s.forward.safetensors", DITBENCH_SOURCE_DIR,
             family);
    cr_assert_eq(safetensors_open(path, &file), ST_OK, "%s", status_text());
    float *x = read_all(file, "latent", dim);
    float *t = read_all(file, "timestep", NULL);
    float *want = read_all(file, "expected", NULL);
    int B = (int)dim[0];
    int h = (int)dim[2];
    int w = (int)dim[3];
    cr_assert_eq(prompt_open_file(&m.config, file, B, w * 8, h * 8, PROMPT_FORWARD, mine, &prompt),
                 ST_OK, "%s", status_text());
    model_open(&m, B, prompt->text_tokens, w, h);

    int N = span_count(&m.all);
    int64_t in_dim[3] = {B, N, dit_features(&m.config, m.config.in_channels)};
    int64_t h_dim[3] = {B, N, dit_channels(&m.config)};
    int64_t out_dim[3] = {B, N, dit_features(&m.config, m.config.out_channels)};
    float *in = calloc((size_t)(in_dim[0] * in_dim[1] * in_dim[2]), sizeof *in);
    float *hidden = calloc((size_t)(h_dim[0] * h_dim[1] * h_dim[2]), sizeof *hidden);
    float *out = calloc((size_t)(out_dim[0] * out_dim[1] * out_dim[2]), sizeof *out);
    float *got = calloc((size_t)(B * m.config.out_channels * h * w), sizeof *got);
    struct tensor tx = tensor_of(in, m.dev, DTYPE_F32, 3, in_dim);
    struct tensor th = tensor_of(hidden, m.dev, DTYPE_F32, 3, h_dim);
    struct tensor te = tensor_of(out, m.dev, DTYPE_F32, 3, out_dim);
    int *row = calloc((size_t)B, sizeof *row);
    for (int b = 0; b < B; b++) {
        row[b] = b;
        tokens(x + (size_t)(b * m.config.in_channels * h * w), in + b * N * in_dim[2],
               m.config.in_channels, w, h, m.config.patch, false);
    }
    struct dit_call call = whole_call(&m);
    struct tensor times = tensor_of(t, m.dev, DTYPE_F32, 2, (int64_t[]){1, B});
    set_step(&m, prompt, row, &times);
    cr_assert_eq(dit_embed(m.dit, &call, &tx, &th), ST_OK, "%s", status_text());
    cr_assert_eq(dit_blocks(m.dit, &call, &th), ST_OK, "%s", status_text());
    cr_assert_eq(dit_head(m.dit, &call, &th, &te), ST_OK, "%s", status_text());
    for (int b = 0; b < B; b++)
        tokens(got + (size_t)(b * m.config.out_channels * h * w), out + b * N * out_dim[2],
               m.config.out_channels, w, h, m.config.patch, true);
    cr_expect(near_floats(family, got, want, (int64_t)B * m.config.out_channels * h * w, 1e-4));
    float *all[] = {x, t, want, in, hidden, out, got};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    free(row);
    prompt_close(prompt);
    safetensors_close(file);
    model_close(&m);
}

Test(dit, pixart_alpha_equals_diffusers)
{
    check_family("pixart-alpha");
}
Test(dit, pixart_alpha_1024_with_micro_conditions_equals_diffusers)
{
    check_family("pixart-alpha-1024");
}
Test(dit, pixart_sigma_sharded_equals_diffusers)
{
    check_family("pixart-sigma");
}
Test(dit, class_conditional_dit_equals_diffusers)
{
    check_family("dit");
}
Test(dit, dit_with_fp16_weights_equals_diffusers)
{
    check_family("dit-ddpm");
}

/* A checkpoint that has more than its config.json says is refused with the tensor's name: biases
 * that nobody reads, say. */
Test(dit, unused_parameters_are_refused)
{
    struct dit_config config;
    struct weights *weights;
    char path[512];
    char folder[512];
    snprintf(path, sizeof path, "%s/tests/golden/dit", DITBENCH_SOURCE_DIR);
    cr_assert_eq(dit_config_load(path, &config, folder, sizeof folder), ST_OK, "%s", status_text());
    cr_assert_eq(weights_open_safetensors(folder, &weights), ST_OK, "%s", status_text());
    cr_expect_eq(dit_check_weights(&config, weights), ST_OK, "%s", status_text());
    config.attn_bias = false;
    cr_expect_eq(dit_check_weights(&config, weights), ST_INVALID);
    cr_expect(strstr(status_message(), "bias"), "%s", status_message());
    config.attn_bias = true;
    config.layers--;
    cr_expect_eq(dit_check_weights(&config, weights), ST_INVALID);
    cr_expect(strstr(status_message(), "transformer_blocks."), "%s", status_message());
    config.layers += 2;
    cr_expect_eq(dit_check_weights(&config, weights), ST_INVALID);
    cr_expect(strstr(status_message(), "] is missing"), "%s", status_message());
    weights_close(weights);
}
