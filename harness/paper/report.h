/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a reproduced figure: protocol, pictures, verdicts, what differs. Judges nothing. */
#ifndef HARNESS_PAPER_REPORT_H
#define HARNESS_PAPER_REPORT_H

#include "harness/page/doc.h"
#include "harness/paper/verdicts.h"

/* In `folder`: the pictures of narrow screens, which HTML holds and Markdown does not name. */
#define PAPER_NARROW "data/narrow"

struct paper_report {
    const struct pack *pack;
    const char *given; /* the pack's name or file, as it was given */
    const struct paper_rows *rows;
    const char *folder;      /* of the pictures */
    const char *results;     /* the file of the rows */
    bool figure, normalised; /* that picture was drawn */
    int failed;              /* cells */
};

/* Adds all of it to an empty document. */
void paper_report_fill(const struct paper_report *report, struct doc *doc);

#endif
