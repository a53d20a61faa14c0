/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and the choice behind exchange_lsa.h. The library is the one
 * that the transport has loaded. */
#include "kernels/cuda/exchange_lsa.h"

#include "kernels/base/clock.h"
#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What nccl.h calls them; it need not be there. */
enum { NCCL_SUCCESS = 0, NCCL_IN_PROGRESS = 7, WIN_COLL_SYMMETRIC = 1, WIN_ALIGNMENT = 4096 };
enum { SETTLE_S = 60 };

static const char NO_WINDOW[] =
    "exchange of rows over lsa: ncclCommWindowRegister gave no window on some rank "
    "(NCCL_CUMEM_ENABLE=0?); --exchange nccl does without";

struct library {
    int (*version)(int *version);
    const char *(*error)(int result);
    const char *(*last_error)(void *comm);
    int (*async_error)(void *comm, int *result);
    int (*user_rank)(void *comm, int *rank);
    int (*mem_alloc)(void **out, size_t bytes);
    int (*mem_free)(void *p);
    int (*window_register)(void *comm, void *memory, size_t bytes, void **window, int flags);
    int (*window_deregister)(void *comm, void *window);
    void *team; /* its type is exchange_rows.cu's */
};

/* Memory that peers map. */
struct window {
    struct exchange_lsa *lsa; /* NULL: closed before */
    struct window *next;
    char *memory;
    size_t bytes;
    void *handle; /* ncclWindow_t; NULL: not registered so far */
    int (*mem_free)(void *p);
    bool lost; /* peers or a kernel may have it still: it is the process' until its end */
};

struct exchange_lsa {
    struct library nccl;
    void *comm; /* ncclComm_t */
    int ranks, rank;
    bool asked;             /* for, and not chosen */
    struct window *meeting; /* zeros at first; NULL: no window was asked for so far */
    struct window *windows; /* oldest first: registered in the same order on all ranks */
    unsigned *stop;         /* pinned */
};

/* ---- the library ---- */

static bool library_find(struct library *nccl)
{
    void *handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_NOLOAD);
    const struct {
        const char *name;
        void *to;
    } symbol[] = {
        {"ncclGetVersion", &nccl->version},
        {"ncclGetErrorString", &nccl->error},
        {"ncclGetLastError", &nccl->last_error},
        {"ncclCommGetAsyncError", &nccl->async_error},
        {"ncclCommUserRank", &nccl->user_rank},
        {"ncclMemAlloc", &nccl->mem_alloc},
        {"ncclMemFree", &nccl->mem_free},
        {"ncclCommWindowRegister", &nccl->window_register},
        {"ncclCommWindowDeregister", &nccl->window_deregister},
        {"ncclTeamLsa", &nccl->team},
    };
    bool all = handle != NULL;
    for (size_t i = 0; i < sizeof symbol / sizeof symbol[0] && all; i++) {
        void *found = dlsym(handle, symbol[i].name);
        memcpy(symbol[i].to, &found, sizeof found);
        all = found != NULL;
    }
    if (handle)
        dlclose(handle); /* the transport keeps it */
    return all;
}

/* A communicator that does not block answers "in progress": waits until it is through. */
static int settled(const struct exchange_lsa *lsa, int result)
{
    const struct timespec nap = {.tv_nsec = 100000};
    double end = clock_seconds() + SETTLE_S;
    while (result == NCCL_IN_PROGRESS && clock_seconds() < end) {
        int now = NCCL_SUCCESS;
        nanosleep(&nap, NULL);
        int asked = lsa->nccl.async_error(lsa->comm, &now);
        result = asked != NCCL_SUCCESS ? asked : now;
    }
    return result;
}

static enum status check(const struct exchange_lsa *lsa, int result, const char *call)
{
    result = settled(lsa, result);
    if (result == NCCL_SUCCESS)
        return ST_OK;
    return fail(ST_COMM, "exchange of rows over lsa: %s: %s (%d): %s; --exchange nccl does without",
                call, lsa->nccl.error(result), result, lsa->nccl.last_error(lsa->comm));
}

/* ---- the choice ---- */

/* The one place where it is made. Between two H200 the kernel was faster at every shape that was
 * tried (results/README.md, "What is chosen for the user"); more ranks were not. */
bool exchange_lsa_wanted(const char *choice)
{
    return choice && strcmp(choice, "nccl") != 0;
}

/* A refusal, where it was asked for; else messages. */
static enum status refused(bool asked, enum status st)
{
    return st == ST_UNSUPPORTED && !asked ? ST_OK : st;
}

static enum status check_library(const struct exchange_lsa *lsa)
{
    int compiled = exchange_lsa_version();
    int loaded = 0;
    lsa->nccl.version(&loaded);
    if (compiled != loaded)
        return fail(ST_UNSUPPORTED,
                    "--exchange lsa: compiled with NCCL %d%s, and %d is loaded; the device "
                    "interface wants the same one: use --exchange nccl",
                    compiled, compiled ? "" : " (none that has it)", loaded);
    return ST_OK;
}

/* Asked where the first window is wanted: communicators that exchange nothing may span hosts. */
static enum status check_team(const struct exchange_lsa *lsa)
{
    int team = exchange_lsa_team(lsa->nccl.team, lsa->comm);
    if (team != lsa->ranks || lsa->ranks > EXCHANGE_LSA_RANKS)
        return fail(ST_UNSUPPORTED,
                    "--exchange lsa: %d of the %d ranks share a memory (at most %d may); use "
                    "--exchange nccl",
                    team, lsa->ranks, EXCHANGE_LSA_RANKS);
    return ST_OK;
}

static enum status start(struct exchange_lsa *lsa)
{
    if (!library_find(&lsa->nccl))
        return fail(ST_UNSUPPORTED, "--exchange lsa: the NCCL that is loaded has no device "
                                    "interface; use --exchange nccl");
    TRY(check_library(lsa));
    TRY(check(lsa, lsa->nccl.user_rank(lsa->comm, &lsa->rank), "ncclCommUserRank"));
    TRY(CU(cudaHostAlloc((void **)&lsa->stop, sizeof *lsa->stop,
                         cudaHostAllocMapped | cudaHostAllocPortable)));
    *lsa->stop = 0;
    return ST_OK;
}

enum status exchange_lsa_open(const char *choice, void *nccl_comm, int ranks,
                              struct exchange_lsa **out)
{
    *out = NULL;
    if (!exchange_lsa_wanted(choice) || ranks == 1)
        return ST_OK;
    struct exchange_lsa *lsa = calloc(1, sizeof *lsa);
    if (!lsa)
        return fail(ST_OOM, "exchange of rows: no host memory");
    lsa->comm = nccl_comm;
    lsa->ranks = ranks;
    lsa->asked = strcmp(choice, "lsa") == 0;
    enum status st = start(lsa);
    if (st == ST_OK) {
        *out = lsa;
        return ST_OK;
    }
    bool asked = lsa->asked;
    free(lsa);
    return refused(asked, st);
}

bool exchange_lsa_can(const struct exchange_lsa *lsa)
{
    return lsa && lsa->meeting;
}

void exchange_lsa_stop(struct exchange_lsa *lsa)
{
    *(volatile unsigned *)lsa->stop = 1;
}

/* ---- windows ---- */

static enum status window_open(struct exchange_lsa *lsa, size_t bytes, struct window **out)
{
    struct window *window = calloc(1, sizeof *window);
    void *memory = NULL;
    size_t size = (bytes / WIN_ALIGNMENT + 1) * WIN_ALIGNMENT;
    if (!window)
        return fail(ST_OOM, "exchange of rows: no host memory");
    int result = lsa->nccl.mem_alloc(&memory, size);
    if (result != NCCL_SUCCESS) {
        free(window);
        return fail(ST_OOM, "exchange of rows: ncclMemAlloc of %zu bytes: %s", size,
                    lsa->nccl.error(result));
    }
    *window = (struct window){
        .lsa = lsa, .memory = memory, .bytes = size, .mem_free = lsa->nccl.mem_free};
    struct window **end = &lsa->windows;
    while (*end)
        end = &(*end)->next;
    *end = window;
    *out = window;
    return ST_OK;
}

enum status exchange_lsa_alloc(struct exchange_lsa *lsa, size_t bytes, void **out, void **owner)
{
    struct window *window;
    *out = NULL;
    enum status st = check_team(lsa);
    if (st != ST_OK)
        return refused(lsa->asked, st);
    if (!lsa->meeting) { /* zeros before a peer can see it */
        TRY(window_open(lsa, EXCHANGE_LSA_MEETING, &lsa->meeting));
        TRY(CU(cudaMemset(lsa->meeting->memory, 0, lsa->meeting->bytes)));
        TRY(CU(cudaStreamSynchronize(NULL))); // the one of cudaMemset
    }
    TRY(window_open(lsa, bytes, &window));
    *out = window->memory;
    *owner = window;
    return ST_OK;
}

static void take_out(struct exchange_lsa *lsa, const struct window *window)
{
    struct window **at = &lsa->windows;
    while (*at != window)
        at = &(*at)->next;
    *at = window->next;
}

void exchange_lsa_free(void *owner)
{
    struct window *window = owner;
    struct exchange_lsa *lsa = window->lsa;
    bool stopped = lsa && *lsa->stop; /* the communicator goes, and a kernel may be here still */
    if (lsa && window->handle && !stopped)
        settled(lsa, lsa->nccl.window_deregister(lsa->comm, window->handle));
    if (lsa)
        take_out(lsa, window);
    if (!stopped && !window->lost)
        window->mem_free(window->memory);
    free(window);
}

void exchange_lsa_close(struct exchange_lsa *lsa, bool broken)
{
    if (!lsa)
        return;
    for (struct window *w = lsa->windows; w; w = w->next) {
        if (w->handle && !broken)
            settled(lsa, lsa->nccl.window_deregister(lsa->comm, w->handle));
        w->handle = NULL;
        w->lsa = NULL;
        w->lost = broken;
    }
    if (!broken) { /* else a kernel may look at them still */
        if (lsa->meeting)
            exchange_lsa_free(lsa->meeting);
        cudaFreeHost(lsa->stop);
    }
    free(lsa);
}

enum status exchange_lsa_give_up(struct exchange_lsa **lsa)
{
    if (!*lsa)
        return ST_OK;
    if (!(*lsa)->asked) {
        exchange_lsa_close(*lsa, false);
        *lsa = NULL;
        return ST_OK;
    }
    return exchange_lsa_can(*lsa) ? fail(ST_UNSUPPORTED, "%s", NO_WINDOW) : ST_OK;
}

/* ---- an exchange ---- */

static struct window *window_of(const struct exchange_lsa *lsa, const struct tensor *t)
{
    const char *data = t->data;
    struct window *w = lsa->windows;
    while (w && (data < w->memory || data >= w->memory + w->bytes))
        w = w->next;
    return w;
}

static bool registered(const struct exchange_lsa *lsa)
{
    for (const struct window *w = lsa->windows; w; w = w->next)
        if (!w->handle)
            return false;
    return true;
}

/* Something is missing on every rank or on none, as all allocate alike. */
enum status exchange_lsa_prepare(struct exchange_lsa *lsa, struct queue *q, bool *ready)
{
    *ready = registered(lsa);
    if (*ready)
        return ST_OK;
    BUG_ON(cuda_capturing(q), "the first exchange of rows over lsa is captured");
    TRY(queue_sync(q)); /* the calls below may wait for the device */
    for (struct window *w = lsa->windows; w; w = w->next)
        if (!w->handle)
            TRY(check(lsa,
                      lsa->nccl.window_register(lsa->comm, w->memory, w->bytes, &w->handle,
                                                WIN_COLL_SYMMETRIC),
                      "ncclCommWindowRegister"));
    *ready = registered(lsa);
    return ST_OK;
}

/* Bytes of a load, as far as shapes tell. */
static int64_t unit_of(const struct exchange_lsa_move *move)
{
    const struct tensor *narrow = move->narrow, *wide = move->wide;
    int64_t all = wide->dim[2] * wide->dim[3] | narrow->stride[0] | narrow->stride[1];
    all *= (int64_t)dtype_size(wide->dtype);
    return all % 16 == 0 ? 16 : 2;
}

bool exchange_lsa_takes(const struct exchange_lsa *lsa, const struct exchange_lsa_move *move)
{
    int64_t unit = unit_of(move);
    for (int i = 0; i < move->n; i++) {
        const struct window *w = window_of(lsa, &move->wide[i]);
        if (!w || move->narrow[i].stride[0] != move->narrow->stride[0] ||
            move->narrow[i].stride[1] != move->narrow->stride[1])
            return false;
        /* loads that the kernel counts, by what all ranks know */
        if ((int64_t)w->bytes / unit * move->n * move->peers > INT32_MAX)
            return false;
    }
    return true;
}

/* The windows are there, and who meets. */
static enum status ready(struct exchange_lsa *lsa, struct queue *q, struct exchange_lsa_ranks *all)
{
    bool ready;
    TRY(exchange_lsa_prepare(lsa, q, &ready));
    if (!ready)
        return fail(ST_COMM, "%s", NO_WINDOW);
    *all = (struct exchange_lsa_ranks){
        .ranks = lsa->ranks,
        .rank = lsa->rank,
        .meeting = lsa->meeting->handle,
        .met = (unsigned *)lsa->meeting->memory,
        .stop = lsa->stop,
    };
    return ST_OK;
}

static struct exchange_lsa_place place_of(const struct exchange_lsa *lsa, const struct tensor *t)
{
    const struct window *w = window_of(lsa, t);
    return (struct exchange_lsa_place){w->handle, (char *)t->data - w->memory};
}

enum status exchange_lsa_run(struct exchange_lsa *lsa, const struct exchange_lsa_move *move,
                             struct queue *q)
{
    const struct tensor *narrow = move->narrow, *wide = move->wide;
    int64_t size = (int64_t)dtype_size(wide->dtype);
    struct exchange_lsa_rows job = {
        .out = move->out,
        .same = move->same,
        .tensors = move->n,
        .first_peer = move->first_peer,
        .peers = move->peers,
        .lanes = wide->dim[0],
        .rows = narrow->dim[1],
        .first_row = move->first_row,
        .all_rows = wide->dim[1],
        .segment = wide->dim[2] * wide->dim[3] * size,
        .lane_stride = narrow->stride[0] * size,
        .row_stride = narrow->stride[1] * size,
    };
    TRY(ready(lsa, q, &job.all));
    for (int i = 0; i < move->n; i++) {
        job.narrow[i] = narrow[i].data;
        job.wide[i] = place_of(lsa, &wide[i]);
    }
    struct cuda_target at = cuda_target(q);
    return exchange_lsa_launch_rows(&at, &job);
}

/* ---- a sum ---- */

bool exchange_lsa_adds(const struct exchange_lsa *lsa, const struct tensor *part)
{
    return window_of(lsa, part) && tensor_count(part) <= INT32_MAX;
}

enum status exchange_lsa_sum(struct exchange_lsa *lsa, const struct tensor *out,
                             const struct tensor *part, struct queue *q)
{
    struct exchange_lsa_sum_job job = {
        .out = out->data, .count = tensor_count(out), .dtype = out->dtype};
    TRY(ready(lsa, q, &job.all));
    job.part = place_of(lsa, part);
    struct cuda_target at = cuda_target(q);
    return exchange_lsa_launch_sum(&at, &job);
}
