/* SPDX-License-Identifier: Apache-2.0 */
/* Whether guidance is a word for a cell: texts about one that is conditioned on nothing leave it
 * out. */
#ifndef HARNESS_REPORT_CONDITIONS_H
#define HARNESS_REPORT_CONDITIONS_H

#include "harness/record/record.h"

/* False: its model is a preset of a kind without prompts. A folder's kind is in no record, and is
 * taken for one with them where the cell has more than one step or any guidance. */
bool conditions_asked(const struct record_cell *cell);

/* "guidance 4.5, " or "". Returns buffer. */
enum { CONDITIONS_TEXT = 40 };
char *conditions_text(const struct record_cell *cell, char buffer[CONDITIONS_TEXT]);

#endif
