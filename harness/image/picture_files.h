/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures that belong together as files. FILE.png names them: one is that file, several are
 * FILE-0.png, FILE-1.png and so on, in their order. How a file is written is png.h's business.
 */
#ifndef HARNESS_IMAGE_PICTURE_FILES_H
#define HARNESS_IMAGE_PICTURE_FILES_H

#include "harness/image/png.h"

#include <limits.h>

/* Picture `i` of `n` into name, which is returned; path passed picture_files_check. */
char *picture_files_name(const char *path, int i, int n, char name[PATH_MAX]);

/* Before any work: ST_INVALID where the name does not end in ".png", is too long, or one of the
 * files is a folder or a device; ST_IO where they cannot be written. `what` names the option. */
enum status picture_files_check(const char *what, const char *path, int n);

/* common: channels, height, width and texts of all of them; pixels [n, channels, height, width].
 * ST_WRONG names the file and the place of a value that is NaN or infinite; those before it are
 * written. ST_IO, ST_OOM. */
enum status picture_files_write(const char *path, int n, const struct png_picture *common,
                                const float *pixels);

#endif
