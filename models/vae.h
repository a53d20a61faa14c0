/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder of AutoencoderKL: a latent to pixels. It obeys a share of the rows and calls hooks;
 * it cannot name a rank, a communicator or a strategy.
 *
 * A rank has rows row_begin .. row_end-1 of the latent and those that they become: rows << l at
 * level l (vae_config.h). Activations are [1, rows, W << l, C], channels last: images are decoded
 * one after the other, so that memory does not grow with their number. What a rank lacks, hooks
 * bring: one row of each neighbour before every 3x3 convolution, sums over all rows for every norm,
 * all rows' keys for the attention in the middle. Where the image ends, convolutions read zeros.
 *
 * Two activations of full size are alive at most, the one that is added to in the end and the one
 * that is being made. The normed input of a convolution is a third; with `chunk` K it is made for K
 * rows of output at a time instead. The result does not depend on K. On rows it depends only by
 * the rounding of sums.
 */
#ifndef MODELS_VAE_H
#define MODELS_VAE_H

#include "kernels/base/arena.h"
#include "kernels/base/trace.h"
#include "models/dit.h"
#include "models/vae_config.h"

/* What one rank's decoder is built for. */
struct vae_extent {
    int height, width;      /* of the whole latent */
    int row_begin, row_end; /* of this rank; at least one row */
    int chunk;              /* rows of output that a convolution makes at a time, of one that
                               enlarges the even number below, but at least 2; 0: all */
    enum dtype dtype;       /* of weights and activations */
};

/* The outermost rows of a tensor that is about to be convolved, [W, C] each, in the model's dtype.
 * Those of the neighbours are wanted: `above` becomes the last row of the rank above, `below` the
 * first one of the rank below. */
struct vae_halo {
    int site;                  /* the convolution: 0, 1, ... in each image, the same on all ranks */
    struct tensor first, last; /* this rank's; both are one where it has one row */
    struct tensor above, below; /* no axes (ndim 0): the image ends there */
    struct queue *queue;
};

struct vae_hooks {
    void *self;
    /* Begins the exchange; first and last do not change before halo_wait. Never called where a rank
     * has all rows. */
    enum status (*halo)(void *self, const struct vae_halo *halo);
    /* (optional) NULL: halo has done it all. What the queue is given from now on finds above and
     * below complete. */
    enum status (*halo_wait)(void *self, const struct vae_halo *halo);
    /* sums fp32 [1, 1, G], dense := their sum over all ranks, the same bits on all; twice for a
     * norm. Called while an exchange of rows may be under way; never where a rank has all rows. */
    enum status (*sums)(void *self, struct tensor *sums, struct queue *q);
    /* o = the attention of this rank's queries over all ranks' keys: one site, one head; the span
     * numbers the latent's pixels row by row. */
    enum status (*attend)(void *self, const struct attn_call *call);
};

extern const struct vae_hooks vae_hooks_serial; /* for a rank that has all rows */

struct vae_call {
    const struct vae_hooks *hooks;
    struct queue *queue;
};

struct vae;

/* Every parameter of the checkpoint is one that the decoder uses, or one of the encoder: ST_INVALID
 * names the first that is not. */
enum status vae_check_weights(const struct vae_config *config, const struct weights *weights);

/* Takes all memory from `weights_arena` and `activations`; reads `weights` (NULL with measuring
 * arenas). `config` outlives the decoder. */
enum status vae_open(const struct vae_config *config, const struct vae_extent *extent,
                     struct weights *weights, struct queue *q, struct arena *weights_arena,
                     struct arena *activations, struct vae **out);
void vae_close(struct vae *vae);

/* What this rank computes and moves for one image (kernels/op_work.h), measuring or not. */
struct trace_work vae_work(const struct vae *vae);

/* latent [B, latent_channels, h, W], of this rank's h rows, as a denoising loop leaves it: fp32,
 * any strides. pixels [B, h << (levels-1), W << (levels-1), out_channels]: any dtype and strides,
 * about -1 to 1 and not clamped. Allocates nothing; work of the queue only, where both are on its
 * device. */
enum status vae_decode(struct vae *vae, const struct vae_call *call, const struct tensor *latent,
                       struct tensor *pixels);

#endif
