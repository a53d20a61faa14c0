/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON object from text, and the refusal of a value. Reads no keys itself. */
#include "models/json_key.h"

#include <stdio.h>
#include <stdlib.h>

enum status json_key_refuse(const char *key, const json_t *value, const char *wanted)
{
    char found[64] = "an object or a list";
    char *text =
        json_is_object(value) || json_is_array(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    if (text)
        snprintf(found, sizeof(found), "%s", text);
    free(text);
    return fail(ST_INVALID, "key \"%.100s\": found %s, wanted %s", key, value ? found : "none",
                wanted);
}

enum status json_key_object(const char *label, const char *text, unsigned long size, json_t **out)
{
    json_error_t error;
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!*out)
        return fail(ST_INVALID, "%s:%d:%d: not valid JSON: %s", label, error.line, error.column,
                    error.text);
    if (json_is_object(*out))
        return ST_OK;
    json_decref(*out);
    *out = NULL;
    return fail(ST_INVALID, "%s: found a list, wanted an object of keys", label);
}
