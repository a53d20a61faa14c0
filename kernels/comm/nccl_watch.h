/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far each communicator is on the GPU, and what a wait on the host says when nothing moves. A
 * communicator's stream writes a number after each of its operations; the numbers' names stay on
 * the host, so that a captured operation says the same in every launch. For the NCCL transport
 * only.
 */
#ifndef KERNELS_COMM_NCCL_WATCH_H
#define KERNELS_COMM_NCCL_WATCH_H

#include "kernels/base/status.h"

#include <stdbool.h>

enum { WATCH_NOTES = 1 << 14, WATCH_TEXT = 160 };

/* What was posted, by number modulo WATCH_NOTES. */
struct watch_note {
    const char *label; /* "ring.send"; borrowed */
    int layer;         /* -1: none */
};

struct watch_track {
    unsigned *word;  /* pinned [2]: the last operation that came to its end; how many have */
    unsigned *ended; /* on the GPU: how many have */
    unsigned seen;   /* word[1] when a wait last looked */
    unsigned posted;
    bool used;         /* by messages of a run, not only by host gathers */
    const char *label; /* of the next operations */
    struct watch_note note[WATCH_NOTES];
};

/* ST_OOM, ST_DEVICE. */
enum status watch_track_open(struct watch_track **out);
void watch_track_close(struct watch_track *track);

/* An operation was put on `stream` (cudaStream_t): its number follows it there. */
enum status watch_track_post(struct watch_track *track, void *stream);

/* True when the track moved since the last look. */
bool watch_track_moved(struct watch_track *track);

/* "layer 3, ring.send (after layer 2, ring.send)": what has not come to its end, as far as is
 * known. */
void watch_track_describe(const struct watch_track *track, char text[WATCH_TEXT]);

#endif
