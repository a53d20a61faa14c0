/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files that somebody else wrote, and telling whether one was changed. Only regular files
 * are read: a FIFO, a device or a directory in the place of one is refused and never waited for.
 */
#ifndef KERNELS_BASE_FILE_H
#define KERNELS_BASE_FILE_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What tells whether a file is still the one that was read; all 0: there was none. */
struct file_stamp {
    uint64_t device, inode, size;
    int64_t written, changed; /* ns since 1970: its contents; anything about it */
};

/* The stamp of what is at `path` now; all 0 where nothing is. ST_IO: it cannot be told. */
enum status file_look(const char *path, struct file_stamp *out);

/* *there: something bears that name. ST_IO: it cannot be told, as in a folder that may not be
 * searched. */
enum status file_there(const char *path, bool *there);

bool file_same(const struct file_stamp *a, const struct file_stamp *b);

/* open(2) with O_CLOEXEC; the descriptor is the caller's. `stamp` (NULL: not wanted) is that of the
 * open file. ST_IO: it cannot be opened; ST_INVALID: it is no regular file. */
enum status file_open_regular(const char *path, int flags, int *fd, struct file_stamp *stamp);

/* Bytes first .. first+size-1 of an open file; `path` is for messages. Several threads may read at
 * one time. ST_IO, too where the file ends before: it was cut off since it was opened. */
enum status file_read_at(int fd, const char *path, uint64_t first, size_t size, void *out);

/* A whole file of at most `most` bytes, with a 0 behind them, for free(); *size does not count it.
 * ST_INVALID: it is longer, or no regular file. ST_IO, ST_OOM. */
enum status file_read_text(const char *path, size_t most, char **text, size_t *size,
                           struct file_stamp *stamp);

#endif
