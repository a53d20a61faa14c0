/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's convolution; contracts at op_conv and op_conv_fold. */
#ifndef KERNELS_CPU_CONV_H
#define KERNELS_CPU_CONV_H

#include "kernels/op_image.h"

enum status conv_run(struct queue *q, struct tensor *y, const struct tensor *x,
                     const struct tensor *w, const struct conv *conv);
enum status conv_fold(struct queue *q, struct tensor *folded, const struct tensor *w);

#endif
