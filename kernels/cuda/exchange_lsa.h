/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows and sums between the GPUs of one host by one kernel, over NCCL's device interface: tokens
 * for heads and back (kernels/comm/exchange.h), keys for one peer or for all (kernels/comm/push.h),
 * sums of all (kernels/comm/sum.h). Permutes are in it, and no copy goes before or after. Not a
 * transport: the NCCL one offers it where it fits. Read by both compilers.
 *
 * Wide tensors lie in windows that every rank maps. Each rank writes its rows into those of its
 * peers, or reads out of them. All ranks meet at the kernel's begin (the peers' earlier
 * kernels are through with their wide tensors) and at its end (all is read and written): block by
 * block, in words that each rank writes into its peers' memory. Whoever waits there looks whether
 * it was told to stop. All exchanges of one communicator go through one queue.
 *
 * Windows are registered in the first exchange that needs them, which all ranks enter together; it
 * must not be captured.
 */
#ifndef KERNELS_CUDA_EXCHANGE_LSA_H
#define KERNELS_CUDA_EXCHANGE_LSA_H

#include "kernels/cuda/launch.h"

#ifdef __cplusplus
extern "C" {
#endif

struct exchange_lsa; /* of one communicator */

/* Whether ranks with this choice (see there) must ask each other. */
bool exchange_lsa_wanted(const char *choice);

/* choice: "lsa", "auto", or "nccl" and NULL for messages. *out NULL: messages. nccl_comm:
 * ncclComm_t, borrowed, of `ranks` ranks. Talks to no other rank: whether all of them have one is
 * for the caller to ask. ST_UNSUPPORTED: "lsa" is asked for, and cannot be had; "auto" is messages
 * there. */
enum status exchange_lsa_open(const char *choice, void *nccl_comm, int ranks,
                              struct exchange_lsa **out);

/* Kernels that wait for a peer leave, with their rows unmoved; also those launched from now on. Any
 * thread. */
void exchange_lsa_stop(struct exchange_lsa *lsa);

/* Before the communicator goes. broken: it failed, and is no longer asked for anything. */
void exchange_lsa_close(struct exchange_lsa *lsa, bool broken);

/* Some rank cannot, as all know: *lsa is closed, and NULL. Where "lsa" was asked for, it stays;
 * with windows here, ST_UNSUPPORTED. *lsa may be NULL. */
enum status exchange_lsa_give_up(struct exchange_lsa **lsa);

/* Memory of a window, the same number of bytes on all ranks in the same order; *owner is for
 * exchange_lsa_free, before or after the close, no exchange under way. The ranks do not all see
 * each other's memory: ST_UNSUPPORTED where "lsa" was asked for, else *out NULL. ST_OOM. */
enum status exchange_lsa_alloc(struct exchange_lsa *lsa, size_t bytes, void **out, void **owner);
void exchange_lsa_free(void *owner);

/* Whether this rank could: it has a window. lsa may be NULL. */
bool exchange_lsa_can(const struct exchange_lsa *lsa);

/* Collective: registers the windows so far. *ready false: NCCL gives none here. */
enum status exchange_lsa_prepare(struct exchange_lsa *lsa, struct queue *q, bool *ready);

/* n tensors of equal shapes: narrow [B, rows, *, D], any strides but for the last two axes, and
 * wide [B, W, h, D], dense, whose rows from first_row on are meant, in the windows of `peers` ranks
 * from first_peer on (modulo all). Each of them has h heads of narrow's, the first rank the first
 * ones; or, where narrow has h heads alone (`same`), all of them. */
struct exchange_lsa_move {
    bool out; /* narrow to wide; else wide to narrow */
    bool same;
    int n;
    const struct tensor *narrow, *wide; /* [n] */
    int first_row, first_peer, peers;
};

/* False, on all ranks alike: some wide tensor lies in no window, strides differ between the
 * tensors, or there is too much of them. */
bool exchange_lsa_takes(const struct exchange_lsa *lsa, const struct exchange_lsa_move *move);
enum status exchange_lsa_run(struct exchange_lsa *lsa, const struct exchange_lsa_move *move,
                             struct queue *q);

/* out := sum over ranks of part, in fp32 and rank by rank, rounded once; both dense, of one dtype
 * and count on all ranks, and as far from a multiple of sixteen bytes. Of more than two ranks each
 * first sums one share, and part is lost. */
bool exchange_lsa_adds(const struct exchange_lsa *lsa, const struct tensor *part);
enum status exchange_lsa_sum(struct exchange_lsa *lsa, const struct tensor *out,
                             const struct tensor *part, struct queue *q);

/* ---- the kernels, for exchange_lsa.c ---- */

enum { EXCHANGE_LSA_TENSORS = 3, EXCHANGE_LSA_RANKS = 72, EXCHANGE_LSA_BLOCKS = 64 };

/* Who meets, and where. */
struct exchange_lsa_ranks {
    int ranks, rank;
    void *meeting;        /* ncclWindow_t of EXCHANGE_LSA_MEETING bytes, zeros at first */
    unsigned *met;        /* the same here */
    const unsigned *stop; /* pinned host memory: not 0, whoever waits leaves */
};

/* Of each block: a word that each rank writes, then the number of the last meeting. */
#define EXCHANGE_LSA_MEETING (EXCHANGE_LSA_BLOCKS * (EXCHANGE_LSA_RANKS + 1) * sizeof(unsigned))

struct exchange_lsa_place {
    void *window;   /* ncclWindow_t */
    int64_t offset; /* bytes */
};

/* exchange_rows.cu. Lengths and strides in bytes. */
struct exchange_lsa_rows {
    struct exchange_lsa_ranks all;
    bool out, same;
    int tensors, first_peer, peers;
    int64_t lanes, rows, first_row, all_rows;
    int64_t segment; /* one row of a wide tensor */
    int64_t lane_stride, row_stride;
    char *narrow[EXCHANGE_LSA_TENSORS];
    struct exchange_lsa_place wide[EXCHANGE_LSA_TENSORS];
};

/* exchange_sum.cu: of `count` elements. */
struct exchange_lsa_sum_job {
    struct exchange_lsa_ranks all;
    struct exchange_lsa_place part;
    void *out;
    int64_t count;
    enum dtype dtype;
};

/* The version of NCCL whose device interface was compiled in; 0: none. Its structures change with
 * the version. */
int exchange_lsa_version(void);

/* Ranks that see each other's memory, by `team`: ncclTeamLsa. */
int exchange_lsa_team(void *team, void *nccl_comm);

enum status exchange_lsa_launch_rows(const struct cuda_target *at,
                                     const struct exchange_lsa_rows *job);
enum status exchange_lsa_launch_sum(const struct cuda_target *at,
                                    const struct exchange_lsa_sum_job *job);

#ifdef __cplusplus
}
#endif
#endif
