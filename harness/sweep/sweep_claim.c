/* SPDX-License-Identifier: Apache-2.0 */
/* A lock on a folder. It ends with the process, however that dies. */
#include "harness/sweep/sweep_claim.h"

#include "harness/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_there(const char *folder, int fd)
{
    struct stat by_path;
    struct stat is_open;
    return stat(folder, &by_path) == 0 && fstat(fd, &is_open) == 0 &&
           by_path.st_dev == is_open.st_dev && by_path.st_ino == is_open.st_ino;
}

/* Some network file systems lock no folders: there the lock on the file must do. */
static enum status lock(int fd, const char *results)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return ST_OK;
    return fail(ST_INVALID,
                "%s: another sweep is writing it; wait for that one, or name another file with "
                "--results",
                results);
}

/* Another sweep that ends may remove the folder between two of these steps; then once more. */
enum status sweep_claim_open(const char *folder, const char *results, struct sweep_claim *out)
{
    *out = (struct sweep_claim){folder, -1};
    for (;;) {
        TRY(folder_make(folder));
        out->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (out->fd < 0 && errno != ENOENT)
            return fail(ST_IO, "%s: cannot be opened: %s", folder, strerror(errno));
        enum status st = out->fd < 0 ? ST_OK : lock(out->fd, results);
        if (st == ST_OK && out->fd >= 0 && is_there(folder, out->fd))
            return ST_OK;
        if (out->fd >= 0)
            close(out->fd);
        out->fd = -1;
        TRY(st);
    }
}

void sweep_claim_close(struct sweep_claim *claim)
{
    if (claim->fd < 0)
        return;
    rmdir(claim->folder);
    close(claim->fd);
    claim->fd = -1;
}
