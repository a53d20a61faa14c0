/* SPDX-License-Identifier: Apache-2.0 */
/* Checked values of a JSON object's keys. Not a parser: that is jansson. */
#include "models/sampler_key.h"

#include <stdio.h>
#include <string.h>

enum status sampler_key_bool(json_t *object, const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return ST_OK;
    if (!json_is_boolean(value) && !json_is_null(value))
        return json_key_refuse(key, value, "true or false");
    *out = json_is_true(value);
    json_object_del(object, key);
    return ST_OK;
}

enum status sampler_key_off(json_t *object, const char *key)
{
    bool on = false;

    TRY(sampler_key_bool(object, key, &on));
    return on ? fail(ST_INVALID,
                     "key \"%s\": found true, wanted false: this option is not implemented", key)
              : ST_OK;
}

enum status sampler_key_int(json_t *object, const char *key, int least, int most, int *out)
{
    const json_t *value = json_object_get(object, key);
    char wanted[64];

    if (!value)
        return ST_OK;
    snprintf(wanted, sizeof(wanted), "an integer from %d to %d", least, most);
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return json_key_refuse(key, value, wanted);
    *out = (int)json_integer_value(value);
    json_object_del(object, key);
    return ST_OK;
}

enum status sampler_key_number(json_t *object, const char *key, double above, double below,
                               double *out)
{
    const json_t *value = json_object_get(object, key);
    char wanted[64];

    if (!value)
        return ST_OK;
    snprintf(wanted, sizeof(wanted), "a number above %g and below %g", above, below);
    if (!json_is_number(value) ||
        !(json_number_value(value) > above && json_number_value(value) < below))
        return json_key_refuse(key, value, wanted);
    *out = json_number_value(value);
    json_object_del(object, key);
    return ST_OK;
}

enum status sampler_key_choice(json_t *object, const char *key,
                               const struct sampler_choice *choices, int *out)
{
    const json_t *value = json_object_get(object, key);
    char wanted[256] = "one of";

    if (!value)
        return ST_OK;
    for (const struct sampler_choice *c = choices; c->text; c++) {
        size_t used = strlen(wanted);

        if (json_is_string(value) && strcmp(json_string_value(value), c->text) == 0) {
            *out = c->value;
            json_object_del(object, key);
            return ST_OK;
        }
        snprintf(wanted + used, sizeof(wanted) - used, " \"%s\"%s", c->text, c[1].text ? "," : "");
    }
    return json_key_refuse(key, value, wanted);
}
