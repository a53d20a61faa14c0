/* SPDX-License-Identifier: Apache-2.0 */
/* One 3x3 convolution over a rank's rows: the neighbours' rows, the norm before it, and the chunks
 * it is made in. Knows no layers. */
#include "models/vae_internal.h"

/* ---- norms ---- */

/* Elements of a group in so many rows as wide and deep as x. */
static int64_t group_count(const struct vae *vae, const struct tensor *x, int64_t rows)
{
    return rows * x->dim[2] * (x->dim[3] / vae->config->groups);
}

static int64_t all_rows(const struct vae *vae, const struct tensor *x)
{
    return x->dim[2] / vae->extent.width * vae->extent.height;
}

/* Half 0 or 1 of vae->sums over all ranks. */
static enum status complete(struct vae_walk *walk, int half)
{
    const struct vae_call *call = walk->call;
    struct tensor part = tensor_slice(&walk->vae->sums, 1, half, 1);
    if (!call)
        return ST_OK;
    BUG_ON(!call->hooks->sums, "rows %d to %d of %d without a hook for sums",
           walk->vae->extent.row_begin, walk->vae->extent.row_end, walk->vae->extent.height);
    return call->hooks->sums(call->hooks->self, &part, call->queue);
}

enum status vae_norm_sums(struct vae_walk *walk, const struct tensor *x)
{
    struct vae *vae = walk->vae;
    struct tensor sum = tensor_slice(&vae->sums, 1, 0, 1);
    struct group_parts parts = {.own = &vae->own_sum,
                                .own_count = group_count(vae, x, x->dim[1]),
                                .count = group_count(vae, x, all_rows(vae, x))};
    TRY(VAE_RUN(walk, group_sums, &vae->sums, x));
    if (vae_whole(vae))
        return ST_OK;
    TRY(VAE_RUN(walk, copy, &vae->own_sum, &sum));
    TRY(complete(walk, 0));
    TRY(VAE_RUN(walk, group_centre, &vae->sums, &parts));
    return complete(walk, 1);
}

enum status vae_norm_rows(struct vae_walk *walk, const struct vae_norm *norm, enum act act,
                          const struct tensor *x, struct tensor *y)
{
    struct group_norm group = {.sums = &walk->vae->sums,
                               .weight = &norm->weight,
                               .bias = &norm->bias,
                               .count = group_count(walk->vae, x, all_rows(walk->vae, x)),
                               .eps = (float)VAE_EPS,
                               .act = act};
    return VAE_RUN(walk, group_norm, y, x, &group);
}

/* ---- rows of the neighbours ---- */

/* Row `row` of x as [W, C]. */
static struct tensor row_of(const struct tensor *x, int64_t row)
{
    struct tensor one = tensor_slice(x, 1, row, 1);
    return tensor_reshape(&one, 2, &x->dim[2]);
}

static struct tensor room_of(struct vae_walk *walk, enum vae_buffer buffer, const struct tensor *x)
{
    struct tensor one = vae_view(walk, buffer, 1, x->dim[2], x->dim[3]);
    return tensor_reshape(&one, 2, &x->dim[2]);
}

static struct vae_halo halo_of(struct vae_walk *walk, const struct tensor *x)
{
    const struct vae_extent *e = &walk->vae->extent;
    struct vae_halo halo = {
        .site = walk->site++, .first = row_of(x, 0), .last = row_of(x, x->dim[1] - 1)};
    if (e->row_begin > 0)
        halo.above = room_of(walk, VAE_ABOVE, x);
    if (e->row_end < e->height)
        halo.below = room_of(walk, VAE_BELOW, x);
    if (walk->call)
        halo.queue = walk->call->queue;
    return halo;
}

static bool has_neighbour(const struct vae_halo *halo)
{
    return halo->above.ndim > 0 || halo->below.ndim > 0;
}

static enum status post_halo(struct vae_walk *walk, const struct vae_halo *halo)
{
    const struct vae_hooks *hooks = walk->call ? walk->call->hooks : NULL;
    if (!hooks || !has_neighbour(halo))
        return ST_OK;
    BUG_ON(!hooks->halo, "rows %d to %d of %d without a hook for their neighbours",
           walk->vae->extent.row_begin, walk->vae->extent.row_end, walk->vae->extent.height);
    return hooks->halo(hooks->self, halo);
}

static enum status await_halo(struct vae_walk *walk, const struct vae_halo *halo)
{
    const struct vae_hooks *hooks = walk->call ? walk->call->hooks : NULL;
    if (!hooks || !has_neighbour(halo) || !hooks->halo_wait)
        return ST_OK;
    return hooks->halo_wait(hooks->self, halo);
}

/* ---- what a chunk reads ---- */

/* Rows begin .. end-1 of a convolution's input, and whether it reads one more on either side. */
struct part {
    int64_t begin, end;
    bool more_above, more_below;
};

static struct part part_at(const struct tensor *x, const struct vae_halo *halo, int64_t begin,
                           int64_t rows)
{
    int64_t end = begin + rows < x->dim[1] ? begin + rows : x->dim[1];
    return (struct part){begin, end, begin > 0 || halo->above.ndim > 0,
                         end < x->dim[1] || halo->below.ndim > 0};
}

static enum status place_rows(struct vae_walk *walk, const struct vae_norm *norm,
                              const struct tensor *from, struct tensor to)
{
    if (norm)
        return vae_norm_rows(walk, norm, ACT_SILU, from, &to);
    return VAE_RUN(walk, copy, &to, from);
}

static enum status place_halo(struct vae_walk *walk, const struct vae_norm *norm,
                              const struct tensor *row, struct tensor to)
{
    struct tensor from = tensor_reshape(row, 4, to.dim);
    return place_rows(walk, norm, &from, to);
}

/* *out: the part's input, made in VAE_CHUNK, or where x has it already. */
static enum status gather(struct vae_walk *walk, const struct vae_norm *norm,
                          const struct tensor *x, const struct vae_halo *halo,
                          const struct part *part, struct tensor *out)
{
    bool halo_above = part->more_above && part->begin == 0;
    bool halo_below = part->more_below && part->end == x->dim[1];
    int64_t first = part->begin - (part->more_above && !halo_above);
    int64_t last = part->end + (part->more_below && !halo_below);
    struct tensor own = tensor_slice(x, 1, first, last - first);
    *out = own;
    if (!norm && !halo_above && !halo_below)
        return ST_OK;
    *out = vae_view(walk, VAE_CHUNK, last - first + halo_above + halo_below, x->dim[2], x->dim[3]);
    if (halo_above)
        TRY(place_halo(walk, norm, &halo->above, tensor_slice(out, 1, 0, 1)));
    if (halo_below)
        TRY(place_halo(walk, norm, &halo->below, tensor_slice(out, 1, out->dim[1] - 1, 1)));
    return place_rows(walk, norm, &own, tensor_slice(out, 1, halo_above, last - first));
}

/* ---- the convolution ---- */

static int border(bool more, bool upsample)
{
    return !more ? 1 : upsample ? -1 : 0;
}

static enum status convolve_part(struct vae_walk *walk, const struct vae_conv_job *job,
                                 const struct tensor *x, const struct vae_halo *halo,
                                 const struct part *part, const struct tensor *y)
{
    int64_t scale = job->upsample ? 2 : 1;
    int64_t begin = scale * part->begin;
    int64_t rows = scale * (part->end - part->begin);
    struct tensor in;
    struct tensor out = tensor_slice(y, 1, begin, rows);
    struct tensor add = job->add ? tensor_slice(job->add, 1, begin, rows) : out;
    struct conv conv = {.upsample = job->upsample,
                        .above = border(part->more_above, job->upsample),
                        .below = border(part->more_below, job->upsample),
                        .bias = &job->conv->b,
                        .add = job->add ? &add : NULL};
    TRY(gather(walk, job->norm, x, halo, part, &in));
    return VAE_RUN(walk, conv, &out, &in, &job->conv->w, &conv);
}

enum status vae_convolve(struct vae_walk *walk, const struct vae_conv_job *job,
                         const struct tensor *x, struct tensor *y)
{
    struct vae_halo halo = halo_of(walk, x);
    int64_t rows = vae_chunk_rows(walk, y->dim[1]);
    if (job->upsample)
        rows = rows > 2 ? rows / 2 : 1;
    TRY(post_halo(walk, &halo));
    if (job->norm)
        TRY(vae_norm_sums(walk, x));
    TRY(await_halo(walk, &halo));
    for (int64_t begin = 0; begin < x->dim[1]; begin += rows) {
        struct part part = part_at(x, &halo, begin, rows);
        TRY(convolve_part(walk, job, x, &halo, &part, y));
    }
    return ST_OK;
}
