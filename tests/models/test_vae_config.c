/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders as data: presets, layers, parameters; and a refusal for each key that is not ours. */
#include "models/vae_config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

static struct vae_config load(const char *name, const char *folder_wanted)
{
    struct vae_config config;
    char folder[512];

    if (vae_config_find(name, &config))
        return config;
    cr_assert_eq(vae_config_read(name, &config, folder, sizeof(folder)), ST_OK, "%s",
                 status_text());
    cr_assert_str_eq(folder, folder_wanted);
    return config;
}

static struct vae_config parse(const char *text)
{
    struct vae_config config;

    cr_assert_eq(vae_config_parse("config.json", text, strlen(text), &config), ST_OK, "%s",
                 status_text());
    return config;
}

static void refused(const char *text, const char *reason)
{
    struct vae_config config;

    cr_assert_eq(vae_config_parse("config.json", text, strlen(text), &config), ST_INVALID,
                 "accepted: %s", text);
    cr_assert(strstr(status_message(), "config.json"), "no file in: %s", status_message());
    cr_assert(strstr(status_message(), reason), "%s\n  says: %s\n  wanted: %s", text,
              status_message(), reason);
}

/* num_parameters() of diffusers' decoder and post_quant_conv. */
Test(vae_config, presets_have_the_published_parameters)
{
    static const struct {
        const char *name;
        unsigned long long parameters;
    } published[] = {{"vae-sd", 49490199},
                     {"vae-sdxl", 49490199},
                     {"vae-sd3", 49545475},
                     {"vae-flux", 49545475}};

    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        struct vae_config c = load(published[i].name, "");
        cr_assert_eq(vae_config_parameters(&c), published[i].parameters, "%s", c.name);
        cr_assert_eq(vae_config_scale(&c), 8);
    }
    struct vae_config tiny = load("vae-tiny", "");
    cr_assert_lt(vae_config_parameters(&tiny), 500000);
}

Test(vae_config, layers_follow_each_other)
{
    struct vae_config c = load("vae-flux", "");
    cr_assert_eq(vae_config_layers(&c), 4 + 4 * 3 + 3 + 1);
    struct vae_layer stem = vae_config_layer(&c, 0);
    struct vae_layer middle = vae_config_layer(&c, 2);
    struct vae_layer wide = vae_config_layer(&c, 12);
    struct vae_layer up = vae_config_layer(&c, 7);
    struct vae_layer head = vae_config_layer(&c, 19);
    cr_assert(stem.kind == VAE_STEM && stem.in == 16 && stem.out == 512);
    cr_assert_eq(middle.kind, VAE_ATTENTION);
    cr_assert(up.kind == VAE_UPSAMPLE && up.level == 0 && up.in == 512 && up.out == 512);
    cr_assert(wide.kind == VAE_RESNET && wide.level == 2 && wide.in == 512 && wide.out == 256 &&
              wide.block == 2 && wide.index == 0);
    cr_assert(head.kind == VAE_HEAD && head.level == 3 && head.in == 128 && head.out == 3);
}

Test(vae_config, each_layer_takes_what_the_one_before_gives)
{
    for (int i = 0; vae_config_at(i); i++) {
        struct vae_config c = *vae_config_at(i);
        for (int bare = 0; bare < 2; bare++, c.attention = false) {
            int level = 0;
            int width = c.latent_channels;
            for (int l = 0; l < vae_config_layers(&c); l++) {
                struct vae_layer layer = vae_config_layer(&c, l);
                cr_assert(layer.in == width && layer.level == level, "layer %d of %s", l, c.name);
                cr_assert(layer.kind != VAE_ATTENTION || c.attention);
                width = layer.out;
                level += layer.kind == VAE_UPSAMPLE;
            }
            cr_assert(width == 3 && level == c.levels - 1, "%s ends elsewhere", c.name);
        }
    }
}

Test(vae_config, folders_are_read)
{
    struct vae_config c = load(GOLDEN "vae-sd", GOLDEN "vae-sd/vae");
    cr_assert(c.levels == 4 && c.width[0] == 12 && c.width[3] == 8 && c.resnets == 3);
    cr_assert(c.groups == 4 && c.latent_channels == 4 && c.out_channels == 3);
    cr_assert(c.post_quant && c.attention && c.scaling == 0.18215 && c.shift == 0);
    cr_assert_neq(c.read_from.size, 0);
    cr_assert_eq(vae_config_scale(&c), 8);
    cr_assert_eq(vae_config_parameters(&c), 33459);
    c = load(GOLDEN "vae-flux", GOLDEN "vae-flux/vae");
    cr_assert(!c.post_quant && c.scaling == 0.3611 && c.shift == 0.1159);
    cr_assert_eq(vae_config_parameters(&c), 20253);
    c = load(GOLDEN "vae-plain", GOLDEN "vae-plain");
    cr_assert(c.post_quant && !c.attention && c.shift == -0.25 && c.resnets == 4);
    cr_assert_eq(vae_config_parameters(&c), 32375);
    c = load(GOLDEN "vae-wide", GOLDEN "vae-wide");
    cr_assert(c.width[0] == 8 && c.width[1] == 12 && c.width[2] == 16);
    cr_assert_eq(vae_config_parameters(&c), 21807);
    c = load(GOLDEN "vae-one", GOLDEN "vae-one");
    cr_assert(c.levels == 1 && vae_config_scale(&c) == 1);
    cr_assert_eq(vae_config_parameters(&c), 14655);
}

Test(vae_config, folders_of_others_are_told)
{
    bool there;
    struct vae_config config;
    char folder[512];
    cr_assert_eq(vae_config_there(GOLDEN "vae-sd", &there), ST_OK);
    cr_assert(there);
    cr_assert_eq(vae_config_there(GOLDEN "vae-one", &there), ST_OK);
    cr_assert(there);
    cr_assert_eq(vae_config_there(GOLDEN "pixart-alpha/transformer", &there), ST_OK);
    cr_assert_not(there);
    cr_assert_eq(vae_config_there(GOLDEN "pixart-alpha", &there), ST_OK);
    cr_assert_not(there);
    cr_assert_eq(vae_config_read(GOLDEN "pixart-alpha/transformer", &config, folder, 512),
                 ST_INVALID);
    cr_assert(strstr(status_message(), "found \"PixArtTransformer2DModel\""), "%s",
              status_message());
    cr_assert_eq(vae_config_read(GOLDEN "pixart-alpha", &config, folder, 512), ST_INVALID);
    cr_assert(strstr(status_message(), "holds neither vae/config.json nor config.json"), "%s",
              status_message());
}

#define BLOCKS "\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\"]"
#define WIDTHS "\"block_out_channels\":[32,64]"
#define VAE    "{\"_class_name\":\"AutoencoderKL\"," BLOCKS "," WIDTHS

Test(vae_config, what_a_file_does_not_say_is_what_diffusers_takes)
{
    struct vae_config c = parse(VAE "}");
    cr_assert(c.latent_channels == 4 && c.out_channels == 3 && c.groups == 32 && c.resnets == 2);
    cr_assert(c.post_quant && c.attention && c.scaling == 0.18215 && c.shift == 0);
    cr_assert_eq(parse(VAE ",\"act_fn\":\"swish\"}").levels, 2);
    cr_assert_eq(parse(VAE ",\"shift_factor\":null,\"latents_mean\":null}").shift, 0);
    cr_assert_eq(parse(VAE ",\"force_upcast\":true,\"sample_size\":1024,\"in_channels\":3}").levels,
                 2);
}

Test(vae_config, keys_that_change_a_number_are_refused)
{
    refused("[]", "found a list");
    refused("{\"_class_name\":\"AutoencoderKLWan\"," BLOCKS "," WIDTHS "}",
            "found \"AutoencoderKLWan\", wanted \"AutoencoderKL\"");
    refused("{" BLOCKS "," WIDTHS "}", "\"_class_name\": found none");
    refused("{\"_class_name\":\"AutoencoderKL\"," BLOCKS "}",
            "\"block_out_channels\": found none, wanted a list of 1 to 8");
    refused("{\"_class_name\":\"AutoencoderKL\"," WIDTHS "}", "\"up_block_types\": found 0");
    refused("{\"_class_name\":\"AutoencoderKL\"," WIDTHS
            ",\"up_block_types\":[\"UpDecoderBlock2D\",\"AttnUpDecoderBlock2D\"]}",
            "found \"AttnUpDecoderBlock2D\", wanted \"UpDecoderBlock2D\" alone");
    refused("{\"_class_name\":\"AutoencoderKL\"," BLOCKS ",\"block_out_channels\":[32,64,64]}",
            "found 2 entries, wanted one for each of the 3");
    refused("{\"_class_name\":\"AutoencoderKL\"," BLOCKS ",\"block_out_channels\":[32,0]}",
            "\"block_out_channels\": found 0");
    refused("{\"_class_name\":\"AutoencoderKL\"," BLOCKS ",\"block_out_channels\":[32,48]}",
            "found 48, wanted a multiple of norm_num_groups, 32");
    refused(VAE ",\"act_fn\":\"relu\"}", "found \"relu\", wanted \"silu\" or \"swish\"");
    refused(VAE ",\"latents_mean\":[0.1,0.2,0.3,0.4]}", "\"latents_mean\": found an object or a");
    refused(VAE ",\"latents_std\":[1,1,1,1]}", "\"latents_std\"");
    refused(VAE ",\"scaling_factor\":0}", "\"scaling_factor\": found 0, wanted a number above 0");
    refused(VAE ",\"scaling_factor\":null}", "\"scaling_factor\": found null");
    refused(VAE ",\"shift_factor\":\"a\"}", "\"shift_factor\": found \"a\"");
    refused(VAE ",\"layers_per_block\":0}", "\"layers_per_block\": found 0");
    refused(VAE ",\"norm_num_groups\":2048}", "from 1 to 1024");
    refused(VAE ",\"latent_channels\":null}", "\"latent_channels\": found null");
    refused(VAE ",\"use_post_quant_conv\":1}", "found 1, wanted true or false");
    refused(VAE ",\"mid_block_add_attention\":null}", "\"mid_block_add_attention\": found null");
    refused(VAE ",\"norm_type\":\"spatial\"}", "\"norm_type\": found \"spatial\"");
}
