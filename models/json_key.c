/* SPDX-License-Identifier: Apache-2.0 */
/* The refusal of a JSON value. Reads no keys itself. */
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
