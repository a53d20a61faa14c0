/* SPDX-License-Identifier: Apache-2.0 */
/* Which curve of a chart a strategy belongs to. Reads the text of a specification; knows no model
 * and no registry. */
#ifndef HARNESS_PLOT_FAMILY_H
#define HARNESS_PLOT_FAMILY_H

enum { PLOT_FAMILY = 32, PLOT_LABEL = 96 };

/*
 * A family has one colour in all charts (plots/style.gp): the strategy's name, or "usp" (ring x
 * ulysses), or "hybrid" (any other list). A label is a curve: the family and the options, without
 * the degree. All hybrids share one label, for their curve is the best of them. serial -> serial;
 * ulysses=4 -> ulysses; ring=2,ulysses=2 -> usp; cfg=2,ring=2 -> hybrid, "best hybrid";
 *     pipefusion=4:patches=8:warmup=1 -> pipefusion, "pipefusion patches=8 warmup=1"
 */
struct plot_family {
    char name[PLOT_FAMILY];
    char label[PLOT_LABEL];
    int place; /* in a legend: -1 serial, 0 one strategy, 1 hybrids */
};

void plot_family_of(const char *strategy, struct plot_family *out);

#endif
