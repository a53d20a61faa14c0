/* SPDX-License-Identifier: Apache-2.0 */
/* This program started again for an answer: another command, in a process of its own. */
#ifndef HARNESS_BASE_CHILD_H
#define HARNESS_BASE_CHILD_H

#include "kernels/base/status.h"

#include <stddef.h>

/*
 * Runs `ditbench WORD...` (NULL-ended) to its end; what it says on standard error is dropped.
 * *output: what it wrote on standard output, NUL-ended, for free(); NULL where it is not wanted.
 * ST_IO: it could not be started, or did not end with status 0; the message has the command line.
 * ST_OOM.
 */
enum status child_run(const char *const *words, char **output);

#endif
