/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows are drawn: the groups that get charts, by setting. Everything is sorted, so that equal
 * input gives equal charts. */
#ifndef HARNESS_PLOT_SELECT_H
#define HARNESS_PLOT_SELECT_H

#include "harness/plot/group.h"
#include "harness/plot/plot.h"

/* One setting. */
struct plot_setting {
    int begin, end;             /* places of its rows in the sheet's order */
    const struct sheet_row *of; /* one of them */
    int n;
    struct plot_group *group; /* by size; only those with a row that is drawn */
};

struct plot_selection {
    int groups; /* with a row that is ok */
    int chosen; /* of these */
    int n;
    struct plot_setting *setting; /* those with a group that is drawn */
};

/* Chooses, and sets left_out of every row. ST_OOM; ST_INVALID: options->strategies is no
 * expression. */
enum status plot_selection_open(struct sheet *sheet, const struct plot_options *options,
                                struct plot_selection *out);
void plot_selection_close(struct plot_selection *selection);

#endif
