/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor maps by the driver's own function, which is asked for at run time: nothing links with it.
 */
#include "kernels/cuda/tensor_map.h"

#include "kernels/cuda/launch.h"

#include <cuda_runtime_api.h>
#include <string.h>

typedef __typeof__(cuTensorMapEncodeTiled) encode_fn;

static enum status find_encoder(encode_fn **out)
{
    static _Thread_local encode_fn *known;
    if (!known) {
        void *address = NULL;
        enum cudaDriverEntryPointQueryResult found;
        TRY(cuda_check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &address, 12000,
                                                        cudaEnableDefault, &found),
                       "cudaGetDriverEntryPointByVersion(cuTensorMapEncodeTiled)"));
        if (found != cudaDriverEntryPointSuccess || !address)
            return fail(ST_DEVICE, "the driver has no cuTensorMapEncodeTiled (CUDA 12.0)");
        memcpy(&known, &address, sizeof(known)); // ISO C has no cast from object to function
    }
    *out = known;
    return ST_OK;
}

enum status cuda_tensor_map(const struct cuda_boxes *b, CUtensorMap *out)
{
    encode_fn *encode = NULL;
    cuuint64_t dim[4], stride[3];
    cuuint32_t box[4], step[4] = {1, 1, 1, 1};
    int64_t size = (int64_t)dtype_size(b->dtype);
    CUtensorMapSwizzle swizzle = b->box[0] == 64   ? CU_TENSOR_MAP_SWIZZLE_128B
                                 : b->box[0] == 32 ? CU_TENSOR_MAP_SWIZZLE_64B
                                                   : CU_TENSOR_MAP_SWIZZLE_32B;
    TRY(find_encoder(&encode));
    for (int i = 0; i < 4; i++) {
        dim[i] = (cuuint64_t)b->dim[i];
        box[i] = (cuuint32_t)b->box[i];
        if (i > 0) // an axis of one index may have any stride here, but not there
            stride[i - 1] = b->dim[i] > 1 ? (cuuint64_t)(b->stride[i - 1] * size) : 16;
    }
    CUtensorMapDataType type =
        b->dtype == DTYPE_BF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    CUresult code =
        encode(out, type, 4, (void *)b->data, dim, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
               swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (code != CUDA_SUCCESS)
        return fail(
            ST_DEVICE,
            "cuTensorMapEncodeTiled: error %d; axes [%lld, %lld, %lld, %lld], strides %lld, "
            "%lld, %lld bytes, address %p",
            (int)code, (long long)dim[0], (long long)dim[1], (long long)dim[2], (long long)dim[3],
            (long long)stride[0], (long long)stride[1], (long long)stride[2], b->data);
    return ST_OK;
}

enum status cuda_tensor_map_heads(const struct cuda_attention *a, const void *data,
                                  const int64_t *stride, int rows, int box, int columns,
                                  CUtensorMap *out)
{
    const struct cuda_boxes boxes = {
        .data = data,
        .dtype = a->dtype,
        .dim = {a->width, a->heads, rows, a->lanes},
        .stride = {stride[2], stride[1], stride[0]},
        .box = {columns, 1, box, 1},
    };
    return cuda_tensor_map(&boxes, out);
}
