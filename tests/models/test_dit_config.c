/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations: published totals of parameters, diffusers' defaults, and a refusal for each key
 * that is not ours. */
#include "models/dit_config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

static struct dit_config load(const char *name, char folder[512])
{
    struct dit_config config;

    cr_assert_eq(dit_config_load(name, &config, folder, 512), ST_OK, "%s", status_text());
    return config;
}

static struct dit_config preset(const char *name)
{
    char folder[512];
    struct dit_config config = load(name, folder);

    cr_assert_str_eq(folder, "");
    cr_assert_str_eq(config.name, name);
    return config;
}

static struct dit_config parse(const char *text)
{
    struct dit_config config;

    cr_assert_eq(dit_config_parse("config.json", text, strlen(text), &config), ST_OK, "%s",
                 status_text());
    return config;
}

static void refused(const char *text, const char *reason)
{
    struct dit_config config;

    cr_assert_eq(dit_config_parse("config.json", text, strlen(text), &config), ST_INVALID,
                 "accepted: %s", text);
    cr_assert(strstr(status_message(), "config.json"), "no file in: %s", status_message());
    cr_assert(strstr(status_message(), reason), "%s\n  says: %s\n  wanted: %s", text,
              status_message(), reason);
}

/* Of the presets that have a published counterpart, and of the tiny ones as counted with diffusers.
 * A preset that is not here is not judged. */
Test(dit_config, parameters_are_the_published_ones)
{
    static const struct {
        const char *name;
        unsigned long long parameters;
    } totals[] = {
        {"pixart-alpha-256", 610856096},
        {"pixart-alpha-512", 610856096},
        {"pixart-alpha-1024", 611349152},
        {"pixart-sigma", 610856096},
        {"dit-xl-2-256", 749826464},
        {"dit-xl-2-512", 749826464},
        {"sd3-medium", 2028328000},
        {"sd3.5-medium", 2243171520},
        {"sd3.5-large", 8056627520},
        {"flux.1-dev", 11901408320},
        {"flux.1-schnell", 11891178560},
        {"hunyuandit-v1.2", 1499952032},
        {"latte-1", 1057246880},
        {"pixart-tiny", 1901696},
        {"dit-tiny", 2451776},
        {"sd3-tiny", 2836112},
        {"flux-tiny", 2292384},
        {"hunyuandit-tiny", 2063960},
        {"latte-tiny", 1678208},
    };

    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        struct dit_config config = preset(totals[i].name);
        cr_assert_eq(dit_config_parameters(&config), totals[i].parameters, "%s has %llu",
                     totals[i].name, dit_config_parameters(&config));
    }
}

/* Rotations go by pairs of a head, over all of it; a table is at least as large as the default
 * grid.
 */
static void check_positions(const struct dit_config *c)
{
    const int *axes = c->rope_axes;

    if (c->position == DIT_POSITION_ROPE && axes[0] + axes[1] + axes[2] > 0) {
        cr_assert_eq(axes[0] + axes[1] + axes[2], c->head_dim, "%s", c->name);
        cr_assert(axes[0] % 2 == 0 && axes[1] % 2 == 0 && axes[2] % 2 == 0, "%s", c->name);
    } else if (c->position == DIT_POSITION_ROPE) {
        cr_assert_eq(c->head_dim % 4, 0, "%s", c->name);
    }
    cr_assert_eq(c->position == DIT_POSITION_TABLE, c->table_side > 0, "%s", c->name);
    if (c->table_side > 0)
        cr_assert_geq(c->table_side * c->patch * c->vae_scale, c->default_size, "%s", c->name);
}

/* What the model takes for granted of any shape. */
static void check_shape(const struct dit_config *c)
{
    cr_assert(c->heads > 0 && c->head_dim > 0 && c->layers > 0 && c->mlp > 0, "%s", c->name);
    cr_assert_eq(dit_channels(c) % 4, 0, "%s: positions are sines and cosines of rows and columns",
                 c->name);
    cr_assert(!c->micro || dit_channels(c) % 3 == 0, "%s: three micro-conditions", c->name);
    cr_assert(c->out_channels == c->in_channels || c->out_channels == 2 * c->in_channels, "%s",
              c->name);
    cr_assert_eq(c->cross + c->joint, c->text_dim > 0, "%s: text by one way", c->name);
    cr_assert_eq(c->text_dim > 0, c->text_tokens > 0, "%s", c->name);
    cr_assert_eq(c->text2_dim > 0, c->text2_tokens > 0, "%s", c->name);
    cr_assert(c->text2_dim % 8 == 0 && (c->text2_dim == 0 || c->pooled_dim > 0),
              "%s: eight heads pool the second text", c->name);
    check_positions(c);
    cr_assert(c->norm_eps > 0 && c->pos_scale > 0 && c->sample_size >= c->patch, "%s", c->name);
}

/* Whatever is added to the table is judged here, and needs no line. */
Test(dit_config, presets_are_consistent)
{
    int n = 0;

    for (; dit_config_at(n); n++) {
        const struct dit_config *c = dit_config_at(n);
        struct sampler *sampler;

        cr_assert(dit_config_summary(n) && dit_config_summary(n)[0]);
        cr_assert(c->name[0] && !strchr(c->name, '/') && !strchr(c->name, ' '), "%s", c->name);
        for (int k = 0; k < n; k++)
            cr_assert_str_neq(c->name, dit_config_at(k)->name);
        check_shape(c);
        cr_assert(c->vae_scale > 0 && c->default_size % (c->vae_scale * c->patch) == 0, "%s",
                  c->name);
        int side = c->default_size / c->vae_scale / c->patch;
        cr_assert_eq(sampler_open(&c->sampler, c->default_steps, side * side, &sampler), ST_OK,
                     "%s: %s", c->name, status_message());
        sampler_close(sampler);
    }
    cr_assert_gt(n, 0);
    cr_assert_null(dit_config_at(-1));
    cr_assert_null(dit_config_summary(n));
}

Test(dit_config, presets_have_the_published_numbers)
{
    struct dit_config alpha = preset("pixart-alpha-1024");
    struct dit_config sigma = preset("pixart-sigma");
    struct dit_config dit = preset("dit-xl-2-256");

    cr_assert(alpha.micro && alpha.pos_scale == 2 && alpha.text_tokens == 120 &&
              alpha.default_size == 1024);
    cr_assert(alpha.heads == 16 && alpha.head_dim == 72 && alpha.layers == 28 &&
              alpha.freq_shift == 0);
    cr_assert(alpha.default_steps == 20 && alpha.default_guidance == 4.5f);
    cr_assert(!sigma.micro && sigma.pos_scale == 2 && sigma.text_tokens == 300);
    cr_assert(dit.classes == 1000 && dit.default_steps == 50 && dit.default_guidance == 4 &&
              dit.freq_shift == 1);
    cr_assert(dit.norm_eps == 1e-5f && alpha.norm_eps == 1e-6f);
}

Test(dit_config, presets_of_later_families_have_the_published_numbers)
{
    struct dit_config sd3 = preset("sd3-medium");
    struct dit_config medium = preset("sd3.5-medium");
    struct dit_config dev = preset("flux.1-dev");
    struct dit_config schnell = preset("flux.1-schnell");
    struct dit_config hunyuan = preset("hunyuandit-v1.2");
    struct dit_config latte = preset("latte-1");

    cr_assert(sd3.text_tokens == 333 && sd3.table_side == 192 && sd3.default_steps == 28 &&
              sd3.default_guidance == 7 && sd3.sampler.shift == 3 && !sd3.sampler.unit_grid);
    cr_assert(medium.table_side == 384 && medium.dual[12] && !medium.dual[13] &&
              medium.qk_norm == DIT_QK_RMS && sd3.qk_norm == DIT_QK_PLAIN && !sd3.dual[0]);
    cr_assert(dev.text_tokens == 512 && dev.default_steps == 28 && dev.default_guidance == 3.5f &&
              dev.guidance_in && dev.distilled && dev.sampler.dynamic_shift &&
              dev.sampler.unit_grid);
    cr_assert(schnell.text_tokens == 256 && schnell.default_steps == 4 &&
              schnell.default_guidance <= 1 && !schnell.guidance_in && schnell.distilled &&
              !schnell.sampler.dynamic_shift && schnell.sampler.shift == 1 &&
              schnell.sampler.unit_grid);
    cr_assert_eq(dit_features(&dev, dev.in_channels), 64);
    cr_assert(hunyuan.text_tokens == 77 && hunyuan.text2_tokens == 256 && hunyuan.mlp == 6144 &&
              hunyuan.default_steps == 50 && hunyuan.default_guidance == 5 &&
              hunyuan.sampler.kind == SAMPLER_DDPM && hunyuan.sampler.prediction == PREDICT_V);
    cr_assert(latte.frames == 16 && latte.layers == 56 && latte.default_size == 512 &&
              latte.default_steps == 50 && latte.default_guidance == 7.5f);
}

/* Tests and laptops run them at every degree up to 4 and at 6. */
Test(dit_config, tiny_presets_divide)
{
    int tiny = 0;

    for (int i = 0; dit_config_at(i); i++) {
        const struct dit_config *c = dit_config_at(i);

        if (!strstr(c->name, "-tiny"))
            continue;
        tiny++;
        cr_assert_leq(dit_config_parameters(c), 3000000, "%s", c->name);
        cr_assert(c->heads == 12 && c->layers >= 8 && c->mlp % 12 == 0, "%s", c->name);
    }
    cr_assert_eq(tiny, 6);
}

/* Two schedules are the same when all their coefficients are. */
static void same_schedule(const struct sampler_config *a, const struct sampler_config *b)
{
    struct sampler *x;
    struct sampler *y;

    cr_assert_eq(sampler_open(a, 20, 256, &x), ST_OK, "%s", status_text());
    cr_assert_eq(sampler_open(b, 20, 256, &y), ST_OK, "%s", status_text());
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(x->timestep[i], y->timestep[i], "step %d", i);
        cr_assert_eq(memcmp(&x->coef[i], &y->coef[i], sizeof(x->coef[i])), 0, "step %d", i);
    }
    sampler_close(x);
    sampler_close(y);
}

/* The published schedulers are diffusers' classes with their defaults; DiT's does not clip. */
Test(dit_config, presets_have_the_published_samplers)
{
    struct dit_config pixart = preset("pixart-sigma");
    struct dit_config dit = preset("dit-xl-2-512");
    struct sampler_config solver = sampler_config_default(SAMPLER_DPMSOLVER_2M);
    struct sampler_config ddim = sampler_config_default(SAMPLER_DDIM);

    ddim.clip_sample = false;
    cr_assert_eq(pixart.sampler.kind, SAMPLER_DPMSOLVER_2M);
    cr_assert_eq(dit.sampler.kind, SAMPLER_DDIM);
    same_schedule(&pixart.sampler, &solver);
    same_schedule(&dit.sampler, &ddim);
}

Test(dit_config, checkpoints_are_read_as_diffusers_wrote_them)
{
    char folder[512];
    struct dit_config c = load(GOLDEN "pixart-alpha-1024", folder);

    cr_assert_str_eq(folder, GOLDEN "pixart-alpha-1024/transformer");
    cr_assert_str_eq(c.name, GOLDEN "pixart-alpha-1024");
    cr_assert(c.modulation == DIT_ADALN_SINGLE && c.cross && c.micro && c.heads == 12 &&
              c.head_dim == 4);
    cr_assert(c.layers == 4 && c.mlp == 192 && c.patch == 2 && c.in_channels == 4 &&
              c.out_channels == 8);
    cr_assert(c.sample_size == 16 && c.pos_scale == 2 && c.norm_eps == 1e-2f && c.text_dim == 24 &&
              c.classes == 0);
    cr_assert(c.default_size == 128 && c.text_tokens == 120 && c.default_steps == 20);
    cr_assert(c.sampler.kind == SAMPLER_DDIM && c.sampler.prediction == PREDICT_V &&
              c.sampler.rescale_zero_snr);
    cr_assert_eq(dit_config_parameters(&c), 194704);

    c = load(GOLDEN "pixart-sigma", folder);
    cr_assert(c.text_tokens == 300 && c.pos_scale == 1.5f && !c.micro &&
              c.sampler.kind == SAMPLER_DPMSOLVER_2M);
    cr_assert_eq(dit_config_parameters(&c), 704384);

    c = load(GOLDEN "pixart-flow", folder);
    cr_assert(!c.attn_bias && c.out_channels == 4 && c.patch == 1 && c.pos_scale == 1 &&
              c.heads == 6);
    cr_assert(c.sampler.kind == SAMPLER_FLOW_EULER && c.sampler.shift == 3);
    cr_assert_eq(dit_config_parameters(&c), 182644);

    c = load(GOLDEN "dit-ddpm", folder);
    cr_assert(c.modulation == DIT_ADALN_ZERO && !c.cross && c.text_dim == 0 && c.classes == 7 &&
              c.patch == 4);
    cr_assert(c.sampler.kind == SAMPLER_DDPM && c.default_steps == 50 && c.text_tokens == 0 &&
              c.freq_shift == 1);
    cr_assert_eq(dit_config_parameters(&c), 300416);
}

Test(dit_config, a_bare_transformer_has_its_familys_sampler)
{
    char folder[512];
    struct dit_config whole = load(GOLDEN "pixart-alpha", folder);
    struct dit_config bare = load(GOLDEN "pixart-alpha/transformer", folder);

    cr_assert_str_eq(folder, GOLDEN "pixart-alpha/transformer");
    same_schedule(&bare.sampler, &whole.sampler);
    cr_assert_eq(bare.layers, whole.layers);
    bare = load(GOLDEN "dit-ddpm/transformer", folder);
    cr_assert(bare.sampler.kind == SAMPLER_DDIM && !bare.sampler.clip_sample);
}

#define OLD                                                                                        \
    "{\"_class_name\":\"Transformer2DModel\",\"_diffusers_version\":\"0.22.0.dev0\",\"_name_or_"   \
    "path\":\"x\","                                                                                \
    "\"activation_fn\":\"gelu-approximate\",\"attention_bias\":true,\"attention_head_dim\":72,"    \
    "\"attention_type\":\"default\",\"double_self_attention\":false,\"dropout\":0.0,\"in_"         \
    "channels\":4,"                                                                                \
    "\"norm_elementwise_affine\":false,\"norm_eps\":1e-06,\"norm_num_groups\":32,\"num_attention_" \
    "heads\":16,"                                                                                  \
    "\"num_embeds_ada_norm\":1000,\"num_layers\":28,\"num_vector_embeds\":null,\"only_cross_"      \
    "attention\":false,"                                                                           \
    "\"out_channels\":8,\"patch_size\":2,\"upcast_attention\":false,\"use_linear_projection\":"    \
    "false"
#define OLD_PIXART                                                                                 \
    OLD ",\"caption_channels\":4096,\"cross_attention_dim\":1152,\"norm_type\":\"ada_norm_"        \
        "single\""
#define NEW "{\"_class_name\":\"PixArtTransformer2DModel\",\"caption_channels\":4096"

Test(dit_config, old_checkpoints_are_those_of_the_new_classes)
{
    struct dit_config c = parse(OLD_PIXART ",\"sample_size\":128}");

    cr_assert(c.micro && c.pos_scale == 2 && c.text_tokens == 120);
    cr_assert_eq(dit_config_parameters(&c), 611349152);
    c = parse(OLD_PIXART ",\"sample_size\":64}");
    cr_assert(!c.micro && c.pos_scale == 1 && c.default_size == 512);
    c = parse(OLD
              ",\"cross_attention_dim\":null,\"norm_type\":\"ada_norm_zero\",\"sample_size\":32}");
    cr_assert(c.modulation == DIT_ADALN_ZERO && c.classes == 1000);
    cr_assert_eq(dit_config_parameters(&c), 749826464);
}

Test(dit_config, missing_keys_take_diffusers_defaults)
{
    struct dit_config c = parse(NEW "}");

    cr_assert(c.heads == 16 && c.head_dim == 72 && c.layers == 28 && c.sample_size == 128 &&
              c.micro && c.pos_scale == 2);
    cr_assert_eq(dit_config_parameters(&c), 611349152);
    c = parse(NEW ",\"use_additional_conditions\":false}");
    cr_assert(!c.micro && c.text_tokens == 300);
    c = parse(NEW ",\"sample_size\":256}");
    cr_assert(!c.micro && c.pos_scale == 4);
    c = parse(NEW ",\"sample_size\":191}");
    cr_assert_eq(c.pos_scale, 2);
    c = parse(NEW ",\"interpolation_scale\":0.5,\"sample_size\":32,\"out_channels\":null}");
    cr_assert(c.pos_scale == 0.5f && c.out_channels == 4);
    c = parse("{\"_class_name\":\"DiTTransformer2DModel\"}");
    cr_assert(c.classes == 1000 && c.out_channels == 4 && c.sample_size == 32 && c.pos_scale == 1 &&
              c.norm_eps == 1e-5f);
}

Test(dit_config, keys_that_change_a_number_are_refused)
{
    refused("", "not valid JSON");
    refused("[]", "wanted an object");
    refused("{\"_class_name\":\"DiTTransformer2DModel\",\"num_layers\":1,\"num_layers\":2}",
            "duplicate");
    refused("{}", "\"_class_name\": found none, wanted one of PixArtTransformer2DModel, "
                  "DiTTransformer2DModel");
    refused("{\"_class_name\":\"UNet2DConditionModel\"}", "found \"UNet2DConditionModel\"");
    refused(NEW ",\"activation_fn\":\"geglu\"}",
            "\"activation_fn\": found \"geglu\", wanted \"gelu-approximate\"");
    refused(NEW ",\"activation_fn\":7}", "found 7, wanted");
    refused(NEW ",\"norm_type\":\"layer_norm\"}", "wanted \"ada_norm_single\"");
    refused(NEW ",\"norm_type\":\"ada_norm_zero\"}",
            "wanted \"ada_norm_single\" with class PixArt");
    refused(NEW ",\"norm_elementwise_affine\":true}",
            "\"norm_elementwise_affine\": found true, wanted false");
    refused(NEW ",\"attention_type\":\"gated\"}", "wanted \"default\"");
    refused(NEW ",\"use_linear_projection\":true}",
            "\"use_linear_projection\": found true, wanted null or false");
    refused(NEW ",\"double_self_attention\":true}", "\"double_self_attention\"");
    refused(NEW ",\"only_cross_attention\":true}", "\"only_cross_attention\"");
    refused(NEW ",\"num_vector_embeds\":5}", "\"num_vector_embeds\": found 5");
    refused(NEW ",\"from_the_future\":[1]}", "\"from_the_future\": found an object or a list");
    refused(NEW ",\"num_attention_heads\":0}", "found 0, wanted an integer from 1 to 1024");
    refused(NEW ",\"num_attention_heads\":-16}", "found -16");
    refused(NEW ",\"num_layers\":2.5}", "found 2.5");
    refused(NEW ",\"num_layers\":99999999999}", "found 99999999999");
    refused(NEW ",\"sample_size\":null}", "\"sample_size\": found null");
    refused(NEW ",\"sample_size\":[64,64]}", "\"sample_size\": found an object or a list");
    refused(NEW ",\"sample_size\":1}", "at least patch_size, 2");
    refused(NEW ",\"out_channels\":6}", "\"out_channels\": found 6");
    refused(NEW ",\"norm_eps\":0}", "\"norm_eps\"");
    refused(NEW ",\"interpolation_scale\":-1}", "\"interpolation_scale\"");
    refused(NEW ",\"attention_bias\":null}",
            "\"attention_bias\": found null, wanted true or false");
    refused(NEW ",\"cross_attention_dim\":null}", "wanted heads x head dim, 1152");
    refused(NEW ",\"cross_attention_dim\":768}", "found 768");
    refused("{\"_class_name\":\"PixArtTransformer2DModel\"}", "\"caption_channels\"");
    refused(NEW ",\"num_attention_heads\":1,\"attention_head_dim\":6,\"cross_attention_dim\":6}",
            "multiple of 4");
    refused(NEW ",\"num_attention_heads\":1,\"attention_head_dim\":8,\"cross_attention_dim\":8}",
            "multiple of 3");
    refused("{\"_class_name\":\"DiTTransformer2DModel\",\"cross_attention_dim\":1152}",
            "ada_norm_zero");
    refused("{\"_class_name\":\"DiTTransformer2DModel\",\"interpolation_scale\":2}",
            "\"interpolation_scale\"");
    refused("{\"_class_name\":\"Transformer2DModel\"}", "\"norm_type\": found none");
    refused(OLD ",\"norm_type\":\"ada_norm_zero\"}", "\"sample_size\": found none");
}

/* Nobody is at the other end of a FIFO, so whoever waits for it never comes back. */
Test(dit_config, files_that_are_no_files, .timeout = 20)
{
    static const char *const name[] = {"transformer/config.json", "scheduler/scheduler_config.json",
                                       "model_index.json"};
    char root[] = "/tmp/ditbench-config-XXXXXX";
    char text[256];
    char folder[512];
    struct dit_config config;
    struct file_stamp now;

    cr_assert(mkdtemp(root));
    snprintf(text, sizeof(text), "cp -r %s/pixart-alpha/. %s", GOLDEN, root);
    cr_assert_eq(system(text), 0);
    cr_assert_eq(dit_config_load(root, &config, folder, sizeof(folder)), ST_OK, "%s",
                 status_text());
    for (int i = 0; i < DIT_CONFIG_FILES; i++) {
        snprintf(text, sizeof(text), "%s/%s", root, name[i]);
        cr_assert_eq(file_look(text, &now), ST_OK);
        cr_assert(file_same(&now, &config.read_from[i]), "%s", text);
    }
    for (int i = DIT_CONFIG_FILES - 1; i >= 0; i--) {
        snprintf(text, sizeof(text), "%s/%s", root, name[i]);
        cr_assert_eq(unlink(text), 0);
        cr_assert_eq(mkfifo(text, 0600), 0);
        cr_assert_eq(dit_config_load(root, &config, folder, sizeof(folder)), ST_INVALID);
        cr_assert(strstr(status_message(), text) && strstr(status_message(), "is a FIFO"), "%s",
                  status_message());
    }
    snprintf(text, sizeof(text), "rm -r %s", root);
    cr_assert_eq(system(text), 0);
}

Test(dit_config, names_and_folders_that_are_no_models)
{
    struct dit_config config;
    char folder[512];
    char root[] = "/tmp/ditbench-config-XXXXXX";
    char path[128];

    cr_assert_eq(dit_config_load("pixart", &config, folder, sizeof(folder)), ST_INVALID);
    cr_assert(
        strstr(status_message(), "model \"pixart\" is neither a checkpoint folder nor one of "),
        "%s", status_message());
    for (int i = 0; dit_config_at(i); i++)
        cr_assert(strstr(status_message(), dit_config_at(i)->name), "%s", status_message());
    cr_assert(mkdtemp(root));
    cr_assert_eq(dit_config_load(root, &config, folder, sizeof(folder)), ST_INVALID);
    cr_assert(strstr(status_message(), "neither transformer/config.json nor config.json"), "%s",
              status_message());

    /* A pipeline without its scheduler. */
    snprintf(path, sizeof(path), "%s/transformer", root);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/transformer/config.json", root);
    FILE *to = fopen(path, "w");
    fputs(NEW "}", to);
    fclose(to);
    cr_assert_eq(dit_config_load(root, &config, folder, sizeof(folder)), ST_OK, "%s",
                 status_text());
    snprintf(path, sizeof(path), "%s/model_index.json", root);
    to = fopen(path, "w");
    fputs("{}", to);
    fclose(to);
    cr_assert_eq(dit_config_load(root, &config, folder, sizeof(folder)), ST_INVALID);
    cr_assert(strstr(status_message(), "scheduler/scheduler_config.json: is missing"), "%s",
              status_message());
    cr_assert_eq(dit_config_load(root, &config, folder, 8), ST_INVALID);
    unlink(path);
    snprintf(path, sizeof(path), "rm -r %s", root);
    cr_assert_eq(system(path), 0);
}
