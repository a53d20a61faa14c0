/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts of models whose text is part of the sequence, that have a second text, are told a pooled
 * text or a guidance, or make videos: synthetic ones, golden files, refusals. */
#include "models/prompt.h"
#include "tests/models/image.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 5, D = 3, T2 = 4, D2 = 2, P = 6 };

static const struct dit_config joint = {
    .text_dim = D, .text_tokens = T, .joint = true, .pooled_dim = P};
static const struct dit_config told = {.text_dim = D,
                                       .text_tokens = T,
                                       .joint = true,
                                       .pooled_dim = P,
                                       .distilled = true,
                                       .guidance_in = true,
                                       .default_guidance = 3.5f};
static const struct dit_config untold = {
    .text_dim = D, .text_tokens = T, .joint = true, .pooled_dim = P, .distilled = true};
static const struct dit_config both = {.text_dim = D,
                                       .text_tokens = T,
                                       .text2_dim = D2,
                                       .text2_tokens = T2,
                                       .cross = true,
                                       .pooled_dim = P};
static const struct dit_config video = {
    .text_dim = D, .text_tokens = T, .cross = true, .temporal = true, .frames = 3};

/* ---- synthetic ---- */

static struct prompt *synthetic(const struct dit_config *config, int requests, bool guided,
                                uint64_t seed)
{
    struct prompt *prompt = NULL;

    cr_assert_eq(prompt_open_synthetic(config, requests, guided, 64, 96, seed, &prompt), ST_OK);
    cr_assert_eq(prompt->rows, guided ? 2 * requests : requests);
    return prompt;
}

/* Rows i of a and k of b, `size` numbers each, are the same. */
static bool same(const float *a, int i, const float *b, int k, int size)
{
    return memcmp(a + i * size, b + k * size, (size_t)size * sizeof(*a)) == 0;
}

static void all_drawn(const float *values, int n, const char *what)
{
    for (int i = 0; i < n; i++)
        cr_assert(isfinite(values[i]) && values[i] != 0, "%s, element %d: %g", what, i,
                  (double)values[i]);
}

static void expect_request_rows(const struct dit_config *config)
{
    struct prompt *one = synthetic(config, 1, false, 4);
    struct prompt *guided = synthetic(config, 3, true, 4);
    struct prompt *other = synthetic(config, 1, false, 5);

    all_drawn(guided->text, 6 * T * D, "text");
    for (int r = 0; r < 6; r++)
        cr_assert_eq(guided->text_count[r], T);
    cr_assert(same(one->text, 0, guided->text, 3, T * D));
    cr_assert(same(guided->text, 0, guided->text, 2, T * D));
    cr_assert_not(same(guided->text, 0, guided->text, 3, T * D));
    cr_assert_not(same(guided->text, 4, guided->text, 5, T * D));
    cr_assert_not(same(one->text, 0, other->text, 0, T * D));
    prompt_close(one);
    prompt_close(guided);
    prompt_close(other);
}

Test(prompt_families, synthetic_text_without_a_mask_is_all_real)
{
    expect_request_rows(&joint);
    expect_request_rows(&both);
    expect_request_rows(&video);
}

Test(prompt_families, synthetic_pooled_text_is_of_request_and_kind)
{
    struct prompt *one = synthetic(&joint, 1, false, 4);
    struct prompt *guided = synthetic(&joint, 3, true, 4);
    struct prompt *second = synthetic(&both, 1, true, 4);

    all_drawn(guided->pooled, 6 * P, "pooled");
    cr_assert(same(one->pooled, 0, guided->pooled, 3, P));
    cr_assert(same(guided->pooled, 0, guided->pooled, 2, P));
    cr_assert_not(same(guided->pooled, 0, guided->pooled, 3, P));
    cr_assert_not(same(guided->pooled, 3, guided->pooled, 4, P));
    cr_assert_null(second->pooled); /* attention pooling gives it */
    cr_assert_null(one->text2);
    cr_assert_null(one->real);
    cr_assert_null(one->guidance);
    prompt_close(one);
    prompt_close(guided);
    prompt_close(second);
}

/* Tokens of a row that are real, which stand in front. */
static int real_of(const bool *real, int tokens)
{
    int count = 0;

    while (count < tokens && real[count])
        count++;
    for (int t = count; t < tokens; t++)
        cr_assert_not(real[t]);
    return count;
}

Test(prompt_families, synthetic_second_texts_have_lengths)
{
    enum { R = 40 };
    struct prompt *p = synthetic(&both, R, true, 9);
    struct prompt *one = synthetic(&both, 1, false, 9);
    bool seen[T + 1] = {0};
    bool seen2[T2 + 1] = {0};

    cr_assert(p->text2_tokens == T2 && p->text2_dim == D2);
    all_drawn(p->text2, 2 * R * T2 * D2, "text_2");
    cr_assert(same(p->text2, 0, p->text2, R - 1, T2 * D2));
    cr_assert(same(p->text2, R, one->text2, 0, T2 * D2));
    cr_assert_not(same(p->text2, R, p->text2, R + 1, T2 * D2));
    for (int r = 0; r < 2 * R; r++) {
        const bool *real = p->real + r * (T + T2);
        int first = real_of(real, T);
        int second = real_of(real + T, T2);

        cr_assert(first >= 1 && second >= 1);
        if (r < R)
            cr_assert(first == 1 && second == 1);
        else
            seen[first] = seen2[second] = true;
    }
    for (int n = 1; n <= T; n++)
        cr_assert(seen[n], "%d real tokens", n);
    for (int n = 1; n <= T2; n++)
        cr_assert(seen2[n], "%d real tokens of the second text", n);
    prompt_close(p);
    prompt_close(one);
}

Test(prompt_families, guidance_is_told_where_the_model_takes_it)
{
    struct prompt *p = synthetic(&told, 2, false, 1);
    struct prompt *none = synthetic(&untold, 2, false, 1);

    cr_assert(p->guidance[0] == 3.5f && p->guidance[1] == 3.5f);
    prompt_set_guidance(p, 2.25f);
    cr_assert(p->guidance[0] == 2.25f && p->guidance[1] == 2.25f);
    cr_assert_null(none->guidance);
    prompt_set_guidance(none, 7);
    prompt_close(p);
    prompt_close(none);
}

/* ---- golden files ---- */

static struct prompt *golden(const struct dit_config *config, const char *name, int rows,
                             enum prompt_use use)
{
    static const char *const mine[] = {"latent", "timestep", "step_noise", "expected", NULL};
    struct safetensors *file;
    struct prompt *prompt = NULL;
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/golden/%s.safetensors", DITBENCH_SOURCE_DIR, name);
    cr_assert_eq(safetensors_open(path, &file), ST_OK, "%s", status_message());
    cr_assert_eq(prompt_open_file(config, file, rows, 64, 64, use, mine, &prompt), ST_OK, "%s",
                 status_message());
    safetensors_close(file);
    return prompt;
}

Test(prompt_families, golden_files_hold_what_the_models_take)
{
    static const struct dit_config sd3 = {
        .text_dim = 40, .text_tokens = 13, .joint = true, .pooled_dim = 24};
    static const struct dit_config latte = {.text_dim = 24, .text_tokens = 11, .frames = 5};
    struct dit_config flux = sd3;
    struct prompt *p = golden(&sd3, "sd3.forward", 2, PROMPT_FORWARD);

    cr_assert(p->text_tokens == 13 && p->text_count[1] == 13 && p->pooled[47] != 0);
    prompt_close(p);
    p = golden(&sd3, "sd3.distrifusion-3-2", 2, PROMPT_SAMPLE);
    cr_assert(p->text_tokens == 2 && p->text_count[1] == 2);
    prompt_close(p);

    flux.distilled = flux.guidance_in = true;
    p = golden(&flux, "flux-dev.forward", 3, PROMPT_FORWARD);
    cr_assert(p->guidance[0] > 1 && p->guidance[1] != p->guidance[0]);
    prompt_close(p);
    p = golden(&flux, "flux-dev.sample", 2, PROMPT_SAMPLE);
    cr_assert_eq(p->guidance[0], 0); /* the config's, which has none */
    prompt_close(p);

    p = golden(&latte, "latte.sample", 4, PROMPT_SAMPLE);
    cr_assert(p->text_tokens == 11 && p->text_count[3] == 11);
    prompt_close(p);
}

Test(prompt_families, golden_second_texts_stay_in_place)
{
    static const struct dit_config hunyuan = {
        .text_dim = 36, .text_tokens = 7, .text2_dim = 24, .text2_tokens = 10, .pooled_dim = 20};
    struct prompt *p = golden(&hunyuan, "hunyuandit.forward", 3, PROMPT_FORWARD);
    int masked = 0;

    all_drawn(p->text, 3 * 7 * 36, "text");
    all_drawn(p->text2, 3 * 10 * 24, "text_2");
    for (int i = 0; i < 3 * 17; i++)
        masked += !p->real[i];
    cr_assert(masked > 0 && masked < 3 * 17, "%d masked", masked);
    cr_assert_null(p->pooled);
    prompt_close(p);
}

/* ---- files ---- */

static const float ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* A tensor of so many numbers, 1, 2, ..., but the one at `at`. */
static void put_numbers(struct image *im, const char *name, const char *shape, int n, int at,
                        float odd)
{
    float values[128];

    for (int i = 0; i < n; i++)
        values[i] = i == at ? odd : (float)(i + 1);
    image_put(im, name, "F32", shape, values, (size_t)n * sizeof(*values));
}

static void put_texts(struct image *im, int at, float odd, int at2, float odd2)
{
    *im = (struct image){.used = 0};
    put_numbers(im, "text", "1,5,3", T * D, at, odd);
    put_numbers(im, "text_2", "1,4,2", T2 * D2, at2, odd2);
}

static struct prompt *read_prompt(const struct dit_config *config, struct image *im)
{
    struct safetensors *file = image_open(im);
    struct prompt *prompt = NULL;

    cr_assert_eq(prompt_open_file(config, file, 1, 64, 96, PROMPT_FORWARD, NULL, &prompt), ST_OK,
                 "%s", status_message());
    safetensors_close(file);
    return prompt;
}

Test(prompt_families, both_masks_are_kept_and_no_row_moves)
{
    static const float mask[T] = {1, 0, 1, 0, 0};
    static const int64_t mask2[T2] = {0, 1, 1, 0};
    static const bool real[T + T2] = {1, 0, 1, 0, 0, 0, 1, 1, 0};
    struct image im;

    put_texts(&im, 1 * D, NAN, -1, 0); /* under the mask */
    image_put(&im, "text_mask", "F32", "1,5", mask, sizeof(mask));
    image_put(&im, "text_mask_2", "I64", "1,4", mask2, sizeof(mask2));

    struct prompt *p = read_prompt(&both, &im);

    cr_assert_eq(memcmp(p->real, real, sizeof(real)), 0);
    cr_assert_eq(p->text_count[0], T);
    for (int i = 0; i < T * D; i++)
        cr_assert_eq(p->text[i], i == D ? 0 : (float)(i + 1));
    for (int i = 0; i < T2 * D2; i++)
        cr_assert_eq(p->text2[i], (float)(i + 1));
    prompt_close(p);
}

Test(prompt_families, without_masks_all_of_both_texts_is_real)
{
    struct image im;

    put_texts(&im, -1, 0, -1, 0);
    struct prompt *p = read_prompt(&both, &im);

    for (int t = 0; t < T + T2; t++)
        cr_assert(p->real[t]);
    prompt_close(p);
}

static void expect_refused(const struct dit_config *config, struct image *im, enum prompt_use use,
                           const char *tensor, const char *why)
{
    struct safetensors *file = image_open(im);
    struct prompt *prompt = NULL;

    cr_expect_eq(prompt_open_file(config, file, 1, 64, 96, use, NULL, &prompt), ST_INVALID,
                 "%s, %s", tensor, why);
    cr_expect_null(prompt);
    cr_expect_not_null(strstr(status_message(), "cond.safetensors"), "%s", status_message());
    cr_expect_not_null(strstr(status_message(), tensor), "%s", status_message());
    cr_expect_not_null(strstr(status_message(), why), "%s: %s", why, status_message());
    safetensors_close(file);
}

Test(prompt_families, refuses_second_texts_that_cannot_be_used)
{
    static const float half[T2] = {1, 0.5f, 0, 0};
    struct image im;

    put_texts(&im, -1, 0, 7, INFINITY);
    expect_refused(&both, &im, PROMPT_RUN, "\"text_2\", row 0, element 7", "found inf");
    image_put(&im, "text_mask_2", "F32", "1,4", half, sizeof(half));
    expect_refused(&both, &im, PROMPT_RUN, "\"text_mask_2\", row 0, token 1",
                   "found 0.5, wanted 0 or 1");

    put_texts(&im, 2, NAN, -1, 0);
    expect_refused(&both, &im, PROMPT_RUN, "\"text\", row 0, element 2", "found nan");

    put_texts(&im, -1, 0, -1, 0);
    image_put(&im, "text_mask_2", "F32", "1,5", ones, T * sizeof(*ones));
    expect_refused(&both, &im, PROMPT_RUN, "\"text_mask_2\"", "found shape [1, 5], wanted [1, 4]");

    im = (struct image){.used = 0};
    put_numbers(&im, "text", "1,5,3", T * D, -1, 0);
    expect_refused(&both, &im, PROMPT_RUN, "\"text_2\"", "needs it");
    put_numbers(&im, "text_2", "1,5,2", T * D2, -1, 0);
    expect_refused(&both, &im, PROMPT_RUN, "\"text_2\"", "found shape [1, 5, 2], wanted [1, 4, 2]");

    im = (struct image){.used = 0};
    put_numbers(&im, "text_2", "1,4,2", T2 * D2, -1, 0);
    put_numbers(&im, "text", "1,4,3", 4 * D, -1, 0);
    expect_refused(&both, &im, PROMPT_RUN, "\"text\"", "found shape [1, 4, 3], wanted [1, 5, 3]");

    put_texts(&im, -1, 0, -1, 0);
    put_numbers(&im, "pooled", "1,6", P, -1, 0);
    expect_refused(&both, &im, PROMPT_RUN, "\"pooled\"",
                   "conditions are: text text_mask text_2 text_mask_2");
}

Test(prompt_families, only_models_with_masks_take_them)
{
    struct image im = {.used = 0};

    put_numbers(&im, "text", "1,5,3", T * D, -1, 0);
    image_put(&im, "text_mask", "F32", "1,5", ones, T * sizeof(*ones));
    expect_refused(&joint, &im, PROMPT_RUN, "\"text_mask\"", "conditions are: text pooled");
    expect_refused(&video, &im, PROMPT_RUN, "\"text_mask\"", "conditions are: text");
}

Test(prompt_families, a_pooled_text_is_needed_and_fits)
{
    struct image im = {.used = 0};

    put_numbers(&im, "text", "1,5,3", T * D, -1, 0);
    expect_refused(&joint, &im, PROMPT_RUN, "\"pooled\"", "needs it");
    put_numbers(&im, "pooled", "1,5", 5, -1, 0);
    expect_refused(&joint, &im, PROMPT_RUN, "\"pooled\"", "found shape [1, 5], wanted [1, 6]");
    im = (struct image){.used = 0};
    put_numbers(&im, "text", "1,5,3", T * D, -1, 0);
    put_numbers(&im, "pooled", "1,6", P, 4, NAN);
    expect_refused(&joint, &im, PROMPT_RUN, "\"pooled\", row 0, element 4", "found nan");
}

Test(prompt_families, guidance_in_belongs_to_a_forward)
{
    struct image im = {.used = 0};

    put_numbers(&im, "text", "1,5,3", T * D, -1, 0);
    put_numbers(&im, "pooled", "1,6", P, -1, 0);
    expect_refused(&told, &im, PROMPT_FORWARD, "\"guidance_in\"", "needs it");
    put_numbers(&im, "guidance_in", "1", 1, 0, 4.25f);
    expect_refused(&told, &im, PROMPT_SAMPLE, "\"guidance_in\"", "no use for it");
    expect_refused(&told, &im, PROMPT_RUN, "\"guidance_in\"", "no use for it");
    expect_refused(&untold, &im, PROMPT_FORWARD, "\"guidance_in\"", "no use for it");

    struct prompt *p = read_prompt(&told, &im);

    cr_assert_eq(p->guidance[0], 4.25f);
    cr_assert_eq(p->pooled[5], 6);
    prompt_close(p);
}
