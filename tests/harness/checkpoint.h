/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of the golden checkpoints, to be spoilt. */
#ifndef TESTS_HARNESS_CHECKPOINT_H
#define TESTS_HARNESS_CHECKPOINT_H

/* A copy of tests/golden/NAME in the folder of this test process; its path. Aborts the test where
 * it cannot be made. */
const char *checkpoint_copy(const char *name);

/* A file of the copy: its path, valid for the next 15 calls. */
char *checkpoint_file(const char *copy, const char *name);

/* The file that holds the parameters of `dit`. */
#define CHECKPOINT_WEIGHTS "transformer/diffusion_pytorch_model.safetensors"

/* Overwrites the last four bytes, which are a parameter's. CHECKPOINT_NAN is one in F32, BF16 and
 * F16. */
enum { CHECKPOINT_NAN = 0x7fc07fc0, CHECKPOINT_OTHER = 0x3e803e80 };
void checkpoint_poke(const char *path, unsigned value);

#endif
