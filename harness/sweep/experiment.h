/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An experiment: the axes of a sweep, and the cells that they span. The file's form is
 * experiment_file.h's business; whether a plan accepts a cell is not decided here.
 */
#ifndef HARNESS_SWEEP_EXPERIMENT_H
#define HARNESS_SWEEP_EXPERIMENT_H

#include "harness/cell/cell.h"

struct experiment;

enum {
    EXPERIMENT_MAX_CELLS = 20000,
    EXPERIMENT_TIMEOUT_S = 600, /* of a cell where the file says nothing */
    EXPERIMENT_MAX_ROUNDS = 1000
};

/* ST_IO; ST_INVALID "file:line: key: ..." */
enum status experiment_open(const char *path, struct experiment **out);

/* The same over text in memory; `label` stands for the path. For tests and fuzzing. */
enum status experiment_open_memory(const char *label, const void *bytes, size_t size,
                                   struct experiment **out);
void experiment_close(struct experiment *experiment);

const char *experiment_name(const struct experiment *experiment);
const char *experiment_description(const struct experiment *experiment); /* "" when not given */
const char *experiment_path(const struct experiment *experiment);

/* How often all cells are run, 1 where the file says nothing; and the seed of each round's order,
 * -1 for the file's own. ST_INVALID. */
enum status experiment_rounds(const struct experiment *experiment, int *rounds, int64_t *shuffle);

/* What is legal in the file and seldom meant, as one sentence with its place, or "". */
void experiment_note(const struct experiment *experiment, char *text, size_t size);

/*
 * models x sizes x ranks x strategies x dtypes x steps x requests, the last axis fastest, without
 * the excluded ones; *cells is the caller's to free, also when it is empty. A strategy without
 * {ranks} appears only where the product of its degrees is the rank count, and one that appears
 * nowhere is ST_INVALID. A model that is no
 * preset and a folder beside the file gets the file's folder in front.
 *
 * An exclusion is a list of KEY=PREFIX, joined by commas, with the keys model, size, ranks,
 * strategy, dtype, steps and requests; it removes the cells whose values begin with all its
 * prefixes, as they stand in the file ({ranks} replaced). A comma that no key follows belongs to
 * the prefix before it: "strategy=cfg=2,ring,ranks=4" has two conditions.
 */
enum status experiment_expand(const struct experiment *experiment, int *n, struct cell **cells);

#endif
