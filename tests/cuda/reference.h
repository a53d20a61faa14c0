/* SPDX-License-Identifier: Apache-2.0 */
/* The account of a group of cells on GPUs that were compared with their references. Runs no cell
 * itself. */
#ifndef TESTS_CUDA_REFERENCE_H
#define TESTS_CUDA_REFERENCE_H

#include "tests/support/cells.h"

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
