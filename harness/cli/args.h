/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of one command: its own options, those of a cell, and what is neither. argp does
 * --help, --usage and
 * --version and the layout; unknown options are refused here, with the nearest legal one.
 */
#ifndef HARNESS_CLI_ARGS_H
#define HARNESS_CLI_ARGS_H

#include "harness/cell/cell.h"

enum { ARGS_POSITIONAL = 0, ARGS_MAX_OWN = 12 };

struct args_option {
    const char *name;     /* without the dashes; NULL ends a table */
    int key;              /* for `take`; > 0 */
    const char *argument; /* placeholder; NULL: the option takes none */
    const char *summary;
};

struct args {
    const char *command;    /* "run" */
    const char *positional; /* for the usage line, e.g. "FILE.yaml", or "" */
    const char *about;      /* a paragraph for --help */
    const struct args_option *own;
    bool cell, loop;         /* takes the options of CELL; of LOOP */
    const char *const *only; /* of CELL and LOOP these names only, NULL-ended; NULL: all */
    /* An own option, or ARGS_POSITIONAL for what is no option. */
    enum status (*take)(void *self, int key, const char *value);
};

/* argv[0] is the command's name. ST_INVALID. cell: initialised, or NULL where neither CELL nor LOOP
 * is taken. */
enum status args_parse(const struct args *args, int argc, char **argv, struct cell *cell,
                       void *self);

#endif
