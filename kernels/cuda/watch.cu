/* SPDX-License-Identifier: Apache-2.0 */
/* Words in pinned host memory, written by a stream when it gets there: how far the GPU is. */
#include "kernels/cuda/launch.h"

static __global__ void write_words(volatile unsigned *word, unsigned *count, unsigned value)
{
    word[0] = value;
    word[1] = ++*count;
    __threadfence_system();
}

enum status cuda_watch_write(void *stream, unsigned *word, unsigned *count, unsigned value)
{
    write_words<<<1, 1, 0, static_cast<cudaStream_t>(stream)>>>(word, count, value);
    return cuda_launched("watch");
}
