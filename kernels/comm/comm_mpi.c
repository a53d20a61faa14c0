/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport between processes under mpirun, on one host or several; tensors in host memory only.
 * The one file that includes mpi.h.
 *
 * MPI is told to return errors instead of ending the process. Waits poll for a moment, as messages
 * often are about to come, and then sleep in growing naps: ranks may exceed cores, and a rank that
 * spins takes the time of one that works.
 */
#include "kernels/comm/comm_mpi.h"

#include "kernels/backend.h"
#include "kernels/base/clock.h"
#include "kernels/comm/comm_private.h"
#include "kernels/comm/rendezvous.h"

#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_RANK_FAILED = 5 };  /* the program's exit status when a rank failed */
enum { PIECE_BYTES = 1 << 30 }; /* MPI counts in int; longer messages go in pieces of this size */
enum { LONGEST_NAP_NS = 100000 };
static const double poll_s = 50e-6; /* before the first nap */

/* One rank's end of a communicator. */
struct endpoint {
    MPI_Comm comm;
    double timeout_s;
    bool broken; /* a wait failed: what is left is only taken back */
    struct post *posts;
    struct post *free;
};

struct post {
    struct post *older; /* the endpoint's list of all its posts */
    struct post *next;  /* in the list of free ones */
    struct endpoint *owner;
    MPI_Request request; /* MPI_REQUEST_NULL: free */
    bool sends;
    int peer;
    size_t bytes;
};

/* A call's return code as a status: ST_COMM with the call and MPI's own text, ST_OOM where MPI is
 * out of memory. */
#define MPI(call) status_of((call), #call)

static enum status status_of(int code, const char *call)
{
    if (code == MPI_SUCCESS)
        return ST_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    int class = MPI_ERR_OTHER;
    MPI_Error_string(code, text, &length);
    MPI_Error_class(code, &class);
    return fail(class == MPI_ERR_NO_MEM ? ST_OOM : ST_COMM, "%s: %s", call, text);
}

enum status comm_mpi_start(int *argc, char ***argv, int *rank, int *size)
{
    int running;
    int level;
    TRY(MPI(MPI_Initialized(&running)));
    if (!running)
        TRY(MPI(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level)));
    TRY(MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN)));
    TRY(MPI(MPI_Comm_rank(MPI_COMM_WORLD, rank)));
    return MPI(MPI_Comm_size(MPI_COMM_WORLD, size));
}

enum status comm_mpi_broadcast(void *value, size_t size)
{
    int running;
    TRY(MPI(MPI_Initialized(&running)));
    if (!running)
        return fail(ST_INVALID, "ranks have neither a folder to meet in nor mpirun");
    return MPI(MPI_Bcast(value, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD));
}

void comm_mpi_finish(void)
{
    int running;
    int ended;
    MPI_Initialized(&running);
    MPI_Finalized(&ended);
    if (running && !ended)
        MPI_Finalize();
}

/* ---- waiting ---- */

/* Until the request is complete; *late when that took longer than allowed. */
static enum status poll_request(const struct endpoint *end, MPI_Request *request, MPI_Status *got,
                                bool *late)
{
    int done;
    *late = false;
    TRY(MPI(MPI_Test(request, &done, got)));
    double begin = done ? 0 : clock_seconds();
    struct timespec nap = {.tv_nsec = 1000};
    while (!done) {
        double waited = clock_seconds() - begin;
        if (end->timeout_s > 0 && waited > end->timeout_s) {
            *late = true;
            return ST_OK;
        }
        if (waited > poll_s) {
            nanosleep(&nap, NULL);
            nap.tv_nsec = nap.tv_nsec < LONGEST_NAP_NS / 2 ? 2 * nap.tv_nsec : LONGEST_NAP_NS;
        }
        TRY(MPI(MPI_Test(request, &done, got)));
    }
    return ST_OK;
}

/* ---- messages ---- */

/* `bytes` as a count of a type: of bytes where an int can say it, else one of a type made for this
 * message, which the caller frees once the message is posted. */
static enum status message_type(size_t bytes, int *count, MPI_Datatype *type)
{
    if (bytes <= PIECE_BYTES) {
        *count = (int)bytes;
        *type = MPI_BYTE;
        return ST_OK;
    }
    MPI_Datatype piece;
    TRY(MPI(MPI_Type_contiguous(PIECE_BYTES, MPI_BYTE, &piece)));
    size_t pieces = bytes / PIECE_BYTES;
    int length[2] = {(int)pieces, (int)(bytes % PIECE_BYTES)};
    MPI_Aint place[2] = {0, (MPI_Aint)(pieces * PIECE_BYTES)};
    MPI_Datatype part[2] = {piece, MPI_BYTE};
    *count = 1;
    TRY(MPI(MPI_Type_create_struct(2, length, place, part, type)));
    TRY(MPI(MPI_Type_commit(type)));
    return MPI(MPI_Type_free(&piece));
}

static enum status post_take(struct endpoint *end, struct post **out)
{
    struct post *post = end->free;
    if (post) {
        end->free = post->next;
        *out = post;
        return ST_OK;
    }
    post = calloc(1, sizeof(*post));
    if (!post)
        return fail(ST_OOM, "no memory for a message");
    post->owner = end;
    post->request = MPI_REQUEST_NULL;
    post->older = end->posts;
    end->posts = post;
    *out = post;
    return ST_OK;
}

static void post_give_back(struct post *post)
{
    post->next = post->owner->free;
    post->owner->free = post;
}

/* Messages of a pair of ranks match in order, so that one tag is enough. */
static enum status post_start(struct post *post, void *data)
{
    MPI_Comm comm = post->owner->comm;
    int count;
    MPI_Datatype type;
    TRY(message_type(post->bytes, &count, &type));
    if (post->sends)
        TRY(MPI(MPI_Isend(data, count, type, post->peer, 0, comm, &post->request)));
    else
        TRY(MPI(MPI_Irecv(data, count, type, post->peer, 0, comm, &post->request)));
    return type == MPI_BYTE ? ST_OK : MPI(MPI_Type_free(&type));
}

static enum status post_message(struct endpoint *end, bool sends, int peer, const struct tensor *t,
                                void **handle)
{
    struct post *post = NULL;
    TRY(post_take(end, &post));
    post->sends = sends;
    post->peer = peer;
    post->bytes = tensor_bytes(t);
    enum status st = post_start(post, t->data);
    if (st != ST_OK) {
        post_give_back(post);
        return st;
    }
    *handle = post;
    return ST_OK;
}

static enum status mpi_send(void *comm, int peer, const struct tensor *t, struct queue *q,
                            void **handle)
{
    (void)q; /* a CPU queue is never behind the host */
    return post_message(comm, true, peer, t, handle);
}

static enum status mpi_recv(void *comm, int peer, const struct tensor *t, struct queue *q,
                            void **handle)
{
    (void)q;
    return post_message(comm, false, peer, t, handle);
}

/* Lets go of a message that may never complete. Its memory stays MPI's, so the process has to end
 * soon after. */
static void post_abandon(struct post *post)
{
    if (post->request == MPI_REQUEST_NULL)
        return;
    if (!post->sends)
        MPI_Cancel(&post->request);
    MPI_Request_free(&post->request);
}

static enum status post_finish(struct post *post)
{
    struct endpoint *end = post->owner;
    const char *what = post->sends ? "to" : "from";
    MPI_Status got;
    bool late;
    if (end->broken)
        return fail(ST_COMM, "the message %s rank %d was taken back after an earlier failure", what,
                    post->peer);
    enum status st = poll_request(end, &post->request, &got, &late);
    if (st != ST_OK)
        return fail_prefix(st, "message %s rank %d", what, post->peer);
    if (late)
        return fail(ST_TIMEOUT,
                    "the message %s rank %d did not come about within %g s; look at what that rank "
                    "does, or allow more with --timeout",
                    what, post->peer, end->timeout_s);
    if (post->sends)
        return ST_OK;
    MPI_Count bytes;
    TRY(MPI(MPI_Get_elements_x(&got, MPI_BYTE, &bytes)));
    BUG_ON((size_t)bytes != post->bytes, "a message of %lld bytes from rank %d, %zu expected",
           (long long)bytes, post->peer, post->bytes);
    return ST_OK;
}

static enum status mpi_wait(void *handle, struct queue *q)
{
    (void)q;
    struct post *post = handle;
    enum status st = post_finish(post);
    if (st != ST_OK) {
        post->owner->broken = true;
        post_abandon(post);
    }
    post_give_back(post);
    return st;
}

/* ---- life ---- */

static enum status endpoint_open(MPI_Comm comm, double timeout_s, void **out)
{
    struct endpoint *end = calloc(1, sizeof(*end));
    if (!end)
        return fail(ST_OOM, "no memory for an MPI communicator");
    end->comm = comm;
    end->timeout_s = timeout_s;
    *out = end;
    return ST_OK;
}

static enum status mpi_open(const struct rendezvous *where, struct device *dev, void **world)
{
    int running;
    int rank;
    int size;
    TRY(MPI(MPI_Initialized(&running)));
    if (!running)
        return fail(ST_INVALID, "mpirun did not start this process; start it as "
                                "`mpirun -n RANKS ditbench ...`, or take --transport local");
    if (dev && !backend_on_host(dev->ops))
        return fail(ST_UNSUPPORTED, "sends host memory only, not that of backend %s",
                    dev->ops->name);
    TRY(MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank)));
    TRY(MPI(MPI_Comm_size(MPI_COMM_WORLD, &size)));
    BUG_ON(rank != where->rank || size != where->size, "rank %d of %d, MPI says %d of %d",
           where->rank, where->size, rank, size);
    return endpoint_open(MPI_COMM_WORLD, where->timeout_s, world);
}

static enum status mpi_split(void *comm, int color, int key, enum comm_use use, void **out,
                             int *rank, int *size)
{
    (void)use;
    struct endpoint *end = comm;
    MPI_Comm part;
    TRY(MPI(MPI_Comm_split(end->comm, color, key, &part)));
    TRY(MPI(MPI_Comm_rank(part, rank)));
    TRY(MPI(MPI_Comm_size(part, size)));
    return endpoint_open(part, end->timeout_s, out);
}

/* A communicator that failed is left to MPI_Abort or the end of the process, since freeing it asks
 * all its ranks. */
static void mpi_close(void *comm)
{
    struct endpoint *end = comm;
    while (end->posts) {
        struct post *post = end->posts;
        end->posts = post->older;
        post_abandon(post);
        free(post);
    }
    if (end->comm != MPI_COMM_WORLD && !end->broken)
        MPI_Comm_free(&end->comm);
    free(end);
}

static enum status mpi_host_gather(void *comm, const void *mine, size_t size, void *all)
{
    struct endpoint *end = comm;
    MPI_Request request;
    MPI_Status got;
    bool late;
    if (size > INT_MAX)
        return fail(ST_INVALID, "a host gather of %zu bytes; MPI takes up to %d", size, INT_MAX);
    int n = (int)size;
    if (n > 0)
        TRY(MPI(MPI_Iallgather(mine, n, MPI_BYTE, all, n, MPI_BYTE, end->comm, &request)));
    else
        TRY(MPI(MPI_Ibarrier(end->comm, &request)));
    TRY(poll_request(end, &request, &got, &late));
    if (late) {
        end->broken = true;
        return fail(ST_TIMEOUT,
                    "not all ranks met within %g s; look at what the others do, or "
                    "allow more with --timeout",
                    end->timeout_s);
    }
    return ST_OK;
}

static void mpi_abort(void *comm)
{
    (void)comm;
    if (status_message()[0]) /* the process ends here, and its message with it */
        fprintf(stderr, "ditbench: %s\n", status_message());
    MPI_Abort(MPI_COMM_WORLD, EXIT_RANK_FAILED);
}

const struct comm_ops comm_mpi_ops = {
    .name = "mpi",
    .summary = "ranks are processes under mpirun, on one host or several",
    .open = mpi_open,
    .split = mpi_split,
    .close = mpi_close,
    .send = mpi_send,
    .recv = mpi_recv,
    .wait = mpi_wait,
    .host_gather = mpi_host_gather,
    .abort = mpi_abort,
};
