/* SPDX-License-Identifier: Apache-2.0 */
/* From an experiment file to its cells. Runs and plans nothing. */
#include "harness/sweep/experiment.h"

#include "harness/base/number.h"
#include "harness/cell/options.h"
#include "harness/sweep/experiment_file.h"
#include "harness/sweep/experiment_strategy.h"
#include "harness/sweep/experiment_text.h"
#include "kernels/base/file.h"
#include "strategies/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct experiment {
    char *path;
    char *text; /* the file, 0-terminated, for the lines of keys */
    struct experiment_values *values;
};

/* ---- opening ---- */

/* The name becomes a part of file names. */
static enum status check_name(const char *name)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (strlen(name) > 100 || name[0] == '.' || name[0] == '-' || name[strspn(name, legal)] != '\0')
        return fail(
            ST_INVALID,
            "found '%.120s', wanted at most 100 letters, digits, '.', '_' and '-', beginning with "
            "a letter, digit or '_', for it names the results file",
            name);
    return ST_OK;
}

/* "file:line: " in front of a message that names the key. */
static enum status place(const struct experiment *e, const char *key, enum status st)
{
    return st ? fail_prefix(st, "%s:%d", e->path, experiment_text_line(e->text, 0, key)) : st;
}

/* "file:line: key: " in front of a message about its value. */
static enum status prefix(const struct experiment *e, const char *key, enum status st)
{
    return st ? place(e, key, fail_prefix(st, "%s", key)) : st;
}

/* Sets an option of a cell from the key's value. */
static enum status set(const struct experiment *e, struct cell *cell, const char *option,
                       const char *key, const char *value)
{
    return place(e, key, cell_set(cell, option, key, value));
}

static enum status experiment_read(struct experiment *e, const char *label, const void *bytes,
                                   size_t size)
{
    e->path = strdup(label);
    e->text = malloc(size + 1);
    if (!e->path || !e->text)
        return fail(ST_OOM, "%s: %zu bytes of host memory", label, size);
    memcpy(e->text, bytes, size);
    e->text[size] = '\0';
    if (strlen(e->text) != size)
        return fail(ST_INVALID, "%s: a zero byte at byte %zu; an experiment is UTF-8 text", label,
                    strlen(e->text));
    TRY(experiment_file_parse(label, e->text, size, &e->values));
    return prefix(e, "name", check_name(e->values->name));
}

enum status experiment_open_memory(const char *label, const void *bytes, size_t size,
                                   struct experiment **out)
{
    *out = NULL;
    if (size > EXPERIMENT_MAX_BYTES)
        return fail(ST_INVALID, "%s: more than %d bytes; an experiment is a page of YAML", label,
                    EXPERIMENT_MAX_BYTES);
    struct experiment *e = calloc(1, sizeof *e);
    if (!e)
        return fail(ST_OOM, "%s: %zu bytes of host memory", label, sizeof *e);
    enum status st = experiment_read(e, label, bytes, size);
    if (st) {
        experiment_close(e);
        return st;
    }
    *out = e;
    return ST_OK;
}

enum status experiment_open(const char *path, struct experiment **out)
{
    char *bytes;
    char why[PATH_MAX + 200];
    size_t size;
    *out = NULL;
    enum status st = file_read_text(path, EXPERIMENT_MAX_BYTES, &bytes, &size, NULL);
    if (st != ST_OK) {
        snprintf(why, sizeof why, "%s", status_message());
        return fail(st, "%s; `ditbench list experiments` shows some", why);
    }
    st = experiment_open_memory(path, bytes, size, out);
    free(bytes);
    return st;
}

void experiment_close(struct experiment *experiment)
{
    if (!experiment)
        return;
    if (experiment->values)
        experiment_file_release(experiment->values);
    free(experiment->text);
    free(experiment->path);
    free(experiment);
}

const char *experiment_name(const struct experiment *experiment)
{
    return experiment->values->name;
}

const char *experiment_description(const struct experiment *experiment)
{
    return experiment->values->description ? experiment->values->description : "";
}

const char *experiment_path(const struct experiment *experiment)
{
    return experiment->path;
}

enum status experiment_rounds(const struct experiment *e, int *rounds, int64_t *shuffle)
{
    const struct experiment_values *v = e->values;
    *rounds = 1;
    *shuffle = -1;
    if (v->rounds)
        TRY(place(e, "rounds", number_int("rounds", v->rounds, 1, EXPERIMENT_MAX_ROUNDS, rounds)));
    if (v->shuffle)
        TRY(place(e, "shuffle", number_whole("shuffle", v->shuffle, 0, INT64_MAX, shuffle)));
    return ST_OK;
}

/* ---- axes ---- */

enum axis { MODELS, SIZES, RANKS, STRATEGIES, DTYPES, STEPS, REQUESTS, AXES };

struct axis_name {
    const char *key;    /* in the file */
    const char *option; /* of a cell, and in an exclusion */
};

static const struct axis_name axis_name[AXES] = {
    [MODELS] = {"models", "model"},        [SIZES] = {"sizes", "size"},
    [RANKS] = {"ranks", "ranks"},          [STRATEGIES] = {"strategies", "strategy"},
    [DTYPES] = {"dtypes", "dtype"},        [STEPS] = {"steps", "steps"},
    [REQUESTS] = {"requests", "requests"},
};

static const struct experiment_list *axis_list(const struct experiment *e, enum axis axis)
{
    const struct experiment_values *v = e->values;
    const struct experiment_list *const list[AXES] = {
        &v->models, &v->sizes, &v->ranks, &v->strategies, &v->dtypes, &v->steps, &v->requests};
    return list[axis];
}

/* One value of each axis, as text; NULL where the file says nothing. */
struct point {
    const char *value[AXES];
    char strategy[SPEC_TEXT]; /* with {ranks} replaced */
};

/* "{ranks}" replaced; false: the result is too long. */
static bool substitute(const char *text, const char *ranks, char *out, size_t size)
{
    static const char hole[] = "{ranks}";
    size_t used = 0;
    while (*text) {
        bool here = strncmp(text, hole, strlen(hole)) == 0;
        size_t n = here ? strlen(ranks) : 1;
        if (used + n + 1 > size)
            return false;
        memcpy(out + used, here ? ranks : text, n);
        used += n;
        text += here ? strlen(hole) : 1;
    }
    out[used] = '\0';
    return true;
}

/* *fits: the strategy makes a cell at this rank count. */
static enum status set_strategy(struct point *point, bool *fits)
{
    const char *text = point->value[STRATEGIES];
    const char *ranks = point->value[RANKS] ? point->value[RANKS] : "1";
    struct spec spec;
    if (!substitute(text, ranks, point->strategy, sizeof point->strategy))
        return fail(ST_INVALID, "'%.60s...' is longer than %d characters", text, SPEC_TEXT - 1);
    TRY(spec_parse(point->strategy, &spec));
    *fits = strstr(text, "{ranks}") || !point->value[RANKS] || spec_ranks(&spec) == atoi(ranks);
    return ST_OK;
}

/* ---- strategies that make no cell ---- */

static enum status check_strategies(const struct experiment *e)
{
    struct cell cell;
    cell_init(&cell);
    for (unsigned i = 0; i < e->values->ranks.n; i++)
        TRY(set(e, &cell, "ranks", "ranks", e->values->ranks.v[i]));
    for (unsigned i = 0; i < e->values->strategies.n; i++)
        TRY(prefix(e, "strategies", experiment_strategy_check(e->values, i)));
    return ST_OK;
}

/* An unquoted hybrid whose parts make cells on their own is no error, but seldom meant. */
void experiment_note(const struct experiment *e, char *text, size_t size)
{
    const struct experiment_list *list = &e->values->strategies;
    bool good = check_strategies(e) == ST_OK; /* else that is to be said */
    status_clear();
    text[0] = '\0';
    for (unsigned i = 0; good && i + 1 < list->n && !text[0]; i++)
        if (strchr(list->v[i], '=') && strchr(list->v[i + 1], '=') &&
            experiment_text_joined(e->text, list->v[i], list->v[i + 1]))
            snprintf(text, size,
                     "%s:%d: strategies: %.100s,%.100s without quotes is two strategies; for the "
                     "hybrid write \"%.100s,%.100s\", for two a blank behind the comma",
                     e->path, experiment_text_line(e->text, 0, "strategies"), list->v[i],
                     list->v[i + 1], list->v[i], list->v[i + 1]);
}

/* ---- exclusions ---- */

static int condition_axis(const char *text, size_t n)
{
    for (int a = 0; a < AXES; a++)
        if (strlen(axis_name[a].option) == n && strncmp(axis_name[a].option, text, n) == 0)
            return a;
    return -1;
}

/* Length of the condition at `text`: up to a comma that a known key follows, or the end. */
static size_t condition_length(const char *text)
{
    size_t n = strcspn(text, ",");
    while (text[n] == ',' && condition_axis(text + n + 1, strcspn(text + n + 1, "=,")) < 0)
        n += 1 + strcspn(text + n + 1, ",");
    return n;
}

/* *match: every condition of `text` holds at the point. */
static enum status excluded(const char *text, const struct point *point, bool *match)
{
    *match = true;
    for (const char *at = text;;) {
        size_t n = condition_length(at);
        size_t key = strcspn(at, "=,");
        int axis = at[key] == '=' ? condition_axis(at, key) : -1;
        if (axis < 0)
            return fail(
                ST_INVALID,
                "'%.200s': found '%.*s', wanted KEY=PREFIX with a key of model, size, ranks, "
                "strategy, dtype, steps, requests",
                text, (int)(n < 60 ? n : 60), at);
        const char *value = axis == STRATEGIES ? point->strategy : point->value[axis];
        *match &= value && strncmp(value, at + key + 1, n - key - 1) == 0;
        if (at[n] == '\0')
            return ST_OK;
        at += n + 1;
    }
}

static enum status excluded_by_any(const struct experiment *e, const struct point *point,
                                   bool *match)
{
    *match = false;
    for (unsigned i = 0; i < e->values->exclude.n && !*match; i++)
        TRY(excluded(e->values->exclude.v[i], point, match));
    return ST_OK;
}

/* ---- cells ---- */

/* What each cell would be refused for, at its line. */
static enum status check_loops(const struct experiment *e, const struct cell *cell)
{
    const struct experiment_values *v = e->values;
    struct cell filled = *cell;
    const char *key = v->min_loops     ? "min_loops"
                      : v->min_seconds ? "min_seconds"
                      : v->max_seconds ? "max_seconds"
                                       : "max_noise";
    return place(e, key, cell_fill_stop(&filled));
}

static enum status set_values(const struct experiment *e, struct cell *cell)
{
    const struct experiment_values *v = e->values;
    const struct {
        const char *key, *option, *value;
    } single[] = {
        {"backend", "backend", v->backend},
        {"transport", "transport", v->transport},
        {"exchange", "exchange", v->exchange},
        {"graph", "graph", v->graph},
        {"guidance", "guidance", v->guidance},
        {"seed", "seed", v->seed},
        {"warmup_loops", "warmup-loops", v->warmup_loops},
        {"repeats", "repeats", v->repeats},
        {"min_loops", "min-loops", v->min_loops},
        {"min_seconds", "min-seconds", v->min_seconds},
        {"max_seconds", "max-seconds", v->max_seconds},
        {"max_noise", "max-noise", v->max_noise},
        {"threads", "threads", v->threads},
        {"timeout_s", "timeout", v->timeout_s},
    };
    cell_init(cell);
    cell->timeout_s = EXPERIMENT_TIMEOUT_S;
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (single[i].value)
            TRY(set(e, cell, single[i].option, single[i].key, single[i].value));
    return check_loops(e, cell);
}

/* A model's name as the command line would take it. */
static enum status find_model(const struct experiment *e, const char *name, char *out, size_t size,
                              struct model *model)
{
    struct stat info;
    const char *slash = strrchr(e->path, '/');
    bool preset = model_is_preset(name);
    int n = snprintf(out, size, "%.*s%s",
                     slash && name[0] != '/' && !preset ? (int)(slash - e->path + 1) : 0, e->path,
                     name);
    if (n < 0 || (size_t)n >= size)
        return fail(ST_INVALID, "'%.80s': the path is longer than %zu characters", name, size - 1);
    if (!preset && stat(out, &info) != 0)
        strcpy(out, name); /* its error names what was written */
    return model_load(out, NULL, model);
}

/* The model's sampler can make so many steps. */
static enum status check_schedule(const struct problem *problem)
{
    struct sampler *sampler = NULL;
    if (!problem->kind->schedule)
        return ST_OK;
    TRY(problem->kind->schedule(problem, &sampler));
    sampler_close(sampler);
    return ST_OK;
}

static enum status set_point(const struct experiment *e, const struct point *point,
                             struct cell *cell)
{
    struct model model;
    for (int a = 0; a < AXES; a++) {
        const char *value = a == STRATEGIES ? point->strategy : point->value[a];
        if (value && a != MODELS)
            TRY(set(e, cell, axis_name[a].option, axis_name[a].key, value));
    }
    TRY(prefix(e, "models",
               find_model(e, point->value[MODELS], cell->model, sizeof cell->model, &model)));
    struct problem problem = model_problem(&model);
    problem.width = cell->width;
    problem.height = cell->height;
    TRY(prefix(e, "sizes", problem_check(&problem)));
    problem.steps = cell->steps;
    TRY(prefix(e, "steps", problem_check(&problem)));
    TRY(prefix(e, "steps", check_schedule(&problem)));
    problem.requests = cell->requests;
    return prefix(e, "requests", problem_check(&problem));
}

static enum status add_point(const struct experiment *e, const struct cell *base,
                             struct point *point, int *n, struct cell *cells)
{
    bool fits = false;
    bool out = false;
    TRY(prefix(e, "strategies", set_strategy(point, &fits)));
    TRY(prefix(e, "exclude", excluded_by_any(e, point, &out)));
    struct cell cell = *base;
    TRY(set_point(e, point, &cell));
    if (fits && !out)
        cells[(*n)++] = cell;
    return ST_OK;
}

/* An axis that the file leaves out has one value, the default. */
static unsigned axis_count(const struct experiment *e, enum axis axis)
{
    unsigned n = axis_list(e, axis)->n;
    return n ? n : 1;
}

static enum status count_points(const struct experiment *e, long *out)
{
    long points = 1;
    for (int a = 0; a < AXES; a++) {
        points *= axis_count(e, (enum axis)a);
        if (points > EXPERIMENT_MAX_CELLS)
            return fail(ST_INVALID, "%s: the axes span more than %d cells; split the experiment",
                        e->path, EXPERIMENT_MAX_CELLS);
    }
    *out = points;
    return ST_OK;
}

enum status experiment_expand(const struct experiment *e, int *n, struct cell **cells)
{
    struct cell base;
    long points = 0;
    *n = 0;
    *cells = NULL;
    TRY(set_values(e, &base));
    TRY(check_strategies(e));
    TRY(count_points(e, &points));
    *cells = malloc((size_t)points * sizeof **cells);
    if (!*cells)
        return fail(ST_OOM, "%s: %ld cells: no host memory", e->path, points);
    for (long p = 0; p < points; p++) {
        struct point point = {.strategy = ""};
        long rest = p;
        for (int a = AXES - 1; a >= 0; a--) {
            const struct experiment_list *list = axis_list(e, (enum axis)a);
            point.value[a] = list->n ? list->v[rest % list->n] : NULL;
            rest /= axis_count(e, (enum axis)a);
        }
        TRY(add_point(e, &base, &point, n, *cells));
    }
    return ST_OK;
}
