/* SPDX-License-Identifier: Apache-2.0 */
/* A trial file in the folder of a later one. */
#include "harness/base/writable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status writable_file(const char *path)
{
    char trial[PATH_MAX];
    struct stat info;
    if (path[0] == '\0')
        return fail(ST_INVALID, "the name of the output file is empty");
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return fail(ST_INVALID, "%s: is no regular file; the output replaces what is there", path);
    int n = snprintf(trial, sizeof trial, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof trial)
        return fail(ST_INVALID, "the name of the output file has %zu characters", strlen(path));
    int fd = mkostemp(trial, O_CLOEXEC);
    if (fd < 0)
        return fail(ST_IO, "%s: cannot be written: %s", path, strerror(errno));
    close(fd);
    unlink(trial);
    return ST_OK;
}
