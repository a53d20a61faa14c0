/* SPDX-License-Identifier: Apache-2.0 */
/* Quarters of presets: layers counted by hand, pairs that stay whole, and nothing else changed. */
#include "models/dit_config_quarter.h"

#include <criterion/criterion.h>
#include <string.h>

static struct dit_config load(const char *name)
{
    struct dit_config config;
    char folder[512] = "x";
    cr_assert_eq(dit_config_load(name, &config, folder, sizeof folder), ST_OK, "%s", status_text());
    cr_assert_str_eq(config.name, name);
    cr_assert_str_eq(folder, "");
    return config;
}

static int count_dual(const struct dit_config *c)
{
    int n = 0;
    for (int i = 0; i < DIT_MOST_LAYERS; i++)
        n += c->dual[i];
    return n;
}

Test(quarter, layers_are_those_counted_by_hand)
{
    static const struct {
        const char *name;
        int layers, parallel, dual;
    } want[] = {
        {"pixart-alpha-1024-quarter", 7, 0, 0}, {"dit-xl-2-256-quarter", 7, 0, 0},
        {"sd3-medium-quarter", 6, 0, 0},        {"sd3.5-medium-quarter", 6, 0, 4},
        {"sd3.5-large-quarter", 10, 0, 0},      {"flux.1-dev-quarter", 15, 10, 0},
        {"hunyuandit-v1.2-quarter", 10, 0, 0},  {"latte-1-quarter", 14, 0, 0},
        {"sd3-tiny-quarter", 2, 0, 1},          {"flux-tiny-quarter", 3, 2, 0},
        {"hunyuandit-tiny-quarter", 4, 0, 0},   {"latte-tiny-quarter", 4, 0, 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct dit_config c = load(want[i].name);
        cr_assert_eq(c.layers, want[i].layers, "%s: %d", want[i].name, c.layers);
        cr_assert_eq(c.parallel_layers, want[i].parallel, "%s", want[i].name);
        cr_assert_eq(count_dual(&c), want[i].dual, "%s", want[i].name);
    }
}

/* All but name and layers: what is compared is the struct with these put back. */
Test(quarter, nothing_else_is_changed)
{
    for (int i = 0; dit_config_at(i); i++) {
        const struct dit_config *whole = dit_config_at(i);
        struct dit_config c;
        dit_config_quarter(whole, &c);
        cr_assert_lt(dit_config_parameters(&c), dit_config_parameters(whole), "%s", c.name);
        memcpy(c.name, whole->name, sizeof c.name);
        c.layers = whole->layers;
        c.parallel_layers = whole->parallel_layers;
        memcpy(c.dual, whole->dual, sizeof c.dual);
        cr_assert_arr_eq(&c, whole, sizeof c, "%s", whole->name);
    }
}

Test(quarter, halves_pairs_and_the_last_block_stay_well_formed)
{
    struct dit_config hunyuan = load("hunyuandit-v1.2-quarter");
    struct dit_config latte = load("latte-1-quarter");
    struct dit_config sd3 = load("sd3-medium-quarter");
    struct dit_config flux = load("flux.1-dev-quarter");
    cr_assert_eq(dit_config_layer(&hunyuan, 9).skip_from, 0);
    cr_assert_eq(dit_config_layer(&hunyuan, 0).skip_to, 9);
    cr_assert_eq(dit_config_layer(&hunyuan, 4).skip_to, -1, "the middle has none");
    cr_assert_eq(dit_config_layer(&latte, 13).kind, DIT_TEMPORAL);
    cr_assert_eq(dit_config_layer(&latte, 13).index, 6);
    cr_assert(!dit_config_layer(&sd3, 5).text_out && dit_config_layer(&sd3, 4).text_out);
    cr_assert_eq(dit_config_layer(&flux, 4).kind, DIT_JOINT);
    cr_assert_eq(dit_config_layer(&flux, 5).kind, DIT_PARALLEL);
    cr_assert(dit_config_layer(&flux, 4).text_out);
    cr_assert_eq(dit_sites(&latte, latte.layers), 7, "one for each pair");
}

Test(quarter, only_presets_have_one)
{
    static const char *const none[] = {"quarter", "-quarter", "pixart-quarter",
                                       "pixart-tiny-quarter-quarter", "pixart-tinyquarter"};
    struct dit_config c;
    char folder[512];
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        cr_assert_not(dit_config_find(none[i], &c), "%s", none[i]);
        cr_assert_eq(dit_config_load(none[i], &c, folder, sizeof folder), ST_INVALID);
        cr_assert(strstr(status_message(), "-quarter"), "%s", status_message());
    }
    cr_assert(dit_config_find("pixart-tiny", &c));
    cr_assert_eq(c.layers, 12);
}
