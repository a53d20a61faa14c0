/* SPDX-License-Identifier: Apache-2.0 */
/* Host memory: the process limit is heeded, large blocks are there at once. */
#include "kernels/cpu/memory.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 }; /* they reserve more address space than any limit */
#else
enum { SANITIZED = 0 };
#endif

Test(memory, process_limit)
{
    if (SANITIZED)
        cr_skip_test("SKIP: a sanitizer's address space is not limited");
    size_t before = memory_available(0);
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (rlim_t)1 << 32;
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    size_t after = memory_available(0);
    cr_assert_leq(after, before);
    cr_assert_lt(after, (size_t)1 << 32);

    void *p = NULL;
    cr_assert_eq(memory_alloc((size_t)1 << 32, &p), ST_OOM);
    cr_assert_not_null(strstr(status_message(), "4294967296 bytes"), "%s", status_message());
    cr_assert_null(p);
}

Test(memory, blocks)
{
    static const size_t sizes[] = {0, 1, 255, 4096, (1 << 20) + 1, (5 << 20) + 3};
    for (int i = 0; i < 6; i++) {
        unsigned char *p;
        cr_assert_eq(memory_alloc(sizes[i], (void **)&p), ST_OK, "%s", status_message());
        cr_assert_eq((uintptr_t)p % 256, 0);
        if (sizes[i] > 0)
            memset(p, 1, sizes[i]);
        memory_release(p);
    }
    memory_release(NULL);
}
