/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quarter of a preset: fewer layers, and nothing else. Bytes and memory of a strategy grow with
 * layers one by one, so that where a whole model does not fit a machine several times, its quarter
 * tells the same about a layer.
 */
#ifndef MODELS_DIT_CONFIG_QUARTER_H
#define MODELS_DIT_CONFIG_QUARTER_H

#include "models/dit_config.h"

/* A preset by name, or, with "-quarter" behind its name, its quarter. false: neither. */
bool dit_config_find(const char *name, struct dit_config *out);

/* Whether a name that dit_config_find knows is that of a quarter. */
bool dit_config_is_quarter(const char *name);

/*
 * `whole` with a quarter of its layers, each kind's count rounded up: joint ones, those of them
 * with a second attention, parallel ones; of a model with skips or with blocks over time, pairs of
 * blocks. Whatever else it has stays, so that a block of the quarter has the names, shapes and
 * synthetic weights of the whole model's block of that number (but for the last joint one, whose
 * text ends where last_text_out says so).
 */
void dit_config_quarter(const struct dit_config *whole, struct dit_config *out);

#endif
