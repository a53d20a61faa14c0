/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pack: a published figure, and what of ours stands for each of its values. Runs nothing.
 *
 * Every row of the pack's CSV files that has its metric (and is of its figures) is a point, and is
 * either mapped to a specification or left out with a reason: a row that no rule takes is an error,
 * and so is a rule that takes no row (an override: no row that is run). A rule is "PATTERN =>
 * TEXT". The pattern (fnmatch) is compared with "STRATEGY CONFIG on GPUS at HEIGHT", as the CSV has
 * them; one without " on " or " at " takes all GPUs and sizes. {gpus} is the row's number of GPUs,
 * on both sides. Of several rules the first counts; left_out is asked first, then points, then
 * assumed.
 */
#ifndef HARNESS_PAPER_PACK_H
#define HARNESS_PAPER_PACK_H

#include "harness/cell/cell.h"
#include "harness/paper/pack_file.h"
#include "harness/plot/published_file.h"

struct pack_rule {
    char *pattern, *text; /* owned */
    int line;             /* in the file */
    int used;             /* rows that it took */
};

struct pack_rules {
    const char *key;
    int n;
    struct pack_rule *v;
};

struct pack_point {
    const struct published_line *line; /* the published row; NULL: nothing was published (also) */
    const char *source;                /* the CSV file's name, borrowed */
    const char *model;                 /* ours, borrowed; NULL: left out */
    const char *spec;                  /* ours, {gpus} not yet replaced; NULL: left out */
    const char *left_out;              /* the reason, or NULL */
    int rule_line;                     /* of the rule that took it, in the pack's file */
    const char *program;               /* "torch.compile", "onediff"; "": as it is */
    bool assumed;                      /* the figure does not say all of it */
    int gpus;
    int width, height, frames; /* frames 0: one image */
    int one;                   /* the single GPU that the figure would measure it by; -1: none */
};

struct pack {
    char *path, *text; /* of the file */
    struct pack_values *values;
    char **source; /* [values->sources.n] where each of them was found, owned */
    struct published_file published;
    struct pack_rules models, points, assumed, left_out, also, overrides;
    double steps; /* of our cells that are not bounded */
    bool order;   /* the claim is the order of strategies, not each ratio */
    bool memory;  /* the metric */
    int n;
    struct pack_point *v;
};

/* `path`: of the YAML file; CSV files are looked for beside it, in ./results/published and in the
 * program's own. ST_IO; ST_INVALID "FILE:LINE: KEY: ...". */
enum status pack_open(const char *path, struct pack **out);
void pack_close(struct pack *pack);

/* The specification with {gpus} replaced. out of SPEC_TEXT bytes. ST_INVALID: too long. */
enum status pack_spec(const struct pack_point *point, int gpus, char *out);

/* The cell that stands for a point that is not left out, as the pack asks for it; without a
 * strategy, which pack_spec tells. *bounded: an override made it shorter than what was published.
 * ST_INVALID "FILE:LINE: ...". */
enum status pack_cell(const struct pack *pack, const struct pack_point *point, struct cell *cell,
                      bool *bounded);

/* Of a point, for people, from its strategy and degrees: "ulysses8", "pipefusion pp8", "hybrid";
 * "PixArt ulysses8, 8 GPUs, 2048 px". Remarks in the column config are no part of a name. Both
 * return out. */
char *pack_name(const struct pack_point *point, size_t size, char *out);
char *pack_label(const struct pack_point *point, size_t size, char *out);

/* A pack's file by name, or as a path: experiments/paper/NAME.yaml here, then the program's own.
 * path of PATH_MAX bytes. ST_INVALID: there is none, and those that there are. */
enum status pack_find(const char *word, char *path);

/* Names of packs, sorted, each once: those here and the program's own. Release it. */
enum { PACK_NAMES = 200 };

struct pack_names {
    int n;
    char *v[PACK_NAMES + 1]; /* the last is NULL */
};

void pack_find_names(struct pack_names *out);
void pack_find_names_release(struct pack_names *names);

#endif
