/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench list`: models of both kinds; experiments that are for `sweep`, and for `reproduce`. */
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

TestSuite(list, .init = program_limit);

/* The command that takes the experiment; "" where it is not listed. */
static const char *command_of(const json_t *list, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return json_string_value(json_object_get(item, "command"));
    }
    return "";
}

Test(list, published_figures_are_among_experiments)
{
    struct program p = program_run("list", "experiments", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_t *list = json_loads(p.out, 0, NULL);
    cr_assert(json_is_array(list), "%s", p.out);
    cr_assert_str_eq(command_of(list, "quickstart"), "sweep");
    cr_assert_str_eq(command_of(list, "pixart-t4"), "reproduce");
    json_decref(list);
    program_release(&p);
    p = program_run("list", "experiments", NULL);
    cr_assert_not_null(strstr(p.out, "[reproduce] PixArt-alpha on 4 T4"), "%s", p.out);
    program_release(&p);
}

/* The item of that name, borrowed. */
static const json_t *item_of(const json_t *list, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return item;
    }
    cr_assert_fail("%s is not listed", name);
    return NULL;
}

static const char *text_at(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));
    return text ? text : "";
}

static double number_at(const json_t *item, const char *key)
{
    const json_t *value = json_object_get(item, key);
    cr_assert(json_is_number(value), "no %s", key);
    return json_number_value(value);
}

Test(list, decoders_are_models)
{
    struct program p = program_run("list", "models", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_t *list = json_loads(p.out, 0, NULL);
    const json_t *decoder = item_of(list, "vae-flux");
    cr_expect_str_eq(text_at(decoder, "kind"), "decoder");
    cr_expect(strstr(text_at(decoder, "summary"), "FLUX.1"));
    cr_expect_eq(number_at(decoder, "latent_channels"), 16);
    cr_expect_eq(number_at(decoder, "size"), 1024);
    cr_expect_eq(number_at(decoder, "frames"), 1);
    cr_expect_eq(number_at(decoder, "steps"), 1);
    cr_expect_eq(number_at(decoder, "guidance"), 0);
    cr_expect_eq(number_at(decoder, "parameters"), 49545475); /* as diffusers counts the decoder */
    cr_expect_null(json_object_get(decoder, "heads"));
    cr_expect_null(json_object_get(decoder, "sampler"));
    cr_expect_str_eq(text_at(item_of(list, "pixart-tiny"), "kind"), "transformer");
    json_decref(list);
    program_release(&p);
    p = program_run("list", "models", NULL);
    cr_assert_not_null(strstr(p.out, "vae-tiny"), "%s", p.out);
    cr_assert_not_null(strstr(p.out, "any transformer with a quarter"), "%s", p.out);
    program_release(&p);
}

static void says(struct program p, int status, const char *has, const char *lacks)
{
    const char *text = status ? p.err : p.out;
    cr_expect_eq(p.status, status, "%d: %s%s", p.status, p.out, p.err);
    cr_expect(!has || strstr(text, has), "no \"%s\" in: %s", has, text);
    cr_expect(!lacks || !strstr(text, lacks), "\"%s\" in: %s", lacks, text);
    program_release(&p);
}

/* What is no word for a decoder is not said of one. */
Test(list, texts_about_a_decoder)
{
#define DECODER "--model=vae-tiny", "--size=32", "--backend=cpu", "--transport=local"
    says(program_run("plan", DECODER, "--strategy=rows=2", NULL), 0, "in one loop: 1 step;",
         "guided");
    says(program_run("plan", DECODER, "--strategy=rows=2", NULL), 0, "All ranks", "1 steps");
    says(program_run("plan", "--model=pixart-tiny", "--guidance=1", NULL), 0, "unguided", NULL);
    says(program_run("run", DECODER, "--repeats=1", "--strategy=rows=2", NULL), 0, "vae-tiny",
         "guidance");
    says(program_run("run", "--model=dit-tiny", "--size=64", "--steps=1", "--repeats=1",
                     "--backend=cpu", "--transport=local", "--guidance=0", NULL),
         0, "guidance 0", NULL);
    says(program_run("run", DECODER, "--strategy=ulysses=2", NULL), 3,
         "ulysses splits a transformer", NULL);
    says(program_run("run", DECODER, "--steps=2", NULL), 2, "1 is legal", NULL);
    says(program_run("run", DECODER, "--guidance=3", NULL), 2, "--guidance 3", NULL);
    says(program_run("run", DECODER, "--dtype=bf16", NULL), 3, "does not compute in bf16", NULL);
}
