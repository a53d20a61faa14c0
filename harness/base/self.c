/* SPDX-License-Identifier: Apache-2.0 */
/* The file and the version of this program. Starts nothing. */
#include "harness/base/self.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum status self_path(char *path)
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (n < 0)
        return fail(ST_IO, "/proc/self/exe: %s; /proc must be mounted", strerror(errno));
    path[n] = '\0';
    return ST_OK;
}

const char *self_version(void)
{
    return "0.1.0";
}
