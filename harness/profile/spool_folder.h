/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder that the spools of one recording go to: FOLDER/spool-PID, for two profiles may be made
 * in one folder at once. Its owner holds a lock on it, which ends with the process however that
 * dies: a folder that can be locked is an orphan.
 */
#ifndef HARNESS_PROFILE_SPOOL_FOLDER_H
#define HARNESS_PROFILE_SPOOL_FOLDER_H

#include "kernels/base/status.h"

#include <limits.h>

struct spool_folder {
    char path[PATH_MAX];
    int lock;
};

/* Removes orphans in `folder`, then makes this process' own, which is empty. ST_IO. */
enum status spool_folder_open(const char *folder, struct spool_folder *out);

/* Removes it and the spools in it. */
void spool_folder_close(struct spool_folder *folder);

#endif
