/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of rates as JSON, and the file of them. */
#include "harness/profile/ceilings_file.h"

#include "harness/base/folder.h"
#include "harness/host/env.h"
#include "harness/host/gpus.h"
#include "kernels/base/cache.h"
#include "kernels/base/file.h"
#include "kernels/identity.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "ditbench-ceilings-1"

enum { MOST_BYTES = 16 << 20 };

/* ---- the key ---- */

static void add_library(struct ceilings_key *key, const char *name, const char *version)
{
    int n = key->libraries;
    if (n == CEILINGS_LIBRARIES || !version)
        return;
    snprintf(key->library[n].name, sizeof key->library[n].name, "%s", name);
    snprintf(key->library[n].version, sizeof key->library[n].version, "%s", version);
    key->libraries++;
}

static enum status key_of_host(const struct record_env *env, int threads, struct ceilings_key *key)
{
    snprintf(key->device, sizeof key->device, "%.100s, %d thread%s", env->cpu ? env->cpu : "CPU",
             threads, threads == 1 ? "" : "s");
    for (int i = 0; i < env->libraries.n; i++)
        if (strcmp(env->libraries.v[i].name, "openblas") == 0)
            add_library(key, "openblas", env->libraries.v[i].value);
    return ST_OK;
}

static enum status key_of_gpu(const struct backend_ops *ops, const struct record_env *env,
                              struct ceilings_key *key)
{
    struct identity identity;
    TRY(identity_read(ops, 0, &identity));
    snprintf(key->device, sizeof key->device, "%s", identity.name);
    if (env->gpus.n > 0)
        add_library(key, "driver", env->gpus.v[0].driver);
    for (int i = 0; i < identity.libraries; i++)
        add_library(key, identity.library[i].name, identity.library[i].version);
    return ST_OK;
}

enum status ceilings_file_key(const char *backend, int threads, struct ceilings_key *out)
{
    struct record *record;
    const struct backend_ops *ops = backend_find(backend);
    *out = (struct ceilings_key){.libraries = 0};
    snprintf(out->backend, sizeof out->backend, "%s", backend);
    TRY(record_open(&record));
    enum status st;
    env_fill(record);
    if (backend_on_host(ops)) {
        st = key_of_host(&record->env, threads, out);
    } else {
        gpus_fill(record);
        st = key_of_gpu(ops, &record->env, out);
    }
    record_close(record);
    return st;
}

bool ceilings_file_fits(const struct ceilings_key *a, const struct ceilings_key *b)
{
    if (strcmp(a->backend, b->backend) != 0 || strcmp(a->device, b->device) != 0)
        return false;
    for (int i = 0; i < a->libraries; i++)
        for (int k = 0; k < b->libraries; k++)
            if (strcmp(a->library[i].name, b->library[k].name) == 0 &&
                strcmp(a->library[i].version, b->library[k].version) != 0)
                return false;
    return true;
}

/* ---- to JSON ---- */

static json_t *rate_json(const struct ceilings_rate *r)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:f}", "kind",
                     ceilings_kind_name(r->kind), "name", r->name, "shape", r->shape, "head",
                     r->head, "flops", r->flops, "bytes", r->bytes, "samples", r->samples,
                     "median_us", r->median_us, "p10_us", r->p10_us, "p90_us", r->p90_us, "tflops",
                     ceilings_tflops(r), "gbps", ceilings_gbps(r));
}

json_t *ceilings_file_json(const struct ceilings_set *set)
{
    json_t *rates = json_array();
    json_t *libraries = json_object();
    for (int i = 0; i < set->n; i++)
        json_array_append_new(rates, rate_json(&set->rate[i]));
    for (int i = 0; i < set->key.libraries; i++)
        json_object_set_new(libraries, set->key.library[i].name,
                            json_string(set->key.library[i].version));
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:f, s:s?, s:o}", "backend", set->key.backend,
                     "device", set->key.device, "dtype", dtype_name(set->dtype), "libraries",
                     libraries, "time", set->time, "seconds", set->seconds, "no_exchange",
                     set->no_exchange[0] ? set->no_exchange : NULL, "rates", rates);
}

/* ---- from JSON: false for what this program would not have written ---- */

static bool get_text(const json_t *object, const char *name, size_t size, char *out)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && snprintf(out, size, "%s", text) < (int)size;
}

static bool get_number(const json_t *object, const char *name, double *out)
{
    const json_t *value = json_object_get(object, name);
    *out = json_number_value(value);
    return json_is_number(value) && isfinite(*out) && *out >= 0;
}

static bool get_kind(const json_t *object, enum ceilings_kind *out)
{
    char text[20];
    if (!get_text(object, "kind", sizeof text, text))
        return false;
    for (int k = 0; k < CEILINGS_KINDS; k++) {
        *out = (enum ceilings_kind)k;
        if (strcmp(text, ceilings_kind_name(*out)) == 0)
            return true;
    }
    return false;
}

static bool get_count(const json_t *object, const char *name, int *out)
{
    double number;
    bool good = get_number(object, name, &number) && number <= INT_MAX;
    *out = good ? (int)number : 0;
    return good;
}

static bool read_rate(const json_t *from, struct ceilings_rate *r)
{
    return get_kind(from, &r->kind) && get_text(from, "name", sizeof r->name, r->name) &&
           get_text(from, "shape", sizeof r->shape, r->shape) &&
           get_count(from, "head", &r->head) && get_number(from, "flops", &r->flops) &&
           get_number(from, "bytes", &r->bytes) && get_count(from, "samples", &r->samples) &&
           get_number(from, "median_us", &r->median_us) && get_number(from, "p10_us", &r->p10_us) &&
           get_number(from, "p90_us", &r->p90_us) && r->median_us > 0 && r->samples > 0 &&
           r->bytes > 0;
}

static bool read_key(const json_t *from, struct ceilings_key *key)
{
    const char *name;
    json_t *value;
    json_t *libraries = json_object_get(from, "libraries");
    key->libraries = 0;
    if (!get_text(from, "backend", sizeof key->backend, key->backend) ||
        !get_text(from, "device", sizeof key->device, key->device) || !json_is_object(libraries))
        return false;
    json_object_foreach(libraries, name, value) add_library(key, name, json_string_value(value));
    return true;
}

static bool read_set(const json_t *from, struct ceilings_set *set)
{
    char dtype[8];
    const json_t *rates = json_object_get(from, "rates");
    const json_t *why = json_object_get(from, "no_exchange");
    size_t n = json_array_size(rates);
    bool good = read_key(from, &set->key) && get_text(from, "dtype", sizeof dtype, dtype) &&
                dtype_find(dtype, &set->dtype) &&
                get_text(from, "time", sizeof set->time, set->time) &&
                get_number(from, "seconds", &set->seconds) && n > 0 && n <= CEILINGS_RATES;
    set->no_exchange[0] = '\0';
    if (good && !json_is_null(why))
        good = get_text(from, "no_exchange", sizeof set->no_exchange, set->no_exchange);
    for (size_t i = 0; good && i < n; i++)
        good = read_rate(json_array_get(rates, i), &set->rate[i]);
    set->n = good ? (int)n : 0;
    return good;
}

/* ---- the file ---- */

char *ceilings_file_path(char *buffer, size_t size)
{
    char folder[PATH_MAX - 100];
    if (!cache_folder(folder, sizeof folder)[0] ||
        snprintf(buffer, size, "%s/ceilings.json", folder) >= (int)size)
        buffer[0] = '\0';
    return buffer;
}

/* The sets of the file, or NULL: there is none, or it is damaged, which `word` says. */
static json_t *load(char *word)
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t size;
    bool there = false;
    json_error_t error = {.line = 0};
    word[0] = '\0';
    if (!ceilings_file_path(path, sizeof path)[0] || file_there(path, &there) != ST_OK || !there) {
        status_clear();
        return NULL;
    }
    if (file_read_text(path, MOST_BYTES, &text, &size, NULL) != ST_OK) {
        snprintf(word, CEILINGS_WORD, "passed over: %.300s", status_message());
        status_clear();
        return NULL;
    }
    json_t *file = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    json_t *sets = json_object_get(file, "sets");
    const char *format = json_string_value(json_object_get(file, "format"));
    bool good = json_is_array(sets) && format && strcmp(format, FORMAT) == 0;
    if (!good)
        snprintf(word, CEILINGS_WORD, "%.200s is damaged and passed over: %.100s", path,
                 file ? "it holds no sets of " FORMAT : error.text);
    sets = good ? json_incref(sets) : NULL;
    json_decref(file);
    return sets;
}

enum status ceilings_file_read(const struct ceilings_key *key, struct ceilings *out, char *word)
{
    size_t i;
    const json_t *item;
    memset(out, 0, sizeof *out);
    struct ceilings_set *set = malloc(sizeof *set);
    if (!set)
        return fail(ST_OOM, "ceilings: no host memory");
    json_t *sets = load(word);
    json_array_foreach(sets, i, item)
    {
        if (!read_set(item, set)) {
            snprintf(word, CEILINGS_WORD, "set %zu of ceilings.json is damaged and passed over",
                     i + 1);
            continue;
        }
        if (!ceilings_file_fits(key, &set->key))
            continue;
        out->set[set->dtype] = *set;
        out->have[set->dtype] = true;
    }
    json_decref(sets);
    free(set);
    return ST_OK;
}

/* The file's other sets that are whole, then this one. */
static json_t *renewed(const struct ceilings_set *set, struct ceilings_set *other)
{
    char word[CEILINGS_WORD];
    size_t i;
    json_t *item;
    json_t *kept = json_array();
    json_t *sets = load(word);
    json_array_foreach(sets, i, item)
    {
        bool replaced = !read_set(item, other) ||
                        (other->dtype == set->dtype && ceilings_file_fits(&set->key, &other->key));
        if (!replaced)
            json_array_append(kept, item);
    }
    json_decref(sets);
    json_array_append_new(kept, ceilings_file_json(set));
    return json_pack("{s:s, s:o}", "format", FORMAT, "sets", kept);
}

static enum status write_whole(const char *path, const char *text)
{
    char temporary[PATH_MAX + 40];
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    TRY(folder_make_above(path));
    FILE *to = fopen(temporary, "we");
    if (!to)
        return fail(ST_IO, "%s: cannot be created: %s", temporary, strerror(errno));
    bool good =
        fputs(text, to) >= 0 && fputc('\n', to) != EOF && fflush(to) == 0 && fsync(fileno(to)) == 0;
    int error = errno;
    if (fclose(to) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && rename(temporary, path) == 0)
        return ST_OK;
    error = good ? errno : error;
    unlink(temporary);
    return fail(ST_IO, "%s: cannot be written: %s", path, strerror(error));
}

enum status ceilings_file_store(const struct ceilings_set *set)
{
    char path[PATH_MAX];
    if (!ceilings_file_path(path, sizeof path)[0])
        return fail(ST_IO, "no folder for a cache: none of DITBENCH_CACHE, XDG_CACHE_HOME and HOME "
                           "is set");
    struct ceilings_set *other = malloc(sizeof *other);
    json_t *file = other ? renewed(set, other) : NULL;
    char *text = file ? json_dumps(file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(file);
    free(other);
    if (!text)
        return fail(ST_OOM, "%s: no host memory", path);
    enum status st = write_whole(path, text);
    free(text);
    return st;
}
