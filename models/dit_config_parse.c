/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the reader of a transformer's config.json by its class. Takes no other key, opens no files.
 */
#include "models/dit_config_key.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum status (*read)(json_t *object, const char *class, struct dit_config *out);
} classes[] = {
    {"PixArtTransformer2DModel", dit_config_transformer2d},
    {"DiTTransformer2DModel", dit_config_transformer2d},
    {"SD3Transformer2DModel", dit_config_sd3},
    {"FluxTransformer2DModel", dit_config_flux},
    {"HunyuanDiT2DModel", dit_config_hunyuan},
    {"LatteTransformer3DModel", dit_config_transformer2d},
    {"Transformer2DModel", dit_config_transformer2d},
};

enum { CLASSES = sizeof(classes) / sizeof(classes[0]) };

static enum status parse_object(json_t *object, struct dit_config *out)
{
    char wanted[320] = "one of";
    const json_t *value = json_object_get(object, "_class_name");
    const char *name = json_string_value(value);
    for (int i = 0; i < CLASSES; i++) {
        if (name && strcmp(name, classes[i].name) == 0)
            return classes[i].read(object, classes[i].name, out);
        size_t used = strlen(wanted);
        snprintf(wanted + used, sizeof(wanted) - used, "%s %s", i ? "," : "", classes[i].name);
    }
    return json_key_refuse("_class_name", value, wanted);
}

enum status dit_config_parse(const char *label, const char *text, unsigned long size,
                             struct dit_config *out)
{
    json_t *object;
    TRY(json_key_object(label, text, size, &object));
    enum status st = parse_object(object, out);
    json_decref(object);
    if (st != ST_OK)
        return fail_prefix(st, "%s", label);
    snprintf(out->name, sizeof(out->name), "%s", label);
    return ST_OK;
}
