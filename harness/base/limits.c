/* SPDX-License-Identifier: Apache-2.0 */
/* What setrlimit leaves us. */
#include "harness/base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
    LEAST_STACK = 512 << 10, /* bytes, of the first thread; others have stacks of their own size */
    LEAST_FILES = 16,
};

static enum status check_stack(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= LEAST_STACK)
        return ST_OK;
    return fail(ST_INVALID,
                "the limit on the stack is %llu KiB and this program needs %d; raise it: ulimit -s "
                "8192",
                (unsigned long long)limit.rlim_cur >> 10, LEAST_STACK >> 10);
}

enum status limits_files(int needed, const char *who)
{
    struct rlimit limit;
    const rlim_t wanted = (rlim_t)needed;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return ST_OK;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == wanted)
        return ST_OK;
    return fail(ST_INVALID,
                "the limit on open files is %llu and %s needs %d; raise it: ulimit -n "
                "%d",
                (unsigned long long)limit.rlim_cur, who, needed, needed);
}

enum status limits_check(void)
{
    TRY(check_stack());
    return limits_files(LEAST_FILES, "this program");
}

char *limits_space(char text[LIMITS_TEXT])
{
    struct rlimit limit;
    text[0] = '\0';
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        snprintf(text, LIMITS_TEXT, " below ulimit -v %llu, the limit on address space",
                 (unsigned long long)limit.rlim_cur >> 10);
    return text;
}

const char *limits_hint(int error)
{
    return error == EAGAIN   ? "; see ulimit -u, the limit on processes and threads"
           : error == EMFILE ? "; see ulimit -n, the limit on open files"
           : error == ENFILE ? "; the system has no more open files"
           : error == ENOMEM ? "; see ulimit -v, the limit on address space, and free memory"
                             : "";
}
