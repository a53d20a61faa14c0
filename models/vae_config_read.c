/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the config.json of diffusers' AutoencoderKL. What is about the encoder alone is not judged.
 */
#include "models/dit_config_key.h"
#include "models/vae_config.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 20 }; /* bytes; diffusers writes less than one KiB */

static const char pipeline_part[] = "vae/config.json";
static const char bare_part[] = "config.json";

/* ---- keys ---- */

static enum status take_class(json_t *object)
{
    static const char *const legal[] = {"AutoencoderKL", NULL};
    int found = DIT_CONFIG_NONE;
    return dit_config_key_choice(object, "_class_name", legal, &found);
}

/* block_out_channels counts from the picture, levels from the latent. */
static enum status take_widths(json_t *object, struct vae_config *out)
{
    static const char key[] = "block_out_channels";
    const json_t *list = json_object_get(object, key);
    char wanted[96];
    size_t i;
    const json_t *value;
    snprintf(wanted, sizeof wanted, "a list of 1 to %d integers from 1 to %d", VAE_MOST_LEVELS,
             VAE_MOST_WIDTH);
    if (!json_is_array(list) || json_array_size(list) < 1 ||
        json_array_size(list) > VAE_MOST_LEVELS)
        return json_key_refuse(key, list, wanted);
    out->levels = (int)json_array_size(list);
    json_array_foreach(list, i, value)
    {
        if (!json_is_integer(value) || json_integer_value(value) < 1 ||
            json_integer_value(value) > VAE_MOST_WIDTH)
            return json_key_refuse(key, value, wanted);
        out->width[out->levels - 1 - (int)i] = (int)json_integer_value(value);
    }
    json_object_del(object, key);
    return ST_OK;
}

static enum status take_blocks(json_t *object, const struct vae_config *c)
{
    static const char key[] = "up_block_types";
    const json_t *list = json_object_get(object, key);
    size_t i;
    const json_t *value;
    if (!json_is_array(list) || (int)json_array_size(list) != c->levels)
        return fail(ST_INVALID,
                    "key \"%s\": found %zu entries, wanted one for each of the %d of "
                    "\"block_out_channels\"",
                    key, json_array_size(list), c->levels);
    json_array_foreach(list, i, value)
    {
        const char *name = json_string_value(value);
        if (!name || strcmp(name, "UpDecoderBlock2D") != 0)
            return json_key_refuse(key, value, "\"UpDecoderBlock2D\" alone");
    }
    json_object_del(object, key);
    return ST_OK;
}

static enum status take_shift(json_t *object, double *out)
{
    static const char key[] = "shift_factor";
    const json_t *value = json_object_get(object, key);
    bool number = json_is_number(value) && fabs(json_number_value(value)) < 1e6;
    if (value && !number && !json_is_null(value))
        return json_key_refuse(key, value, "a number, or null for 0");
    *out = number ? json_number_value(value) : 0;
    json_object_del(object, key);
    return ST_OK;
}

static enum status take_flag(json_t *object, const char *key, bool *out)
{
    int flag = *out;
    TRY(dit_config_key_flag(object, key, false, &flag));
    *out = flag;
    return ST_OK;
}

/* Says nothing about a decoder: its encoder, its training, and in which type diffusers runs it. */
static void drop_encoder(json_t *object)
{
    static const char *const keys[] = {"in_channels", "down_block_types", "sample_size",
                                       "use_quant_conv", "force_upcast"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_del(object, keys[i]);
}

static enum status read_keys(json_t *object, struct vae_config *out)
{
    static const char *const activations[] = {"silu", "swish", NULL};
    int activation = 0;
    int layers = 1; // the defaults are diffusers'
    TRY(take_class(object));
    TRY(take_widths(object, out));
    TRY(take_blocks(object, out));
    TRY(dit_config_key_int(object, "layers_per_block", VAE_MOST_RESNETS - 1, false, &layers));
    TRY(dit_config_key_int(object, "latent_channels", VAE_MOST_LATENT, false,
                           &out->latent_channels));
    TRY(dit_config_key_int(object, "out_channels", VAE_MOST_LATENT, false, &out->out_channels));
    TRY(dit_config_key_int(object, "norm_num_groups", VAE_MOST_GROUPS, false, &out->groups));
    TRY(dit_config_key_choice(object, "act_fn", activations, &activation));
    TRY(dit_config_key_number(object, "scaling_factor", false, &out->scaling));
    TRY(take_shift(object, &out->shift));
    TRY(take_flag(object, "use_post_quant_conv", &out->post_quant));
    TRY(take_flag(object, "mid_block_add_attention", &out->attention));
    out->resnets = layers + 1;
    drop_encoder(object);
    return dit_config_key_rest(object);
}

static enum status check_groups(const struct vae_config *c)
{
    for (int l = 0; l < c->levels; l++)
        if (c->width[l] % c->groups != 0)
            return fail(ST_INVALID,
                        "key \"block_out_channels\": found %d, wanted a multiple of "
                        "norm_num_groups, %d",
                        c->width[l], c->groups);
    return ST_OK;
}

static enum status parse_object(json_t *object, struct vae_config *out)
{
    *out = (struct vae_config){.latent_channels = 4,
                               .out_channels = 3,
                               .groups = 32,
                               .post_quant = true,
                               .attention = true,
                               .scaling = 0.18215,
                               .default_size = 1024};
    TRY(read_keys(object, out));
    return check_groups(out);
}

enum status vae_config_parse(const char *label, const char *text, unsigned long size,
                             struct vae_config *out)
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

/* ---- folders ---- */

static enum status look(const char *folder, const char *part, char path[PATH_MAX], bool *there)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, part) >= PATH_MAX)
        return fail(ST_INVALID, "%.200s...: the path is too long", folder);
    return file_there(path, there);
}

/* A bare folder may be that of another model: its class says. A file that is no JSON says nothing.
 */
static enum status is_decoder(const char *path, bool *yes)
{
    char *text;
    size_t size;
    struct file_stamp stamp;
    TRY(file_read_text(path, FILE_LIMIT, &text, &size, &stamp));
    json_t *object = json_loadb(text, size, 0, NULL);
    const char *class = json_string_value(json_object_get(object, "_class_name"));
    *yes = class && strncmp(class, "Autoencoder", 11) == 0;
    json_decref(object);
    free(text);
    return ST_OK;
}

enum status vae_config_there(const char *folder, bool *there)
{
    char path[PATH_MAX];
    TRY(look(folder, pipeline_part, path, there));
    if (*there)
        return ST_OK;
    TRY(look(folder, bare_part, path, there));
    return *there ? is_decoder(path, there) : ST_OK;
}

static enum status read_file(const char *path, struct vae_config *out)
{
    char *text;
    size_t size;
    struct file_stamp stamp;
    TRY(file_read_text(path, FILE_LIMIT, &text, &size, &stamp));
    enum status st = vae_config_parse(path, text, size, out);
    free(text);
    out->read_from = stamp;
    return st;
}

enum status vae_config_read(const char *folder, struct vae_config *out, char *folder_out,
                            unsigned long size)
{
    char path[PATH_MAX];
    bool pipeline;
    bool bare = false;
    TRY(look(folder, pipeline_part, path, &pipeline));
    if (!pipeline)
        TRY(look(folder, bare_part, path, &bare));
    if (!pipeline && !bare)
        return fail(ST_INVALID,
                    "%s: holds neither %s nor %s: wanted a folder as diffusers' save_pretrained "
                    "writes it for a pipeline or an AutoencoderKL",
                    folder, pipeline_part, bare_part);
    TRY(read_file(path, out));
    snprintf(out->name, sizeof(out->name), "%s", folder);
    if ((unsigned long)snprintf(folder_out, size, "%s%s", folder, pipeline ? "/vae" : "") >= size)
        return fail(ST_INVALID, "%s: the path is too long", folder);
    return ST_OK;
}
