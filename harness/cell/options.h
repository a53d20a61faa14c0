/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a cell: one table serves command lines, experiment files and the processes that
 * are started. */
#ifndef HARNESS_CELL_OPTIONS_H
#define HARNESS_CELL_OPTIONS_H

#include "harness/cell/cell.h"

/* An option of a cell, and the member that it sets. */
struct cell_option {
    const char *name;     /* as on the command line, without the dashes */
    const char *argument; /* placeholder in help texts */
    const char *summary;
    bool loop;                    /* belongs to LOOP, the measurement; otherwise to CELL */
    const struct cell_kind *kind; /* how the member is read and written */
    size_t at, size;              /* of the member in struct cell */
    double least, most;           /* of numbers */
    const char *why;              /* (optional) behind the refusal of a number: why not that one */
    const char *const *legal;     /* of choices; NULL-ended */
    bool rule;                    /* is looked at under --repeats auto alone */
    const char *alone;            /* what the option means without a value; NULL: it needs one */
};
const struct cell_option *cell_option_at(int index); /* NULL past the end */

/* Sets option `name` from a text; `what` names it in messages ("--size", "sizes"). ST_INVALID. */
enum status cell_set(struct cell *cell, const char *name, const char *what, const char *value);

/* The word of a command line that sets option `o` as it is in the cell: "--size=256x256". *out:
 * allocated; NULL where no value was given, or where nothing looks at it. ST_OOM. */
enum status cell_word(const struct cell *cell, const struct cell_option *o, char **out);

#endif
