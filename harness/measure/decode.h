/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latents to pictures: one loop of a decoder on the ranks of a cell, and the PNG files. What
 * `decode` does, and what `run --image` does on one rank (last_image.h). Not a measurement: the
 * loop is the only one, and nothing was warmed up before it. Starts no process.
 */
#ifndef HARNESS_MEASURE_DECODE_H
#define HARNESS_MEASURE_DECODE_H

#include "harness/cell/setup.h"
#include "harness/image/latent.h"

struct decode {
    const struct setup *setup; /* decode_open's */
    /* this process' place among those of mpirun or fork_ranks.h; NULL: none of them */
    const struct rendezvous *place;
    const float *latent; /* [requests, C, h, w] */
    const char *path;    /* FILE.png, as picture_files.h has it */
    int device;          /* the GPU that rank 0 takes, where ranks are threads */
    bool agreed; /* out: a failure is the same on every rank, and nobody waits for this one */
    bool wrote;  /* out: the pictures are there, and this process wrote them */
    double ms;   /* out: of the loop, on the slowest rank; where `wrote` */
};

/* The cell of a decode: `asked` with the decoder of its model, and the pictures of `latents` as
 * size and requests. ST_INVALID: no decoder, latents of other channels, more pictures or pixels
 * than a run takes, pictures of other than 1 or 3 channels; what setup_open says. */
enum status decode_open(const struct cell *asked, const struct latent *latents,
                        const struct rendezvous *place, struct setup **out);

/* Collective over the cell's processes. ST_WRONG: a pixel is NaN or infinite; the message names its
 * file and place. Otherwise as a run: ST_OOM, ST_IO, ST_DEVICE and so on. */
enum status decode_run(struct decode *decode);

#endif
