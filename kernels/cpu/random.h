/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's random tensors; contracts at op_random_normal and op_random_uniform. */
#ifndef KERNELS_CPU_RANDOM_H
#define KERNELS_CPU_RANDOM_H

#include "kernels/op.h"

enum status random_draw_normal(struct queue *q, struct tensor *out,
                               const struct latent_geometry *geometry, int first_token,
                               uint64_t seed, uint64_t stream);

/* All dtypes, also those that the backend does not compute in. */
enum status random_draw_uniform(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                                uint64_t stream, uint64_t first, int64_t row_step);

#endif
