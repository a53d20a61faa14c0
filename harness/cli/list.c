/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench list`: what there is, one line each. */
#include "harness/base/fold.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/host/gpus.h"
#include "harness/paper/pack.h"
#include "harness/sweep/experiment.h"
#include "harness/sweep/experiment_find.h"
#include "kernels/backend.h"
#include "kernels/base/suggest.h"
#include "kernels/comm/comm.h"
#include "models/dit_config.h"
#include "models/sampler.h"
#include "models/vae_config.h"
#include "strategies/strategy.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Image tokens of the model's own size. */
static int tokens_of(const struct dit_config *c)
{
    int side = c->default_size / c->vae_scale / c->patch;
    return side * side;
}

static void put_transformers(json_t *list)
{
    for (int i = 0; dit_config_at(i); i++) {
        const struct dit_config *c = dit_config_at(i);
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, "
                      "s:i, s:i, s:f, s:s}",
                      "name", c->name, "kind", kind_transformer.name, "summary",
                      dit_config_summary(i), "parameters", (json_int_t)dit_config_parameters(c),
                      "channels", dit_channels(c), "heads", c->heads, "layers", c->layers,
                      "latent_channels", c->in_channels, "patch", c->patch, "tokens", tokens_of(c),
                      "text_tokens", c->text_tokens, "text_dim", c->text_dim, "size",
                      c->default_size, "frames", dit_frames(c), "steps", c->default_steps,
                      "guidance", (double)c->default_guidance, "sampler",
                      sampler_kind_name(c->sampler.kind)));
    }
}

/* The keys of a transformer that a decoder has, too. */
static void put_decoders(json_t *list)
{
    for (int i = 0; vae_config_at(i); i++) {
        const struct vae_config *c = vae_config_at(i);
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:i, s:f}", "name", c->name, "kind",
                      kind_decoder.name, "summary", vae_config_summary(i), "parameters",
                      (json_int_t)vae_config_parameters(c), "latent_channels", c->latent_channels,
                      "size", c->default_size, "frames", 1, "steps", 1, "guidance", 0.0));
    }
}

static enum status put_models(json_t *list)
{
    put_transformers(list);
    put_decoders(list);
    return ST_OK;
}

static json_t *options_of(const struct strategy_ops *ops)
{
    json_t *options = json_array();
    for (const struct spec_option *o = ops->options; o && o->name; o++)
        json_array_append_new(options,
                              json_pack("{s:s, s:s}", "name", o->name, "summary", o->summary));
    return options;
}

static enum status put_strategies(json_t *list)
{
    for (int i = 0; strategy_at(i); i++) {
        const struct strategy_ops *s = strategy_at(i);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:o}", "name", s->name, "summary",
                            s->summary, "paper", s->paper, "seam", s->seam, "exact", !s->stale,
                            "bytes", s->bytes, "memory", s->memory, "options", options_of(s)));
    }
    return ST_OK;
}

static enum status put_samplers(json_t *list)
{
    for (int k = 0; k < SAMPLER_KINDS; k++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name",
                                              sampler_kind_name((enum sampler_kind)k), "summary",
                                              sampler_kind_summary((enum sampler_kind)k)));
    return ST_OK;
}

/* GPUs are counted without CUDA's driver, which is slow to wake; `info` wakes it. */
static enum status put_backends(json_t *list)
{
    for (int i = 0; backend_at(i); i++) {
        int devices = 0;
        if (!backend_on_host(backend_at(i)))
            devices = gpus_count();
        else if (backend_at(i)->count(&devices) != ST_OK)
            devices = 0;
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i}", "name", backend_at(i)->name, "summary",
                                        backend_at(i)->summary, "devices", devices));
    }
    return ST_OK;
}

static enum status put_transports(json_t *list)
{
    for (int i = 0; comm_ops_at(i); i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", comm_ops_at(i)->name, "summary",
                                              comm_ops_at(i)->summary));
    return ST_OK;
}

/* Files, so that a broken one is listed with what is wrong with it. */
static void put_experiment(json_t *list, const struct experiment_file *file)
{
    struct experiment *e;
    enum status st = experiment_open(file->path, &e);
    json_t *item = json_pack("{s:s, s:s, s:s, s:s}", "name", file->name, "summary",
                             st ? status_message() : experiment_description(e), "path", file->path,
                             "command", "sweep");
    json_array_append_new(list, item);
    if (st == ST_OK)
        experiment_close(e);
    status_clear();
}

/* A published figure. */
static void put_pack(json_t *list, const char *name)
{
    char path[PATH_MAX] = "";
    struct pack *pack = NULL;
    enum status st = pack_find(name, path);
    if (st == ST_OK)
        st = pack_open(path, &pack);
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "summary",
                                          st ? status_message() : pack->values->description, "path",
                                          path, "command", "reproduce"));
    if (st == ST_OK)
        pack_close(pack);
    status_clear();
}

static enum status put_experiments(json_t *list)
{
    struct experiment_files files;
    struct pack_names packs;
    enum status st = experiment_find_all(&files);
    for (int i = 0; i < files.n && st == ST_OK; i++)
        put_experiment(list, &files.v[i]);
    experiment_files_release(&files);
    pack_find_names(&packs);
    for (int i = 0; i < packs.n && st == ST_OK; i++)
        put_pack(list, packs.v[i]);
    pack_find_names_release(&packs);
    return st;
}

/* ---- the command ---- */

struct kind {
    const char *name;
    enum status (*put)(json_t *list);
    const char *note; /* below the lines, or NULL */
};

static const struct kind kinds[] = {
    {"models", put_models,
     "NAME-quarter is any transformer with a quarter of its layers, for bytes and memory on "
     "machines where the whole model does not fit."},
    {"strategies", put_strategies, NULL},
    {"samplers", put_samplers, NULL},
    {"experiments", put_experiments,
     "[reproduce] marks published figures, which `ditbench reproduce NAME` runs, draws beside ours "
     "and judges; all others are for `ditbench sweep NAME`."},
    {"backends", put_backends, NULL},
    {"transports", put_transports, NULL},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct list_options {
    const struct kind *kind; /* NULL: all */
    bool json;
};

enum { KEY_JSON = 1 };

static const struct args_option own[] = {
    {"json", KEY_JSON, NULL, "JSON on one line"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    struct list_options *o = self;
    if (key == KEY_JSON) {
        o->json = true;
        return ST_OK;
    }
    const char *words[KINDS + 1] = {NULL};
    char hint[SUGGEST_HINT];
    if (o->kind)
        return fail(ST_INVALID, "'%.60s': one kind at a time; the first is %s", value,
                    o->kind->name);
    for (int i = 0; i < KINDS; i++) {
        words[i] = kinds[i].name;
        if (strcmp(kinds[i].name, value) == 0)
            o->kind = &kinds[i];
    }
    if (o->kind)
        return ST_OK;
    return fail(ST_INVALID,
                "'%.60s'%s: wanted one of models, strategies, samplers, experiments, backends, "
                "transports",
                value, suggest_hint(value, words, hint));
}

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));
    return text ? text : "";
}

/* "pipefusion: options patches, warmup, layers" */
static char *options_text(const json_t *item, char *text, size_t size)
{
    size_t i;
    const json_t *option;
    size_t used = 0;
    text[0] = '\0';
    json_array_foreach(json_object_get(item, "options"), i, option) if (used < size) used +=
        (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "; options ",
                         text_of(option, "name"));
    return text;
}

/* What a strategy has besides its summary. */
static void print_strategy(const json_t *item, int indent)
{
    char text[600];
    char options[200];
    const char *paper = text_of(item, "paper");
    bool cited = strcmp(paper, "-") != 0;
    snprintf(text, sizeof text, "%s; acts on %s; sends %s; memory: %s%s%s%s",
             json_is_true(json_object_get(item, "exact")) ? "exact" : "stale",
             text_of(item, "seam"), text_of(item, "bytes"), text_of(item, "memory"),
             options_text(item, options, sizeof options), cited ? "; " : "", cited ? paper : "");
    printf("%*s", indent, "");
    fold_print(indent, indent, text);
}

static int width_of(const json_t *list)
{
    size_t i;
    const json_t *item;
    int width = 0;
    json_array_foreach(list, i, item) if ((int)strlen(text_of(item, "name")) > width) width =
        (int)strlen(text_of(item, "name"));
    return width;
}

static void print_item(const json_t *item, int width)
{
    char text[1200];
    const json_t *devices = json_object_get(item, "devices");
    const json_t *parameters = json_object_get(item, "parameters");
    int column = 4 + width;
    printf("  %-*s  ", width, text_of(item, "name"));
    if (parameters)
        column += printf("%7.3f B  ", 1e-9 * (double)json_integer_value(parameters));
    snprintf(text, sizeof text, "%s", text_of(item, "summary"));
    if (devices && json_integer_value(devices) != 1)
        snprintf(text, sizeof text, "%s [%d devices here]", text_of(item, "summary"),
                 (int)json_integer_value(devices));
    if (strcmp(text_of(item, "command"), "reproduce") == 0)
        snprintf(text, sizeof text, "[reproduce] %s", text_of(item, "summary"));
    fold_print(column, column, text);
    if (json_object_get(item, "seam"))
        print_strategy(item, column);
    if (json_object_get(item, "path"))
        printf("%*s%s\n", column, "", text_of(item, "path"));
}

static void print_lines(const struct kind *kind, const json_t *list)
{
    size_t i;
    const json_t *item;
    int width = width_of(list);
    json_array_foreach(list, i, item) print_item(item, width);
    if (kind->note) {
        printf("  ");
        fold_print(2, 2, kind->note);
    }
}

static enum status list_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "list",
        .positional = "[models|strategies|samplers|experiments|backends|transports]",
        .about = "Lists what there is. B: billions of parameters; --json has more.",
        .own = own,
        .take = take,
    };
    struct list_options o = {0};
    TRY(args_parse(&args, argc, argv, NULL, &o));
    json_t *all = json_object();
    for (int i = 0; i < KINDS; i++) {
        if (o.kind && o.kind != &kinds[i])
            continue;
        json_t *list = json_array();
        enum status st = kinds[i].put(list);
        json_object_set_new(all, kinds[i].name, list);
        if (st != ST_OK) {
            json_decref(all);
            return st;
        }
        if (!o.json && !o.kind)
            printf("%s%s:\n", i ? "\n" : "", kinds[i].name);
        if (!o.json)
            print_lines(&kinds[i], list);
    }
    if (!o.json) {
        json_decref(all);
        return ST_OK;
    }
    json_t *one = o.kind ? json_incref(json_object_get(all, o.kind->name)) : json_incref(all);
    json_decref(all);
    return command_print_json(one);
}

const struct command command_list = {
    "list", "what there is: models, strategies, samplers, experiments, ...", list_run};
