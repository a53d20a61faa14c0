/* SPDX-License-Identifier: Apache-2.0 */
/* Random strided tensors and the table of bounds. */
#include "tests/kernels/ops.h"

#include "kernels/base/rng.h"
#include "tests/support/near.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t poison = 0xffffffff; /* a NaN */

/* Relative L2 error over all elements that an op may have in fp32. */
static const struct {
    const char *op;
    double bound;
} bounds[] = {
    {"linear", 1e-6},        /* sums of up to 700 products */
    {"linear+act", 1e-6},    /* and a rounding or two */
    {"attention", 1e-6},     /* sums of up to 700 keys and their exponentials */
    {"lse", 3e-7},           /* a logarithm of such a sum */
    {"merge", 5e-7},         /* two exponentials and a quotient */
    {"norm", 5e-7},          /* mean and variance of up to 1500 elements */
    {"gate_add", 2e-7},      /* one product and two sums */
    {"gate_add_norm", 1e-6}, /* the two, the second on the rounded result of the first */
    {"activate", 3e-7},      /* one exponential, one quotient */
    {"add", 1e-7},           /* one rounding */
    {"timestep", 1e-4},      /* phases of up to 1000 radians in fp32 */
    {"advance", 5e-7},       /* some ten roundings */
    {"conv", 1e-6},          /* sums of up to 4700 products */
    {"group_norm", 1e-6},    /* sums and squares in fp32 over short runs, an exponential */
};

static double bound_of(const char *op)
{
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (strcmp(bounds[i].op, op) == 0)
            return bounds[i].bound;
    }
    cr_assert_fail("no bound for %s", op);
    return 0.0;
}

void ops_open(struct ops *ops, int threads, uint64_t seed)
{
    *ops = (struct ops){.seed = seed};
    struct device_options options = {.threads = threads};
    cr_assert_eq(device_open(backend_find("cpu"), &options, &ops->dev), ST_OK, "%s", status_text());
    cr_assert_eq(queue_open(ops->dev, &ops->q), ST_OK, "%s", status_text());
}

void ops_close(struct ops *ops)
{
    for (int i = 0; i < ops->n; i++)
        free(ops->buffer[i].word);
    queue_close(ops->q);
    device_close(ops->dev);
}

static float draw(struct ops *ops)
{
    float value;
    rng_uniform(ops->seed, 1, ops->drawn++, 1, &value);
    return value;
}

int ops_pick(struct ops *ops, int first, int last)
{
    int i = (int)((draw(ops) * 0.5f + 0.5f) * (float)(last - first + 1));
    return first + (i < 0 ? 0 : i > last - first ? last - first : i);
}

static uint32_t *take_words(struct ops *ops, int64_t words)
{
    cr_assert_lt(ops->n, OPS_TENSORS, "too many tensors in a test");
    uint32_t *word = malloc((size_t)(words + 1) * sizeof(*word));
    cr_assert_not_null(word);
    ops->buffer[ops->n++] = (struct ops_buffer){word, words};
    for (int64_t i = 0; i < words; i++)
        word[i] = poison;
    return word;
}

struct tensor ops_blank(struct ops *ops, int ndim, const int64_t *dim)
{
    struct tensor t = tensor_of(NULL, ops->dev, DTYPE_F32, ndim, dim);
    int64_t stride = 1;
    for (int a = ndim - 1; a >= 0; a--) {
        t.stride[a] = stride;
        stride *= dim[a] > 0 ? dim[a] : 1;
        stride += ops_pick(ops, 0, 2) == 0 ? 0 : ops_pick(ops, 1, 19); /* no gap once in a while */
    }
    int64_t before = ops_pick(ops, 0, 20);
    t.data = take_words(ops, before + stride + 20) + before;
    return t;
}

float *ops_at(const struct tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return (float *)t->data + i * t->stride[0] + j * t->stride[1] + k * t->stride[2] +
           l * t->stride[3];
}

/* Element n, counted in the order of a dense tensor. */
static float *element(const struct tensor *t, int64_t n)
{
    float *p = t->data;
    for (int a = t->ndim - 1; a >= 0; a--) {
        p += n % t->dim[a] * t->stride[a];
        n /= t->dim[a];
    }
    return p;
}

struct tensor ops_random(struct ops *ops, float size, int ndim, const int64_t *dim)
{
    struct tensor t = ops_blank(ops, ndim, dim);
    for (int64_t i = 0; i < tensor_count(&t); i++)
        *element(&t, i) = draw(ops) * size;
    return t;
}

float *ops_dense(const struct tensor *t)
{
    int64_t count = tensor_count(t);
    float *dense = malloc((size_t)(count + 1) * sizeof(*dense));
    cr_assert_not_null(dense);
    for (int64_t i = 0; i < count; i++)
        dense[i] = *element(t, i);
    return dense;
}

double *ops_want(struct ops *ops, const struct tensor *like)
{
    return (double *)take_words(ops, 2 * tensor_count(like));
}

/* Words of t's buffer that are not elements of t must still be poison. */
static void check_surroundings(const struct ops *ops, const char *op, const struct tensor *t)
{
    const struct ops_buffer *b = NULL;
    const uint32_t *data = t->data;
    for (int i = 0; i < ops->n; i++) {
        if (data >= ops->buffer[i].word && data <= ops->buffer[i].word + ops->buffer[i].words)
            b = &ops->buffer[i];
    }
    cr_assert_not_null(b, "%s: a tensor of another test", op);
    bool *inside = calloc((size_t)b->words + 1, sizeof(*inside));
    for (int64_t i = 0; i < tensor_count(t); i++)
        inside[(const uint32_t *)element(t, i) - b->word] = true;
    for (int64_t i = 0; i < b->words; i++)
        cr_assert(inside[i] || b->word[i] == poison, "%s wrote beside its output", op);
    free(inside);
}

void ops_near(struct ops *ops, const char *op, const struct tensor *t, const double *want)
{
    char shape[128];
    float *got = ops_dense(t);
    cr_assert(near_doubles(op, got, want, tensor_count(t), bound_of(op)), "%s %s on %d threads", op,
              tensor_describe(t, shape, sizeof(shape)), ops->dev->options.threads);
    free(got);
    check_surroundings(ops, op, t);
}
