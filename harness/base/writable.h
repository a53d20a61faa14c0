/* SPDX-License-Identifier: Apache-2.0 */
/* Can a file be written later? Asked before an hour of work, not after. */
#ifndef HARNESS_BASE_WRITABLE_H
#define HARNESS_BASE_WRITABLE_H

#include "kernels/base/status.h"

/* Tries to create a file beside `path`, and leaves nothing behind. ST_INVALID: `path` is a folder
 * or a device; ST_IO: the folder is missing or takes no files. */
enum status writable_file(const char *path);

#endif
