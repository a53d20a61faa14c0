/* SPDX-License-Identifier: Apache-2.0 */
/* A reference file: another framework's inputs and outputs, checked for form. Computes nothing. */
#ifndef HARNESS_CHECK_VERIFY_FILE_H
#define HARNESS_CHECK_VERIFY_FILE_H

#include "models/safetensors.h"
#include "strategies/problem.h"

#include <stdbool.h>

enum verify_kind { VERIFY_FORWARD, VERIFY_SAMPLE, VERIFY_DECODE };

struct verify_file {
    struct safetensors *file;
    enum verify_kind kind;
    double tolerance;  /* of fp32, as the file says; NaN: it does not */
    int rows;          /* B of the latent: lanes of a forward, images of a sample or a decode */
    int width, height; /* pixels */
    int frames;        /* of the latent; 1 for images */
    int steps;         /* 1 but for a sample */
    double guidance;   /* 0: none */
    int draws;         /* rows of step_noise */
    float *latent;     /* [rows, C, h, w], of a video [rows, C, frames, h, w] */
    float *timestep;   /* [rows], 0 to 1000, forward */
    float *step_noise; /* [draws, rows, C, (frames,) h, w], or NULL */
    int ndim;          /* of `expected` */
    int64_t dim[5];    /* [rows, C or out_channels, (frames,) h, w]; of a decode [rows, 3, H, W] */
    float *expected;
    const char *strategy; /* of the run that `expected` comes from, borrowed; NULL: no matter */
};

/* The kind of model that a file is about. ST_INVALID names the file and what is wanted. */
enum status verify_file_about(const char *path, const struct kind_ops **out);

/* ST_INVALID names file, tensor or key, what was found and what is wanted. Release it whatever the
 * status. */
enum status verify_file_read(const char *path, const struct model *model, struct verify_file *out);
void verify_file_release(struct verify_file *file);

/* Names of the tensors that are no conditions of this kind of file; NULL-ended. */
const char *const *verify_file_own(enum verify_kind kind);

/* "[2, 96]" into text; returns it. */
char *verify_file_shape(int ndim, const int64_t *dim, char *text, size_t size);

#endif
