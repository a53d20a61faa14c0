/* SPDX-License-Identifier: Apache-2.0 */
/* How a value of a JSON object is refused, the same for every file that models/ reads. */
#ifndef MODELS_JSON_KEY_H
#define MODELS_JSON_KEY_H

#include "kernels/base/status.h"

#include <jansson.h>

/* ST_INVALID, "found VALUE, wanted ..."; a container is shown by its kind only, NULL as none. The
 * file's name is the caller's to add. */
enum status json_key_refuse(const char *key, const json_t *value, const char *wanted);

#endif
