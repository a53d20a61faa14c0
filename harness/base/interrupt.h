/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C and its kin as a question that loops ask, for commands that must end others before they
 * end themselves. */
#ifndef HARNESS_BASE_INTERRUPT_H
#define HARNESS_BASE_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP (unless it is ignored) are remembered instead of ending
 * the process; waiting calls return EINTR. */
void interrupt_catch(void);

/* The signal that came, or 0. */
int interrupt_signal(void);

/* SIGINT ends the process with status 130: for commands that leave nothing behind. */
void interrupt_exit(void);

#endif
