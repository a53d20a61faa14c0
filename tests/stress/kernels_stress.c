/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several CPU devices in one process, each with a pool of its own and all computing at once: for
 * the thread sanitizer, and for the rule that results do not depend on timing. Plain main: exits 1
 * when a device's result differs from the others'.
 */
#include "kernels/backend.h"
#include "kernels/base/arena.h"
#include "kernels/base/rng.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEVICES = 4,
    THREADS = 3,
    ROUNDS = 12,
    LANES = 2,
    ROWS = 96,
    HEADS = 4,
    HEAD = 24,
    WIDTH = HEADS * HEAD
};

struct user {
    pthread_t id;
    enum status status;
    char message[256];
    float result[LANES * ROWS * WIDTH];
};

static enum status make(struct arena *arena, uint64_t stream, int ndim, const int64_t *dim,
                        struct tensor *out)
{
    TRY(arena_tensor(arena, DTYPE_F32, ndim, dim, out));
    rng_uniform(1, stream, 0, tensor_count(out), out->data);
    return ST_OK;
}

/* A block's ops over and over: x is attended to, mapped, gated into h, normalised into x. */
static enum status compute(struct queue *q, struct arena *arena, float *result)
{
    const int64_t rows[] = {LANES, ROWS, WIDTH}, heads[] = {LANES, ROWS, HEADS, HEAD},
                  square[] = {WIDTH, WIDTH};
    struct tensor x, h, y, o, w, v;
    TRY(make(arena, 1, 3, rows, &x));
    TRY(make(arena, 2, 3, rows, &h));
    TRY(make(arena, 3, 3, rows, &y));
    TRY(make(arena, 4, 4, heads, &o));
    TRY(make(arena, 5, 2, square, &w));
    TRY(make(arena, 6, 2, (const int64_t[]){LANES, WIDTH}, &v));
    struct tensor o_rows = tensor_reshape(&o, 3, rows);
    for (int i = 0; i < ROUNDS; i++) {
        struct tensor x_heads = tensor_reshape(&x, 4, heads);
        TRY(op_attention(q, &o, NULL, &x_heads, &x_heads, &x_heads, NULL, 0.2f));
        TRY(op_linear(q, &y, &o_rows, &w, NULL, ACT_GELU_TANH));
        TRY(op_gate_add_norm(q, &h, &y, NULL, &v, &x, &(struct modulation){&v, &v, 1e-6f}));
        TRY(op_add(q, &y, &x));
        TRY(op_copy(q, &x, &y));
    }
    memcpy(result, x.data, tensor_bytes(&x));
    return ST_OK;
}

static enum status run_user(struct user *user)
{
    struct device_options options = {.threads = THREADS};
    struct device *dev;
    struct queue *q = NULL;
    struct arena *arena = NULL;
    TRY(device_open(backend_find("cpu"), &options, &dev));
    enum status st = queue_open(dev, &q);
    if (st == ST_OK)
        st = arena_open(dev, ARENA_BUFFERS, &arena);
    if (st == ST_OK)
        st = compute(q, arena, user->result);
    arena_close(arena);
    queue_close(q);
    device_close(dev);
    return st;
}

static void *user_main(void *arg)
{
    struct user *user = arg;
    user->status = run_user(user);
    snprintf(user->message, sizeof(user->message), "%s", status_message());
    return NULL;
}

int main(void)
{
    struct user *user = calloc(DEVICES, sizeof(*user));
    int bad = 0;
    for (int i = 0; i < DEVICES; i++)
        BUG_ON(pthread_create(&user[i].id, NULL, user_main, &user[i]) != 0,
               "no thread for device %d", i);
    for (int i = 0; i < DEVICES; i++)
        pthread_join(user[i].id, NULL);
    for (int i = 0; i < DEVICES; i++) {
        bool differs = memcmp(user[i].result, user[0].result, sizeof(user[0].result)) != 0;
        if (user[i].status != ST_OK || differs) {
            fprintf(stderr, "device %d: %s\n", i,
                    differs ? "not device 0's result" : user[i].message);
            bad = 1;
        }
    }
    free(user);
    printf("kernels_stress: %d devices of %d threads: %s\n", DEVICES, THREADS,
           bad ? "WRONG" : "ok");
    return bad;
}
