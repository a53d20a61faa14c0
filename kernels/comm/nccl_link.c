/* SPDX-License-Identifier: Apache-2.0 */
/* How the host waits for GPUs and peers, and gathers its own bytes. Posts no tensor. */
#include "kernels/comm/nccl_link.h"

#include "kernels/base/clock.h"
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static enum status look_at_peers(const struct nccl_world *world)
{
    for (struct nccl_link *link = world->links; link; link = link->next) {
        ncclResult_t error = ncclSuccess;
        if (!link->comm)
            continue;
        TRY(NCCL(link, async_error(link->comm, &error)));
        if (error != ncclSuccess && error != ncclInProgress)
            return nccl_check(&world->api, link->comm, error, "a peer or the link to it");
    }
    return ST_OK;
}

/* Another thread may give up meanwhile, and with that go the communicators. */
static enum status peers_failed(struct nccl_world *world)
{
    atomic_fetch_add(&world->looks, 1);
    enum status st = atomic_load(&world->aborted) ? fail(ST_COMM, "not waited for: it was given up")
                                                  : look_at_peers(world);
    atomic_fetch_sub(&world->looks, 1);
    return st;
}

/* True when an operation of some communicator came to its end since the last look. */
static bool any_moved(const struct nccl_world *world)
{
    bool moved = false;
    for (struct nccl_link *link = world->links; link; link = link->next)
        moved |= link->track && watch_track_moved(link->track);
    return moved;
}

static enum status nothing_moves(const struct nccl_world *world)
{
    char text[600] = "";
    size_t used = 0;
    for (struct nccl_link *link = world->links; link; link = link->next) {
        char one[WATCH_TEXT];
        if (!link->track || link->track->posted == 0)
            continue;
        watch_track_describe(link->track, one);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "", one);
        if (used >= sizeof text)
            break;
    }
    return fail(ST_TIMEOUT,
                "%s: not through within %g s; look at what the other ranks do, or allow more with "
                "--timeout",
                text[0] ? text : "the first operation", world->timeout_s);
}

enum status nccl_link_wait(struct nccl_world *world, cudaStream_t stream, bool limited)
{
    struct timespec nap = {.tv_nsec = 20000};
    double moved = clock_seconds();
    double looked = moved;
    any_moved(world);
    for (;;) {
        cudaError_t state = cudaStreamQuery(stream);
        if (state != cudaErrorNotReady)
            return CU(state);
        nanosleep(&nap, NULL);
        if (nap.tv_nsec < 200000)
            nap.tv_nsec += 10000;
        double now = clock_seconds();
        if (now - looked < 0.01)
            continue;
        looked = now;
        TRY(peers_failed(world));
        if (any_moved(world))
            moved = now;
        else if (limited && world->timeout_s > 0 && now - moved > world->timeout_s)
            return nothing_moves(world);
    }
}

enum status nccl_link_room(struct nccl_link *link, size_t bytes)
{
    if (bytes <= link->room)
        return ST_OK;
    cudaFreeHost(link->host);
    cudaFree(link->device);
    link->host = link->device = NULL;
    link->room = 0;
    TRY(CU(cudaHostAlloc((void **)&link->host, bytes, cudaHostAllocDefault)));
    TRY(CU(cudaMalloc((void **)&link->device, bytes)));
    link->room = bytes;
    return ST_OK;
}

static enum status gather(struct nccl_link *link, const void *mine, size_t size, size_t part,
                          void *all)
{
    size_t own = (size_t)link->rank * part;
    size_t bytes = (size_t)link->size * part;
    TRY(nccl_link_room(link, bytes));
    link->host[own] = 0;
    if (size > 0)
        memcpy(link->host + own, mine, size);
    TRY(CU(cudaMemcpyAsync(link->device + own, link->host + own, part, cudaMemcpyHostToDevice,
                           link->stream)));
    TRY(NCCL(link, all_gather(link->device + own, link->device, part, ncclInt8, link->comm,
                              link->stream)));
    link->track->label = "host gather";
    TRY(watch_track_post(link->track, link->stream));
    TRY(CU(cudaMemcpyAsync(link->host, link->device, bytes, cudaMemcpyDeviceToHost, link->stream)));
    TRY(nccl_link_wait(link->world, link->stream, true));
    if (size > 0)
        memcpy(all, link->host, bytes);
    return ST_OK;
}

enum status nccl_link_gather(void *comm, const void *mine, size_t size, void *all)
{
    struct nccl_link *link = comm;
    size_t part = size > 0 ? size : 1; /* a barrier gathers a byte */
    if (link->world->aborted)
        return fail(ST_COMM, "a rank gave up before all met");
    if (!link->comm) {
        if (size > 0)
            memcpy(all, mine, size);
        return ST_OK;
    }
    enum status st = gather(link, mine, size, part, all);
    /* Peers would take this rank's next gather for this one, and the close would wait for what
     * waits on the stream. */
    if (st != ST_OK)
        nccl_abort_links(link->world);
    return st;
}
