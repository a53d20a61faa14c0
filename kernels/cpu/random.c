/* SPDX-License-Identifier: Apache-2.0 */
/* Random tensors: which element of the generator (kernels/base/rng.h) goes where. Draws no bit
 * itself. */
#include "kernels/cpu/random.h"

#include "kernels/base/rng.h"
#include "kernels/cpu/backend_cpu.h"
#include "kernels/cpu/copy.h"

struct normal_job {
    const struct tensor *out;
    const struct latent_geometry *geometry;
    int first_token;
    uint64_t seed, stream;
};

/* Token t covers the pixels from (t / columns, t % columns) * patch on. */
static void draw_tokens(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct normal_job *job = arg;
    const struct latent_geometry *g = job->geometry;
    int64_t columns = g->width / g->patch;
    for (int64_t i = begin; i < end; i++) {
        int64_t token = job->first_token + i;
        int64_t top = token / columns * g->patch;
        int64_t left = token % columns * g->patch;
        float *out = (float *)job->out->data + i * job->out->stride[0];
        for (int64_t c = 0; c < g->channels; c++) {
            int64_t first = (c * g->frames + g->frame) * g->height; // row of the channel's frame
            for (int64_t y = first + top; y < first + top + g->patch; y++) {
                for (int64_t x = left; x < left + g->patch; x++)
                    *out++ = rng_normal(job->seed, job->stream, (uint64_t)(y * g->width + x));
            }
        }
    }
}

enum status random_draw_normal(struct queue *q, struct tensor *out,
                               const struct latent_geometry *geometry, int first_token,
                               uint64_t seed, uint64_t stream)
{
    struct normal_job job = {out, geometry, first_token, seed, stream};
    pool_run(cpu_of(q)->pool, out->dim[0], pool_grain(20 * out->dim[1]), draw_tokens, &job);
    return ST_OK;
}

struct uniform_job {
    const struct tensor *out;
    float scale;
    uint64_t seed, stream, first;
    int64_t row_step;
};

/* `count` elements of a row from column `column` on, in pieces that stay in the first cache until
 * they are scaled and converted. */
static void draw_piece(const struct uniform_job *job, int64_t row, int64_t column, int64_t count)
{
    enum { PIECE = 2048 };
    float drawn[PIECE];
    const struct tensor *out = job->out;
    char *to =
        (char *)out->data + (row * out->stride[0] + column) * (int64_t)dtype_size(out->dtype);
    uint64_t first = job->first + (uint64_t)(row * job->row_step + column);
    for (int64_t at = 0; at < count; at += PIECE) {
        int64_t n = count - at < PIECE ? count - at : PIECE;
        bool direct = out->dtype == DTYPE_F32;
        float *value = direct ? (float *)(void *)to + at : drawn;
        rng_uniform(job->seed, job->stream, first + (uint64_t)at, n, value);
        for (int64_t i = 0; i < n; i++)
            value[i] *= job->scale;
        if (!direct)
            copy_run(n, out->dtype, to + at * (int64_t)dtype_size(out->dtype), DTYPE_F32, value);
    }
}

/* Elements begin..end-1 in the order of rows and columns. */
static void draw_elements(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct uniform_job *job = arg;
    int64_t width = job->out->dim[1];
    while (begin < end) {
        int64_t column = begin % width;
        int64_t count = width - column < end - begin ? width - column : end - begin;
        draw_piece(job, begin / width, column, count);
        begin += count;
    }
}

enum status random_draw_uniform(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                                uint64_t stream, uint64_t first, int64_t row_step)
{
    struct uniform_job job = {out, scale, seed, stream, first, row_step};
    pool_run(cpu_of(q)->pool, tensor_count(out), pool_grain(1), draw_elements, &job);
    return ST_OK;
}
