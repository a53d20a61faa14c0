/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the decoder that belongs to a transformer, and one decode. */
#include "harness/measure/last_image.h"

#include "harness/image/picture_files.h"
#include "harness/measure/decode.h"
#include "harness/measure/outcome.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Latents of a run: their shape, without values. */
static struct latent shape_of(const struct setup *setup)
{
    const struct problem *p = &setup->problem;
    struct latent_geometry g = problem_geometry(p);
    return (struct latent){.n = p->requests * p->frames,
                           .frames = p->frames,
                           .channels = g.channels,
                           .height = g.height,
                           .width = g.width};
}

/* The decoder's cell, alone on one rank. What belongs to the denoising is left behind; there is no
 * graph, for a single loop launches none again. */
static enum status open_decoder(const struct setup *setup, const struct latent *latents,
                                struct setup **out)
{
    const struct cell *from = &setup->cell;
    struct cell cell;
    cell_init(&cell);
    strcpy(cell.model, from->model);
    strcpy(cell.dtype, from->dtype);
    strcpy(cell.backend, from->backend);
    strcpy(cell.transport, "local");
    cell.threads = from->threads;
    cell.seed = from->seed;
    cell.nvtx = from->nvtx;
    cell.graph = false;
    cell.check = false;
    return decode_open(&cell, latents, NULL, out);
}

/* ---- before ---- */

static enum status find_decoder(const struct setup *setup)
{
    const char *model = setup->cell.model;
    bool there = false;
    if (setup->model.kind == &kind_decoder)
        return fail(ST_INVALID,
                    "--image: %s is a decoder, which leaves no latents; use `ditbench decode` for "
                    "the latents of a file, or --output",
                    model);
    if (!setup->model.folder[0])
        return fail(ST_INVALID,
                    "--image: %s is a preset, and no decoder belongs to it; use --model with a "
                    "pipeline's folder that holds transformer/ and vae/config.json",
                    model);
    TRY(kind_decoder.there(model, &there));
    if (there)
        return ST_OK;
    return fail(ST_INVALID,
                "--image: %s holds no decoder: looked for vae/config.json in it; put the "
                "pipeline's vae/ there, or use --output and `ditbench decode --model DECODER`",
                model);
}

static enum status check_scale(const struct setup *setup, const struct setup *decoder)
{
    int wanted = problem_facts(&setup->problem).scale;
    int found = problem_facts(&decoder->problem).scale;
    if (found == wanted)
        return ST_OK;
    return fail(ST_INVALID,
                "%s: its decoder makes %d pixels a side of one of the latent, and its latents are "
                "of %d: wanted the vae/ of the same pipeline",
                setup->cell.model, found, wanted);
}

/* Where a file's own name begins in its path; its folder, into `folder`. */
static const char *split(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path + 1) : 2, slash ? path : "./");
    return slash ? slash + 1 : path;
}

/* One name in one folder, whatever the folder is called. */
static bool same_file(const char *a, const char *b)
{
    char of_a[PATH_MAX], of_b[PATH_MAX];
    struct stat in_a, in_b;
    return strcmp(split(a, of_a), split(b, of_b)) == 0 && stat(of_a, &in_a) == 0 &&
           stat(of_b, &in_b) == 0 && in_a.st_dev == in_b.st_dev && in_a.st_ino == in_b.st_ino;
}

/* Pictures are written after the latents. */
static enum status check_apart(const char *path, int n, const char *output)
{
    char name[PATH_MAX];
    for (int i = 0; output && i < n; i++)
        if (same_file(picture_files_name(path, i, n, name), output))
            return fail(ST_INVALID,
                        "--image: %s is where --output puts the latents, which would be lost: "
                        "name two files",
                        name);
    return ST_OK;
}

/* Weights are opened, not read: a file or a tensor that is missing or has another shape is named.
 */
static enum status check_decoder(const struct setup *setup, const struct setup *decoder)
{
    struct weights *weights;
    uint64_t predicted = 0;
    TRY(check_scale(setup, decoder));
    TRY(setup_weights(decoder, &weights));
    weights_close(weights);
    return outcome_foresee(decoder, &predicted);
}

enum status last_image_check(const struct setup *setup, const char *path, const char *output)
{
    struct setup *decoder;
    TRY(find_decoder(setup));
    const struct latent latents = shape_of(setup);
    TRY(picture_files_check("--image", path, latents.n));
    TRY(check_apart(path, latents.n, output));
    enum status st = open_decoder(setup, &latents, &decoder);
    if (st == ST_OK)
        st = check_decoder(setup, decoder);
    setup_close(decoder);
    return st ? fail_prefix(st, "--image") : ST_OK;
}

/* ---- after ---- */

static enum status decode_latents(const struct setup *setup, const struct latent *latents,
                                  struct decode *decode)
{
    struct setup *decoder;
    TRY(open_decoder(setup, latents, &decoder));
    decode->setup = decoder;
    decode->latent = latents->values;
    enum status st = decode_run(decode);
    setup_close(decoder);
    return st;
}

enum status last_image_write(const struct setup *setup, const char *path, const float *result,
                             int device, double *ms)
{
    int64_t dim[5];
    struct latent latents;
    struct decode decode = {.path = path, .device = device};
    int ndim = problem_result_dims(&setup->problem, dim);
    TRY(latent_copy(ndim, dim, result, &latents));
    enum status st = decode_latents(setup, &latents, &decode);
    latent_release(&latents);
    *ms = decode.ms;
    return st ? fail_prefix(st, "--image") : ST_OK;
}
