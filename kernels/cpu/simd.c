/* SPDX-License-Identifier: Apache-2.0 */
/* The list of instruction sets and the choice among them; the loops are in simd_kernels.inc. */
#include "kernels/cpu/simd.h"

static const struct simd_ops *const all[] = {
#if defined(__x86_64__)
    &simd_avx512,
    &simd_avx2,
#endif
    &simd_portable,
};

const struct simd_ops *simd_at(int index)
{
    int n = (int)(sizeof(all) / sizeof(all[0]));
    return index >= 0 && index < n ? all[index] : NULL;
}

const struct simd_ops *simd_best(void)
{
    int i = 0;
    while (!all[i]->usable())
        i++;
    return all[i];
}
