/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of NCCL's device interface that kernels/cuda/exchange_lsa.c calls, and its kernels
 * (exchange_rows.cu, exchange_sum.cu) as one block. Windows lie in memory that was mapped before
 * the ranks were forked, so that a rank's address is good on all. Registering them is a meeting on
 * the host; giving them back is not.
 *
 * exchange_lsa.c asks the loaded library by dlsym: the linker takes those calls here (--wrap).
 */
#include "tests/nccl/fake_windows.h"

#include "kernels/base/clock.h"
#include "kernels/cuda/exchange_lsa.h"
#include "tests/nccl/fake_cuda.h"
#include "tests/nccl/fake_nccl.h"
#include "tests/nccl/fake_wire.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { PATIENCE_S = 6, COMMS = 96, WINDOWS = 16, HEAP = 1 << 20, ALIGNMENT = 4096 };
enum { SYMMETRIC = 1, OTHER_VERSION = 100 };

enum presence { NOT_YET, REGISTERED, GIVEN_BACK };

/* The nth of a communicator. */
struct window {
    int size; /* ranks */
    char *base[FAKE_RANKS];
    size_t bytes[FAKE_RANKS];
    atomic_int presence[FAKE_RANKS];
    atomic_int users[FAKE_RANKS]; /* launches of that rank that are under way */
};

static struct shared {
    struct window window[COMMS][WINDOWS];
    _Alignas(ALIGNMENT) char heap[FAKE_RANKS][HEAP];
} * shared;

/* Of this process: what is registered. */
static struct registration {
    struct ncclComm *comm;
    struct window *window;
} registered[COMMS];

void fake_windows_open(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    BUG_ON(shared == MAP_FAILED, "no %zu bytes to share", sizeof *shared);
}

void fake_windows_close(void)
{
    munmap(shared, sizeof *shared);
    shared = NULL;
}

static bool mine_in(unsigned ranks)
{
    return (ranks >> wire_me() & 1) != 0;
}

/* ---- memory ---- */

/* Full of what was there before. */
static int mem_alloc(void **out, size_t bytes)
{
    static int calls;
    static size_t used;
    if (wire_strikes(&wire_faults()->window_memory, &calls))
        return ncclUnhandledCudaError;
    BUG_ON(bytes > HEAP - used, "windows of over %d bytes", HEAP);
    *out = shared->heap[wire_me()] + used;
    used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)*out)[i] = (unsigned char)(i * i / 3 + 77 * (size_t)wire_me());
    fake_cuda_count(1);
    return ncclSuccess;
}

static int mem_free(void *p)
{
    fake_cuda_await_idle("ncclMemFree");
    for (int i = 0; i < COMMS; i++) {
        const struct registration *r = &registered[i];
        if (r->window && !atomic_load(&r->comm->ended) && r->window->base[r->comm->rank] == p)
            fake_complain("ncclMemFree of a window of communicator %d", r->comm->id);
    }
    fake_cuda_count(-1);
    return ncclSuccess;
}

/* ---- windows ---- */

/* False: a rank is gone, or does not come. */
static bool await_all(const struct ncclComm *comm, const struct window *w)
{
    double end = clock_seconds() + PATIENCE_S;
    for (int r = 0; r < comm->size; r++) {
        while (atomic_load(&w->presence[r]) == NOT_YET) {
            if (clock_seconds() > end)
                fake_complain("ncclCommWindowRegister on communicator %d waits for rank %d",
                              comm->id, r);
            if (clock_seconds() > end || atomic_load(&comm->left) || wire_lost(comm->id))
                return false;
            nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
        }
    }
    return true;
}

static void keep(struct ncclComm *comm, struct window *w)
{
    int i = 0;
    while (registered[i].window)
        i++;
    registered[i] = (struct registration){comm, w};
    fake_cuda_count(1);
}

static int window_register(void *of, void *memory, size_t bytes, void **out, int flags)
{
    struct ncclComm *comm = of;
    fake_nccl_check_use(comm, "ncclCommWindowRegister");
    BUG_ON(comm->windows == WINDOWS, "over %d windows", WINDOWS);
    struct window *w = &shared->window[comm->id][comm->windows++];
    *out = NULL;
    if (flags != SYMMETRIC || bytes % ALIGNMENT || (size_t)memory % ALIGNMENT)
        fake_complain("a window of %zu bytes with flags %d", bytes, flags);
    w->size = comm->size;
    w->base[comm->rank] = memory;
    w->bytes[comm->rank] = bytes;
    atomic_store(&w->presence[comm->rank], REGISTERED);
    if (!await_all(comm, w))
        return fake_nccl_lost();
    for (int r = 0; r < comm->size; r++)
        if (w->bytes[r] != bytes)
            fake_complain("window %d of communicator %d: %zu bytes, and rank %d has %zu",
                          comm->windows, comm->id, bytes, r, w->bytes[r]);
    if (mine_in(wire_faults()->no_window))
        return ncclSuccess;
    keep(comm, w);
    *out = w;
    return ncclSuccess;
}

static int window_deregister(void *of, void *window)
{
    struct ncclComm *comm = of;
    struct window *w = window;
    int i = 0;
    fake_nccl_check_use(comm, "ncclCommWindowDeregister");
    while (i < COMMS && registered[i].window != w)
        i++;
    if (i == COMMS || atomic_load(&w->users[comm->rank]) > 0) {
        fake_complain("ncclCommWindowDeregister: %s", i < COMMS ? "a kernel uses it" : "not there");
        return ncclInvalidArgument;
    }
    registered[i].window = NULL;
    atomic_store(&w->presence[comm->rank], GIVEN_BACK);
    fake_cuda_count(-1);
    return ncclSuccess;
}

static int user_rank(void *comm, int *rank)
{
    fake_nccl_check_use(comm, "ncclCommUserRank");
    *rank = ((struct ncclComm *)comm)->rank;
    return ncclSuccess;
}

/* ---- the library, as dlsym finds it ---- */

static void team_lsa(void) {}

static char library;

void *__real_dlopen(const char *name, int flags);
void *__real_dlsym(void *handle, const char *name);
int __real_dlclose(void *handle);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlsym(void *handle, const char *name);
int __wrap_dlclose(void *handle);

void *__wrap_dlopen(const char *name, int flags)
{
    return name && strcmp(name, "libnccl.so.2") == 0 ? &library : __real_dlopen(name, flags);
}

int __wrap_dlclose(void *handle)
{
    return handle == &library ? 0 : __real_dlclose(handle);
}

typedef void (*function)(void);

void *__wrap_dlsym(void *handle, const char *wanted)
{
    static const struct {
        const char *name;
        function at;
    } all[] = {
        {"ncclGetVersion", (function)ncclGetVersion},
        {"ncclGetErrorString", (function)ncclGetErrorString},
        {"ncclGetLastError", (function)ncclGetLastError},
        {"ncclCommGetAsyncError", (function)ncclCommGetAsyncError},
        {"ncclCommUserRank", (function)user_rank},
        {"ncclMemAlloc", (function)mem_alloc},
        {"ncclMemFree", (function)mem_free},
        {"ncclCommWindowRegister", (function)window_register},
        {"ncclCommWindowDeregister", (function)window_deregister},
        {"ncclTeamLsa", team_lsa},
    };
    void *found = NULL;
    if (handle != &library)
        return __real_dlsym(handle, wanted);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, wanted) == 0)
            memcpy(&found, &all[i].at, sizeof found);
    return found;
}

/* ---- in the place of the kernels ---- */

int exchange_lsa_version(void)
{
    return NCCL_VERSION_CODE - (mine_in(wire_faults()->other_version) ? OTHER_VERSION : 0);
}

int exchange_lsa_team(void *team, void *nccl_comm)
{
    const struct ncclComm *comm = nccl_comm;
    function asked;
    memcpy(&asked, &team, sizeof asked);
    BUG_ON(asked != team_lsa, "another function than ncclTeamLsa");
    return mine_in(wire_faults()->small_team) ? 1 : comm->size;
}

/* A launch: what it does between its meetings, whose words are those of block 0. */
struct kernel {
    union {
        struct exchange_lsa_rows rows;
        struct exchange_lsa_sum_job sum;
    } job;
    struct exchange_lsa_ranks all;
    int windows, stages;
    struct window *window[1 + EXCHANGE_LSA_TENSORS]; /* the meeting's, then the tensors' */
    void (*stage[2])(const struct kernel *k);
    unsigned number; /* of the meeting that it waits at */
    int met;         /* meetings that it came to */
};

static void use(const struct kernel *k, int change)
{
    for (int i = 0; i < k->windows; i++)
        atomic_fetch_add(&k->window[i]->users[k->all.rank], change);
}

static void arrive(struct kernel *k)
{
    k->number++;
    k->met++;
    for (int r = 0; r < k->all.ranks; r++)
        __atomic_store_n((unsigned *)k->window[0]->base[r] + k->all.rank, k->number,
                         __ATOMIC_RELEASE);
}

static bool all_arrived(const struct kernel *k)
{
    for (int r = 0; r < k->all.ranks; r++)
        if ((int)(__atomic_load_n(k->all.met + r, __ATOMIC_ACQUIRE) - k->number) < 0)
            return false;
    return true;
}

/* Where bytes of a rank's window begin; NULL: they lie outside, which is complained of. */
static char *bytes_of(const struct window *w, int rank, int64_t offset, int64_t bytes)
{
    if (offset >= 0 && (uint64_t)(offset + bytes) <= w->bytes[rank])
        return w->base[rank] + offset;
    fake_complain("bytes %lld to %lld lie outside the window of rank %d", (long long)offset,
                  (long long)(offset + bytes), rank);
    return NULL;
}

/* ---- rows ---- */

/* As `places` there, a segment at a time. */
static void move_row(const struct kernel *k, int tensor, int64_t lane, int64_t row)
{
    const struct exchange_lsa_rows *job = &k->job.rows;
    for (int p = 0; p < job->peers; p++) {
        int peer = p + job->first_peer;
        peer -= peer >= k->all.ranks ? k->all.ranks : 0;
        int64_t near =
            lane * job->lane_stride + row * job->row_stride + (job->same ? 0 : peer * job->segment);
        int64_t far = (lane * job->all_rows + job->first_row + row) * job->segment;
        char *narrow_at = job->narrow[tensor] + near;
        char *wide_at =
            bytes_of(k->window[1 + tensor], peer, job->wide[tensor].offset + far, job->segment);
        if (wide_at)
            memcpy(job->out ? wide_at : narrow_at, job->out ? narrow_at : wide_at,
                   (size_t)job->segment);
    }
}

static void move_all(const struct kernel *k)
{
    const struct exchange_lsa_rows *job = &k->job.rows;
    for (int i = 0; i < job->tensors; i++)
        for (int64_t lane = 0; lane < job->lanes; lane++)
            for (int64_t row = 0; row < job->rows; row++)
                move_row(k, i, lane, row);
}

/* ---- sums, of floats ---- */

static float *part_of(const struct kernel *k, int rank)
{
    const struct exchange_lsa_sum_job *job = &k->job.sum;
    BUG_ON(job->dtype != DTYPE_F32, "a sum of another dtype than fp32");
    return (float *)bytes_of(k->window[1], rank, job->part.offset,
                             job->count * (int64_t)sizeof(float));
}

/* As `share_of` there. */
static int64_t share_of(const struct kernel *k, int rank)
{
    int64_t grain = k->job.sum.count % 4 == 0 ? 4 : 1;
    return k->job.sum.count / grain * rank / k->all.ranks * grain;
}

static void add_share(const struct kernel *k)
{
    bool whole = k->all.ranks == 2;
    int64_t end = whole ? k->job.sum.count : share_of(k, k->all.rank + 1);
    for (int64_t i = whole ? 0 : share_of(k, k->all.rank); i < end; i++) {
        float sum = 0;
        for (int r = 0; r < k->all.ranks; r++)
            sum += part_of(k, r)[i];
        ((float *)k->job.sum.out)[i] = sum;
        if (!whole)
            part_of(k, k->all.rank)[i] = sum;
    }
}

static void copy_shares(const struct kernel *k)
{
    for (int r = 0; r < k->all.ranks; r++)
        for (int64_t i = share_of(k, r); i < share_of(k, r + 1); i++)
            ((float *)k->job.sum.out)[i] = part_of(k, r)[i];
}

/* ---- on the stream ---- */

static bool run(void *arg)
{
    struct kernel *k = arg;
    if (k->met == 0) {
        k->number = k->all.met[EXCHANGE_LSA_RANKS];
        arrive(k);
    }
    while (all_arrived(k) && k->met <= k->stages) {
        k->stage[k->met - 1](k);
        arrive(k);
    }
    if (all_arrived(k))
        k->all.met[EXCHANGE_LSA_RANKS] = k->number;
    else if (__atomic_load_n(k->all.stop, __ATOMIC_ACQUIRE) == 0)
        return false;
    use(k, -1);
    return true;
}

static void add_window(struct kernel *k, void *window)
{
    struct window *w = window;
    for (int r = 0; r < k->all.ranks; r++)
        if (atomic_load(&w->presence[r]) != REGISTERED)
            fake_complain("a kernel in a window that rank %d has not", r);
    BUG_ON(w->size != k->all.ranks, "a window of %d ranks, and not %d", w->size, k->all.ranks);
    k->window[k->windows++] = w;
}

static struct kernel *kernel_of(const struct exchange_lsa_ranks *all)
{
    struct kernel *k = fake_alloc(sizeof *k);
    k->all = *all;
    add_window(k, all->meeting);
    BUG_ON((char *)all->met != k->window[0]->base[all->rank], "another place to meet");
    return k;
}

enum status exchange_lsa_launch_rows(const struct cuda_target *at,
                                     const struct exchange_lsa_rows *job)
{
    struct kernel *k = kernel_of(&job->all);
    BUG_ON(job->tensors > EXCHANGE_LSA_TENSORS, "%d tensors", job->tensors);
    k->job.rows = *job;
    for (int i = 0; i < job->tensors; i++)
        add_window(k, job->wide[i].window);
    k->stage[k->stages++] = move_all;
    use(k, 1);
    fake_cuda_put(at->stream, run, k);
    return ST_OK;
}

enum status exchange_lsa_launch_sum(const struct cuda_target *at,
                                    const struct exchange_lsa_sum_job *job)
{
    struct kernel *k = kernel_of(&job->all);
    k->job.sum = *job;
    add_window(k, job->part.window);
    k->stage[k->stages++] = add_share;
    if (job->all.ranks > 2)
        k->stage[k->stages++] = copy_shares;
    use(k, 1);
    fake_cuda_put(at->stream, run, k);
    return ST_OK;
}
