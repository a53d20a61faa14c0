/* SPDX-License-Identifier: Apache-2.0 */
/* What each block is made of, which attentions a strategy sees, and which sums tensor parallelism
 * splits: numbers counted by hand from the published models. */
#include "models/dit_config.h"

#include <criterion/criterion.h>

static struct dit_config preset(const char *name)
{
    struct dit_config config;
    char folder[512];

    cr_assert_eq(dit_config_load(name, &config, folder, sizeof(folder)), ST_OK, "%s",
                 status_text());
    return config;
}

static void check_site(const struct dit_config *c, int site, struct dit_site wanted)
{
    struct dit_site found = dit_site_at(c, site);

    cr_assert(found.layer == wanted.layer && found.keys == wanted.keys &&
                  found.queries == wanted.queries,
              "%s, site %d: layer %d, keys %d, queries %d", c->name, site, found.layer,
              (int)found.keys, (int)found.queries);
}

/* All blocks' reductions, and the sum of their widths. */
static int count_reductions(const struct dit_config *c, long *width)
{
    int n = 0;

    *width = 0;
    for (int l = 0; l < c->layers; l++) {
        struct dit_reduction r[DIT_MOST_REDUCTIONS];
        int own = dit_config_reductions(c, l, r);

        for (int i = 0; i < own; i++)
            *width += r[i].width;
        n += own;
    }
    return n;
}

Test(dit_layers, sites_of_one_attention_a_block)
{
    struct dit_config pixart = preset("pixart-alpha-1024");
    struct dit_config hunyuan = preset("hunyuandit-v1.2");

    cr_assert_eq(dit_sites(&pixart, pixart.layers), 28);
    cr_assert_eq(dit_sites(&hunyuan, hunyuan.layers), 40);
    cr_assert_eq(dit_sites(&pixart, 0), 0);
    check_site(&pixart, 27, (struct dit_site){27, TOKENS_ALL, TOKENS_ALL});
}

Test(dit_layers, the_last_joint_block_asks_for_the_image_alone)
{
    struct dit_config sd3 = preset("sd3-medium");
    struct dit_config large = preset("sd3.5-large");

    cr_assert_eq(dit_sites(&sd3, sd3.layers), 24);
    cr_assert_eq(dit_sites(&large, large.layers), 38);
    check_site(&sd3, 22, (struct dit_site){22, TOKENS_ALL, TOKENS_ALL});
    check_site(&sd3, 23, (struct dit_site){23, TOKENS_ALL, TOKENS_IMAGE});
}

Test(dit_layers, a_second_attention_is_a_site_of_its_own)
{
    struct dit_config c = preset("sd3.5-medium");

    cr_assert_eq(dit_sites(&c, c.layers), 37);
    cr_assert_eq(dit_sites(&c, 13), 26);
    check_site(&c, 0, (struct dit_site){0, TOKENS_ALL, TOKENS_ALL});
    check_site(&c, 1, (struct dit_site){0, TOKENS_IMAGE, TOKENS_IMAGE});
    check_site(&c, 25, (struct dit_site){12, TOKENS_IMAGE, TOKENS_IMAGE});
    check_site(&c, 26, (struct dit_site){13, TOKENS_ALL, TOKENS_ALL});
    check_site(&c, 36, (struct dit_site){23, TOKENS_ALL, TOKENS_IMAGE});
}

Test(dit_layers, double_and_single_blocks_all_see_the_text)
{
    struct dit_config c = preset("flux.1-dev");

    cr_assert_eq(dit_sites(&c, c.layers), 57);
    check_site(&c, 18, (struct dit_site){18, TOKENS_ALL, TOKENS_ALL});
    check_site(&c, 56, (struct dit_site){56, TOKENS_ALL, TOKENS_ALL});
    struct dit_layer last_double = dit_config_layer(&c, 18);
    struct dit_layer single = dit_config_layer(&c, 19);
    cr_assert(last_double.kind == DIT_JOINT && last_double.text_out && last_double.index == 18);
    cr_assert(single.kind == DIT_PARALLEL && single.index == 0);
    cr_assert_eq(dit_config_layer(&c, 56).index, 37);
}

Test(dit_layers, attention_over_time_is_no_site)
{
    struct dit_config c = preset("latte-1");

    cr_assert_eq(dit_sites(&c, c.layers), 28);
    check_site(&c, 27, (struct dit_site){54, TOKENS_ALL, TOKENS_ALL});
    cr_assert_eq(dit_config_layer(&c, 0).kind, DIT_SEQUENTIAL);
    cr_assert_eq(dit_config_layer(&c, 1).kind, DIT_TEMPORAL);
    cr_assert_eq(dit_config_layer(&c, 54).index, 27);
    cr_assert_eq(dit_config_layer(&c, 55).index, 27);
}

/* 0 feeds 39, 18 feeds 21; 19 and 20 have no part in it. */
Test(dit_layers, skips_join_in_reverse)
{
    struct dit_config c = preset("hunyuandit-v1.2");
    struct dit_config plain = preset("pixart-sigma");

    for (int l = 0; l < 40; l++) {
        struct dit_layer layer = dit_config_layer(&c, l);

        cr_assert_eq(layer.skip_to, l < 19 ? 39 - l : -1, "layer %d to %d", l, layer.skip_to);
        cr_assert_eq(layer.skip_from, l > 20 ? 39 - l : -1, "layer %d from %d", l, layer.skip_from);
    }
    cr_assert(dit_config_layer(&plain, 0).skip_to == -1 &&
              dit_config_layer(&plain, 27).skip_from == -1);
}

Test(dit_layers, reductions_are_those_that_a_block_has)
{
    long width;
    struct dit_config pixart = preset("pixart-sigma");
    struct dit_config sd3 = preset("sd3-medium");
    struct dit_config medium = preset("sd3.5-medium");
    struct dit_config flux = preset("flux.1-dev");
    struct dit_config hunyuan = preset("hunyuandit-v1.2");
    struct dit_config latte = preset("latte-1");

    cr_assert_eq(count_reductions(&pixart, &width), 56);
    cr_assert_eq(width, 28 * (1152 + 4608));
    cr_assert_eq(count_reductions(&sd3, &width), 23 * 4 + 2);
    cr_assert_eq(width, 47 * (1536 + 6144));
    cr_assert_eq(count_reductions(&medium, &width), 23 * 4 + 2 + 13);
    cr_assert_eq(width, 47 * (1536 + 6144) + 13 * 1536);
    cr_assert_eq(count_reductions(&flux, &width), 19 * 4 + 38);
    cr_assert_eq(width, 19 * 2 * (3072 + 12288) + 38 * (3072 + 12288));
    cr_assert_eq(count_reductions(&hunyuan, &width), 80);
    cr_assert_eq(width, 40 * (1408 + 6144));
    cr_assert_eq(count_reductions(&latte, &width), 112);
    cr_assert_eq(width, 56 * (1152 + 4608));
}

Test(dit_layers, reductions_name_their_rows)
{
    struct dit_config medium = preset("sd3.5-medium");
    struct dit_config flux = preset("flux-tiny");
    struct dit_reduction r[DIT_MOST_REDUCTIONS];

    cr_assert_eq(dit_config_reductions(&medium, 0, r), 5);
    cr_assert(r[0].rows == TOKENS_IMAGE && r[1].rows == TOKENS_TEXT && r[2].rows == TOKENS_IMAGE &&
              r[3].rows == TOKENS_IMAGE && r[4].rows == TOKENS_TEXT);
    cr_assert(r[2].width == 1536 && r[3].width == 6144 && r[4].width == 6144);
    cr_assert_eq(dit_config_reductions(&medium, 23, r), 2);
    cr_assert(r[0].rows == TOKENS_IMAGE && r[1].rows == TOKENS_IMAGE);
    cr_assert_eq(dit_config_reductions(&flux, 4, r), 1);
    cr_assert(r[0].rows == TOKENS_ALL && r[0].width == 96 + 384);
}
