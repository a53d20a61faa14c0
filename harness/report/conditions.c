/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the table of the model's kind. */
#include "harness/report/conditions.h"

#include "strategies/kind.h"

#include <math.h>
#include <stdio.h>

bool conditions_asked(const struct record_cell *cell)
{
    const struct kind_ops *kind = model_kind(cell->model);
    return kind ? kind->prompt != NULL : cell->steps > 1 || cell->guidance > 0;
}

char *conditions_text(const struct record_cell *cell, char buffer[CONDITIONS_TEXT])
{
    buffer[0] = '\0';
    if (conditions_asked(cell) && !isnan(cell->guidance))
        snprintf(buffer, CONDITIONS_TEXT, "guidance %g, ", cell->guidance);
    return buffer;
}
