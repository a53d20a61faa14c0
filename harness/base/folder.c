/* SPDX-License-Identifier: Apache-2.0 */
/* mkdir -p. */
#include "harness/base/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum status make_one(const char *folder)
{
    struct stat is;
    if (folder[0] == '\0' || mkdir(folder, 0777) == 0)
        return ST_OK;
    if (errno == EEXIST && stat(folder, &is) == 0 && S_ISDIR(is.st_mode))
        return ST_OK;
    return fail(ST_IO, "folder %s cannot be made: %s", folder, strerror(errno));
}

enum status folder_make(const char *folder)
{
    enum status st = ST_OK;
    char *part = strdup(folder);
    if (!part)
        return fail(ST_OOM, "folder %s: no memory for its name", folder);
    for (char *slash = strchr(part, '/'); slash && st == ST_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        st = make_one(part);
        *slash = '/';
    }
    if (st == ST_OK)
        st = make_one(part);
    free(part);
    return st;
}

enum status folder_make_above(const char *file)
{
    const char *slash = strrchr(file, '/');
    if (!slash)
        return ST_OK;
    char *folder = strndup(file, (size_t)(slash - file));
    if (!folder)
        return fail(ST_OOM, "%s: no memory for its folder's name", file);
    enum status st = folder_make(folder);
    free(folder);
    return st;
}
