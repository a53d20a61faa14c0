/* SPDX-License-Identifier: Apache-2.0 */
/* Locked folders of spools, and the search for those that nobody locks any more. */
#include "harness/profile/spool_folder.h"

#include "harness/base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "spool-"

enum { TURNS = 100 };

/* ---- one folder ---- */

static bool is_there(const char *path, int fd)
{
    struct stat by_path;
    struct stat is_open;
    return stat(path, &by_path) == 0 && fstat(fd, &is_open) == 0 &&
           by_path.st_dev == is_open.st_dev && by_path.st_ino == is_open.st_ino;
}

static int open_folder(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Files of spools in it; what else lies there stays, and then so does the folder. */
static void empty(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (strstr(e->d_name, ".spool"))
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
}

/* ---- orphans ---- */

/* Where a file system locks no folders nothing is proven, and the folder stays. */
static void remove_orphan(const char *path)
{
    int fd = open_folder(path);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_there(path, fd)) {
        empty(path);
        rmdir(path);
    }
    close(fd);
}

static void remove_orphans(const char *folder)
{
    char path[PATH_MAX];
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        snprintf(path, sizeof path, "%.3800s/%.255s", folder, e->d_name);
        remove_orphan(path);
    }
    closedir(dir);
}

/* ---- the own one ---- */

/* Another process may take it for an orphan until it is locked: then once more. */
enum status spool_folder_open(const char *folder, struct spool_folder *out)
{
    snprintf(out->path, sizeof out->path, "%.3800s/" PREFIX "%ld", folder, (long)getpid());
    out->lock = -1;
    remove_orphans(folder);
    for (int turn = 0; turn < TURNS; turn++) {
        TRY(folder_make(out->path));
        out->lock = open_folder(out->path);
        if (out->lock < 0 && errno != ENOENT)
            return fail(ST_IO, "%s: cannot be opened: %s", out->path, strerror(errno));
        bool taken =
            out->lock >= 0 && flock(out->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (out->lock >= 0 && !taken && is_there(out->path, out->lock)) {
            empty(out->path);
            return ST_OK;
        }
        if (out->lock >= 0)
            close(out->lock);
        out->lock = -1;
        usleep(1000);
    }
    return fail(ST_IO, "%s: another process holds it; name another folder with --out", out->path);
}

void spool_folder_close(struct spool_folder *folder)
{
    if (folder->lock < 0)
        return;
    empty(folder->path);
    rmdir(folder->path);
    close(folder->lock);
    folder->lock = -1;
}
