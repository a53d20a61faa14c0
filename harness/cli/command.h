/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the program, one file each, and what they share at the terminal. */
#ifndef HARNESS_CLI_COMMAND_H
#define HARNESS_CLI_COMMAND_H

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

extern const struct command command_list, command_plan, command_run, command_decode, command_verify,
    command_sweep, command_plot, command_comm, command_profile, command_ceilings, command_info,
    command_worker, command_compare, command_costs, command_report, command_reproduce;

/* Prints one JSON value (taken, may be NULL: no memory) and a newline. */
enum status command_print_json(json_t *value);

/* What a cell's processes said goes when all is fine or nothing was said; else it stays, and a line
 * of `command` on standard error says where. */
void command_drop_log(const char *command, const char *log, bool fine);

#endif
