/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two results files, cell by cell: which of them became slower or faster, and which cannot be told.
 *
 * Rows of one recipe are one cell. In a file those that differ in the round alone (and ran in one
 * cohort, those that are ok, from one build) are joined; of others the last line counts. The ratio
 * is the median of B's loops over that of A's, its interval that of bootstrap.h. With threshold t
 * the verdict is
 *
 *     SLOWER      the interval lies above 1 and the ratio above 1 + t
 *     FASTER      the interval lies below 1 and the ratio below 1 - t
 *     SAME        the interval lies within 1 - t to 1 + t, both included
 *     AMBIGUOUS   else; where a side has fewer than COMPARE_LEAST loops; and where ranks took turns
 *                 on a GPU, which tells nothing of speed
 *     none        where a side is not ok
 *
 * A cell that is ok in A, and in B is not ok or has no row, is lost: no verdict of speed, and worse
 * than a slower one.
 *
 * Both sides of a ratio must be of one cohort; cells that are not ok are listed whatever theirs is.
 *
 * Statistics cannot see what both files share: a verdict holds for these two runs, on this machine.
 */
#ifndef HARNESS_REPORT_COMPARE_H
#define HARNESS_REPORT_COMPARE_H

#include "harness/record/list.h"

enum {
    COMPARE_LEAST = 5,   /* loops a side that a verdict takes */
    COMPARE_SHARES = 12, /* of a step, of one cell */
    COMPARE_NAME = 1024  /* bytes */
};

enum compare_verdict {
    COMPARE_SLOWER,
    COMPARE_FASTER,
    COMPARE_SAME,
    COMPARE_AMBIGUOUS,
    COMPARE_NOT_OK, /* none: a side is not ok */
    COMPARE_VERDICTS
};

/* A cell of one file. */
struct compare_side {
    const struct record *record; /* its last line */
    enum ending status;          /* ok: all rounds are; else that of the first which is not */
    int rounds;
    const struct record **row; /* [rounds] */
    int *end;       /* [rounds] place in `sample` behind each round's loops; none is empty */
    double *sample; /* ms of all rounds; NULL where not ok */
    int n;          /* samples */
    double median;  /* ms; NAN: no samples */
    double spread;  /* largest less smallest median of a round, by the median; NAN: one round */
    int left_out;   /* earlier rows that do not count */
    int place;      /* private: of its first row in the file */
};

/* Milliseconds of a step that go to something, mean of all ranks and steps of a profile. */
struct compare_share {
    const char *name; /* "compute_ms"; static */
    double a, b;      /* NAN: not measured */
};

struct compare_pair {
    const struct compare_side *side[2];
    double ratio;     /* median of B / median of A; NAN: a side has no samples */
    double low, high; /* its 95 % interval; NAN where a side has fewer than two loops */
    enum compare_verdict verdict;
    bool forced; /* both sides are ok and ran in different cohorts */
    int shares;  /* 0: not both were profiled. Set by whoever finds profiles */
    struct compare_share share[COMPARE_SHARES]; /* the first is the whole step */
};

struct compare_file {
    const char *path; /* borrowed */
    struct record_list list;
    bool torn; /* its last line was cut off, and is left out */
    int cells;
    struct compare_side *cell; /* [cells] in the file's order */
    int alone;                 /* cells that the other file has not */
    const struct compare_side **only;
};

struct compare_options {
    double threshold; /* 0.05: five per cent */
    bool force;       /* other cohorts are compared all the same */
};

struct compare {
    struct compare_options options;
    struct compare_file file[2];
    int pairs;
    struct compare_pair *pair; /* [pairs] in A's order */
    int count[COMPARE_VERDICTS];
    int lost;         /* cells that are ok in A, and in B not ok or not there */
    unsigned varying; /* private: fields of compare_name.c that names hold */
};

/* Reads and judges. The paths stay borrowed. ST_INVALID: a file is none of results, a row that is
 * ok has a loop that took no time, or cohorts of cells that are ok differ without `force`; ST_IO,
 * ST_OOM. */
enum status compare_open(const char *a, const char *b, const struct compare_options *options,
                         struct compare *out);
void compare_release(struct compare *compare);

bool compare_lost(const struct compare_pair *pair); /* A is ok and B is not */

const char *compare_verdict_name(enum compare_verdict verdict); /* "SLOWER"; "not ok" for none */

/* The rule above for two sides that are ok. low, high: may be NAN. */
enum compare_verdict compare_judge(int n_a, int n_b, double ratio, double low, double high,
                                   double threshold);

/* ---- parts, each in a file of its own ---- */

/* compare_side.c: joins the rows of a file that was read; fills cell. ST_INVALID, ST_OOM. */
enum status compare_sides(struct compare_file *file);
void compare_sides_release(struct compare_file *file);

/* Of how many of a side's rounds a flag was said. */
int compare_side_flagged(const struct compare_side *side, const char *flag);

/* compare_cohort.c: whether both rows say where they ran and it is the same, and what differs:
 * "GPU NVIDIA A100 and NVIDIA H200; driver 550.54 and 560.35". Returns text. */
bool compare_cohort_same(const struct record *a, const struct record *b);
char *compare_cohort_text(const struct record *a, const struct record *b, size_t size, char *text);

/* compare_name.c: the fields that vary; a cell by its strategy and what varies among the cells of
 * both files; and what they all share, with commas. Into text [COMPARE_NAME], which is returned. */
unsigned compare_name_varying(const struct compare *compare);
char *compare_name(const struct compare *compare, const struct record_cell *cell, char *text);
char *compare_name_common(const struct compare *compare, char *text);

/* compare_print.c: a table with what is to be known of it, in aligned columns or in Markdown.
 * colour: escapes for a terminal. ST_OOM. */
enum status compare_print(const struct compare *compare, bool markdown, bool colour, FILE *out);

/* compare_json.c: the array of interface `compare --json`, one line. ST_OOM, ST_INVALID. */
enum status compare_json(const struct compare *compare, FILE *out);

#endif
