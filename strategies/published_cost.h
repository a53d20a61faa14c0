/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was published about the cost of strategies: one row of a table for each, communication and
 * memory of a rank in one denoising step. These are the authors' estimates and not our closed
 * forms, which volume.h has; where the two differ for a reason that is known, the reason is here
 * too. Pure arithmetic.
 *
 * Letters: N ranks; M patches; L layers; hs channels; p image tokens of all frames (the table says
 * pixels); A = bytes of p x hs elements of all lanes; P = bytes of all parameters.
 */
#ifndef STRATEGIES_PUBLISHED_COST_H
#define STRATEGIES_PUBLISHED_COST_H

#include "strategies/strategy.h"

/* The columns that are numbers, all in bytes of one rank. */
enum published_term {
    PUBLISHED_COMM,        /* in a steady step */
    PUBLISHED_WEIGHTS,     /* parameters */
    PUBLISHED_ACTIVATIONS, /* queries, keys, values, outputs */
    PUBLISHED_KEYS,        /* "extra KV buffer": keys and values of others, or of the step before */
    PUBLISHED_TERMS,
};

/* What is computed by how many. */
struct published_case {
    const struct problem *problem; /* checked */
    int ranks, patches;
};

/* factor x (P, of weights; else A) x L / N / M, where the flags say so. */
struct published_formula {
    const char *text; /* as published */
    double factor;
    bool by_layers, over_ranks, over_patches;
};

/* Why a program's number is another: what the formula is to be multiplied by, 1 where this has no
 * part in the case. NULL: a reason without a number. */
struct published_why {
    enum published_term term;
    const char *text;
    double (*factor)(const struct published_case *c);
};

struct published_cost {
    const char *strategy;
    const char *keys, *overlap; /* columns that are words */
    struct published_formula term[PUBLISHED_TERMS];
    bool keeps_keys; /* PUBLISHED_KEYS is a store; else they pass through exchange buffers */
    const struct published_why *why; /* ended by a NULL text */
};

extern const char published_source[]; /* of the table, one line */

/* "bytes sent in a step", ... */
const char *published_term_name(enum published_term term);

/* The row of a strategy, or NULL: it is not in the table. */
const struct published_cost *published_cost_find(const struct strategy_ops *ops);

/* Bytes by a formula of the table. */
double published_cost_bytes(const struct published_cost *row, enum published_term term,
                            const struct published_case *c);

/* Product of the factors of all reasons of a term: what the formula should have been multiplied by,
 * as far as the reasons have numbers. */
double published_cost_corrected(const struct published_cost *row, enum published_term term,
                                const struct published_case *c);

#endif
