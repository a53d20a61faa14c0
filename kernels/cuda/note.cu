/* SPDX-License-Identifier: Apache-2.0 */
/* A word in pinned host memory, written by a stream when it gets there: how far the GPU is. */
#include "kernels/cuda/launch.h"

static __global__ void write_word(volatile unsigned *word, unsigned value)
{
    *word = value;
    __threadfence_system();
}

enum status cuda_note(void *stream, unsigned *word, unsigned value)
{
    write_word<<<1, 1, 0, static_cast<cudaStream_t>(stream)>>>(word, value);
    return cuda_launched("note");
}
