/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of costs in sentences. For cost.c. */
#ifndef HARNESS_PAGE_COST_WORDS_H
#define HARNESS_PAGE_COST_WORDS_H

#include "harness/page/cost_rows.h"

/* What a strategy's rows of one model and size say about each term of the table: rows [n] differ in
 * ranks. Allocated; NULL: no memory. */
char *cost_words_variant(int n, struct cost_row *const *rows);

#endif
