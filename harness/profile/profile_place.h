/* SPDX-License-Identifier: Apache-2.0 */
/* Where the files of a cell's profile go, unless somebody says otherwise. */
#ifndef HARNESS_PROFILE_PROFILE_PLACE_H
#define HARNESS_PROFILE_PROFILE_PLACE_H

#include "harness/cell/cell.h"

#include <limits.h>

/* "ROOT/pixart-tiny.256.ulysses=2.2", after the last part of the model's name; 320x256 where the
 * sides differ. Into folder, which is returned. */
char *profile_place(const struct cell *cell, const char *root, char folder[PATH_MAX]);

#endif
