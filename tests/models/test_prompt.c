/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts: synthetic ones are a pure function of seed and request; files are packed, and refused
 * where they cannot be used. */
#include "models/prompt.h"
#include "tests/models/image.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 5, D = 3, CLASSES = 7 };

static const struct dit_config text_model = {.text_dim = D, .text_tokens = 20};
static const struct dit_config micro_model = {.text_dim = D, .text_tokens = 20, .micro = true};
static const struct dit_config class_model = {.classes = CLASSES};

/* ---- synthetic ---- */

static struct prompt *synthetic(const struct dit_config *config, int requests, bool guided,
                                uint64_t seed)
{
    struct prompt *prompt = NULL;

    cr_assert_eq(prompt_open_synthetic(config, requests, guided, 512, 256, seed, &prompt), ST_OK);
    cr_assert_eq(prompt->rows, guided ? 2 * requests : requests);
    return prompt;
}

static const float *row_of(const struct prompt *p, int row)
{
    return p->text + (size_t)row * (size_t)p->text_tokens * (size_t)p->text_dim;
}

static bool same_row(const struct prompt *a, int i, const struct prompt *b, int k)
{
    return a->text_count[i] == b->text_count[k] &&
           memcmp(row_of(a, i), row_of(b, k),
                  (size_t)(a->text_tokens * a->text_dim) * sizeof(float)) == 0;
}

Test(prompt, synthetic_is_a_function_of_seed_and_request)
{
    struct prompt *one = synthetic(&text_model, 1, false, 4);
    struct prompt *five = synthetic(&text_model, 5, false, 4);
    struct prompt *guided = synthetic(&text_model, 5, true, 4);
    struct prompt *other = synthetic(&text_model, 1, false, 5);
    int shortest = 20, longest = 1;

    cr_assert(same_row(one, 0, five, 0));
    cr_assert_not(same_row(one, 0, other, 0));
    for (int i = 0; i < 5; i++) {
        cr_assert(same_row(five, i, guided, 5 + i));
        cr_assert(same_row(guided, i, guided, 0));
        cr_assert_eq(guided->text_count[i], 1);
        cr_assert(five->text_count[i] >= 1 && five->text_count[i] <= 20);
        cr_assert_eq(row_of(five, i)[five->text_count[i] * D - 1] == 0, false);
        for (int k = five->text_count[i] * D; k < 20 * D; k++)
            cr_assert_eq(row_of(five, i)[k], 0.0f);
        for (int k = 0; k < i; k++)
            cr_assert_not(same_row(five, i, five, k));
        shortest = five->text_count[i] < shortest ? five->text_count[i] : shortest;
        longest = five->text_count[i] > longest ? five->text_count[i] : longest;
    }
    cr_assert_lt(shortest, longest);
    cr_assert_null(one->label);
    cr_assert_null(one->resolution);
    prompt_close(one);
    prompt_close(five);
    prompt_close(guided);
    prompt_close(other);
}

Test(prompt, synthetic_labels_and_sizes)
{
    struct prompt *labels = synthetic(&class_model, 40, true, 1);
    struct prompt *micro = synthetic(&micro_model, 2, true, 1);
    int seen[CLASSES] = {0};

    cr_assert_null(labels->text);
    cr_assert_null(labels->text_count);
    for (int i = 0; i < 40; i++) {
        cr_assert_eq(labels->label[i], CLASSES);
        cr_assert(labels->label[40 + i] >= 0 && labels->label[40 + i] < CLASSES);
        seen[labels->label[40 + i]]++;
    }
    for (int i = 0; i < CLASSES; i++)
        cr_assert_gt(seen[i], 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(micro->resolution[2 * i], 256.0f);
        cr_assert_eq(micro->resolution[2 * i + 1], 512.0f);
        cr_assert_eq(micro->aspect[i], 0.5f);
    }
    prompt_close(labels);
    prompt_close(micro);
    prompt_close(NULL);
}

/* ---- files ---- */

/* text[r][t][d] = 100 r + 10 t + d */
static void put_text(struct image *im, int rows, float odd)
{
    float text[4 * T * D];
    char shape[64];

    for (int i = 0; i < rows * T * D; i++)
        text[i] = (float)(100 * (i / (T * D)) + 10 * (i / D % T) + i % D);
    text[(T + 1) * D] = odd; /* row 1, token 1 */
    snprintf(shape, sizeof(shape), "%d,%d,%d", rows, T, D);
    image_put(im, "text", "F32", shape, text, (size_t)(rows * T * D) * sizeof(*text));
}

static struct prompt *read_prompt(const struct dit_config *config, struct image *im, int rows,
                                  enum prompt_use use)
{
    static const char *const ignore[] = {"latent", "expected", NULL};
    struct safetensors *file = image_open(im);
    struct prompt *prompt = NULL;
    enum status st = prompt_open_file(config, file, rows, 64, 96, use, ignore, &prompt);

    cr_assert_eq(st, ST_OK, "%s", status_message());
    safetensors_close(file);
    return prompt;
}

Test(prompt, masked_tokens_are_packed_away)
{
    static const float mask[2][T] = {{0, 1, 0, 1, 0}, {1, 0, 1, 0, 1}};
    static const int kept[2][3] = {{1, 3}, {0, 2, 4}};
    struct image im = {.used = 0};

    put_text(&im, 2, NAN); /* under the mask */
    image_put(&im, "text_mask", "F32", "2,5", mask, sizeof(mask));
    image_put(&im, "latent", "F32", "1", mask, 4);

    struct prompt *p = read_prompt(&text_model, &im, 2, PROMPT_FORWARD);

    cr_assert_eq(p->text_tokens, T);
    cr_assert_eq(p->text_dim, D);
    for (int r = 0; r < 2; r++) {
        cr_assert_eq(p->text_count[r], 2 + r);
        for (int i = 0; i < T * D; i++) {
            bool real = i / D < 2 + r;

            cr_assert_eq(row_of(p, r)[i],
                         real ? (float)(100 * r + 10 * kept[r][i / D] + i % D) : 0.0f);
        }
    }
    prompt_close(p);
}

Test(prompt, a_mask_is_zeros_and_ones)
{
    static const float bad[2] = {NAN, 0.5f};

    for (int i = 0; i < 2; i++) {
        struct image im = {.used = 0};
        struct prompt *prompt = NULL;
        const char *const ignore[] = {NULL};
        float mask[T] = {1, 0, bad[i], 0, 1};

        put_text(&im, 1, 1);
        image_put(&im, "text_mask", "F32", "1,5", mask, sizeof(mask));
        struct safetensors *file = image_open(&im);
        cr_assert_eq(
            prompt_open_file(&text_model, file, 1, 64, 96, PROMPT_FORWARD, ignore, &prompt),
            ST_INVALID);
        cr_expect(strstr(status_message(), "wanted 0 or 1"), "%s", status_message());
        safetensors_close(file);
    }
}

Test(prompt, without_a_mask_all_tokens_are_real)
{
    struct image im = {.used = 0};

    put_text(&im, 3, -1);

    struct prompt *p = read_prompt(&text_model, &im, 3, PROMPT_FORWARD);

    for (int r = 0; r < 3; r++)
        cr_assert_eq(p->text_count[r], T);
    cr_assert_eq(row_of(p, 1)[D], -1.0f);
    cr_assert_eq(row_of(p, 2)[T * D - 1], 242.0f);
    prompt_close(p);
}

Test(prompt, half_precision_text_and_integer_masks)
{
    static const uint16_t half[2 * D] = {0x3c00, 0xc000, 0x3800,
                                         0x7e00, 0x7e00, 0x7e00}; /* 1, -2, 0.5, NaN */
    static const uint16_t brain[2 * D] = {0x3f80, 0xc000, 0x3f00,
                                          0x7fc0, 0x7fc0, 0x7fc0}; /* the same */
    static const int64_t mask[2] = {1, 0};
    static const float want[D] = {1, -2, 0.5f};

    for (int b = 0; b < 2; b++) {
        struct image im = {.used = 0};

        image_put(&im, "text", b ? "BF16" : "F16", "1,2,3", b ? brain : half, sizeof(half));
        image_put(&im, "text_mask", "I64", "1,2", mask, sizeof(mask));

        struct prompt *p = read_prompt(&text_model, &im, 1, PROMPT_FORWARD);

        cr_assert_eq(p->text_count[0], 1);
        cr_assert_eq(memcmp(p->text, want, sizeof(want)), 0);
        prompt_close(p);
    }
}

Test(prompt, labels_and_micro_conditions)
{
    static const int64_t labels[2] = {CLASSES, 3};
    static const float resolution[4] = {1, 2, 3, 4};
    struct image im = {.used = 0};

    image_put(&im, "class_labels", "I64", "2", labels, sizeof(labels));

    struct prompt *p = read_prompt(&class_model, &im, 2, PROMPT_FORWARD);

    cr_assert_eq(p->label[0], CLASSES);
    cr_assert_eq(p->label[1], 3);
    prompt_close(p);

    im = (struct image){.used = 0};
    put_text(&im, 2, 0);
    image_put(&im, "resolution", "F32", "2,2", resolution, sizeof(resolution));
    p = read_prompt(&micro_model, &im, 2, PROMPT_RUN);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(p->resolution[i], resolution[i]);
    cr_assert_eq(p->aspect[0], 1.5f); /* from 64 x 96, since the file has none */
    cr_assert_eq(p->aspect[1], 1.5f);
    prompt_close(p);
}

/* ---- refusals: each names the file, the tensor and what was found and wanted ---- */

static void expect_refused(const struct dit_config *config, struct image *im, int rows,
                           const char *tensor, const char *why)
{
    struct safetensors *file = image_open(im);
    struct prompt *prompt = NULL;

    cr_expect_eq(prompt_open_file(config, file, rows, 64, 96, PROMPT_FORWARD, NULL, &prompt),
                 ST_INVALID, "%s, %s", tensor, why);
    cr_expect_null(prompt);
    cr_expect_not_null(strstr(status_message(), "cond.safetensors"), "%s", status_message());
    cr_expect_not_null(strstr(status_message(), tensor), "%s", status_message());
    cr_expect_not_null(strstr(status_message(), why), "%s: %s", why, status_message());
    safetensors_close(file);
}

Test(prompt, refuses_text_that_cannot_be_used)
{
    static const float zeros[2][T] = {{1, 1, 1, 1, 1}, {0}};
    static const float ones[2 * T] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct image im = {.used = 0};

    image_put(&im, "text_mask", "F32", "2,5", zeros, sizeof(zeros));
    expect_refused(&text_model, &im, 2, "\"text\"", "needs it");
    put_text(&im, 2, 1);
    expect_refused(&text_model, &im, 2, "\"text_mask\", row 1", "no real token");
    expect_refused(&text_model, &im, 3, "\"text\"",
                   "found shape [2, 5, 3], wanted [3, 1 to 65536, 3]");

    im = (struct image){.used = 0};
    put_text(&im, 2, INFINITY);
    expect_refused(&text_model, &im, 2, "\"text\", row 1, element 18", "found inf");
    image_put(&im, "text_mask", "F32", "10", ones, sizeof(ones));
    expect_refused(&text_model, &im, 2, "\"text_mask\"", "found shape [10], wanted [2, 5]");

    im = (struct image){.used = 0};
    image_put(&im, "text", "F32", "2,0,3", ones, 0);
    expect_refused(&text_model, &im, 2, "\"text\"", "found shape [2, 0, 3]");

    im = (struct image){.used = 0};
    image_put(&im, "text", "I64", "1,1,3", ones, 24);
    expect_refused(&text_model, &im, 1, "\"text\"", "found type I64, wanted F32, F16 or BF16");
}

Test(prompt, refuses_more_text_than_a_run_takes)
{
    char header[128];
    size_t bytes = (size_t)(PROMPT_MAX_TOKENS + 1) * D * 2;
    struct safetensors *file = NULL;
    struct prompt *prompt = NULL;

    snprintf(header, sizeof(header),
             "{\"text\":{\"dtype\":\"F16\",\"shape\":[1,%d,%d],\"data_offsets\":[0,%zu]}}",
             PROMPT_MAX_TOKENS + 1, D, bytes);
    uint64_t length = strlen(header);
    unsigned char *image = calloc(8 + length + bytes, 1);
    memcpy(image, &length, 8);
    memcpy(image + 8, header, length);
    cr_assert_eq(safetensors_open_memory("long", image, 8 + length + bytes, &file), ST_OK, "%s",
                 status_message());
    cr_assert_eq(prompt_open_file(&text_model, file, 1, 64, 96, PROMPT_FORWARD, NULL, &prompt),
                 ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "found shape [1, 65537, 3], wanted [1, 1 to 65536"),
                       "%s", status_message());
    safetensors_close(file);
    free(image);
}

Test(prompt, refuses_labels_and_tensors_that_do_not_belong)
{
    static const int64_t labels[2] = {CLASSES + 1, -1};
    static const float numbers[4] = {1, NAN, 1, 1};
    struct image im = {.used = 0};

    image_put(&im, "class_labels", "I64", "2", labels, sizeof(labels));
    expect_refused(&class_model, &im, 2, "\"class_labels\", row 0", "found 8, wanted 0 to 7");
    expect_refused(&class_model, &im, 1, "\"class_labels\"", "found shape [2], wanted [1]");
    expect_refused(&text_model, &im, 2, "\"class_labels\"",
                   "no use for it; its conditions are: text text_mask");

    im = (struct image){.used = 0};
    image_put(&im, "class_labels", "I64", "1", labels + 1, 8);
    expect_refused(&class_model, &im, 1, "row 0", "found -1");

    im = (struct image){.used = 0};
    image_put(&im, "class_labels", "F32", "2", numbers, 8);
    expect_refused(&class_model, &im, 2, "\"class_labels\"", "found type F32, wanted I64");

    im = (struct image){.used = 0};
    image_put(&im, "text", "F32", "1,1,3", numbers, 12);
    expect_refused(&class_model, &im, 2, "\"text\"", "no use for it");

    im = (struct image){.used = 0};
    put_text(&im, 2, 0);
    expect_refused(&micro_model, &im, 2, "\"resolution\"", "needs it");
    image_put(&im, "resolution", "F32", "2,2", numbers, sizeof(numbers));
    expect_refused(&micro_model, &im, 2, "\"resolution\", row 0", "found nan");
}
