/* SPDX-License-Identifier: Apache-2.0 */
/* op_advance against the formula of struct advance_coef in double. */
#include "tests/kernels/ops.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static struct tensor coefs(const struct ops *ops, const struct advance_coef *c)
{
    return tensor_of((void *)c, ops->q->dev, DTYPE_F32, OPS_DIM(ADVANCE_COEFS));
}

static void check_advance(struct ops *ops, const struct advance_coef *c, bool guided, bool noisy)
{
    int64_t dim[] = {ops_pick(ops, 1, 3), ops_pick(ops, 1, 90), ops_pick(ops, 1, 300)};
    struct tensor x = ops_random(ops, 2.0f, 3, dim), hist = ops_random(ops, 2.0f, 3, dim);
    struct tensor eps_u = ops_random(ops, 1.0f, 3, dim), eps_c = ops_random(ops, 1.0f, 3, dim);
    struct tensor noise = ops_random(ops, 1.0f, 3, dim);
    double *want = ops_want(ops, &x), *want_hist = ops_want(ops, &x);
    float *in = ops_dense(&x), *old = ops_dense(&hist), *u = ops_dense(&eps_u),
          *e = ops_dense(&eps_c);
    float *z = ops_dense(&noise);
    for (int64_t i = 0; i < tensor_count(&x); i++) {
        double m = guided ? u[i] + (double)c->guidance * ((double)e[i] - u[i]) : (double)e[i];
        double x0 = (double)c->x0_x * in[i] + (double)c->x0_m * m;
        if (c->clip > 0.0f)
            x0 = fmin(fmax(x0, -(double)c->clip), (double)c->clip);
        want[i] = (double)c->c_x * in[i] + (double)c->c_m * m + (double)c->c_x0 * x0 +
                  (double)c->c_hist * old[i] + (noisy ? (double)c->c_noise * z[i] : 0.0);
        want_hist[i] = x0;
    }
    struct tensor coef = coefs(ops, c);
    cr_assert_eq(
        op_advance(ops->q, &x, &hist, guided ? &eps_u : NULL, &eps_c, noisy ? &noise : NULL, &coef),
        ST_OK);
    ops_near(ops, "advance", &x, want);
    ops_near(ops, "advance", &hist, want_hist);
    free(in), free(old), free(u), free(e), free(z);
}

Test(advance, random_coefficients)
{
    for (int round = 0; round < 48; round++) {
        struct ops ops;
        ops_open(&ops, 1 + round % 3, (uint64_t)round);
        float c[9];
        for (int i = 0; i < 9; i++)
            c[i] = (float)ops_pick(&ops, -20, 20) * 0.13f;
        const struct advance_coef coef = {
            .guidance = 4.5f,
            .x0_x = c[0],
            .x0_m = c[1],
            .clip = round % 3 == 0 ? 1.0f : 0.0f,
            .c_x = c[2],
            .c_m = c[3],
            .c_x0 = c[4],
            .c_hist = c[5],
            .c_noise = c[6],
        };
        check_advance(&ops, &coef, round & 1, round & 2);
        ops_close(&ops);
    }
}

/* Before the first step the history holds nothing: a coefficient of 0 writes it unread. */
Test(advance, empty_history)
{
    struct ops ops;
    ops_open(&ops, 1, 3);
    struct tensor x = ops_random(&ops, 1.0f, OPS_DIM(1, 4, 16)),
                  hist = ops_blank(&ops, OPS_DIM(1, 4, 16));
    struct tensor eps = ops_random(&ops, 1.0f, OPS_DIM(1, 4, 16));
    const struct advance_coef c = {.guidance = 1.0f, .x0_x = 1.0f, .c_x = 1.0f};
    struct tensor coef = coefs(&ops, &c);
    float *want = ops_dense(&x);
    cr_assert_eq(op_advance(ops.q, &x, &hist, NULL, &eps, NULL, &coef), ST_OK);
    for (int i = 0; i < 64; i++) {
        cr_assert_eq(*ops_at(&x, 0, i / 16, i % 16, 0), want[i]);
        cr_assert_eq(*ops_at(&hist, 0, i / 16, i % 16, 0), want[i]);
    }
    free(want);
    ops_close(&ops);
}
