/* SPDX-License-Identifier: Apache-2.0 */
/* The gist of what processes said before they failed, in one line. Knows mpirun's chatter. */
#ifndef HARNESS_LAUNCH_LOG_H
#define HARNESS_LAUNCH_LOG_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Into out [size]: the last lines that a process of ours said, joined by " | "; where none said
 * anything, what mpirun says first. Without rulers, stack traces and control characters, with the
 * hint that mpirun's complaints about root and cores need. "" where there is nothing. Returns out.
 */
char *log_gist(const char *path, char *out, size_t size);

/* mpirun could not start its processes, whatever its exit status looks like. */
bool log_tells_no_start(const char *path);

#endif
