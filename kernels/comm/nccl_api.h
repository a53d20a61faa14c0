/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NCCL's functions, found at run time, so that one binary runs with and without the library. For
 * the NCCL transport only.
 */
#ifndef KERNELS_COMM_NCCL_API_H
#define KERNELS_COMM_NCCL_API_H

#include "kernels/base/status.h"

#include <nccl.h>

struct nccl_api {
    ncclResult_t (*get_version)(int *version);
    ncclResult_t (*get_unique_id)(ncclUniqueId *id);
    ncclResult_t (*init_rank)(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank,
                              ncclConfig_t *config);
    ncclResult_t (*split)(ncclComm_t comm, int color, int key, ncclComm_t *out,
                          ncclConfig_t *config);
    ncclResult_t (*destroy)(ncclComm_t comm);
    ncclResult_t (*abort)(ncclComm_t comm);
    ncclResult_t (*async_error)(ncclComm_t comm, ncclResult_t *error);
    const char *(*error_string)(ncclResult_t result);
    const char *(*last_error)(ncclComm_t comm);
    ncclResult_t (*group_start)(void);
    ncclResult_t (*group_end)(void);
    ncclResult_t (*send)(const void *data, size_t count, ncclDataType_t type, int peer,
                         ncclComm_t comm, cudaStream_t stream);
    ncclResult_t (*recv)(void *data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                         cudaStream_t stream);
    ncclResult_t (*all_reduce)(const void *in, void *out, size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream);
    ncclResult_t (*all_gather)(const void *in, void *out, size_t count, ncclDataType_t type,
                               ncclComm_t comm, cudaStream_t stream);
};

/* ST_UNSUPPORTED: no libnccl.so.2 is found, or it lacks a function. NVLink multicast is switched
 * off in this process first. The library stays open. */
enum status nccl_api_open(struct nccl_api *out);

/* A result as a status: ST_COMM (ST_OOM where its last error says so) with the call, NCCL's words
 * for it and, of a communicator (NULL: none), its last error. */
enum status nccl_check(const struct nccl_api *api, ncclComm_t comm, ncclResult_t result,
                       const char *call);

#endif
