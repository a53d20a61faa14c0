/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as kernels.csv or breakdown.csv of a profile: refused with a place, or numbers that can
 * be compared. */
#include "harness/profile/profile_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *path, enum status st)
{
    BUG_ON(st != ST_OK && strncmp(status_message(), path, strlen(path)) != 0,
           "refused without a place: %s", status_message());
}

static void use_kernels(const struct profile_side *side)
{
    for (int i = 0; i < side->kernels; i++) {
        const struct profile_kernel *k = &side->kernel[i];
        BUG_ON(!*k->name || !(k->total >= 0) || isinf(k->total), "a kernel '%s' of %g ns", k->name,
               k->total);
        BUG_ON(i > 0 && strcmp(k[-1].range, k->range) > 0, "not by range");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct profile_side kernels = {.steps = 1}, shares = {.steps = 1};
    int fd = memfd_create("kernels", 0);
    BUG_ON(fd < 0 || write(fd, data, size) != (ssize_t)size, "no file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status st = profile_side_kernels(path, &kernels);
    check(path, st);
    if (st == ST_OK)
        use_kernels(&kernels);
    st = profile_side_breakdown(path, &shares);
    check(path, st);
    BUG_ON(st == ST_OK && (shares.ranks < 1 || isinf(shares.mean[0])), "%d ranks", shares.ranks);
    profile_side_release(&kernels);
    profile_side_release(&shares);
    close(fd);
    return 0;
}
