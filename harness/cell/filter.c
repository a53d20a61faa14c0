/* SPDX-License-Identifier: Apache-2.0 */
/* A regular expression over the texts of cells. */
#include "harness/cell/filter.h"

enum status filter_init(struct filter *filter, const char *expression)
{
    char why[200];
    *filter = (struct filter){.all = !expression};
    if (filter->all)
        return ST_OK;
    int error = regcomp(&filter->expression, expression, REG_EXTENDED | REG_NOSUB);
    if (error == 0)
        return ST_OK;
    regerror(error, &filter->expression, why, sizeof why);
    return fail(ST_INVALID, "--filter '%.200s': %s", expression, why);
}

void filter_release(struct filter *filter)
{
    if (!filter->all)
        regfree(&filter->expression);
}

enum status filter_takes_none(const char *path, const char *expression)
{
    return fail(ST_INVALID,
                "%s: --filter '%.200s' matches no cell; --dry-run without it shows their texts",
                path, expression);
}

bool filter_takes(const struct filter *filter, const struct cell *cell)
{
    char text[CELL_LINE];
    return filter->all || regexec(&filter->expression, cell_text(cell, text), 0, NULL, 0) == 0;
}
