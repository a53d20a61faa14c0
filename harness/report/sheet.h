/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of one or several results files, side by side: which of them answer the same question on the
 * same machine with the same build, and the serial run that each is measured by. Tables and charts
 * are made of it. Reads no files and draws nothing.
 */
#ifndef HARNESS_REPORT_SHEET_H
#define HARNESS_REPORT_SHEET_H

#include "harness/record/record.h"

/*
 * A peer is another program whose rows are in the file: cell.backend names it, and no backend of
 * this one does. It is set beside the rows of the backend that computes where it did: its setting
 * is theirs, its cells and its serial run are its own.
 */
bool sheet_peer(const struct record *record);

struct sheet_row {
    const struct record *record;
    const char *run;             /* name of the file it is from; NULL: only one is shown */
    const struct record *serial; /* latest ok serial run of the same file, machine, build, setting,
                                    size, peer, exchange and graph; NULL: there is none, or
                                    the row's ranks share a GPU */
    const char *left_out;        /* static: why it is in no chart; NULL: it is in one */
    uint64_t setting;            /* private: hash of what sheet_by_setting compares */
};

/* All texts and records are borrowed. */
struct sheet {
    int n;
    int again;           /* further rows in the files, whose cells were run again later */
    struct sheet_row *v; /* in the order of the files */
    struct sheet_row *
        *sorted; /* by setting, size, peer, exchange, graph, ranks, strategy, place in v */
};

/* records [n], runs [n] (NULL: one run). Nothing is left out yet. ST_OOM. */
enum status sheet_open(int n, const struct record *const *records, const char *const *runs,
                       struct sheet *out);
void sheet_close(struct sheet *sheet);

/*
 * Orders, as of qsort. A setting is all of a cell but size, strategy, ranks, exchange and graph
 * (and seed and how often it is measured, which change no latency on purpose), in one file, on one
 * host and hardware, from one commit. Names go by their numbers: patches=4 before patches=16.
 */
int sheet_by_setting(const struct sheet_row *a, const struct sheet_row *b);
int sheet_by_work(const struct sheet_row *a, const struct sheet_row *b); /* setting but threads */
int sheet_by_size(const struct sheet_row *a, const struct sheet_row *b);
int sheet_by_cell(const struct sheet_row *a, const struct sheet_row *b); /* within one size */

/* Place in `sorted` after the last row that shares with row `begin` the setting; or setting and
 * size; or, among rows before `end` of one size, the cell. */
int sheet_setting_end(const struct sheet *sheet, int begin);
int sheet_size_end(const struct sheet *sheet, int begin);
int sheet_cell_end(const struct sheet *sheet, int begin, int end);

/* Static: why the numbers of an ok row can be nobody's, though its line is a record; NULL: they may
 * be right. Such rows are in no chart, table or cost, and no speed-up is over them. */
const char *sheet_distrusts(const struct record *record);

/* "3 superseded by a later run, 1 wrong": how many of n rows are in no chart, by reason; "" for
 * none. Into buffer, which is returned. */
char *sheet_left_out(int n, struct sheet_row *const *rows, size_t size, char *buffer);

#endif
