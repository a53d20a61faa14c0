/* SPDX-License-Identifier: Apache-2.0 */
/* Checked values of a config.json's keys, and what its class leaves to a preset. No class' keys. */
#include "models/dit_config_key.h"

#include <stdio.h>
#include <string.h>

/* No effect on an inference that computes its attention in fp32. */
static const char *const harmless_keys[] = {"dropout", "norm_num_groups", "upcast_attention"};

enum status dit_config_key_choice(json_t *object, const char *key, const char *const *legal,
                                  int *out)
{
    const json_t *value = json_object_get(object, key);
    char wanted[128] = "";
    for (int i = 0; legal[i]; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), legal[i]) == 0) {
            *out = i;
            json_object_del(object, key);
            return ST_OK;
        }
        size_t used = strlen(wanted);
        snprintf(wanted + used, sizeof(wanted) - used, "%s\"%s\"", i ? " or " : "", legal[i]);
    }
    return value || *out == DIT_CONFIG_NONE ? json_key_refuse(key, value, wanted) : ST_OK;
}

enum status dit_config_key_int(json_t *object, const char *key, int most, bool optional, int *out)
{
    const json_t *value = json_object_get(object, key);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "an integer from 1 to %d%s", most,
             optional ? ", or null" : "");
    if (json_is_integer(value) && json_integer_value(value) >= 1 &&
        json_integer_value(value) <= most)
        *out = (int)json_integer_value(value);
    else if (json_is_null(value) && optional)
        *out = DIT_CONFIG_NONE;
    else if (value || (*out == DIT_CONFIG_NONE && !optional))
        return json_key_refuse(key, value, wanted);
    json_object_del(object, key);
    return ST_OK;
}

enum status dit_config_key_flag(json_t *object, const char *key, bool optional, int *out)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_boolean(value))
        *out = json_is_true(value);
    else if (json_is_null(value) && optional)
        *out = DIT_CONFIG_NONE;
    else if (value)
        return json_key_refuse(key, value, optional ? "true, false or null" : "true or false");
    json_object_del(object, key);
    return ST_OK;
}

enum status dit_config_key_number(json_t *object, const char *key, bool optional, double *out)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_number(value) && json_number_value(value) > 0 && json_number_value(value) < 1e6)
        *out = json_number_value(value);
    else if (json_is_null(value) && optional)
        *out = 0;
    else if (value)
        return json_key_refuse(key, value,
                               optional ? "a number above 0 and below 1e6, or null"
                                        : "a number above 0 and below 1e6");
    json_object_del(object, key);
    return ST_OK;
}

enum status dit_config_key_rest(json_t *object)
{
    const char *key;
    json_t *value;
    for (size_t i = 0; i < sizeof(harmless_keys) / sizeof(harmless_keys[0]); i++)
        json_object_del(object, harmless_keys[i]);
    json_object_foreach(object, key, value)
    {
        if (key[0] != '_' && !json_is_null(value) && !json_is_false(value))
            return json_key_refuse(key, value,
                                   "null or false: what it asks for is not implemented");
    }
    return ST_OK;
}

struct dit_config dit_config_key_preset(const char *name)
{
    int i = 0;
    while (dit_config_at(i) && strcmp(dit_config_at(i)->name, name) != 0)
        i++;
    BUG_ON(!dit_config_at(i), "no preset %s", name);
    return *dit_config_at(i);
}

enum status dit_config_key_sample(int sample_size, int patch)
{
    if (sample_size >= patch)
        return ST_OK;
    return fail(ST_INVALID, "key \"sample_size\": found %d, wanted at least patch_size, %d",
                sample_size, patch);
}

enum status dit_config_key_sincos(int channels)
{
    if (channels % 4 == 0)
        return ST_OK;
    return fail(ST_INVALID,
                "keys \"num_attention_heads\" x \"attention_head_dim\": found %d, wanted a "
                "multiple of 4: "
                "positions are pairs of sines and cosines for rows and columns",
                channels);
}
