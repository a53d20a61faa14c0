/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: what is listed, and that every table is filled. */
#include "kernels/backend.h"

#include <criterion/criterion.h>
#include <string.h>

Test(backend, registry)
{
    cr_assert_null(backend_find("abacus"));
    cr_assert_null(backend_at(-1));
    int n = 0;
    for (; backend_at(n); n++) {
        cr_assert_eq(backend_find(backend_at(n)->name), backend_at(n), "the name %s twice",
                     backend_at(n)->name);
        cr_assert_gt(strlen(backend_at(n)->summary), 0);
        /* Every slot up to those of graphs is mandatory: function pointers from `supports` on. */
        void *const *slot = (void *const *)(const void *)&backend_at(n)->supports;
        void *const *end = (void *const *)(const void *)&backend_at(n)->graph_begin;
        for (; slot < end; slot++)
            cr_assert_not_null(*slot);
    }
    cr_assert_gt(n, 0);
    cr_assert_not_null(backend_find("cpu"));
}

Test(backend, cpu_computes_in_fp32)
{
    const struct backend_ops *cpu = backend_find("cpu");
    cr_assert(cpu->supports(DTYPE_F32));
    cr_assert_not(cpu->supports(DTYPE_BF16));
    cr_assert_not(cpu->supports(DTYPE_F16));
}
