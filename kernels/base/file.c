/* SPDX-License-Identifier: Apache-2.0 */
/* Regular files: opened without waiting, read in full, told apart by their stamps. */
#include "kernels/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t nanoseconds(const struct timespec *t)
{
    return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static struct file_stamp stamp_of(const struct stat *info)
{
    return (struct file_stamp){info->st_dev, info->st_ino, (uint64_t)info->st_size,
                               nanoseconds(&info->st_mtim), nanoseconds(&info->st_ctim)};
}

enum status file_look(const char *path, struct file_stamp *out)
{
    struct stat info;
    *out = (struct file_stamp){0};
    if (stat(path, &info) == 0)
        *out = stamp_of(&info);
    else if (errno != ENOENT && errno != ENOTDIR)
        return fail(ST_IO, "%s: %s", path, strerror(errno));
    return ST_OK;
}

bool file_same(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->written == b->written && a->changed == b->changed;
}

enum status file_there(const char *path, bool *there)
{
    static const struct file_stamp none;
    struct file_stamp found;
    TRY(file_look(path, &found));
    *there = !file_same(&found, &none);
    return ST_OK;
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

enum status file_open_regular(const char *path, int flags, int *fd, struct file_stamp *stamp)
{
    struct stat info;
    /* What is no regular file is looked at first: opening a device may already do something, and
     * O_NONBLOCK is for a FIFO that takes the file's place between. Regular files ignore it. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return fail(ST_INVALID, "%s: is %s, wanted a regular file", path, kind_of(info.st_mode));
    int opened = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (opened < 0)
        return fail(ST_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(opened, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(opened);
        return fail(ST_INVALID, "%s: is no regular file any more", path);
    }
    if (stamp)
        *stamp = stamp_of(&info);
    *fd = opened;
    return ST_OK;
}

/* As much of `size` bytes as the file has from there on. */
static enum status read_some(int fd, const char *path, uint64_t first, size_t size, char *out,
                             size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = pread(fd, out + *got, size - *got, (off_t)(first + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(ST_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (n == 0)
            return ST_OK;
        *got += (size_t)n;
    }
    return ST_OK;
}

enum status file_read_at(int fd, const char *path, uint64_t first, size_t size, void *out)
{
    size_t got;
    TRY(read_some(fd, path, first, size, out, &got));
    if (got < size)
        return fail(ST_IO,
                    "%s: was cut off since it was opened: ends before byte %llu, wanted to %llu",
                    path, (unsigned long long)(first + got), (unsigned long long)(first + size));
    return ST_OK;
}

enum status file_read_text(const char *path, size_t most, char **text, size_t *size,
                           struct file_stamp *stamp)
{
    int fd;
    struct file_stamp found;
    TRY(file_open_regular(path, O_RDONLY, &fd, &found));
    enum status st = ST_OK;
    size_t room = found.size < most ? (size_t)found.size : most;
    char *bytes = malloc(room + 2);
    if (!bytes)
        st = fail(ST_OOM, "%s: %zu bytes", path, room + 2);
    else
        st = read_some(fd, path, 0, room + 1, bytes, size);
    close(fd);
    if (st == ST_OK && *size > most)
        st =
            fail(ST_INVALID, "%s: more than %zu bytes, too many for what it should be", path, most);
    if (st != ST_OK) {
        free(bytes);
        return st;
    }
    bytes[*size] = '\0';
    if (stamp)
        *stamp = found;
    *text = bytes;
    return ST_OK;
}
