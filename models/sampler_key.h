/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a scheduler's JSON object, one function for each type. A function takes its key out of
 * the object, so that what is left in the end is what nobody understood. An absent key leaves *out
 * alone: it holds the default. Every refusal is ST_INVALID and says key, found and wanted; the
 * file's name is the caller's to add. For models/sampler*.c only.
 */
#ifndef MODELS_SAMPLER_KEY_H
#define MODELS_SAMPLER_KEY_H

#include "models/json_key.h"

#include <jansson.h>
#include <stdbool.h>

/* Legal texts of a key, the last one NULL. Two texts may mean the same. */
struct sampler_choice {
    const char *text;
    int value;
};

/* true, false, or null: false, as in Python. */
enum status sampler_key_bool(json_t *object, const char *key, bool *out);

/* A switch that is not implemented: true is refused. */
enum status sampler_key_off(json_t *object, const char *key);

enum status sampler_key_int(json_t *object, const char *key, int least, int most, int *out);

/* A number strictly between two bounds. */
enum status sampler_key_number(json_t *object, const char *key, double above, double below,
                               double *out);

enum status sampler_key_choice(json_t *object, const char *key,
                               const struct sampler_choice *choices, int *out);

#endif
