/* SPDX-License-Identifier: Apache-2.0 */
/* The names that a table and a configuration give are those of the checkpoint, all of them. */
#include "models/checkpoint.h"
#include "models/dit_names.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

struct seen {
    struct checkpoint *checkpoint;
    const char *label;
    int n;
};

/* A parameter that must be there; one without a name is not asked for. */
static void whole(struct seen *s, const char *prefix, const char *name, const char *suffix)
{
    char text[256];
    const struct safetensors *file;

    if (!name)
        return;
    snprintf(text, sizeof text, "%s%s%s", prefix, name, suffix);
    cr_assert(checkpoint_find(s->checkpoint, text, &file), "%s has no %s", s->label, text);
    s->n++;
}

static void linear(struct seen *s, const char *prefix, const char *name, bool bias)
{
    whole(s, prefix, name, ".weight");
    if (bias)
        whole(s, prefix, name, ".bias");
}

static void mlp(struct seen *s, const char *prefix, const char *name)
{
    char text[200];

    if (!name)
        return;
    snprintf(text, sizeof text, "%s%s", prefix, name);
    linear(s, text, ".linear_1", true);
    linear(s, text, ".linear_2", true);
}

static void attention(struct seen *s, const struct dit_config *c, const char *block,
                      const struct dit_attention_names *a, bool text_out)
{
    char prefix[160];
    bool norm_bias = c->qk_norm == DIT_QK_LAYER;

    if (!a->name)
        return;
    snprintf(prefix, sizeof prefix, "%s%s.", block, a->name);
    linear(s, prefix, a->q, c->attn_bias);
    linear(s, prefix, a->k, c->attn_bias);
    linear(s, prefix, a->v, c->attn_bias);
    linear(s, prefix, a->out, true);
    linear(s, prefix, a->add_q, c->attn_bias);
    linear(s, prefix, a->add_k, c->attn_bias);
    linear(s, prefix, a->add_v, c->attn_bias);
    if (text_out)
        linear(s, prefix, a->add_out, true);
    if (c->qk_norm == DIT_QK_PLAIN)
        return;
    linear(s, prefix, a->q_norm, norm_bias);
    linear(s, prefix, a->k_norm, norm_bias);
    linear(s, prefix, a->add_q_norm, norm_bias);
    linear(s, prefix, a->add_k_norm, norm_bias);
}

static void block(struct seen *s, const struct dit_config *c, const struct dit_names *names,
                  int layer)
{
    struct dit_layer l = dit_config_layer(c, layer);
    const struct dit_block_names *b = &names->of[l.kind];
    char prefix[96];

    cr_assert(b->block, "%s: no name of a block of kind %d", s->label, (int)l.kind);
    snprintf(prefix, sizeof prefix, b->block, l.index);
    strcat(prefix, ".");
    attention(s, c, prefix, &b->attention, l.text_out);
    if (c->cross || l.dual)
        attention(s, c, prefix, &b->second, false);
    linear(s, prefix, b->mlp_in, true);
    linear(s, prefix, b->mlp_out, true);
    linear(s, prefix, b->joined_out, true);
    if (l.text_out) {
        linear(s, prefix, b->text_mlp_in, true);
        linear(s, prefix, b->text_mlp_out, true);
    }
    linear(s, prefix, b->mod, true);
    linear(s, prefix, b->text_mod, true);
    whole(s, prefix, b->table, "");
    mlp(s, prefix, b->time);
    whole(s, prefix, b->labels, "");
    linear(s, prefix, b->norm_attn, true);
    linear(s, prefix, b->norm_cross, true);
    linear(s, prefix, b->norm_mlp, true);
    if (l.skip_from >= 0) {
        linear(s, prefix, b->skip_norm, true);
        linear(s, prefix, b->skip, true);
    }
}

static void around(struct seen *s, const struct dit_config *c, const struct dit_names *names)
{
    linear(s, "", names->embed, true);
    whole(s, "", names->positions, "");
    mlp(s, "", names->time);
    if (c->guidance_in)
        mlp(s, "", names->guidance);
    mlp(s, "", names->pooled);
    if (c->micro) {
        mlp(s, "", names->resolution);
        mlp(s, "", names->aspect);
    }
    linear(s, "", names->mod, true);
    linear(s, "", names->text, true);
    mlp(s, "", names->text_mlp);
    mlp(s, "", names->text2_mlp);
    whole(s, "", names->text_padding, "");
    whole(s, "", names->pool_positions, "");
    linear(s, "", names->pool_q, true);
    linear(s, "", names->pool_k, true);
    linear(s, "", names->pool_v, true);
    linear(s, "", names->pool_out, true);
    linear(s, "", names->head, true);
    linear(s, "", names->head_mod, true);
    whole(s, "", names->head_table, "");
}

static void check_folder(const char *name)
{
    struct dit_config c;
    struct seen s = {.label = name};
    char folder[512];
    int held = 0;

    cr_assert_eq(dit_config_load(name, &c, folder, sizeof folder), ST_OK, "%s", status_text());
    cr_assert_eq(checkpoint_open(folder, &s.checkpoint), ST_OK, "%s", status_text());
    around(&s, &c, dit_names_of(c.naming));
    for (int l = 0; l < c.layers; l++)
        block(&s, &c, dit_names_of(c.naming), l);
    for (int i = 0; i < s.checkpoint->files; i++)
        held += safetensors_count(s.checkpoint->file[i]);
    cr_assert_eq(s.n, held, "%s: %d of %d names", name, s.n, held);
    checkpoint_close(s.checkpoint);
}

Test(dit_names, checkpoints_hold_all_and_nothing_else)
{
    static const char *const folders[] = {
        GOLDEN "pixart-alpha", GOLDEN "pixart-alpha-1024", GOLDEN "pixart-flow", GOLDEN "dit",
        GOLDEN "sd3",          GOLDEN "sd3.5-medium",      GOLDEN "sd3.5-large", GOLDEN "flux-dev",
        GOLDEN "flux-schnell", GOLDEN "hunyuandit",        GOLDEN "latte",
    };

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        check_folder(folders[i]);
}
