/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of operations, written by streams and named on the host. Waits for nothing itself. */
#include "kernels/comm/nccl_watch.h"

#include "kernels/base/trace.h"
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

enum status watch_track_open(struct watch_track **out)
{
    struct watch_track *track = calloc(1, sizeof *track);
    if (!track)
        return fail(ST_OOM, "watch of a communicator: %zu bytes of host memory", sizeof *track);
    enum status st = CU(cudaHostAlloc((void **)&track->word, 2 * sizeof *track->word,
                                      cudaHostAllocMapped | cudaHostAllocPortable));
    if (st == ST_OK)
        st = CU(cudaMalloc((void **)&track->ended, sizeof *track->ended));
    if (st == ST_OK)
        st = CU(cudaMemset(track->ended, 0, sizeof *track->ended));
    if (st != ST_OK) {
        watch_track_close(track);
        return st;
    }
    track->word[0] = 0;
    track->word[1] = 0;
    *out = track;
    return ST_OK;
}

void watch_track_close(struct watch_track *track)
{
    if (!track)
        return;
    cudaFreeHost(track->word);
    cudaFree(track->ended);
    free(track);
}

enum status watch_track_post(struct watch_track *track, void *stream)
{
    unsigned number = ++track->posted;
    track->note[number % WATCH_NOTES] = (struct watch_note){track->label, trace_layer()};
    return TRACE(TRACE_MARK, "watch", -1,
                 cuda_watch_write(stream, track->word, track->ended, number));
}

bool watch_track_moved(struct watch_track *track)
{
    unsigned now = ((volatile unsigned *)track->word)[1];
    bool moved = now != track->seen;
    track->seen = now;
    return moved;
}

static int describe(const struct watch_note *note, char *text, size_t size)
{
    if (note->layer < 0)
        return snprintf(text, size, "%s", note->label ? note->label : "nothing");
    return snprintf(text, size, "layer %d, %s", note->layer, note->label ? note->label : "?");
}

void watch_track_describe(const struct watch_track *track, char text[WATCH_TEXT])
{
    char after[WATCH_TEXT / 2];
    unsigned last = *(volatile unsigned *)track->word;
    bool again = last == track->posted; /* the last one captured: a graph begins anew */
    if (last == 0)
        snprintf(after, sizeof after, "nothing");
    else
        describe(&track->note[last % WATCH_NOTES], after, sizeof after);
    if (again) {
        snprintf(text, WATCH_TEXT, "what follows %s", after);
        return;
    }
    int n = describe(&track->note[(last + 1) % WATCH_NOTES], text, WATCH_TEXT);
    if (n < WATCH_TEXT)
        snprintf(text + n, (size_t)(WATCH_TEXT - n), " (after %s)", after);
}
