/* SPDX-License-Identifier: Apache-2.0 */
/* Host memory that can fail: the linker takes every call of calloc and malloc in this program here
 * (--wrap). */
#include "kernels/base/status.h"
#include "tests/nccl/fake_cuda.h"
#include "tests/nccl/fake_wire.h"

void *__real_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);

static bool fails(void)
{
    static int calls;
    return wire_faults() && wire_strikes(&wire_faults()->allocation, &calls);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *fake_alloc(size_t bytes)
{
    void *p = __real_calloc(1, bytes);
    BUG_ON(!p, "no %zu bytes", bytes);
    return p;
}
