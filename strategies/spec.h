/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form of a hybrid: "cfg=2,pipefusion=2:patches=4:warmup=1,ulysses=2", or "serial" for
 * none. Names, degrees and options only; whether it fits a model is the plan's business.
 */
#ifndef STRATEGIES_SPEC_H
#define STRATEGIES_SPEC_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct kind_ops;
struct strategy_ops;

enum { SPEC_MAX_ITEMS = 8, SPEC_MAX_OPTIONS = 4, SPEC_MAX_LIST = 64, SPEC_TEXT = 512 };

/* An option that a strategy understands. A list is written a/b/c. */
struct spec_option {
    const char *name; /* NULL ends a table */
    const char *summary;
    int min;   /* smallest legal value */
    bool list; /* several values */
};

struct spec_value {
    int n; /* values given; 0: not given */
    int v[SPEC_MAX_LIST];
};

struct spec_item {
    const struct strategy_ops *ops;
    int degree;
    struct spec_value option[SPEC_MAX_OPTIONS]; /* in the order of ops->options */
};

struct spec {
    int n;
    struct spec_item item[SPEC_MAX_ITEMS]; /* canonical order, outer to inner */
};

/* Parses and sorts. ST_INVALID names the position in the text (1 = the first character) and the
 * legal words. */
enum status spec_parse(const char *text, struct spec *out);

/* Rewrites composites (usp) for a model with `heads` heads and drops degree-1 items that have no
 * option. ST_UNSUPPORTED: a composite cannot be rewritten so; ST_INVALID: too many items. */
enum status spec_expand(const struct spec *spec, int heads, struct spec *out);

/* Canonical text ("serial" when empty) into buffer of SPEC_TEXT bytes; returns it. */
char *spec_text(const struct spec *spec, char *buffer);

/* The one-rank run that an expanded spec must equal: "serial", or the stale strategy at degree 1
 * with its patches and warm-up ("pipefusion=1:patches=4:warmup=1"). */
void spec_reference(const struct spec *spec, struct spec *out);

/* Name of the composite strategy that stands for exactly these items without options ("usp"), or
 * NULL. */
const char *spec_composite(const struct spec *spec);

/* Of the models that its strategies split; NULL: any. */
const struct kind_ops *spec_kind(const struct spec *spec);

int spec_ranks(const struct spec *spec); /* product of degrees */

/* Option `name` of an item: its first value, or `otherwise` when not given. */
int spec_option_value(const struct spec_item *item, const char *name, int otherwise);

#endif
