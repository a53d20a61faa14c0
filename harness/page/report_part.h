/* SPDX-License-Identifier: Apache-2.0 */
/* What the sections of a report share: its rows, and how a cell, a time or a size is called in a
 * sentence. For report*.c alone. */
#ifndef HARNESS_PAGE_REPORT_PART_H
#define HARNESS_PAGE_REPORT_PART_H

#include "harness/page/doc.h"
#include "harness/plot/select.h"
#include "harness/report/files.h"

#include <stdio.h>

enum {
    REPORT_TEXT = 1024, /* bytes of a name or number */
    REPORT_FOLD = 12,   /* rows of a table above which it is folded */
};

/* ---- the cells of a size and rank count, the fastest first ---- */

struct report_rank {
    const struct plot_group *group; /* borrowed */
    int ranks, n;
    const struct sheet_row **v; /* [n] borrowed rows; the fastest first. Peers' only where no other
                                   is */
    int tied;  /* of these so many that cannot be told from the fastest, without it: v[1] to v[tied]
                */
    int peers; /* rows of peers: v[n] to v[n + peers - 1], the fastest first */
};

/* All of a selection, by model, size, steps, ranks, run. */
struct report_ranks {
    int n;
    struct report_rank *v;
};

/* ---- the report ---- */

struct report {
    struct doc *doc;
    const char *const *paths; /* [files->n] as they were given */
    const struct files *files;
    struct sheet *sheet;
    struct plot_selection selection; /* of all settings */
    struct report_ranks ranks;       /* of the selection */
    const char *charts;              /* folder of the charts */
    bool gnuplot_missing;
    bool several_models; /* else tables do not name it */
    bool several_builds; /* likewise, by their commits */
    bool several_runs;   /* likewise: files, or builds */
};

/* ---- sections, in their order: each adds to the document ---- */

enum status report_summary(struct report *report);
enum status report_answers(struct report *report); /* its first part: what a newcomer asks */
enum status report_fastest(struct report *report); /* its tables */
void report_words(struct report *report);
void report_asked(struct report *report);
enum status report_machine(struct report *report);
void report_course(struct report *report); /* its last part */
enum status report_curves(struct report *report);
enum status report_tables(struct report *report);
void report_right(struct report *report);
void report_noise(struct report *report);
void report_failed(struct report *report);
enum status report_profiles(struct report *report);
enum status report_repeat(struct report *report);

/* ---- words: each into a buffer of REPORT_TEXT bytes, which is returned ---- */

/* "`cfg=2`, graph off"; of another program "`diffusers-compile` `serial`". Backticks of a name are
 * quotes. */
char *report_strategy(const struct record *record, char *text);
/* "1024 × 1024 px, 16 frames" */
char *report_size(const struct record_cell *cell, char *text);
/* "`pixart-alpha-1024`" */
char *report_model(const struct record_cell *cell, char *text);
/* "12.3 ms", "4.56 s" from milliseconds. */
char *report_time(double ms, char *text);
/* Behind the name of a row's setting, where another differs from it by its threads and by nothing
 * else that a heading tells: ", 4 threads"; else "". */
char *report_threads(const struct report *report, const struct sheet_row *of, char *text);
/* What tells a row's run from others: its file's name where rows are of several files, and the
 * commit where they are of several builds: "NAME", "NAME at COMMIT", "of COMMIT", "". */
char *report_run_name(const struct report *report, const struct sheet_row *of, char *text);
/* ", run " and this name; "" for none. */
char *report_run(const struct report *report, const struct sheet_row *of, char *text);
/* A text of anybody for the middle of a sentence: a backtick of it, which would begin a code span,
 * is a quote. */
char *report_plain(const char *from, char *text);
/* "512 kB", "3.21 GB"; "-" for NAN. */
char *report_bytes(double bytes, char *text);
/* Its flags with commas; "" for none. */
char *report_flags(const struct record *record, char *text);
/* "1 rank", "4 ranks" */
char *report_ranks(int ranks, char *text);
/* "s" but for one. */
const char *report_plural(double n);

/* ---- tables of rows ---- */

struct report_column {
    const char *title;
    enum doc_align align;
};

enum { REPORT_COLUMNS = 12 /* at most */ };

/* Begins a table whose first columns are those of report_cell, and writes its header. */
void report_table(struct report *report, const char *caption, int n,
                  const struct report_column *columns);

/* Below a table that shows the memory of such a row (report_allocator): what it is. */
void report_allocator_note(struct report *report);

/* Model (where there are several, and the run where there are several files), size, ranks and
 * strategy of a row. */
void report_cell(struct report *report, const struct sheet_row *row);

/* ---- numbers of a row ---- */

/* Bytes that the rank which sends most sends in a step, mean of the loop; NAN: not counted. */
double report_sent(const struct record *record);

/* Whether it has a memory that is another program's: the peak of its allocator, no more. */
bool report_allocator(const struct record *record);

/* Whether its latent may differ from serial's by what its strategy does: it is checked against
 * another run than serial. */
bool report_stale(const struct record *record);

/* Whether another program's row tells that its result is not what the same program's usual way
 * gives: it is not the same work. */
bool report_deviates(const struct record *record);

/* 95 % interval of the median; of few samples the smallest and the largest (*range). */
struct report_interval {
    double low, high;
    bool range;
};
struct report_interval report_interval_of(const struct record *record);

/* ---- a section in one sentence, into a buffer of REPORT_TEXT bytes, which is returned ---- */

char *report_right_words(const struct report *report, char *text);
char *report_noise_words(const struct report *report, char *text);
char *report_course_words(const struct report *report, char *text);

/* ---- how rows ended ---- */

/* Whether a row is ok by its status, but with numbers that can be nobody's (sheet_distrusts): it is
 * not counted as ok. */
bool report_distrusts(const struct record *record);
int report_distrusted(const struct sheet *sheet); /* how many */

/* ---- commands ---- */

/* Makes each build of the files' rows once, in a tree beside this one, ../ditbench-COMMIT; and this
 * tree's, where rows do not tell theirs. */
void report_put_builds(FILE *out, const struct files *files);

/* How many rows of the files tell no commit that git takes, and all that there are. */
int report_count_unbuilt(const struct files *files, int *rows);

/* The commands that make the rows of a file again, each once, into the new file `again` here. They
 * run in the trees of their builds, as their rows name them. ST_OOM. */
enum status report_put_again(FILE *out, const struct record_list *rows, const char *again);

/* ---- cells of a rank count ---- */

/* The cells of `group` with that many ranks. ST_OOM. Close it whatever the status. */
enum status report_rank_open(const struct plot_group *group, int ranks, struct report_rank *out);
void report_rank_close(struct report_rank *rank);

enum status report_ranks_open(const struct plot_selection *selection, struct report_ranks *out);
void report_ranks_close(struct report_ranks *ranks);

/* Whether it is the serial run and nothing else, but for peers. */
bool report_rank_alone(const struct report_rank *rank);

/* The row of ours that a peer's (v[n] or behind) is set beside: of its strategy, else the fastest.
 */
const struct sheet_row *report_rank_beside(const struct report_rank *rank, int peer);

/* The next rank count of a group above `ranks`; 0: there is none. */
int report_rank_next(const struct plot_group *group, int ranks);

/* The first of them that is exact; that is one strategy and no combination; that is told from the
 * fastest. NULL: none. */
const struct sheet_row *report_rank_exact(const struct report_rank *rank);
const struct sheet_row *report_rank_single(const struct report_rank *rank);
const struct sheet_row *report_rank_second(const struct report_rank *rank);

#endif
