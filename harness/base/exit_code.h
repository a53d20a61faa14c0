/* SPDX-License-Identifier: Apache-2.0 */
/* What the program exits with: 0 done and right, 1 done and wrong, 2 input that cannot be used, 3 a
 * cell that cannot be, 4 out of memory, 5 a rank failed or timed out, 130 interrupted. */
#ifndef HARNESS_BASE_EXIT_CODE_H
#define HARNESS_BASE_EXIT_CODE_H

#include "kernels/base/status.h"

int exit_code_of(enum status st);

/* The status of a program of ours that exited with `code`; ST_COMM where none does. */
enum status exit_code_status(int code);

#endif
