/* SPDX-License-Identifier: Apache-2.0 */
/* How a JSON object is read and a value of it refused, the same for every file that models/ reads.
 */
#ifndef MODELS_JSON_KEY_H
#define MODELS_JSON_KEY_H

#include "kernels/base/status.h"

#include <jansson.h>

/* ST_INVALID, "found VALUE, wanted ..."; a container is shown by its kind only, NULL as none. The
 * file's name is the caller's to add. */
enum status json_key_refuse(const char *key, const json_t *value, const char *wanted);

/* Text as one object, the caller's to release. ST_INVALID "LABEL:LINE:COLUMN: not valid JSON: ...",
 * or that it is a list. */
enum status json_key_object(const char *label, const char *text, unsigned long size, json_t **out);

#endif
