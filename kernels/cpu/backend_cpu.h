/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPU as a device: what its ops share. Private to kernels/cpu; the table itself is what
 * kernels/backend.c lists.
 *
 * All maths is in fp32 and done when the call returns; a queue is a name. One thread at a time may
 * call ops of a device, several devices of one process do not disturb each other.
 */
#ifndef KERNELS_CPU_BACKEND_CPU_H
#define KERNELS_CPU_BACKEND_CPU_H

#include "kernels/backend.h"
#include "kernels/cpu/pool.h"
#include "kernels/cpu/simd.h"

/* supports, count, memory, capacity and marks need nothing of a device but its options, so that a
 * test's device may take these slots over. */
extern const struct backend_ops backend_cpu;

/* Floats of a worker's scratch, 1 MiB: a tile of attention's scores, or pixels on their way into a
 * product. */
enum { CPU_SCRATCH = 1 << 18 };

struct cpu_device {
    struct device base;
    struct pool *pool;
    const struct simd_ops *simd;
    float *scratch; /* [threads, CPU_SCRATCH] */
};

static inline struct cpu_device *cpu_of(const struct queue *q)
{
    return (struct cpu_device *)q->dev;
}

#endif
