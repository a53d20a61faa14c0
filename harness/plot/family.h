/* SPDX-License-Identifier: Apache-2.0 */
/* Which curve of a chart a strategy belongs to. Reads the text of a specification; knows no model
 * and no registry. */
#ifndef HARNESS_PLOT_FAMILY_H
#define HARNESS_PLOT_FAMILY_H

#include "kernels/base/status.h"

#include <stdbool.h>

enum { PLOT_FAMILY = 32 };

/*
 * A family has one colour in all charts (plots/style.gp): the strategy's name, or that of a
 * composite (ring x ulysses is "usp"), or "hybrid" (any other list). A label is a curve: the family
 * and the options, without the degree.
 *     serial -> serial; ulysses=4 -> ulysses; ring=2,ulysses=2 -> usp; cfg=2,ring=2 -> best hybrid;
 *     pipefusion=4:patches=8:warmup=1 -> pipefusion patches=8 warmup=1
 * With `each`, every list is a curve of its own that grows by its innermost degree:
 *     cfg=2,ring=2 -> cfg=2,ring=N; ring=2,ulysses=4 -> ring=2,ulysses=N
 */
struct plot_family {
    char name[PLOT_FAMILY];
    char *label;
    int place;    /* in a legend: -1 serial, 0 one strategy, 1 lists */
    bool several; /* the label stands for several strategies of equal ranks: the fastest is drawn */
};

/* `who` (a program; "": only one is drawn) goes before the label, `way` behind it. ST_OOM. */
enum status plot_family_open(const char *who, const char *strategy, bool each, const char *way,
                             struct plot_family *out);
void plot_family_close(struct plot_family *family);

#endif
