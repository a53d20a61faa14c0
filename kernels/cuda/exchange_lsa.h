/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange of tokens for heads as one kernel between the GPUs of one host, over NCCL's device
 * interface: the permute is in it, and no copy goes before or after. Not a transport: the NCCL one
 * offers it where it fits. Read by both compilers.
 *
 * Wide tensors (kernels/comm/exchange.h) lie in windows that every rank maps. Way to heads: each
 * rank writes its rows into the peers' wide tensors. Way to tokens: each rank reads its rows out of
 * them. A barrier of all ranks stands at the kernel's begin (the peers' earlier kernels are through
 * with their wide tensors) and one at its end (all is read and written). All exchanges of one
 * communicator go through one queue. NCCL 2.28's barriers look for no abort: where a peer is gone
 * the kernel waits until its process ends, which is the launcher's business.
 *
 * Windows and the device communicator are made in the first exchange that needs them, which all
 * ranks enter together; it must not be captured.
 */
#ifndef KERNELS_CUDA_EXCHANGE_LSA_H
#define KERNELS_CUDA_EXCHANGE_LSA_H

#include "kernels/cuda/launch.h"

#ifdef __cplusplus
extern "C" {
#endif

struct exchange_lsa; /* of one communicator */

/* choice: "lsa", or "nccl", "auto", NULL for messages. *out NULL: messages. nccl_comm: ncclComm_t,
 * borrowed, of `ranks` ranks. The answer is the same on all ranks. ST_UNSUPPORTED: "lsa" is asked
 * for, and the library that is loaded cannot. Talks to no other rank. */
enum status exchange_lsa_open(const char *choice, void *nccl_comm, int ranks,
                              struct exchange_lsa **out);

/* Before the communicator goes. broken: it failed, and is no longer asked for anything. */
void exchange_lsa_close(struct exchange_lsa *lsa, bool broken);

/* Memory of a window, the same number of bytes on all ranks in the same order; *owner is for
 * exchange_lsa_free, before or after the close, no exchange under way. ST_UNSUPPORTED: the ranks do
 * not all see each other's memory. ST_OOM. */
enum status exchange_lsa_alloc(struct exchange_lsa *lsa, size_t bytes, void **out, void **owner);
void exchange_lsa_free(void *owner);

/* narrow [B, n, P*h, D], wide [B, W, h, D], n_tensors of each, of equal shapes; my rows are those
 * from first_row of W. *taken false: some wide tensor lies in no window, or strides differ
 * between the tensors, and nothing was done. */
enum status exchange_lsa_run(struct exchange_lsa *lsa, bool to_heads, int n_tensors,
                             const struct tensor *narrow, const struct tensor *wide, int first_row,
                             struct queue *q, bool *taken);

/* ---- exchange_rows.cu, for exchange_lsa.c ---- */

enum { EXCHANGE_LSA_TENSORS = 3, EXCHANGE_LSA_RANKS = 72, EXCHANGE_LSA_BLOCKS = 64 };

/* Lengths and strides in bytes. */
struct exchange_lsa_job {
    bool to_heads;
    int tensors, ranks, rank;
    int64_t lanes, rows, first_row, all_rows;
    int64_t segment; /* one row with one rank's heads */
    int64_t lane_stride, row_stride;
    char *narrow[EXCHANGE_LSA_TENSORS];
    void *window[EXCHANGE_LSA_TENSORS]; /* ncclWindow_t */
    int64_t offset[EXCHANGE_LSA_TENSORS];
};

/* The version of NCCL whose device interface was compiled in; 0: none. Its structures change with
 * the version. */
int exchange_lsa_version(void);

/* Ranks that see each other's memory, by `team`: ncclTeamLsa. */
int exchange_lsa_team(void *team, void *nccl_comm);

/* create: ncclDevCommCreate. Collective. The result is its ncclResult_t; *device: from malloc,
 * holds the device communicator. */
int exchange_lsa_device(void *create, void *nccl_comm, void **device);

enum status exchange_lsa_launch(const struct cuda_target *at, const struct exchange_lsa_job *job,
                                const void *device);

#ifdef __cplusplus
}
#endif
#endif
