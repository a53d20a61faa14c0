/* SPDX-License-Identifier: Apache-2.0 */
/* Published costs beside recorded ones, row by row. Numbers only; cost.h makes a page of them. */
#ifndef HARNESS_PAGE_COST_ROWS_H
#define HARNESS_PAGE_COST_ROWS_H

#include "harness/report/sheet.h"
#include "strategies/published_cost.h"

/* How far a formula is from what was measured. */
enum cost_verdict {
    COST_RIGHT, /* within 5 % */
    COST_ROUGH, /* within 30 % */
    COST_WRONG,
    COST_UNKNOWN, /* nothing was measured */
    COST_VERDICTS,
};

/* A term of the table for one row. Bytes; NaN: none. */
struct cost_term {
    double formula;
    double measured;  /* of the rank that has most */
    double corrected; /* the formula times the factors of all known reasons */
    double ratio;     /* measured / formula */
};

/* A row with several ranks and one strategy, which is in the published table. */
struct cost_row {
    const struct sheet_row *row;
    const struct published_cost *published;
    char variant[SPEC_TEXT]; /* the specification without its degree: "pipefusion:patches=4" */
    int order;               /* of the strategy in the registry */
    struct dit_config config;
    struct problem problem; /* points to config */
    struct published_case asked;
    struct cost_term term[PUBLISHED_TERMS];
    double peak, serial_peak; /* bytes of the fullest rank without libraries, and of the serial run
                                 of the same work and size */
};

struct cost_rows {
    int n;
    struct cost_row *
        *v;     /* by work (a setting but for its threads), size, strategy, variant, ranks */
    int unread; /* rows left out whose model or plan this build cannot make again */
    struct cost_row *own; /* private */
};

/* All ok rows of the sheet that the table says something about; sheet is borrowed. ST_OOM. */
enum status cost_rows_open(const struct sheet *sheet, struct cost_rows *out);
void cost_rows_close(struct cost_rows *rows);

/* Place in v after the last row that shares with row `begin` work and size; and variant. */
int cost_rows_size_end(const struct cost_rows *rows, int begin);
int cost_rows_variant_end(const struct cost_rows *rows, int begin);

enum cost_verdict cost_verdict_of(double ratio);
const char *cost_verdict_name(enum cost_verdict verdict); /* "right" */

#endif
