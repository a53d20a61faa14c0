/* SPDX-License-Identifier: Apache-2.0 */
/* What the terminal at standard error can show. Prints nothing. */
#ifndef HARNESS_BASE_TERMINAL_H
#define HARNESS_BASE_TERMINAL_H

#include <stdbool.h>

/* Standard error is a terminal whose cursor moves: TERM is set, and not to dumb. */
bool terminal_is(void);

/* The same, and NO_COLOR is not set. */
bool terminal_colour(void);

/* Columns of the terminal at standard error; 80 where it does not tell. */
int terminal_width(void);

#endif
