/* SPDX-License-Identifier: Apache-2.0 */
/* This program: its file, to be started again, and its version. */
#ifndef HARNESS_BASE_SELF_H
#define HARNESS_BASE_SELF_H

#include "kernels/base/status.h"

/* This program's file, absolute, to start it again; into path of PATH_MAX bytes. ST_IO,
 * also where the file was replaced since: another build would run under this one's name. */
enum status self_path(char *path);

/* *out := this program's file and `words` (NULL-ended) behind it: the command line that starts it
 * again. One block, for free(); the words are borrowed. ST_IO, ST_OOM. */
enum status self_words(char *const *words, char ***out);

/* The folder that holds this program's plots/ and experiments/, seen from its own file:
 * PREFIX/share/ditbench of an installed one, the tree of a build, a bundle. Into path of PATH_MAX
 * bytes. ST_IO where there is none. */
enum status self_share(char *path);

/* This process becomes the program anew, with these words (argv[0] first) and its environment as it
 * is now. Returns where that cannot be. */
void self_restart(char *const *argv);

/* "0.1.0" */
const char *self_version(void);

#endif
