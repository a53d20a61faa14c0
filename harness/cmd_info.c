/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench info`: features built in, libraries and their versions, devices. */
#include "harness/args.h"
#include "harness/command.h"
#include "harness/env.h"
#include "kernels/backend.h"
#include "kernels/comm/comm.h"

#include <stdio.h>
#include <string.h>

static json_t *features(void)
{
    json_t *out = json_object();
    json_object_set_new(out, "blas", json_true());
    json_object_set_new(out, "mpi", json_boolean(comm_ops_find("mpi") != NULL));
    json_object_set_new(out, "cuda", json_boolean(backend_find("cuda") != NULL));
    json_object_set_new(out, "nccl", json_boolean(comm_ops_find("nccl") != NULL));
    return out;
}

static json_t *devices(void)
{
    json_t *out = json_array();
    for (int i = 0; backend_at(i); i++) {
        int n = 0;
        size_t bytes = 0;
        struct device *dev;
        const struct device_options options = {.ordinal = 0, .threads = 1};
        if (backend_at(i)->count(&n) == ST_OK && n > 0 &&
            device_open(backend_at(i), &options, &dev) == ST_OK) {
            if (device_capacity(dev, &bytes) != ST_OK)
                bytes = 0;
            device_close(dev);
        }
        json_array_append_new(out, json_pack("{s:s, s:i, s:I}", "backend", backend_at(i)->name,
                                             "devices", n, "available_bytes", (json_int_t)bytes));
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

static json_t *build_info(const struct record_env *env)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:i}", "version",
                     command_version(), "commit", env->commit, "dirty", env->dirty == RECORD_YES,
                     "compiler", env->compiler, "flags", env->flags, "features", features(),
                     "libraries", libraries(&env->libraries), "transports", transports(), "devices",
                     devices(), "host", env->host, "os", env->os, "cpu", env->cpu, "cores",
                     env->cores);
}

static void print_value(const char *key, const json_t *value)
{
    if (json_is_string(value))
        printf("%-14s %s\n", key, json_string_value(value));
    else if (json_is_integer(value))
        printf("%-14s %lld\n", key, (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        printf("%-14s %s\n", key, json_is_true(value) ? "yes" : "no");
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
        print_value(key, value);
        if (json_is_object(value)) {
            printf("%s\n", key);
            json_object_foreach(value, inner, item)
            {
                printf("  ");
                print_value(inner, item);
            }
        }
        json_array_foreach(value, i, item)
        {
            if (json_is_string(item))
                printf("%-14s %s\n", i ? "" : key, json_string_value(item));
            else
                printf("%-14s %s: %lld, %.1f MB available\n", i ? "" : key,
                       json_string_value(json_object_get(item, "backend")),
                       (long long)json_integer_value(json_object_get(item, "devices")),
                       1e-6 * (double)json_integer_value(json_object_get(item, "available_bytes")));
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
        .about = "Shows what this build has and what it sees.",
        .own = own,
        .take = take,
    };
    bool json = false;
    struct record *record;
    TRY(args_parse(&args, argc, argv, NULL, &json));
    TRY(record_open(&record));
    env_fill(record);
    json_t *info = build_info(&record->env);
    record_close(record);
    if (json)
        return command_print_json(info);
    print_lines(info);
    json_decref(info);
    return ST_OK;
}

const struct command command_info = {"info", "features built in, libraries and versions, devices",
                                     info_run};
