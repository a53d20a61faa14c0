/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of one setting and size as cells: what one set of charts shows. A cell is a strategy at a
 * rank count in one way of running it (exchange, graph) by one program; its latest row that is ok
 * is drawn, unless its ranks shared a GPU. Why a row is not drawn is said in its left_out.
 */
#ifndef HARNESS_PLOT_GROUP_H
#define HARNESS_PLOT_GROUP_H

#include "harness/plot/family.h"
#include "harness/report/sheet.h"

#include <regex.h>

enum { PLOT_CURVES = 50 /* labels in a group at most */, PLOT_WAY = 96 };

struct plot_cell {
    const struct record_cell *asked; /* strategy, ranks, exchange, graph */
    struct sheet_row *row;           /* what is drawn; NULL: no row can be */
    bool refused;                    /* by its plan, and no row ended otherwise */
    bool peer;                       /* of another program */
    int rows;                        /* how many there are */
    int place;                       /* private: in the sheet's order */
    struct plot_family family;
};

struct plot_group {
    const struct sheet *sheet;
    int begin, end; /* places of its rows in the sheet's order */
    int n;
    struct plot_cell *cell;        /* those that charts know of, by ranks and strategy */
    const struct sheet_row *first; /* of the rows that are drawn, a peer's last; NULL: none is */
    bool peers;                    /* a peer's row is drawn */
};

/* Static: why a row can be in no chart; NULL: it can. */
const char *plot_group_refuses(const struct record *row);

/*
 * The cells of rows begin..end-1. `wanted` (NULL: all) keeps strategies that match and the serial
 * run, and makes each combination a curve. Of more than PLOT_CURVES labels those with most rows
 * stay. ST_OOM.
 */
enum status plot_group_open(const struct sheet *sheet, int begin, int end, const regex_t *wanted,
                            struct plot_group *out);
void plot_group_close(struct plot_group *group);

/* "xy" for rows of the peer xy, "ditbench" for others; "" where no peer is among the group. */
const char *plot_group_program(const struct plot_group *group, const struct plot_cell *cell);

/* ", exchange lsa, graph off": what is not the default of a cell, behind its label. Returns buffer.
 */
char *plot_group_way(const struct record_cell *cell, char buffer[PLOT_WAY]);

/* Whether a line of the curve `label` may go from one rank count to the next: at most to its
 * double, and over no other count at which some strategy ran, but for those where this one was
 * refused. */
bool plot_group_joins(const struct plot_group *group, const char *label, double from, double to);

#endif
