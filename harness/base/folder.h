/* SPDX-License-Identifier: Apache-2.0 */
/* Folders for the files that the program writes. */
#ifndef HARNESS_BASE_FOLDER_H
#define HARNESS_BASE_FOLDER_H

#include "kernels/base/status.h"

/* Creates `folder` and what is missing above it. ST_IO names the part that cannot be made. "" is
 * the current one. */
enum status folder_make(const char *folder);

/* The same for the folder that a file lies in. */
enum status folder_make_above(const char *file);

#endif
