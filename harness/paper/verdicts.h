/* SPDX-License-Identifier: Apache-2.0 */
/* Each point of a pack with its value, ours, and a verdict. Measures nothing. */
#ifndef HARNESS_PAPER_VERDICTS_H
#define HARNESS_PAPER_VERDICTS_H

#include "harness/paper/cells.h"
#include "harness/paper/judge.h"

enum { PAPER_SOURCE = 200, PAPER_LABEL = 300, PAPER_HARDWARE = 400 };

/* A value, and its ratio: of several GPUs the single GPU's over it (a speed-up; of memory, it over
 * the single GPU's); of one GPU it over the same at the figure's smallest size. NaN: none. */
struct paper_value {
    double value;     /* s of the whole loop, or GB of the rank that holds most */
    double low, high; /* published: how exactly it was read; ours: p10 and p90, or
                         of a bounded run by its shortest and longest step */
    double ratio;
};

struct paper_row {
    const struct pack_point *point;
    const struct paper_cell *cell;              /* NULL: left out */
    const struct record *record;                /* of the cell, ok, or NULL */
    const struct record *failed;                /* of the cell, not ok or not trusted, or NULL */
    char name[PAPER_LABEL], label[PAPER_LABEL]; /* pack_name, pack_label */
    struct paper_value published, ours;
    char source[PAPER_SOURCE];        /* where ours come from; "" where there are none */
    double memory_gb, wire_mb;        /* of the largest rank, in a whole loop; NaN: unknown */
    char memory_source[PAPER_SOURCE]; /* "run", "plan", "run; bytes as the plan says", ... */
    enum paper_verdict verdict;
    char why[PAPER_WHY];
};

struct paper_rows {
    int n;
    struct paper_row *v;
    int count[PAPER_VERDICTS];
    bool stand_in; /* ours are of tiny models on the CPU */
};

/* rows: of the results file. Borrows everything. Release *out whatever the status. ST_OOM. */
enum status paper_rows_make(const struct pack *pack, const struct paper_machine *machine,
                            const struct paper_cells *cells, const struct record_list *records,
                            struct paper_rows *out);
void paper_rows_release(struct paper_rows *rows);

/* The first one's cell, for what all of them have in common; NULL: all are left out. */
const struct paper_cell *paper_rows_cell(const struct paper_rows *rows);

/* The machines that our rows are from, each once, "1 x NVIDIA H200; 8 x NVIDIA L20": into a buffer
 * of `size` bytes (PAPER_HARDWARE), which is returned. */
char *paper_rows_hardware(const struct paper_rows *rows, size_t size, char *text);

/* FOLDER/verdicts.csv. ST_IO. */
enum status paper_rows_write(const struct paper_rows *rows, const char *path);

#endif
