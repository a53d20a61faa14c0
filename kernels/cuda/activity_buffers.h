/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for records on loan: a bounded number of buffers of one size, full of zeros when they are
 * taken. Any thread may call; what is in them is no matter here.
 */
#ifndef KERNELS_CUDA_ACTIVITY_BUFFERS_H
#define KERNELS_CUDA_ACTIVITY_BUFFERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACTIVITY_BUFFER = 4 << 20 /* bytes */, ACTIVITY_BUFFERS = 64 };

struct activity_buffers {
    pthread_mutex_t lock;
    struct {
        uint8_t *memory; /* [ACTIVITY_BUFFER]; NULL: not made so far */
        bool taken;
    } buffer[ACTIVITY_BUFFERS];
    uint32_t taken, most_taken;
};

/* All zero but for the lock is its first state. */
#define ACTIVITY_BUFFERS_INIT                                                                      \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

/* NULL: all are taken, or there is no memory for one more. */
uint8_t *activity_buffers_take(struct activity_buffers *buffers);

/* Is back, with `used` bytes written. */
void activity_buffers_return(struct activity_buffers *buffers, uint8_t *memory, size_t used);

/* Frees those that are back; others later, by another call. */
void activity_buffers_release(struct activity_buffers *buffers);

/* Most that were taken at once. */
uint32_t activity_buffers_most(struct activity_buffers *buffers);

#endif
