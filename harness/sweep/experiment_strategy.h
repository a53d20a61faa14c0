/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a strategy of an experiment makes a cell at one of its ranks. Makes no cells. */
#ifndef HARNESS_SWEEP_EXPERIMENT_STRATEGY_H
#define HARNESS_SWEEP_EXPERIMENT_STRATEGY_H

#include "harness/sweep/experiment_file.h"

/* Entry `index` of the strategies. ST_INVALID: it makes none; where it was cut at its commas, the
 * message says what it was. */
enum status experiment_strategy_check(const struct experiment_values *v, unsigned index);

#endif
