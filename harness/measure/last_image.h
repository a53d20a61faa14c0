/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last loop's latents of a transformer as pictures, by the decoder of the same pipeline's
 * folder: on one rank, in the dtype and on the backend of the cell, once the measured run is
 * closed. Its time is no part of the latency.
 */
#ifndef HARNESS_MEASURE_LAST_IMAGE_H
#define HARNESS_MEASURE_LAST_IMAGE_H

#include "harness/cell/setup.h"

/* Before anything runs. ST_INVALID: the model leaves no latents, or is a preset, its folder holds
 * no decoder, or one of other channels or another scale, or with weights that are not its own; the
 * name of the files is of no use, or one of them is `output`, where the latents go (NULL: nowhere).
 * ST_OOM: the decoder does not fit. ST_IO. The message says what was looked for. */
enum status last_image_check(const struct setup *setup, const char *path, const char *output);

/*
 * result: of the loop, as problem_result_dims has it, finite. device: the GPU that it runs on. *ms:
 * of the decode. ST_WRONG: a pixel is NaN or infinite; else as decode_run. May be called by a rank
 * while its peers wait.
 */
enum status last_image_write(const struct setup *setup, const char *path, const float *result,
                             int device, double *ms);

#endif
