/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of a model's config.json share, for models/dit_config_*.c and
 * models/vae_config_read.c only. A function
 * takes its key out of the object, so that what is left in the end is what nobody understood: a key
 * that would change a number is refused, never ignored. An absent key leaves *out, the class'
 * default, alone; where that is DIT_CONFIG_NONE and null is no value, the key is asked for. Every
 * refusal is ST_INVALID and says key, found and wanted; the file's name is the caller's to add.
 */
#ifndef MODELS_DIT_CONFIG_KEY_H
#define MODELS_DIT_CONFIG_KEY_H

#include "models/dit_config.h"
#include "models/json_key.h"

#include <jansson.h>

enum {
    DIT_CONFIG_NONE = -1, /* null */
    /* Bounds keep every product in range and mean nothing else. */
    DIT_CONFIG_MOST_HEADS = 1024, /* and of their dimension */
    DIT_CONFIG_MOST_LATENT = 1024,
    DIT_CONFIG_MOST_SIDE = 65536,
    DIT_CONFIG_MOST_PATCH = 64,
    DIT_CONFIG_MOST_WIDTH = 1 << 20,
    DIT_CONFIG_MOST_ROWS = 65536, /* of text */
};

/* *out = the index of the text in `legal`, a list ended by NULL. */
enum status dit_config_key_choice(json_t *object, const char *key, const char *const *legal,
                                  int *out);

/* 1 .. most; null makes it DIT_CONFIG_NONE where `optional`. */
enum status dit_config_key_int(json_t *object, const char *key, int most, bool optional, int *out);

/* 0 or 1; null makes it DIT_CONFIG_NONE where `optional`. */
enum status dit_config_key_flag(json_t *object, const char *key, bool optional, int *out);

/* Above 0 and below 1e6; null makes it 0 where `optional`. */
enum status dit_config_key_number(json_t *object, const char *key, bool optional, double *out);

/* What nobody took: comments and switches that are off pass, all else is refused. */
enum status dit_config_key_rest(json_t *object);

/* The preset of that name: what a config.json does not say. A name that is none is a bug. */
struct dit_config dit_config_key_preset(const char *name);

/* Refuses a latent that no patch fits into. */
enum status dit_config_key_sample(int sample_size, int patch);

/* Refuses a width that two-dimensional sines and cosines do not fill. */
enum status dit_config_key_sincos(int channels);

/* ---- the classes: a whole object, less "_class_name". `class` is one of those it knows ---- */

/* PixArt's, DiT's, Latte's, and an older one of the first two. */
enum status dit_config_transformer2d(json_t *object, const char *class, struct dit_config *out);
enum status dit_config_sd3(json_t *object, const char *class, struct dit_config *out);
enum status dit_config_flux(json_t *object, const char *class, struct dit_config *out);
enum status dit_config_hunyuan(json_t *object, const char *class, struct dit_config *out);

#endif
