/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the program, one cmd_*.c each, and what they share at the terminal. */
#ifndef HARNESS_COMMAND_H
#define HARNESS_COMMAND_H

#include "kernels/base/status.h"

#include <jansson.h>
#include <stdbool.h>

/* Results go to standard output. A failure's sentence stays in the error record; main prints it and
 * maps the status. */
struct command {
    const char *name;
    const char *summary;                       /* one line; NULL: not listed */
    enum status (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct command command_list, command_plan, command_run, command_verify, command_sweep,
    command_plot, command_comm, command_info, command_worker;

/* Prints one JSON value (taken, may be NULL: no memory) and a newline. */
enum status command_print_json(json_t *value);

/* Standard error is a terminal that understands colours, and NO_COLOR is not set. */
bool command_colour(void);

/* Starts this program again, with the same command (argv[0]) and arguments, as `ranks` ranks that
 * find their place with fork_ranks_place. As fork_ranks_run. */
struct fork_ranks_end;
enum status command_start_ranks(char **argv, int ranks, struct fork_ranks_end *end);

/* This program's file, absolute, to start it again; into path of PATH_MAX bytes. ST_IO. */
enum status command_program(char *path);

/* "0.1.0" */
const char *command_version(void);

#endif
