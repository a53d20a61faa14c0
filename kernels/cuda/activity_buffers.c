/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of equal buffers. They are made as they are wanted, and wiped when they come back, since
 * that is not in the thread that launches work. */
#include "kernels/cuda/activity_buffers.h"

#include <stdlib.h>
#include <string.h>

uint8_t *activity_buffers_take(struct activity_buffers *buffers)
{
    uint8_t *memory = NULL;
    pthread_mutex_lock(&buffers->lock);
    for (int i = 0; i < ACTIVITY_BUFFERS && !memory; i++) {
        if (buffers->buffer[i].taken)
            continue;
        if (!buffers->buffer[i].memory)
            buffers->buffer[i].memory = calloc(1, ACTIVITY_BUFFER);
        memory = buffers->buffer[i].memory;
        if (!memory)
            break;
        buffers->buffer[i].taken = true;
        buffers->taken++;
        if (buffers->taken > buffers->most_taken)
            buffers->most_taken = buffers->taken;
    }
    pthread_mutex_unlock(&buffers->lock);
    return memory;
}

void activity_buffers_return(struct activity_buffers *buffers, uint8_t *memory, size_t used)
{
    memset(memory, 0, used < ACTIVITY_BUFFER ? used : ACTIVITY_BUFFER);
    pthread_mutex_lock(&buffers->lock);
    for (int i = 0; i < ACTIVITY_BUFFERS; i++) {
        if (buffers->buffer[i].memory == memory && buffers->buffer[i].taken) {
            buffers->buffer[i].taken = false;
            buffers->taken--;
        }
    }
    pthread_mutex_unlock(&buffers->lock);
}

void activity_buffers_release(struct activity_buffers *buffers)
{
    pthread_mutex_lock(&buffers->lock);
    for (int i = 0; i < ACTIVITY_BUFFERS; i++) {
        if (!buffers->buffer[i].taken) {
            free(buffers->buffer[i].memory);
            buffers->buffer[i].memory = NULL;
        }
    }
    buffers->most_taken = buffers->taken;
    pthread_mutex_unlock(&buffers->lock);
}

uint32_t activity_buffers_most(struct activity_buffers *buffers)
{
    pthread_mutex_lock(&buffers->lock);
    uint32_t most = buffers->most_taken;
    pthread_mutex_unlock(&buffers->lock);
    return most;
}
