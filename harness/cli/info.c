/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench info`: features built in, libraries and their versions, devices, the cache. */
#include "harness/base/fold.h"
#include "harness/base/limits.h"
#include "harness/base/self.h"
#include "harness/check/reference_cache.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/host/env.h"
#include "harness/host/interconnect.h"
#include "kernels/backend.h"
#include "kernels/base/cache.h"
#include "kernels/base/trace_nvtx.h"
#include "kernels/comm/comm.h"
#include "kernels/identity.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static json_t *features(void)
{
    json_t *out = json_object();
    json_object_set_new(out, "blas", json_true());
    json_object_set_new(out, "mpi", json_boolean(comm_ops_find("mpi") != NULL));
    json_object_set_new(out, "cuda", json_boolean(backend_find("cuda") != NULL));
    json_object_set_new(out, "nccl", json_boolean(comm_ops_find("nccl") != NULL));
    json_object_set_new(out, "nvtx", json_boolean(trace_nvtx_built()));
    return out;
}

/* Bytes free on the first device, which is opened for it; *why: the failure of one that is there.
 */
static size_t available_on(const struct backend_ops *ops, char *why, size_t size)
{
    size_t bytes = 0;
    struct device *dev;
    const struct device_options options = {.ordinal = 0, .threads = 1};
    enum status st = device_open(ops, &options, &dev);
    if (st == ST_OK) {
        st = device_capacity(dev, &bytes);
        device_close(dev);
    }
    snprintf(why, size, "%s", st ? status_message() : "");
    status_clear();
    return st ? 0 : bytes;
}

static json_t *names_of(const struct backend_ops *ops, int n)
{
    json_t *out = json_array();
    for (int i = 0; i < n; i++) {
        struct identity identity;
        if (identity_read(ops, i, &identity) == ST_OK && identity.name[0])
            json_array_append_new(out, json_string(identity.name));
    }
    status_clear();
    return out;
}

static json_t *devices(void)
{
    json_t *out = json_array();
    for (int i = 0; backend_at(i); i++) {
        const struct backend_ops *ops = backend_at(i);
        char why[300] = "";
        int n = 0;
        if (ops->count(&n) != ST_OK)
            n = 0;
        size_t bytes = n > 0 ? available_on(ops, why, sizeof why) : 0;
        json_t *available = bytes < SIZE_MAX ? json_integer((json_int_t)bytes) : json_null();
        json_array_append_new(out,
                              json_pack("{s:s, s:i, s:o, s:o, s:s?}", "backend", ops->name,
                                        "devices", n, "names", names_of(ops, n), "available_bytes",
                                        available, "failure", why[0] ? why : NULL));
    }
    return out;
}

static json_t *transports(void)
{
    json_t *out = json_array();
    for (int i = 0; comm_ops_at(i); i++)
        json_array_append_new(out, json_string(comm_ops_at(i)->name));
    return out;
}

static json_t *libraries(const struct record_map *map)
{
    json_t *out = json_object();
    for (int i = 0; i < map->n; i++)
        json_object_set_new(out, map->v[i].name, json_string(map->v[i].value));
    return out;
}

static json_t *texts(const struct record_texts *list)
{
    json_t *out = json_array();
    for (int i = 0; i < list->n; i++)
        json_array_append_new(out, json_string(list->v[i]));
    return out;
}

/* folder: null where no variable names one. */
static json_t *cache_info(void)
{
    char folder[PATH_MAX];
    int entries;
    uint64_t bytes;
    reference_cache_count(&entries, &bytes);
    const char *place = cache_folder(folder, sizeof folder)[0] ? folder : NULL;
    return json_pack("{s:s?, s:i, s:I}", "folder", place, "one_rank_runs", entries, "bytes",
                     (json_int_t)bytes);
}

static json_t *build_info(const struct record_env *env, json_t *seen)
{
    char share[PATH_MAX];
    const char *place = self_share(share) == ST_OK ? share : NULL;
    status_clear();
    return json_pack("{s:s, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o, "
                     "s:o, s:o, s:s?, s:s, s:s, s:s, s:i}",
                     "version", self_version(), "commit", env->commit, "dirty",
                     env->dirty == RECORD_YES, "compiler", env->compiler, "flags", env->flags,
                     "features", features(), "libraries", libraries(&env->libraries), "transports",
                     transports(), "devices", seen, "interconnect", texts(&env->interconnect),
                     "p2p", texts(&env->p2p), "cache", cache_info(), "share", place, "host",
                     env->host, "os", env->os, "cpu", env->cpu, "cores", env->cores);
}

/* "149906.3 MB available" */
static char *memory_text(const json_t *item, char *text, size_t size)
{
    char limit[LIMITS_TEXT];
    const json_t *bytes = json_object_get(item, "available_bytes");
    bool host = strcmp(json_string_value(json_object_get(item, "backend")), "cpu") == 0;
    if (json_is_integer(bytes))
        snprintf(text, size, "%.1f MB available%s", 1e-6 * (double)json_integer_value(bytes),
                 host ? limits_space(limit) : "");
    else
        snprintf(text, size, "free memory not known");
    return text;
}

/* "cuda: 2 (NVIDIA H200, NVIDIA H200), 149906.3 MB available" */
static void print_device(const json_t *item, int column)
{
    char text[3000];
    char memory[200];
    size_t i;
    const json_t *name;
    const json_t *names = json_object_get(item, "names");
    const char *failure = json_string_value(json_object_get(item, "failure"));
    size_t used = (size_t)snprintf(text, sizeof text, "%s: %lld",
                                   json_string_value(json_object_get(item, "backend")),
                                   (long long)json_integer_value(json_object_get(item, "devices")));
    json_array_foreach(names, i, name) if (used < sizeof text) used += (size_t)snprintf(
        text + used, sizeof text - used, "%s%s", i ? ", " : " (", json_string_value(name));
    if (used < sizeof text)
        snprintf(text + used, sizeof text - used, "%s, %s%s%s", json_array_size(names) ? ")" : "",
                 memory_text(item, memory, sizeof memory), failure ? "; " : "",
                 failure ? failure : "");
    fold_print(column, column, text);
}

/* indent: columns before the key */
static void print_value(const char *key, const json_t *value, int indent)
{
    enum { KEY = 15 };
    if (json_is_object(value) || json_is_array(value))
        return;
    printf("%*s%-*s", indent, "", KEY, key);
    if (json_is_string(value))
        fold_print(indent + KEY, indent + KEY, json_string_value(value));
    else if (json_is_integer(value))
        printf("%lld\n", (long long)json_integer_value(value));
    else
        printf("%s\n", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "none");
}

/* Two levels are all that there is. */
static void print_lines(json_t *info)
{
    const char *key;
    json_t *value;
    json_object_foreach(info, key, value)
    {
        const char *inner;
        json_t *item;
        size_t i;
        print_value(key, value, 0);
        if (json_is_object(value)) {
            printf("%s\n", key);
            json_object_foreach(value, inner, item) print_value(inner, item, 2);
        }
        json_array_foreach(value, i, item)
        {
            printf("%-14s ", i ? "" : key);
            if (json_is_string(item))
                printf("%s\n", json_string_value(item));
            else
                print_device(item, 15);
        }
    }
}

enum { KEY_JSON = 1 };

static const struct args_option own[] = {
    {"json", KEY_JSON, NULL, "JSON on one line"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    (void)key;
    (void)value;
    *(bool *)self = true;
    return ST_OK;
}

static enum status info_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "info",
        .positional = "",
        .about = "Shows what this build has, what it sees and what it keeps.",
        .own = own,
        .take = take,
    };
    bool json = false;
    struct record *record;
    TRY(args_parse(&args, argc, argv, NULL, &json));
    TRY(record_open(&record));
    env_fill(record);
    json_t *seen = devices(); /* it loads the libraries that are asked for their versions next */
    for (int i = 0; backend_at(i); i++)
        env_add_loaded(record, backend_at(i)->name);
    interconnect_fill(record);
    status_clear();
    json_t *info = build_info(&record->env, seen);
    record_close(record);
    if (json)
        return command_print_json(info);
    print_lines(info);
    json_decref(info);
    return ST_OK;
}

const struct command command_info = {"info", "features built in, libraries and versions, devices",
                                     info_run};
