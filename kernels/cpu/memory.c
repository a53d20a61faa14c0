/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc, the control groups and setrlimit leave us, and an allocator that heeds it. */
#include "kernels/cpu/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older ones say EINVAL, which is fine */
#endif

enum {
    SMALL_BYTES = 1 << 20, /* below this, neither asked for nor populated */
    HUGE_PAGE = 2 << 20,
    ALIGN = 256,
};

/* The number behind `key` at the start of a line; UINT64_MAX where there is none, as for "max". */
static uint64_t read_number(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT64_MAX;
    char line[256];
    unsigned long long number;
    uint64_t found = UINT64_MAX;
    size_t length = strlen(key);
    while (found == UINT64_MAX && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, length) == 0 && sscanf(line + length, " %llu", &number) == 1)
            found = number;
    }
    fclose(file);
    return found;
}

/* File names of the two generations of control groups. */
struct group_files {
    const char *mount, *limit, *usage, *reclaimable;
};

static const struct group_files version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                             "memory.usage_in_bytes", "total_inactive_file "};
static const struct group_files version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                             "inactive_file "};

static uint64_t group_number(const struct group_files *files, const char *group, const char *name,
                             const char *key)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s%s/%s", files->mount, group, name);
    return read_number(path, key);
}

/* The least that the group and those around it leave; a container may see its own as the root. */
static uint64_t group_available(const struct group_files *files, char *group)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t limit = group_number(files, group, files->limit, "");
        uint64_t usage = group_number(files, group, files->usage, "");
        if (limit != UINT64_MAX && usage != UINT64_MAX) {
            uint64_t cache = group_number(files, group, "memory.stat", files->reclaimable);
            uint64_t kept = cache != UINT64_MAX && cache < usage ? usage - cache : usage;
            uint64_t left = limit > kept ? limit - kept : 0;
            least = left < least ? left : least;
        }
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Lines of /proc/self/cgroup are "number:controllers:/group"; version 2 names no controllers. */
static uint64_t groups_available(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return UINT64_MAX;
    uint64_t least = UINT64_MAX;
    char line[768];
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        uint64_t left = UINT64_MAX;
        if (strcmp(controllers + 1, "") == 0)
            left = group_available(&version_2, group);
        else if (strcmp(controllers + 1, "memory") == 0)
            left = group_available(&version_1, group);
        least = left < least ? left : least;
    }
    fclose(file);
    return least;
}

/* The matrix product maps a buffer for each thread that calls it, and tries for ever where it
 * cannot. */
#define THREAD_SPACE (UINT64_C(224) << 20)

static uint64_t limit_available(int threads)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    uint64_t pages = read_number("/proc/self/statm", "");
    uint64_t used = pages == UINT64_MAX ? 0 : pages * (uint64_t)sysconf(_SC_PAGESIZE);
    used += THREAD_SPACE * (uint64_t)threads;
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

size_t memory_available(int threads)
{
    uint64_t kib = read_number("/proc/meminfo", "MemAvailable:");
    uint64_t least = kib == UINT64_MAX ? UINT64_MAX : kib * 1024;
    uint64_t groups = groups_available();
    uint64_t limit = limit_available(threads);
    least = groups < least ? groups : least;
    least = limit < least ? limit : least;
    return least < SIZE_MAX ? (size_t)least : SIZE_MAX;
}

/*
 * Large blocks get huge pages where the system has them (the matrix product walks weights in
 * strides of many pages), and all their pages now: what is handed out is there, and no page fault
 * falls into a timed loop.
 */
enum status memory_alloc(size_t bytes, void **out)
{
    bool large = bytes >= SMALL_BYTES;
    size_t available = large ? memory_available(0) : SIZE_MAX;
    if (bytes > available)
        return fail(ST_OOM, "%zu bytes of host memory: %zu are available", bytes, available);
    bool huge = bytes >= HUGE_PAGE;
    void *p = NULL;
    int error = posix_memalign(&p, huge ? HUGE_PAGE : ALIGN, bytes > 0 ? bytes : 1);
    if (error)
        return fail(ST_OOM, "%zu bytes of host memory: posix_memalign: %s", bytes, strerror(error));
    if (huge) {
        madvise(p, bytes, MADV_HUGEPAGE);
        if (madvise(p, bytes, MADV_POPULATE_WRITE) != 0 && errno == ENOMEM) {
            free(p);
            return fail(ST_OOM, "%zu bytes of host memory: madvise: %s", bytes, strerror(ENOMEM));
        }
    }
    *out = p;
    return ST_OK;
}

void memory_release(void *p)
{
    free(p);
}
