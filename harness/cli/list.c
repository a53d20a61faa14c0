/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench list`: what there is, one line each. */
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/host/gpus.h"
#include "harness/sweep/experiment.h"
#include "kernels/backend.h"
#include "kernels/comm/comm.h"
#include "models/dit_config.h"
#include "models/sampler.h"
#include "strategies/strategy.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status put_models(json_t *list)
{
    for (int i = 0; dit_config_at(i); i++) {
        const struct dit_config *c = dit_config_at(i);
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I, s:i, s:i, s:i, s:f, s:s}", "name", c->name, "summary",
                      dit_config_summary(i), "parameters", (json_int_t)dit_config_parameters(c),
                      "heads", c->heads, "layers", c->layers, "size", c->default_size, "guidance",
                      (double)c->default_guidance, "sampler", sampler_kind_name(c->sampler.kind)));
    }
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

/* ---- experiments: files, so that a broken one is listed with what is wrong with it ---- */

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

static void put_experiment(json_t *list, const char *path)
{
    struct experiment *e;
    if (experiment_open(path, &e) != ST_OK) {
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "name", path, "summary", status_message()));
        status_clear();
        return;
    }
    json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", experiment_name(e), "summary",
                                          experiment_description(e), "path", path));
    experiment_close(e);
}

static void put_folder(json_t *list, const char *folder)
{
    struct dirent **found;
    int n = scandir(folder, &found, is_yaml, alphasort);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name);
        if (length > 0 && length < PATH_MAX)
            put_experiment(list, path);
        free(found[i]);
    }
    if (n >= 0)
        free(found);
}

/* ./experiments, and those of the source tree that the program was built in: beside or above its
 * folder. */
static enum status put_experiments(json_t *list)
{
    static const char *const beside[] = {"experiments", "../experiments"};
    char here[PATH_MAX];
    char program[PATH_MAX - 20] = "";
    char there[PATH_MAX];
    bool has_here = realpath("experiments", here) != NULL;
    if (has_here)
        put_folder(list, "experiments");
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return ST_OK;
    *strrchr(program, '/') = '\0';
    for (int i = 0; i < 2; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", program, beside[i]);
        if (realpath(path, there) && !(has_here && strcmp(here, there) == 0))
            put_folder(list, there);
    }
    return ST_OK;
}

/* ---- the command ---- */

struct kind {
    const char *name;
    enum status (*put)(json_t *list);
};

static const struct kind kinds[] = {
    {"models", put_models},     {"strategies", put_strategies},
    {"samplers", put_samplers}, {"experiments", put_experiments},
    {"backends", put_backends}, {"transports", put_transports},
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
    for (int i = 0; i < KINDS && !o->kind; i++)
        if (strcmp(kinds[i].name, value) == 0) {
            o->kind = &kinds[i];
            return ST_OK;
        }
    return fail(
        ST_INVALID,
        "'%.60s': wanted one of models, strategies, samplers, experiments, backends, transports",
        value);
}

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));
    return text ? text : "";
}

/* What a strategy has besides its summary, on the same line. */
static void print_strategy(const json_t *item)
{
    printf("  [%s; acts on %s; sends %s; memory: %s; %s]",
           json_is_true(json_object_get(item, "exact")) ? "exact" : "stale", text_of(item, "seam"),
           text_of(item, "bytes"), text_of(item, "memory"), text_of(item, "paper"));
}

static void print_lines(const json_t *list)
{
    size_t i;
    const json_t *item;
    int width = 0;
    json_array_foreach(list, i, item) if ((int)strlen(text_of(item, "name")) > width) width =
        (int)strlen(text_of(item, "name"));
    json_array_foreach(list, i, item)
    {
        printf("  %-*s  %s", width, text_of(item, "name"), text_of(item, "summary"));
        if (json_object_get(item, "seam"))
            print_strategy(item);
        const json_t *devices = json_object_get(item, "devices");
        if (json_integer_value(devices) != 1 && devices)
            printf("  [%d devices here]", (int)json_integer_value(devices));
        printf("\n");
    }
}

static enum status list_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "list",
        .positional = "[models|strategies|samplers|experiments|backends|transports]",
        .about = "Lists what there is, one line each.",
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
            print_lines(list);
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
