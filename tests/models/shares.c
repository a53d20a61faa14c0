/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/shares.h"

#include "kernels/backend.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

/* What all ranks see: what each shows the others between two barriers. */
struct board {
    struct shares *shares;
    int n;
    pthread_barrier_t barrier;
    const struct vae_halo *halo[MOST];
    const float *sums[MOST];
    const struct attn_call *call[MOST];
};

struct rank {
    struct board *board;
    int index;
    size_t halo_bytes;
    int sums;
    enum status status;
    char message[512]; /* of the failure */
};

static void meet(const struct rank *rank)
{
    pthread_barrier_wait(&rank->board->barrier);
}

/* Only shows the rows: halo_wait takes them, so that what lies between is tested too. */
static enum status halo_post(void *self, const struct vae_halo *halo)
{
    struct rank *rank = self;
    rank->board->halo[rank->index] = halo;
    return ST_OK;
}

static void take(struct rank *rank, const struct tensor *to, const struct tensor *from)
{
    BUG_ON(!tensor_same_shape(to, from) || !tensor_contiguous(to) || !tensor_contiguous(from),
           "rows of another shape");
    memcpy(to->data, from->data, tensor_bytes(to));
    rank->halo_bytes += tensor_bytes(to);
}

static enum status halo_wait(void *self, const struct vae_halo *halo)
{
    struct rank *rank = self;
    struct board *board = rank->board;
    int i = rank->index;
    meet(rank);
    BUG_ON((i > 0) != (halo->above.ndim > 0) || (i < board->n - 1) != (halo->below.ndim > 0),
           "rank %d has other neighbours", i);
    if (i > 0)
        BUG_ON(board->halo[i - 1]->site != halo->site, "sites %d and %d", halo->site,
               board->halo[i - 1]->site);
    if (i > 0)
        take(rank, &halo->above, &board->halo[i - 1]->last);
    if (i < board->n - 1)
        take(rank, &halo->below, &board->halo[i + 1]->first);
    meet(rank);
    return ST_OK;
}

static enum status add_sums(void *self, struct tensor *sums, struct queue *q)
{
    struct rank *rank = self;
    struct board *board = rank->board;
    int64_t count = tensor_count(sums);
    float *total = calloc((size_t)count, sizeof *total);
    TRY(queue_sync(q));
    board->sums[rank->index] = sums->data;
    meet(rank);
    for (int r = 0; r < board->n; r++)
        for (int64_t k = 0; k < count; k++)
            total[k] += board->sums[r][k];
    meet(rank);
    memcpy(sums->data, total, (size_t)count * sizeof *total);
    free(total);
    rank->sums++;
    return ST_OK;
}

/* Keys or values of all ranks, in the order of their spans. */
static struct tensor gather(const struct board *board, bool values, float *room)
{
    int64_t dim[4] = {1, 0, 1, board->call[0]->k.dim[3]};
    for (int r = 0; r < board->n; r++) {
        const struct attn_call *call = board->call[r];
        const struct tensor *from = values ? &call->v : &call->k;
        BUG_ON(call->span->n != 1 || call->span->run[0].begin != dim[1] ||
                   call->span->run[0].count != from->dim[1],
               "rows of rank %d are not those of its span", r);
        for (int64_t t = 0; t < from->dim[1]; t++)
            memcpy(room + (dim[1] + t) * dim[3], (const float *)from->data + t * from->stride[1],
                   (size_t)dim[3] * sizeof *room);
        dim[1] += from->dim[1];
    }
    return tensor_of(room, NULL, DTYPE_F32, 4, dim);
}

static enum status attend(void *self, const struct attn_call *call)
{
    struct rank *rank = self;
    const struct shares *s = rank->board->shares;
    size_t count = (size_t)s->height * (size_t)s->width * (size_t)call->k.dim[3];
    float *room = malloc(2 * count * sizeof *room);
    struct tensor o = call->o;
    rank->board->call[rank->index] = call;
    meet(rank);
    struct tensor k = gather(rank->board, false, room);
    struct tensor v = gather(rank->board, true, room + count);
    enum status st = op_attention(call->queue, &o, NULL, &call->q, &k, &v, NULL, call->scale);
    meet(rank);
    free(room);
    return st;
}

/* ---- one rank ---- */

static size_t predicted(const struct vae_config *config, const struct vae_extent *extent,
                        enum arena_kind kind)
{
    struct arena *weights, *activations;
    struct vae *vae;
    BUG_ON(arena_open(NULL, ARENA_WEIGHTS, &weights) != ST_OK ||
               arena_open(NULL, ARENA_ACTIVATIONS, &activations) != ST_OK ||
               vae_open(config, extent, NULL, NULL, weights, activations, &vae) != ST_OK,
           "%s", status_text());
    size_t bytes = arena_peak(kind == ARENA_WEIGHTS ? weights : activations);
    vae_close(vae);
    arena_close(weights);
    arena_close(activations);
    return bytes;
}

/* Rows begin .. of [B, C, H, W], as [B, C, rows, W]. */
static struct tensor rows_of(const float *all, int64_t images, int64_t channels, int64_t height,
                             int64_t width, int64_t begin, int64_t rows)
{
    int64_t dim[4] = {images, channels, height, width};
    struct tensor whole = tensor_of((void *)all, NULL, DTYPE_F32, 4, dim);
    return tensor_slice(&whole, 2, begin, rows);
}

static enum status decode_rows(const struct shares *s, const struct vae_extent *e, struct vae *vae,
                               const struct vae_call *call)
{
    int scale = vae_config_scale(s->config);
    struct tensor latent = rows_of(s->latent, s->images, s->config->latent_channels, s->height,
                                   s->width, e->row_begin, e->row_end - e->row_begin);
    struct tensor pixels =
        rows_of(s->pixels, s->images, s->config->out_channels, (int64_t)s->height * scale,
                (int64_t)s->width * scale, (int64_t)e->row_begin * scale,
                (int64_t)(e->row_end - e->row_begin) * scale);
    pixels = tensor_swap(&pixels, 1, 2);
    pixels = tensor_swap(&pixels, 2, 3);
    TRY(vae_decode(vae, call, &latent, &pixels));
    return queue_sync(call->queue);
}

/* The first rank's failure before a barrier would leave the others waiting, so all open the same
 * and fail together. */
static enum status run_rank(struct rank *rank, struct device *dev, struct queue *q)
{
    struct board *board = rank->board;
    struct shares *s = board->shares;
    struct vae_hooks hooks = {rank, halo_post, halo_wait, add_sums, attend};
    struct vae_call call = {board->n > 1 ? &hooks : &vae_hooks_serial, q};
    struct vae_extent e = {
        .height = s->height, .width = s->width, .chunk = s->chunk, .dtype = DTYPE_F32};
    struct arena *weights = NULL, *activations = NULL;
    struct vae *vae;
    e.row_end = part_of(s->height, rank->index, board->n, &e.row_begin);
    e.row_end += e.row_begin;
    enum status st = arena_open(dev, ARENA_WEIGHTS, &weights);
    if (st == ST_OK)
        st = arena_open(dev, ARENA_ACTIVATIONS, &activations);
    if (st == ST_OK)
        st = vae_open(s->config, &e, s->weights, q, weights, activations, &vae);
    if (st == ST_OK) {
        BUG_ON(arena_peak(weights) != predicted(s->config, &e, ARENA_WEIGHTS) ||
                   arena_peak(activations) != predicted(s->config, &e, ARENA_ACTIVATIONS),
               "memory is not what was predicted");
        arena_seal(weights);
        arena_seal(activations);
        st = decode_rows(s, &e, vae, &call);
        vae_close(vae);
    }
    arena_close(weights);
    arena_close(activations);
    return st;
}

static void *thread_main(void *arg)
{
    struct rank *rank = arg;
    struct device_options options = {.threads = 1};
    struct device *dev = NULL;
    struct queue *q = NULL;
    rank->status = device_open(backend_find("cpu"), &options, &dev);
    if (rank->status == ST_OK)
        rank->status = queue_open(dev, &q);
    if (rank->status == ST_OK)
        rank->status = run_rank(rank, dev, q);
    if (rank->status != ST_OK)
        snprintf(rank->message, sizeof rank->message, "%s", status_message());
    queue_close(q);
    device_close(dev);
    return NULL;
}

enum status shares_decode(struct shares *shares, int n)
{
    struct board board = {.shares = shares, .n = n};
    struct rank rank[MOST] = {{0}};
    pthread_t thread[MOST];
    enum status st = ST_OK;
    BUG_ON(n > MOST, "%d ranks", n);
    shares->halo_bytes = 0;
    pthread_barrier_init(&board.barrier, NULL, (unsigned)n);
    for (int r = 0; r < n; r++) {
        rank[r] = (struct rank){.board = &board, .index = r};
        BUG_ON(pthread_create(&thread[r], NULL, thread_main, &rank[r]) != 0, "no thread");
    }
    for (int r = 0; r < n; r++) {
        pthread_join(thread[r], NULL);
        shares->halo_bytes += rank[r].halo_bytes;
        if (rank[r].status != ST_OK)
            st = fail(rank[r].status, "rank %d: %s", r, rank[r].message);
    }
    shares->sums = rank[0].sums;
    pthread_barrier_destroy(&board.barrier);
    return st;
}
