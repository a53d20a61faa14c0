/* SPDX-License-Identifier: Apache-2.0 */
/* Locked folders, and the search for those that nobody locks any more. */
#include "harness/launch/scratch.h"

#include "harness/base/limits.h"
#include "harness/launch/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "ditbench-"
#define OWNER  "owner" /* the locked file */
#define NEW    "new"   /* until it is locked */

static const char *const kinds[] = {NEW, "ranks", "mpi"};
enum { KINDS = sizeof kinds / sizeof kinds[0], PLACES = 3, TURNS = 3 };

/* Where such folders may be: absolute, or NULL. */
static const char *place_at(int index)
{
    const char *const place[PLACES] = {getenv("TMPDIR"), "/tmp", "/dev/shm"};
    return place[index] && place[index][0] == '/' ? place[index] : NULL;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    remove(path); /* what is gone already is fine */
    return 0;
}

static void remove_folder(const char *path)
{
    segments_remove(path);
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* The open and locked file of the owner, or -1 with errno: EWOULDBLOCK while one lives. */
static int lock_owner(const char *folder, int flags)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" OWNER, folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Under its name it is locked from the first moment, so that nobody takes it for an orphan. ENOENT:
 * somebody did before it had its name. */
static bool make(const char *place, const char *kind, struct scratch *out)
{
    char unlocked[PATH_MAX];
    if (snprintf(unlocked, sizeof unlocked, "%s/" PREFIX NEW "-XXXXXX", place) >= PATH_MAX ||
        !mkdtemp(unlocked))
        return false;
    out->lock = lock_owner(unlocked, O_CREAT | O_EXCL);
    if (out->lock >= 0 &&
        snprintf(out->path, sizeof out->path, "%s/" PREFIX "%s%s", place, kind,
                 strrchr(unlocked, '-')) < PATH_MAX &&
        rename(unlocked, out->path) == 0)
        return true;
    int error = errno;
    if (out->lock >= 0)
        close(out->lock);
    remove_folder(unlocked);
    errno = error;
    return false;
}

enum status scratch_open(const char *kind, struct scratch *out)
{
    for (int i = 0; i < PLACES; i++)
        for (int turn = 0; turn < TURNS && place_at(i); turn++) {
            if (make(place_at(i), kind, out))
                return ST_OK;
            if (errno != ENOENT)
                break;
        }
    out->path[0] = '\0';
    return fail(ST_IO, "no folder for %s: %s; set TMPDIR to one that takes files%s", kind,
                strerror(errno), limits_hint(errno));
}

void scratch_close(struct scratch *scratch)
{
    if (scratch->path[0] == '\0')
        return;
    remove_folder(scratch->path);
    close(scratch->lock);
    scratch->path[0] = '\0';
}

/* ---- orphans ---- */

static bool has_our_name(const char *name)
{
    for (int k = 0; k < KINDS; k++) {
        char start[40];
        int n = snprintf(start, sizeof start, PREFIX "%s-", kinds[k]);
        if (strncmp(name, start, (size_t)n) == 0)
            return true;
    }
    return false;
}

static void remove_orphan(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid())
        return;
    int lock = lock_owner(path, 0);
    if (lock < 0 && errno == ENOENT && strstr(path, "/" PREFIX NEW "-"))
        rmdir(path); /* where it is empty */
    if (lock < 0)
        return;
    remove_folder(path);
    close(lock);
}

void scratch_remove_orphans(void)
{
    for (int i = 0; i < PLACES; i++) {
        const char *place = place_at(i);
        DIR *at = place ? opendir(place) : NULL;
        for (struct dirent *e = at ? readdir(at) : NULL; e; e = readdir(at)) {
            char path[PATH_MAX];
            if (has_our_name(e->d_name) &&
                snprintf(path, sizeof path, "%s/%s", place, e->d_name) < PATH_MAX)
                remove_orphan(path);
        }
        if (at)
            closedir(at);
    }
}
