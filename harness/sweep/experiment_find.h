/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where experiment files lie, and which one a word on the command line means: a file, or the name
 * of one of ./experiments or of those that came with this program. Reads none of them.
 */
#ifndef HARNESS_SWEEP_EXPERIMENT_FIND_H
#define HARNESS_SWEEP_EXPERIMENT_FIND_H

#include "kernels/base/status.h"

struct experiment_file {
    char *name; /* the file's, without ".yaml": what `sweep` takes */
    char *path;
};

struct experiment_files {
    int n;
    struct experiment_file *v;
};

/* Those of ./experiments, then those of the program, each sorted by name. Release it whatever the
 * status. */
enum status experiment_find_all(struct experiment_files *out);
void experiment_files_release(struct experiment_files *files);

/*
 * `word` is a file, or else NAME for the first of ./NAME.yaml, ./experiments/NAME.yaml and the
 * program's own. path of PATH_MAX bytes; hidden of PATH_MAX bytes: the program's own file of that
 * name where another one is meant, else "". ST_INVALID: there is none, with the nearest name.
 */
enum status experiment_find(const char *word, char *path, char *hidden);

#endif
