/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder against diffusers, and against itself: rows in shares, convolutions in chunks. */
#include "models/safetensors.h"
#include "tests/models/shares.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const golden[] = {"vae-sd", "vae-flux", "vae-plain", "vae-wide", "vae-one"};
enum { GOLDEN = sizeof golden / sizeof golden[0] };

/* ---- what is decoded ---- */

struct picture {
    struct vae_config config;
    struct shares shares;
    float *latent, *expected, *pixels;
    int64_t count; /* of the pixels' elements */
};

static float *read_all(const struct safetensors *file, const char *name, int64_t dim[4])
{
    const struct safetensors_entry *e = safetensors_find(file, name);
    cr_assert(e && e->ndim == 4, "%s", name);
    int64_t count = 1;
    for (int i = 0; i < 4; i++) {
        dim[i] = e->dim[i];
        count *= dim[i];
    }
    float *out = malloc((size_t)count * sizeof *out);
    cr_assert_eq(safetensors_floats(file, e, 0, count, out), ST_OK, "%s", status_text());
    return out;
}

static void picture_set(struct picture *p, struct weights *weights, int images, int height,
                        int width)
{
    int scale = vae_config_scale(&p->config);
    p->count = (int64_t)images * p->config.out_channels * height * scale * width * scale;
    p->pixels = malloc((size_t)p->count * sizeof *p->pixels);
    p->shares = (struct shares){.config = &p->config,
                                .weights = weights,
                                .images = images,
                                .height = height,
                                .width = width,
                                .latent = p->latent,
                                .pixels = p->pixels};
}

static void picture_open(struct picture *p, const char *name)
{
    char path[512];
    char folder[512];
    int64_t dim[4];
    int64_t out[4];
    struct safetensors *file;
    struct weights *weights;
    snprintf(path, sizeof path, "%s/tests/golden/%s", DITBENCH_SOURCE_DIR, name);
    cr_assert_eq(vae_config_read(path, &p->config, folder, sizeof folder), ST_OK, "%s",
                 status_text());
    cr_assert_eq(weights_open_safetensors(folder, &weights), ST_OK, "%s", status_text());
    cr_assert_eq(vae_check_weights(&p->config, weights), ST_OK, "%s", status_text());
    snprintf(path, sizeof path, "%s/tests/golden/%s.decode.safetensors", DITBENCH_SOURCE_DIR, name);
    cr_assert_eq(safetensors_open(path, &file), ST_OK, "%s", status_text());
    cr_assert_str_eq(safetensors_meta(file, "kind"), "decode");
    p->latent = read_all(file, "latent", dim);
    p->expected = read_all(file, "expected", out);
    safetensors_close(file);
    picture_set(p, weights, (int)dim[0], (int)dim[2], (int)dim[3]);
    int scale = vae_config_scale(&p->config);
    cr_assert(out[0] == dim[0] && out[2] == dim[2] * scale && out[3] == dim[3] * scale);
}

/* A preset with synthetic weights and a latent of waves, off 0 and larger above than below. */
static void picture_make(struct picture *p, const char *preset, int images, int height, int width)
{
    struct weights *weights;
    cr_assert(vae_config_find(preset, &p->config));
    cr_assert_eq(weights_open_synthetic(5, &weights), ST_OK);
    int64_t count = (int64_t)images * p->config.latent_channels * height * width;
    p->latent = malloc((size_t)count * sizeof *p->latent);
    p->expected = NULL;
    for (int64_t i = 0; i < count; i++)
        p->latent[i] = (float)(i % 17 - 5) / (float)(3 + i / width % height);
    picture_set(p, weights, images, height, width);
}

static void picture_close(struct picture *p)
{
    weights_close(p->shares.weights);
    free(p->latent);
    free(p->expected);
    free(p->pixels);
}

static void decode(struct picture *p, int ranks)
{
    cr_assert_eq(shares_decode(&p->shares, ranks), ST_OK, "%s", status_text());
}

static float *kept(const struct picture *p)
{
    float *copy = malloc((size_t)p->count * sizeof *copy);
    memcpy(copy, p->pixels, (size_t)p->count * sizeof *copy);
    return copy;
}

/* ---- tests ---- */

Test(vae, equals_diffusers)
{
    for (int i = 0; i < GOLDEN; i++) {
        struct picture p;
        picture_open(&p, golden[i]);
        decode(&p, 1);
        cr_assert(near_floats(golden[i], p.pixels, p.expected, p.count, 1e-5));
        picture_close(&p);
    }
}

Test(vae, shares_of_rows_equal_the_whole)
{
    for (int i = 0; i < GOLDEN; i++) {
        struct picture p;
        picture_open(&p, golden[i]);
        decode(&p, 1);
        float *whole = kept(&p);
        for (int n = 2; n <= 4; n++)
            for (int chunk = 0; chunk <= 3; chunk += 3) {
                p.shares.chunk = chunk;
                memset(p.pixels, 0, (size_t)p.count * sizeof *p.pixels);
                decode(&p, n);
                cr_assert(near_floats(golden[i], p.pixels, whole, p.count, 1e-5),
                          "%d ranks, %d rows at a time", n, chunk);
            }
        free(whole);
        picture_close(&p);
    }
}

Test(vae, a_rank_may_have_one_row)
{
    struct picture p;
    picture_make(&p, "vae-tiny", 2, 5, 3);
    decode(&p, 1);
    float *whole = kept(&p);
    decode(&p, 5);
    cr_assert(near_floats("five rows", p.pixels, whole, p.count, 1e-5));
    free(whole);
    picture_close(&p);
}

/* ---- large means ---- */

/* Synthetic weights, but every channel behind one convolution is larger by `more`. */
struct raised {
    struct weights *synthetic;
    float more;
};

static enum status raised_read(void *self, const char *name, int ndim, const int64_t *shape,
                               const struct weights_slice *slice, float *out)
{
    struct raised *r = self;
    int64_t count = slice->rows * slice->cols;
    struct tensor to = tensor_of(out, NULL, DTYPE_F32, 1, &count);
    TRY(weights_fill(r->synthetic, name, ndim, shape, slice, NULL, &to));
    if (strcmp(name, "decoder.up_blocks.2.resnets.0.conv2.bias") == 0)
        for (int64_t i = 0; i < count; i++)
            out[i] += r->more;
    return ST_OK;
}

static void raised_close(void *self)
{
    weights_close(((struct raised *)self)->synthetic);
}

static const struct weights_ops raised_ops = {
    .name = "raised", .read = raised_read, .close = raised_close};

/* At the last level the means of groups are tens of times their deviations: were variances
 * differences of fp32 sums of squares, 3e-5 of the picture would be the order of the sums. */
Test(vae, shares_agree_where_means_are_large)
{
    struct picture p;
    struct raised raised = {.more = 100.0f};
    picture_make(&p, "vae-tiny", 1, 7, 6);
    raised.synthetic = p.shares.weights;
    cr_assert_eq(weights_open(&raised_ops, &raised, &p.shares.weights), ST_OK);
    decode(&p, 1);
    float *whole = kept(&p);
    for (int n = 2; n <= 5; n++) {
        decode(&p, n);
        cr_assert(near_floats("large means", p.pixels, whole, p.count, 1e-5), "%d ranks", n);
    }
    free(whole);
    picture_close(&p);
}

Test(vae, chunks_equal_the_whole)
{
    static const int chunks[] = {1, 2, 3, 4, 7, 16, 39, 40, 1000};
    for (int i = 0; i < GOLDEN; i++) {
        struct picture p;
        picture_open(&p, golden[i]);
        decode(&p, 1);
        float *whole = kept(&p);
        for (size_t k = 0; k < sizeof chunks / sizeof chunks[0]; k++) {
            p.shares.chunk = chunks[k];
            decode(&p, 1);
            cr_assert(near_floats(golden[i], p.pixels, whole, p.count, 1e-6), "%d rows at a time",
                      chunks[k]);
        }
        free(whole);
        picture_close(&p);
    }
}

/* A row of W << level pixels to each neighbour for every convolution, twice a sum for every group
 * and norm: counted here by kind, in bytes of all ranks. */
Test(vae, exchanges_are_those_of_the_layers)
{
    struct picture p;
    int norms = 0;
    size_t row = 0;
    picture_make(&p, "vae-tiny", 2, 7, 3);
    for (int i = 0; i < vae_config_layers(&p.config); i++) {
        struct vae_layer l = vae_config_layer(&p.config, i);
        size_t columns = (size_t)p.shares.width << l.level;
        norms += l.kind == VAE_RESNET ? 2 : l.kind == VAE_ATTENTION || l.kind == VAE_HEAD;
        row += l.kind == VAE_ATTENTION ? 0 : columns * (size_t)l.in;
        row += l.kind == VAE_RESNET ? columns * (size_t)l.out : 0;
    }
    decode(&p, 3);
    cr_assert_eq(p.shares.sums, 2 * 2 * norms);
    cr_assert_eq(p.shares.halo_bytes, 2 * 4 * row * sizeof(float)); // images, edges
    picture_close(&p);
}

/* One level and no attention: 2 FLOPs for each weight and pixel of each convolution, and 12 at most
 * for what a norm does to an element. */
Test(vae, work_is_that_of_the_convolutions)
{
    struct vae_config c = *vae_config_at(0);
    struct vae_extent e = {.height = 10, .width = 6, .row_end = 10, .dtype = DTYPE_BF16};
    struct arena *weights, *activations;
    struct vae *vae;
    c.levels = 1;
    c.attention = false;
    c.width[0] = 64;
    double pixels = 60;
    double products = 2 * pixels * (4 * 4 + 9 * (4 * 64 + 5 * 2 * 64 * 64 + 64 * 3));
    cr_assert_eq(arena_open(NULL, ARENA_WEIGHTS, &weights), ST_OK);
    cr_assert_eq(arena_open(NULL, ARENA_ACTIVATIONS, &activations), ST_OK);
    cr_assert_eq(vae_open(&c, &e, NULL, NULL, weights, activations, &vae), ST_OK, "%s",
                 status_text());
    double flops = vae_work(vae).flops;
    cr_assert_geq(flops, products);
    cr_assert_leq(flops, products + 11 * 12 * pixels * 64);
    vae_close(vae);
    arena_close(weights);
    arena_close(activations);
}

static size_t activations_of(const char *preset, int side, int rows, int chunk)
{
    struct vae_config c;
    struct vae_extent e = {
        .height = side, .width = side, .row_end = rows, .chunk = chunk, .dtype = DTYPE_BF16};
    struct arena *weights, *activations;
    struct vae *vae;
    cr_assert(vae_config_find(preset, &c));
    cr_assert_eq(arena_open(NULL, ARENA_WEIGHTS, &weights), ST_OK);
    cr_assert_eq(arena_open(NULL, ARENA_ACTIVATIONS, &activations), ST_OK);
    cr_assert_eq(vae_open(&c, &e, NULL, NULL, weights, activations, &vae), ST_OK);
    size_t bytes = arena_peak(activations);
    vae_close(vae);
    arena_close(weights);
    arena_close(activations);
    return bytes;
}

/* In bf16, at the last level: what is added to has 256 channels, what is made of it 128, and the
 * normed input 256; all else is small. */
Test(vae, two_activations_are_alive_and_a_chunk)
{
    double pixels = 8192.0 * 8192.0 * 2;
    double whole = (double)activations_of("vae-flux", 1024, 1024, 0) / pixels;
    double chunked = (double)activations_of("vae-flux", 1024, 1024, 64) / pixels;
    double quarter = (double)activations_of("vae-flux", 1024, 256, 64) / pixels;
    cr_assert(whole > 640 && whole < 642, "%g channels", whole);
    cr_assert(chunked > 384 && chunked < 388, "%g channels", chunked);
    cr_assert(quarter > 96 && quarter < 100, "%g channels", quarter);
}

Test(vae, failures_of_allocation_are_statuses)
{
    struct picture p;
    picture_make(&p, "vae-tiny", 1, 3, 3);
    for (int n = 0; n < 1000; n++) {
        struct arena *weights, *activations;
        struct vae *vae;
        struct vae_extent e = {.height = 3, .width = 3, .row_end = 3};
        cr_assert_eq(arena_open(NULL, ARENA_WEIGHTS, &weights), ST_OK);
        cr_assert_eq(arena_open(NULL, ARENA_ACTIVATIONS, &activations), ST_OK);
        arena_fail_after(n);
        enum status st = vae_open(&p.config, &e, NULL, NULL, weights, activations, &vae);
        arena_fail_after(-1);
        if (st == ST_OK)
            vae_close(vae);
        arena_close(weights);
        arena_close(activations);
        if (st == ST_OK) {
            cr_assert_gt(n, 20);
            picture_close(&p);
            return;
        }
        cr_assert_eq(st, ST_OOM);
        cr_assert(strstr(status_message(), "decoder vae-tiny"), "%s", status_message());
    }
    cr_assert_fail("it always fails");
}

Test(vae, weights_of_other_blocks_are_refused)
{
    struct picture p;
    picture_open(&p, "vae-sd");
    struct vae_config c = p.config;
    c.attention = false;
    cr_assert_eq(vae_check_weights(&c, p.shares.weights), ST_INVALID);
    cr_assert(strstr(status_message(), "decoder.mid_block.attentions.0."), "%s", status_message());
    c = p.config;
    c.post_quant = false;
    cr_assert_eq(vae_check_weights(&c, p.shares.weights), ST_INVALID);
    cr_assert(strstr(status_message(), "\"post_quant_conv."), "%s", status_message());
    c = p.config;
    c.resnets--;
    cr_assert_eq(vae_check_weights(&c, p.shares.weights), ST_INVALID);
    cr_assert(strstr(status_message(), ".resnets.2."), "%s", status_message());
    picture_close(&p);
}

Test(vae, missing_weights_are_named)
{
    struct picture p;
    picture_open(&p, "vae-flux");
    p.config.post_quant = true;
    cr_assert_eq(vae_check_weights(&p.config, p.shares.weights), ST_INVALID);
    cr_assert(strstr(status_message(), "\"post_quant_conv.weight\" [16, 16, 1, 1] is missing"),
              "%s", status_message());
    cr_assert_eq(shares_decode(&p.shares, 1), ST_INVALID);
    cr_assert(strstr(status_message(), "\"post_quant_conv.weight\" [16, 16, 1, 1] is missing"),
              "%s", status_message());
    p.config.post_quant = false;
    p.config.resnets++;
    cr_assert_eq(shares_decode(&p.shares, 1), ST_INVALID);
    cr_assert(strstr(status_message(), "\"decoder.up_blocks.0.resnets.2.norm1.weight\" [12]"), "%s",
              status_message());
    picture_close(&p);
}
