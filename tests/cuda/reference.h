/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cells on GPUs are compared with: the one-GPU run of each reference, computed once, and the
 * account of a group of comparisons. Runs no cell of several ranks itself.
 */
#ifndef TESTS_CUDA_REFERENCE_H
#define TESTS_CUDA_REFERENCE_H

#include "tests/support/cells.h"

enum { REFERENCES_MAX = 64 };

struct reference_book {
    struct cell_setup setup; /* without graphs */
    struct device *dev;      /* of the one-rank runs; borrowed */
    int n;
    struct {
        char text[SPEC_TEXT];
        struct cell_result result;
    } page[REFERENCES_MAX];
};

struct reference_book *reference_open(const struct cell_setup *setup, struct device *dev);
void reference_close(struct reference_book *book);

/* Latents of the run that `spec` must equal, borrowed. Ends the test where that run fails. */
const struct cell_result *reference_get(struct reference_book *book, const char *spec);

/* Tolerance of a cell of that dtype. */
double reference_tolerance(enum dtype dtype, const char *spec);

struct reference_tally {
    char group[64];
    int cells, bad;
    double worst; /* relative L2 of all cells */
    char spec[SPEC_TEXT];
};

/* Judges a cell; a bad one is told on standard error at once and counted. want NULL: the latents
 * are another rank's, and only bytes and memory are looked at. */
void reference_judge(struct reference_tally *tally, const char *spec, const struct cell_result *got,
                     const struct cell_result *want, double tolerance);

/* One line: cells, worst error. */
void reference_print(const struct reference_tally *tally);

#endif
