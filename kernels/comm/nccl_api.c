/* SPDX-License-Identifier: Apache-2.0 */
/* Finds NCCL's functions. Calls one only to put errors into words. */
#include "kernels/comm/nccl_api.h"

#include "kernels/cuda/library.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char library_name[] = "libnccl.so.2";

enum status nccl_api_open(struct nccl_api *out)
{
    const struct {
        const char *function;
        void *to;
    } wanted[] = {
        {"ncclGetVersion", &out->get_version},
        {"ncclGetUniqueId", &out->get_unique_id},
        {"ncclCommInitRankConfig", &out->init_rank},
        {"ncclCommSplit", &out->split},
        {"ncclCommDestroy", &out->destroy},
        {"ncclCommAbort", &out->abort},
        {"ncclCommGetAsyncError", &out->async_error},
        {"ncclGetErrorString", &out->error_string},
        {"ncclGetLastError", &out->last_error},
        {"ncclGroupStart", &out->group_start},
        {"ncclGroupEnd", &out->group_end},
        {"ncclSend", &out->send},
        {"ncclRecv", &out->recv},
        {"ncclAllReduce", &out->all_reduce},
        {"ncclAllGather", &out->all_gather},
    };
    void *library;
    setenv("NCCL_NVLS_ENABLE", "0", 1); /* on shared servers multicast can take GPUs down */
    TRY(cuda_library_open(library_name, &library));
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        TRY(cuda_library_find(library, library_name, wanted[i].function, wanted[i].to));
    return ST_OK;
}

enum status nccl_check(const struct nccl_api *api, ncclComm_t comm, ncclResult_t result,
                       const char *call)
{
    if (result == ncclSuccess)
        return ST_OK;
    const char *last = api->last_error(comm);
    bool full = last && strstr(last, "out of memory"); /* the GPU's: NCCL has no code for it */
    return fail(full ? ST_OOM : ST_COMM, "%s: %s%s%s; NCCL_DEBUG=WARN tells more", call,
                api->error_string(result), last && last[0] ? ": " : "",
                last && last[0] ? last : "");
}
