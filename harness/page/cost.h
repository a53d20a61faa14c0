/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published table of what strategies cost, beside what was counted and measured: for each model
 * and size the formula's bytes and the recorded ones, and a sentence for each strategy where the
 * table is right (within 5 %), rough (within 30 %) or wrong, and why. What the table says and why
 * it is off is strategies/published_cost.h's.
 */
#ifndef HARNESS_PAGE_COST_H
#define HARNESS_PAGE_COST_H

#include "harness/page/doc.h"
#include "harness/report/sheet.h"

/* Whether a row of the sheet has something to say about the table. */
bool cost_has(const struct sheet *sheet);

/* Adds a section, with its heading of level 2, to a document. Nothing where no row is ok, has
 * several ranks and one strategy of the table. ST_OOM. */
enum status cost_add(struct doc *doc, const struct sheet *sheet);

/* A document of that section alone, with a title. ST_INVALID: no row has something to say. */
enum status cost_page(struct doc *doc, const struct sheet *sheet);

#endif
