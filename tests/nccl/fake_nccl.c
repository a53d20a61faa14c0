/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of NCCL that the transport calls. A group is one piece of work of its stream, whose
 * messages go on side by side, but in order between two ranks. What NCCL does between hosts (a
 * communicator's begin, a split) is a meeting that fails where a rank is gone.
 *
 * Communicators are kept when they are given back, to complain of their use.
 */
#include "tests/nccl/fake_nccl.h"
#include "kernels/base/clock.h"
#include "kernels/base/status.h"
#include "kernels/cuda/library.h"
#include "tests/nccl/fake_cuda.h"
#include "tests/nccl/fake_wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GROUP = 64, PATIENCE_S = 8 };
#define LEAVING_S 0.03 /* from an abort until the kernels are gone */

/* Posts of a group on one communicator; the work of its stream. */
struct posts {
    struct ncclComm *comm;
    cudaStream_t stream;
    int n;
    struct wire_half half[GROUP];
    float *sum; /* NULL: none; [count] in and out, [size][count] of all ranks */
    float *part;
    size_t count;
};

/* Of one thread: what is posted between the outermost start and end. */
static _Thread_local struct group {
    int depth, n;
    ncclResult_t error;
    struct posts *posts[GROUP];
} group;

static char last_error[200];

int fake_groups_open(void)
{
    return group.depth;
}

static ncclResult_t failed(ncclResult_t result, const char *why)
{
    snprintf(last_error, sizeof last_error, "%s", why);
    return result;
}

ncclResult_t fake_nccl_lost(void)
{
    return failed(ncclRemoteError, "socketProgress: Connection closed by remote peer");
}

void fake_nccl_check_use(const struct ncclComm *comm, const char *call)
{
    if (atomic_load(&comm->ended))
        fake_complain("%s on communicator %d, which was given back", call, comm->id);
}

static struct ncclComm *comm_made(int id, int rank, int size)
{
    struct ncclComm *comm = fake_alloc(sizeof *comm);
    comm->id = id;
    comm->rank = rank;
    comm->size = size;
    fake_cuda_count(1);
    return comm;
}

/* ---- work ---- */

/* An earlier message the same way, to or from the same rank, is still to come. */
static bool behind_another(const struct posts *p, int i)
{
    for (int j = 0; j < i; j++)
        if (!p->half[j].done && p->half[j].sends == p->half[i].sends &&
            p->half[j].peer == p->half[i].peer)
            return true;
    return false;
}

static void sum_up(const struct posts *p)
{
    int me = p->comm->rank;
    memcpy(p->part + (size_t)me * p->count, p->sum, p->count * sizeof(float));
    for (size_t i = 0; i < p->count; i++) {
        p->sum[i] = p->part[i];
        for (int r = 1; r < p->comm->size; r++)
            p->sum[i] += p->part[(size_t)r * p->count + i];
    }
}

/* As the kernels of NCCL, it leaves without a word where its communicator was given up. */
static bool exchange(void *arg)
{
    struct posts *p = arg;
    bool all = true;
    bool left = atomic_load(&p->comm->left);
    for (int i = 0; i < p->n && !left; i++) {
        if (!p->half[i].done && !behind_another(p, i))
            wire_step(p->comm->id, p->comm->rank, &p->half[i]);
        all &= p->half[i].done;
    }
    if (left ? clock_seconds() < p->comm->left_s + LEAVING_S : !all)
        return false;
    if (p->sum && all && !left)
        sum_up(p);
    free(p->part);
    atomic_fetch_sub(&p->comm->under_way, 1);
    return true;
}

/* ---- groups ---- */

/* nccl.h declares them without a prototype. */
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);

ncclResult_t ncclGroupStart(void)
{
    if (group.depth++ == 0) {
        group.n = 0;
        group.error = ncclSuccess;
    }
    return ncclSuccess;
}

/* Nothing of a group is put on its streams where a post failed. */
ncclResult_t ncclGroupEnd(void)
{
    if (group.depth == 0) {
        fake_complain("ncclGroupEnd without a start");
        return failed(ncclInvalidUsage, "no group is open");
    }
    if (--group.depth > 0)
        return ncclSuccess;
    for (int i = 0; i < group.n; i++) {
        struct posts *p = group.posts[i];
        if (group.error == ncclSuccess) {
            atomic_fetch_add(&p->comm->under_way, 1);
            fake_cuda_put(p->stream, exchange, p);
        } else {
            free(p->part);
            free(p);
        }
    }
    return group.error;
}

/* The posts of the open group on a communicator. */
static struct posts *posts_of(struct ncclComm *comm, cudaStream_t stream)
{
    for (int i = 0; i < group.n; i++)
        if (group.posts[i]->comm == comm && group.posts[i]->stream == stream)
            return group.posts[i];
    BUG_ON(group.n == GROUP, "a group on over %d communicators", GROUP);
    struct posts *p = fake_alloc(sizeof *p);
    p->comm = comm;
    p->stream = stream;
    group.posts[group.n++] = p;
    return p;
}

static void post(struct posts *p, bool sends, enum wire_kind kind, int peer, void *data,
                 size_t bytes)
{
    BUG_ON(p->n == GROUP, "over %d messages in a group", GROUP);
    p->half[p->n++] = (struct wire_half){sends, kind, peer, data, bytes, false, false};
}

static size_t size_of(ncclDataType_t type)
{
    return type == ncclInt8 ? 1 : type == ncclFloat32 ? 4 : 2;
}

ncclResult_t ncclSend(const void *data, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream)
{
    static int calls;
    fake_nccl_check_use(comm, "ncclSend");
    if (type != ncclInt8 && wire_strikes(&wire_faults()->send, &calls))
        return group.error = failed(ncclInternalError, "no proxy for the message");
    ncclGroupStart();
    post(posts_of(comm, stream), true, WIRE_MESSAGE, peer, (void *)data, count * size_of(type));
    return ncclGroupEnd();
}

ncclResult_t ncclRecv(void *data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream)
{
    fake_nccl_check_use(comm, "ncclRecv");
    ncclGroupStart();
    post(posts_of(comm, stream), false, WIRE_MESSAGE, peer, data, count * size_of(type));
    return ncclGroupEnd();
}

static void post_all(struct posts *p, enum wire_kind kind, const void *mine, char *all,
                     size_t bytes)
{
    for (int r = 0; r < p->comm->size; r++) {
        if (r == p->comm->rank)
            continue;
        post(p, false, kind, r, all + (size_t)r * bytes, bytes);
        post(p, true, kind, r, (void *)mine, bytes);
    }
}

/* In place, as the transport does. */
ncclResult_t ncclAllGather(const void *in, void *out, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream)
{
    size_t bytes = count * size_of(type);
    fake_nccl_check_use(comm, "ncclAllGather");
    BUG_ON(in != (const char *)out + (size_t)comm->rank * bytes, "a gather that is not in place");
    ncclGroupStart();
    post_all(posts_of(comm, stream), WIRE_GATHER, in, out, bytes);
    return ncclGroupEnd();
}

ncclResult_t ncclAllReduce(const void *in, void *out, size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)
{
    fake_nccl_check_use(comm, "ncclAllReduce");
    BUG_ON(in != out || type != ncclFloat32 || op != ncclSum, "a sum that is not of floats");
    ncclGroupStart();
    struct posts *p = posts_of(comm, stream);
    BUG_ON(p->sum, "two sums in a group");
    p->part = fake_alloc((size_t)comm->size * count * sizeof(float));
    p->sum = out;
    p->count = count;
    post_all(p, WIRE_SUM, in, (char *)p->part, count * sizeof(float));
    return ncclGroupEnd();
}

/* ---- communicators ---- */

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    int comm = wire_new();
    memset(id, 0, sizeof *id);
    memcpy(id->internal, &comm, sizeof comm);
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *out, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t *config)
{
    int comm;
    atomic_bool left = false;
    struct wire_child child;
    struct wire_vote vote = {.key = rank};
    (void)config;
    memcpy(&comm, id.internal, sizeof comm);
    wire_world(comm, ranks);
    if (!wire_meet(comm, rank, 0, &vote, &left, &child))
        return fake_nccl_lost();
    *out = comm_made(child.id, child.rank, child.size);
    return ncclSuccess;
}

ncclResult_t ncclCommSplit(ncclComm_t parent, int color, int key, ncclComm_t *out,
                           ncclConfig_t *config)
{
    static int calls;
    struct wire_child child;
    struct wire_vote vote = {color, key, wire_strikes(&wire_faults()->split, &calls)};
    (void)config;
    fake_nccl_check_use(parent, "ncclCommSplit");
    if (atomic_load(&parent->under_way) > 0)
        fake_complain("ncclCommSplit on communicator %d with messages under way", parent->id);
    if (!wire_meet(parent->id, parent->rank, parent->splits++, &vote, &parent->left, &child))
        return fake_nccl_lost();
    if (vote.fails)
        return failed(ncclUnhandledCudaError, "Cuda failure 2 'out of memory'");
    if (child.broken)
        return fake_nccl_lost();
    *out = comm_made(child.id, child.rank, child.size);
    return ncclSuccess;
}

static bool await_all_left(const struct ncclComm *comm)
{
    double end = clock_seconds() + PATIENCE_S;
    while (!wire_all_left(comm->id) && clock_seconds() < end)
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    return wire_all_left(comm->id);
}

/* Waits until all ranks of a host have called it or are gone (NCCL's user guide, communicators). */
ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    fake_nccl_check_use(comm, "ncclCommDestroy");
    atomic_store(&comm->ended, true);
    wire_leave(comm->id, comm->rank, false);
    if (!await_all_left(comm))
        fake_complain("ncclCommDestroy of communicator %d waits for ranks that never come",
                      comm->id);
    fake_cuda_count(-1);
    return ncclSuccess;
}

/* Each rank that is left must call it (there): it waits as long, once its own kernels were told. */
ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    double wait = wire_faults()->abort_s;
    if (atomic_exchange(&comm->ended, true))
        fake_complain("ncclCommAbort on communicator %d, which was given back", comm->id);
    comm->left_s = clock_seconds();
    atomic_store(&comm->left, true);
    wire_leave(comm->id, comm->rank, true);
    nanosleep(&(struct timespec){(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)}, NULL);
    await_all_left(comm);
    return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *out)
{
    fake_nccl_check_use(comm, "ncclCommGetAsyncError");
    *out = wire_faults()->loss_is_told && wire_lost(comm->id) ? fake_nccl_lost() : ncclSuccess;
    return ncclSuccess;
}

/* ---- the library ---- */

ncclResult_t ncclGetVersion(int *version)
{
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
    return result == ncclUnhandledCudaError ? "unhandled cuda error"
           : result == ncclRemoteError      ? "remote process exited or there was a network error"
                                            : "internal error";
}

const char *ncclGetLastError(ncclComm_t comm)
{
    (void)comm;
    return last_error;
}

/* In the place of kernels/cuda/library.c: this program has the functions itself. */
enum status cuda_library_open(const char *name, void **out)
{
    static int library;
    *out = &library;
    return strcmp(name, "libnccl.so.2") == 0 ? ST_OK : fail(ST_UNSUPPORTED, "%s: no such", name);
}

typedef void (*function)(void);

enum status cuda_library_find(void *library, const char *name, const char *wanted, void *out)
{
#define ENTRY(f)                                                                                   \
    {                                                                                              \
#f, (function)f                                                                            \
    }
    static const struct {
        const char *name;
        function at;
    } all[] = {
        ENTRY(ncclGetVersion),     ENTRY(ncclGetUniqueId),       ENTRY(ncclCommInitRankConfig),
        ENTRY(ncclCommSplit),      ENTRY(ncclCommDestroy),       ENTRY(ncclCommAbort),
        ENTRY(ncclGetErrorString), ENTRY(ncclCommGetAsyncError), ENTRY(ncclGetLastError),
        ENTRY(ncclGroupStart),     ENTRY(ncclGroupEnd),          ENTRY(ncclSend),
        ENTRY(ncclRecv),           ENTRY(ncclAllReduce),         ENTRY(ncclAllGather)};
    (void)library;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i].name, wanted) == 0) {
            memcpy(out, &all[i].at, sizeof all[i].at);
            return ST_OK;
        }
    }
    return fail(ST_UNSUPPORTED, "%s: no %s", name, wanted);
}
