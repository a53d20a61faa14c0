/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations of SD3, FLUX.1, HunyuanDiT and Latte: what diffusers wrote, its defaults, and a
 * refusal for each key that is not ours. */
#include "models/dit_config.h"

#include <criterion/criterion.h>
#include <string.h>

#define GOLDEN DITBENCH_SOURCE_DIR "/tests/golden/"

static struct dit_config load(const char *name)
{
    struct dit_config config;
    char folder[512];

    cr_assert_eq(dit_config_load(name, &config, folder, sizeof(folder)), ST_OK, "%s",
                 status_text());
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

/* Elements of the tensors that each file holds, less a stored table of positions. */
Test(dit_config_families, checkpoints_have_the_parameters_that_are_counted)
{
    static const struct {
        const char *folder;
        unsigned long long parameters;
    } totals[] = {
        {GOLDEN "sd3", 671152},
        {GOLDEN "sd3.5-medium", 450448},
        {GOLDEN "sd3.5-large", 294032},
        {GOLDEN "flux-dev", 762304},
        {GOLDEN "flux-schnell", 299116},
        {GOLDEN "hunyuandit", 380060},
        {GOLDEN "hunyuandit-ddim", 131112},
        {GOLDEN "latte", 299408},
    };

    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        struct dit_config c = load(totals[i].folder);

        cr_assert_eq(dit_config_parameters(&c), totals[i].parameters, "%s: %llu", c.name,
                     dit_config_parameters(&c));
    }
}

Test(dit_config_families, sd3_is_read_as_diffusers_wrote_it)
{
    struct dit_config c = load(GOLDEN "sd3");

    cr_assert(c.naming == DIT_NAMES_SD3 && c.modulation == DIT_ADALN_SHARED && c.joint &&
              !c.cross && !c.last_text_out && c.parallel_layers == 0);
    cr_assert(c.heads == 12 && c.head_dim == 4 && c.layers == 8 && c.mlp == 192 &&
              c.in_channels == 4 && c.out_channels == 4 && c.patch == 2);
    cr_assert(c.position == DIT_POSITION_TABLE && c.table_side == 20 && c.sample_size == 24 &&
              c.pos_scale == 1 && c.default_size == 192);
    cr_assert(c.qk_norm == DIT_QK_PLAIN && c.attn_bias && !c.affine && c.norm_eps == 1e-6f);
    cr_assert(c.text_dim == 40 && c.text_tokens == 333 && c.pooled_dim == 24 && c.text2_dim == 0);
    cr_assert(c.sampler.kind == SAMPLER_FLOW_EULER && c.sampler.shift == 3 && !c.sampler.unit_grid);
    cr_assert_eq(dit_sites(&c, c.layers), 8);

    c = load(GOLDEN "sd3.5-medium");
    cr_assert(c.qk_norm == DIT_QK_RMS && c.dual[0] && c.dual[1] && !c.dual[2]);
    cr_assert_eq(dit_sites(&c, c.layers), 7);
}

Test(dit_config_families, flux_is_read_as_diffusers_wrote_it)
{
    struct dit_config c = load(GOLDEN "flux-dev");

    cr_assert(c.naming == DIT_NAMES_FLUX && c.modulation == DIT_ADALN_SHARED && c.joint &&
              c.last_text_out && c.layers == 6 && c.parallel_layers == 4);
    cr_assert(c.packed && c.patch == 2 && c.in_channels == 4 && c.out_channels == 4 &&
              dit_features(&c, c.in_channels) == 16);
    cr_assert(c.position == DIT_POSITION_ROPE && c.rope_axes[0] == 2 && c.rope_axes[1] == 2 &&
              c.rope_axes[2] == 2 && c.qk_norm == DIT_QK_RMS && c.mlp == 288);
    cr_assert(c.distilled && c.guidance_in && c.text_dim == 40 && c.text_tokens == 512 &&
              c.pooled_dim == 24);
    cr_assert(c.default_steps == 28 && c.default_guidance == 3.5f && c.default_size == 1024);
    cr_assert(c.sampler.dynamic_shift && c.sampler.unit_grid,
              "the grid is the model's, whatever its scheduler's file says");

    c = load(GOLDEN "flux-schnell");
    cr_assert(c.distilled && !c.guidance_in && c.text_tokens == 256 && c.in_channels == 3 &&
              c.rope_axes[1] == 4 && c.layers == 5);
    cr_assert(c.default_steps == 4 && !c.sampler.dynamic_shift && c.sampler.shift == 1 &&
              c.sampler.unit_grid);
}

Test(dit_config_families, hunyuandit_is_read_as_diffusers_wrote_it)
{
    struct dit_config c = load(GOLDEN "hunyuandit");

    cr_assert(c.naming == DIT_NAMES_HUNYUAN && c.modulation == DIT_ADALN_SHIFT && c.cross &&
              c.skips && c.affine && c.qk_norm == DIT_QK_LAYER && !c.joint);
    cr_assert(c.layers == 8 && c.mlp == 204 && c.in_channels == 4 && c.out_channels == 8 &&
              c.norm_eps == 1e-6f);
    cr_assert(c.position == DIT_POSITION_ROPE && c.rope_axes[0] == 0 && c.rope_axes[1] == 0 &&
              c.rope_axes[2] == 0 && c.sample_size / c.patch == 32 && c.default_size == 128);
    cr_assert(c.text_dim == 36 && c.text_tokens == 7 && c.text2_dim == 24 && c.text2_tokens == 10 &&
              c.pooled_dim == 20 && dit_cross_width(&c) == 36);
    cr_assert(c.sampler.kind == SAMPLER_DDPM && c.sampler.prediction == PREDICT_V &&
              c.sampler.steps_offset == 1);

    c = load(GOLDEN "hunyuandit-ddim");
    cr_assert(c.mlp == 128 && c.sampler.kind == SAMPLER_DDIM && c.default_steps == 50);
}

Test(dit_config_families, latte_is_read_as_diffusers_wrote_it)
{
    struct dit_config c = load(GOLDEN "latte");

    cr_assert(c.naming == DIT_NAMES_PIXART && c.modulation == DIT_ADALN_SINGLE && c.cross &&
              c.temporal && c.layers == 8 && c.frames == 5 && !c.micro);
    cr_assert(c.norm_eps == 1e-2f && c.pos_scale == 1 && c.sample_size == 16 && c.attn_bias &&
              c.out_channels == 8 && c.mlp == 192);
    cr_assert(c.text_dim == 24 && c.text_tokens == 120 && dit_cross_width(&c) == 48);
    cr_assert(c.sampler.kind == SAMPLER_DDIM && !c.sampler.clip_sample && c.default_steps == 50 &&
              c.default_guidance == 7.5f);
}

/* Without a scheduler a model has its family's, on its own grid. */
Test(dit_config_families, a_bare_transformer_has_its_familys_sampler)
{
    struct dit_config sd3 = load(GOLDEN "sd3/transformer");
    struct dit_config flux = load(GOLDEN "flux-dev/transformer");
    struct dit_config hunyuan = load(GOLDEN "hunyuandit/transformer");
    struct dit_config latte = load(GOLDEN "latte/transformer");

    cr_assert(sd3.sampler.kind == SAMPLER_FLOW_EULER && sd3.sampler.shift == 3 &&
              !sd3.sampler.unit_grid);
    cr_assert(flux.sampler.unit_grid && flux.sampler.dynamic_shift);
    cr_assert(hunyuan.sampler.kind == SAMPLER_DDPM && hunyuan.sampler.beta_end == 0.018);
    cr_assert(latte.sampler.kind == SAMPLER_DDIM && latte.sampler.beta_end == 0.02);
}

#define SD3     "{\"_class_name\":\"SD3Transformer2DModel\""
#define FLUX    "{\"_class_name\":\"FluxTransformer2DModel\""
#define BARE    "{\"_class_name\":\"HunyuanDiT2DModel\",\"in_channels\":4,\"patch_size\":2"
#define STYLE   "\"use_style_cond_and_image_meta_size\":false"
#define HUNYUAN BARE "," STYLE ",\"hidden_size\":1408"
#define LATTE                                                                                      \
    "{\"_class_name\":\"LatteTransformer3DModel\",\"activation_fn\":\"gelu-approximate\","         \
    "\"attention_head_dim\":72,\"caption_channels\":4096,\"cross_attention_dim\":1152,"            \
    "\"in_channels\":4,\"norm_elementwise_affine\":false,\"norm_type\":\"ada_norm_single\","       \
    "\"patch_size\":2"

Test(dit_config_families, missing_keys_take_diffusers_defaults)
{
    struct dit_config c = parse(SD3 "}");

    cr_assert(c.heads == 18 && c.head_dim == 64 && c.layers == 18 && c.in_channels == 16 &&
              c.table_side == 96 && c.text_dim == 4096 && c.pooled_dim == 2048 && !c.dual[0] &&
              c.qk_norm == DIT_QK_PLAIN);
    c = parse(SD3 ",\"in_channels\":4,\"out_channels\":null}");
    cr_assert_eq(c.out_channels, 4);
    c = parse(FLUX ",\"guidance_embeds\":true}");
    cr_assert_eq(dit_config_parameters(&c), 11901408320);
    c = parse(FLUX "}");
    cr_assert_eq(dit_config_parameters(&c), 11891178560);
    c = parse(HUNYUAN "}");
    cr_assert(c.layers == 28 && c.mlp == 4 * 1408 && c.out_channels == 8 && c.text_tokens == 77 &&
              c.text2_tokens == 256 && c.text2_dim == 2048 && c.default_size == 256);
    c = parse(LATTE "}");
    cr_assert(c.heads == 16 && c.layers == 2 && c.frames == 16 && !c.attn_bias &&
              c.norm_eps == 1e-5f && c.pos_scale == 1 && c.out_channels == 4);
}

/* The published files, as far as they change a number. */
Test(dit_config_families, published_checkpoints_are_the_presets)
{
    struct dit_config c = parse(SD3 ",\"num_attention_heads\":24,\"num_layers\":24,"
                                    "\"caption_projection_dim\":1536,\"pos_embed_max_size\":192}");

    cr_assert_eq(dit_config_parameters(&c), 2028328000);
    c = parse(SD3 ",\"num_attention_heads\":24,\"num_layers\":24,\"caption_projection_dim\":1536,"
                  "\"pos_embed_max_size\":384,\"qk_norm\":\"rms_norm\","
                  "\"dual_attention_layers\":[0,1,2,3,4,5,6,7,8,9,10,11,12]}");
    cr_assert_eq(dit_config_parameters(&c), 2243171520);
    c = parse(HUNYUAN ",\"num_layers\":40,\"mlp_ratio\":4.3637,\"sample_size\":128}");
    cr_assert(c.mlp == 6144 && c.default_size == 1024);
    cr_assert_eq(dit_config_parameters(&c), 1499952032);
    c = parse(LATTE ",\"num_layers\":28,\"out_channels\":8,\"attention_bias\":true,"
                    "\"num_embeds_ada_norm\":1000,\"double_self_attention\":false,"
                    "\"attention_type\":\"default\",\"norm_num_groups\":32}");
    cr_assert_eq(dit_config_parameters(&c), 1057246880);
}

Test(dit_config_families, latte_divides_its_side_as_an_integer)
{
    cr_assert_eq(parse(LATTE ",\"sample_size\":191}").pos_scale, 2);
    cr_assert_eq(parse(LATTE ",\"sample_size\":127}").pos_scale, 1);
    cr_assert_eq(parse(LATTE ",\"sample_size\":32}").pos_scale, 1);
    cr_assert_eq(parse(LATTE ",\"sample_size\":128}").micro, false);
    cr_assert_eq(parse(LATTE ",\"sample_size\":128}").text_tokens, 120);
}

#define HUNDRED                                                                                    \
    BARE "," STYLE ",\"num_attention_heads\":1,\"hidden_size\":100,\"attention_head_dim\":100"

/* In double 100 * 1.15 is 114.99999999999999 and 100 * 1.1 is 110.00000000000001. */
Test(dit_config_families, a_ratio_is_cut_off_as_python_does_it)
{
    cr_assert_eq(parse(HUNDRED ",\"mlp_ratio\":1.15}").mlp, 114);
    cr_assert_eq(parse(HUNDRED ",\"mlp_ratio\":1.1}").mlp, 110);
    cr_assert_eq(parse(HUNDRED ",\"mlp_ratio\":4}").mlp, 400);
}

Test(dit_config_families, keys_of_sd3_that_change_a_number_are_refused)
{
    refused(SD3 ",\"qk_norm\":\"layer_norm\"}",
            "found \"layer_norm\", wanted \"rms_norm\" or null");
    refused(SD3 ",\"qk_norm\":1}", "\"qk_norm\": found 1");
    refused(SD3 ",\"dual_attention_layers\":null}", "\"dual_attention_layers\": found null");
    refused(SD3 ",\"dual_attention_layers\":[18]}", "found 18, wanted a list of indices");
    refused(SD3 ",\"dual_attention_layers\":[-1]}", "found -1");
    refused(SD3 ",\"dual_attention_layers\":[0,true]}", "found true");
    refused(SD3 ",\"dual_attention_layers\":{\"0\":1}}", "found an object or a list");
    refused(SD3 ",\"caption_projection_dim\":1536}", "found 1536, wanted heads x head dim, 1152");
    refused(SD3 ",\"out_channels\":32}", "\"out_channels\": found 32, wanted in_channels, 16");
    refused(SD3 ",\"pos_embed_max_size\":null}", "\"pos_embed_max_size\": found null");
    refused(SD3 ",\"pos_embed_max_size\":16385}", "from 1 to 16384");
    refused(SD3 ",\"sample_size\":1}", "at least patch_size, 2");
    refused(SD3 ",\"num_layers\":1025}", "from 1 to 1024");
    refused(SD3 ",\"num_attention_heads\":1,\"attention_head_dim\":6,"
                "\"caption_projection_dim\":6}",
            "multiple of 4");
    refused(SD3 ",\"force_zeros_for_pooled_projection\":true}", "\"force_zeros_for_pooled_");
}

Test(dit_config_families, keys_of_flux_that_change_a_number_are_refused)
{
    refused(FLUX ",\"patch_size\":2}", "\"patch_size\": found 2, wanted 1");
    refused(FLUX ",\"in_channels\":66}", "\"in_channels\": found 66, wanted a multiple of 4");
    refused(FLUX ",\"out_channels\":128}", "\"out_channels\": found 128, wanted in_channels, 64");
    refused(FLUX ",\"in_channels\":384,\"out_channels\":64}", "\"out_channels\": found 64");
    refused(FLUX ",\"axes_dims_rope\":[16,56,54]}", "a sum of 126, wanted attention_head_dim, 128");
    refused(FLUX ",\"axes_dims_rope\":[17,55,56]}", "found 17, wanted a list of three even");
    refused(FLUX ",\"axes_dims_rope\":[64,64]}", "\"axes_dims_rope\": found an object or a list");
    refused(FLUX ",\"axes_dims_rope\":[128,0,0]}", "found 0");
    refused(FLUX ",\"axes_dims_rope\":128}", "found 128, wanted a list");
    refused(FLUX ",\"axes_dims_rope\":null}", "\"axes_dims_rope\": found null");
    refused(FLUX ",\"guidance_embeds\":null}", "\"guidance_embeds\": found null");
    refused(FLUX ",\"num_single_layers\":513}", "from 1 to 512");
    refused(FLUX ",\"num_single_layers\":0}", "\"num_single_layers\": found 0");
    refused(FLUX ",\"theta\":500}", "\"theta\": found 500");
}

Test(dit_config_families, keys_of_hunyuandit_that_change_a_number_are_refused)
{
    refused(BARE ",\"hidden_size\":1408}", "\"use_style_cond_and_image_meta_size\": found true or");
    refused(BARE ",\"hidden_size\":1408,\"use_style_cond_and_image_meta_size\":true}",
            "wanted false: conditions on style");
    refused(BARE "," STYLE "}", "\"hidden_size\": found 1152, wanted heads x head dim, 1408");
    refused(HUNYUAN ",\"num_layers\":27}", "\"num_layers\": found 27, wanted an even number");
    refused(HUNYUAN ",\"norm_type\":\"rms_norm\"}", "wanted \"layer_norm\"");
    refused(HUNYUAN ",\"activation_fn\":\"geglu\"}", "wanted \"gelu-approximate\"");
    refused(HUNYUAN ",\"learn_sigma\":null}", "\"learn_sigma\": found null");
    refused(HUNYUAN ",\"mlp_ratio\":0.0001}", "\"mlp_ratio\": found 0.0001");
    refused(HUNYUAN ",\"mlp_ratio\":99999}", "\"mlp_ratio\": found 99999");
    refused(HUNYUAN ",\"cross_attention_dim_t5\":2044}", "found 2044, wanted a multiple of 8");
    refused(HUNYUAN ",\"text_len\":0}", "\"text_len\": found 0");
    refused(BARE "," STYLE ",\"attention_head_dim\":90,\"hidden_size\":1440}",
            "\"attention_head_dim\": found 90, wanted a multiple of 4");
    refused("{\"_class_name\":\"HunyuanDiT2DModel\",\"in_channels\":4}",
            "\"patch_size\": found none");
    refused(HUNYUAN ",\"qk_norm\":\"rms_norm\"}", "\"qk_norm\"");
}

Test(dit_config_families, keys_of_latte_that_change_a_number_are_refused)
{
    refused("{\"_class_name\":\"LatteTransformer3DModel\"}", "\"norm_type\": found none");
    refused(LATTE ",\"video_length\":0}", "\"video_length\": found 0");
    refused(LATTE ",\"video_length\":null}", "\"video_length\": found null");
    refused(LATTE ",\"num_layers\":513}", "from 1 to 512");
    refused(LATTE ",\"use_additional_conditions\":true}", "\"use_additional_conditions\"");
    refused(LATTE ",\"interpolation_scale\":2}", "\"interpolation_scale\": found 2");
    refused(LATTE ",\"attention_type\":\"gated\"}", "wanted \"default\"");
    refused("{\"_class_name\":\"LatteTransformer3DModel\",\"activation_fn\":\"gelu-approximate\","
            "\"in_channels\":4,\"norm_type\":\"ada_norm_zero\",\"patch_size\":2,"
            "\"norm_elementwise_affine\":false}",
            "wanted \"ada_norm_single\" with class Latte");
    refused("{\"_class_name\":\"PixArtTransformer2DModel\",\"video_length\":16,"
            "\"caption_channels\":8}",
            "\"video_length\": found 16");
}
