/* SPDX-License-Identifier: Apache-2.0 */
/* From a pack's file and its CSV files to points. */
#include "harness/paper/pack.h"

#include "harness/base/number.h"
#include "harness/base/self.h"
#include "harness/paper/pack_rules.h"
#include "harness/sweep/experiment_text.h"
#include "kernels/base/file.h"
#include "strategies/kind.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the file ---- */

static enum status at_key(const struct pack *p, const char *key, enum status st)
{
    return st ? fail_prefix(st, "%s:%d: %s", p->path, experiment_text_line(p->text, 0, key), key)
              : st;
}

static enum status one_of(const struct pack *p, const char *key, const char *found,
                          const char *first, const char *second, bool *is_second)
{
    *is_second = found && strcmp(found, second) == 0;
    if (!found || *is_second || strcmp(found, first) == 0)
        return ST_OK;
    return at_key(p, key, fail(ST_INVALID, "found '%.60s', wanted %s or %s", found, first, second));
}

static enum status check_values(struct pack *p)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    const struct pack_values *v = p->values;
    int steps = 0;
    if (v->name[strspn(v->name, legal)] != '\0' || v->name[0] == '.' || v->name[0] == '-')
        return at_key(
            p, "name",
            fail(ST_INVALID,
                 "found '%.100s', wanted small letters, digits, '.' and '-', for it names "
                 "a folder",
                 v->name));
    TRY(one_of(p, "claim", v->claim, "ratio", "order", &p->order));
    TRY(one_of(p, "metric", v->metric, "latency", "memory", &p->memory));
    TRY(at_key(p, "steps", number_int("steps", v->steps, 1, 1000, &steps)));
    p->steps = steps;
    return ST_OK;
}

static enum status read_rules(struct pack *p)
{
    const struct pack_values *v = p->values;
    const struct {
        const char *key;
        const struct experiment_list *list;
        struct pack_rules *rules;
    } all[] = {
        {"models", &v->models, &p->models},          {"points", &v->points, &p->points},
        {"assumed", &v->assumed, &p->assumed},       {"left_out", &v->left_out, &p->left_out},
        {"overrides", &v->overrides, &p->overrides}, {"also", &v->also, &p->also},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        TRY(pack_rules_read(p, all[i].key, all[i].list, all[i].rules));
    return ST_OK;
}

/* ---- CSV files ---- */

/* Beside the pack, in ./results/published, in the program's own. */
static enum status find_source(const struct pack *p, const char *name, char *path)
{
    const char *slash = strrchr(p->path, '/');
    char share[PATH_MAX] = "";
    snprintf(path, PATH_MAX, "%.*s%s", slash ? (int)(slash - p->path + 1) : 0, p->path, name);
    if (access(path, R_OK) == 0)
        return ST_OK;
    snprintf(path, PATH_MAX, "results/published/%s", name);
    if (access(path, R_OK) == 0)
        return ST_OK;
    if (self_share(share) == ST_OK &&
        snprintf(path, PATH_MAX, "%s/results/published/%s", share, name) < PATH_MAX &&
        access(path, R_OK) == 0)
        return ST_OK;
    return at_key(p, "sources",
                  fail(ST_INVALID,
                       "%.200s is neither beside the pack nor in results/published of this folder "
                       "or of the program",
                       name));
}

static bool wanted(const struct pack *p, const struct published_line *line)
{
    const struct experiment_list *figures = &p->values->figures;
    const char *metric = line->field[PUBLISHED_METRIC];
    bool is = figures->n == 0;
    for (unsigned i = 0; i < figures->n && !is; i++)
        is = fnmatch(figures->v[i], line->field[PUBLISHED_FIGURE], 0) == 0;
    return is &&
           (strcmp(metric, p->memory ? "memory" : "latency") == 0 || strcmp(metric, "oom") == 0);
}

/* ---- points ---- */

static enum status add_point(struct pack *p, const struct pack_point *point)
{
    struct pack_point *v = realloc(p->v, ((size_t)p->n + 1) * sizeof *v);
    if (!v)
        return fail(ST_OOM, "%s: no host memory", p->path);
    p->v = v;
    v[p->n++] = *point;
    return ST_OK;
}

/* Where the rule stands, not where its cell would be set up. */
static enum status check_model(const struct pack *p, const char *key, const struct pack_rule *rule,
                               const char *model)
{
    struct model found;
    enum status st = model_load(model, NULL, &found);
    return st ? fail_prefix(st, "%s:%d: %s", p->path, rule->line, key) : st;
}

static enum status map_model(struct pack *p, struct pack_point *point)
{
    struct pack_rule *rule = pack_rules_exact(&p->models, point->line->field[PUBLISHED_MODEL]);
    if (!rule)
        return fail(ST_INVALID, "%s:%d: %s line %d: model '%s' is not among models", p->path,
                    experiment_text_line(p->text, 0, "models"), point->source, point->line->number,
                    point->line->field[PUBLISHED_MODEL]);
    point->model = rule->text;
    return ST_OK;
}

/* A row without a number of GPUs has as many as its specification. */
static enum status count_gpus(const struct pack *p, struct pack_point *point)
{
    char text[SPEC_TEXT];
    struct spec spec;
    TRY(pack_spec(point, point->gpus, text));
    enum status st = spec_parse(text, &spec);
    if (st)
        return fail_prefix(st, "%s:%d: '%s'", p->path, point->rule_line, text);
    int ranks = spec_ranks(&spec);
    if (point->gpus == 0)
        point->gpus = ranks;
    if (point->gpus != ranks)
        return fail(ST_INVALID, "%s:%d: %s line %d is of %d GPUs, and '%s' of %d ranks", p->path,
                    point->rule_line, point->source, point->line ? point->line->number : 0,
                    point->gpus, text, ranks);
    return ST_OK;
}

/* Compiled and plain runs are different programs. */
static const char *program_of(const struct published_line *line)
{
    static const char *const programs[] = {"torch.compile", "onediff"};
    for (int i = 0; i < 2; i++)
        if (strstr(line->field[PUBLISHED_CONFIG], programs[i]))
            return programs[i];
    return "";
}

static enum status map_row(struct pack *p, const char *source, const struct published_line *line)
{
    struct pack_point point = {.line = line,
                               .source = source,
                               .program = program_of(line),
                               .gpus = line->gpus,
                               .width = line->width,
                               .height = line->height,
                               .frames = line->frames,
                               .one = -1};
    struct pack_rule *rule = pack_rules_find(&p->left_out, &point);
    if (rule) {
        point.left_out = rule->text;
        return add_point(p, &point);
    }
    rule = pack_rules_find(&p->points, &point);
    if (!rule) {
        rule = pack_rules_find(&p->assumed, &point);
        point.assumed = rule != NULL;
    }
    if (!rule)
        return fail(ST_INVALID,
                    "%s:%d: points: %s line %d, '%s %s' on %d GPUs at %d px, is neither mapped nor "
                    "left out",
                    p->path, experiment_text_line(p->text, 0, "points"), source, line->number,
                    line->field[PUBLISHED_STRATEGY], line->field[PUBLISHED_CONFIG], line->gpus,
                    point.height);
    point.spec = rule->text;
    point.rule_line = rule->line;
    TRY(map_model(p, &point));
    TRY(count_gpus(p, &point));
    return add_point(p, &point);
}

/* What nobody published: "MODEL at SIZE => SPEC". */
static enum status add_also(struct pack *p)
{
    for (int i = 0; i < p->also.n; i++) {
        struct pack_rule *rule = &p->also.v[i];
        struct pack_point point = {
            .source = "", .program = "", .spec = rule->text, .rule_line = rule->line, .one = -1};
        char *at = strstr(rule->pattern, " at ");
        int size = 0;
        if (!at || number_int("SIZE", at + 4, 1, 1 << 30, &size) != ST_OK)
            return fail(ST_INVALID, "%s:%d: also: found '%s', wanted MODEL at SIZE => SPEC",
                        p->path, rule->line, rule->pattern);
        *at = '\0';
        rule->used++;
        TRY(check_model(p, "also", rule, rule->pattern));
        point.model = rule->pattern;
        point.width = point.height = size;
        TRY(count_gpus(p, &point));
        TRY(add_point(p, &point));
    }
    return ST_OK;
}

static enum status read_source(struct pack *p, unsigned at, int *begin)
{
    char path[PATH_MAX];
    TRY(find_source(p, p->values->sources.v[at], path));
    p->source[at] = strdup(path);
    if (!p->source[at])
        return fail(ST_OOM, "%s: no host memory", p->path);
    *begin = p->published.n;
    return at_key(p, "sources", published_file_read(path, &p->published));
}

/* All files first: reading moves the lines. */
static enum status read_points(struct pack *p)
{
    const struct experiment_list *sources = &p->values->sources;
    int *begin = calloc(sources->n + 1, sizeof *begin);
    p->source = calloc(sources->n + 1, sizeof *p->source);
    enum status st = begin && p->source ? ST_OK : fail(ST_OOM, "%s: no host memory", p->path);
    for (unsigned i = 0; i < sources->n && st == ST_OK; i++)
        st = read_source(p, i, &begin[i]);
    if (st == ST_OK)
        begin[sources->n] = p->published.n;
    for (unsigned i = 0; i < sources->n && st == ST_OK; i++)
        for (int k = begin[i]; k < begin[i + 1] && st == ST_OK; k++)
            if (wanted(p, &p->published.v[k]))
                st = map_row(p, sources->v[i], &p->published.v[k]);
    free(begin);
    return st;
}

/* An override that changes nothing is a misspelt one. */
static void use_overrides(struct pack *p)
{
    for (int i = 0; i < p->overrides.n; i++)
        for (int k = 0; k < p->n; k++)
            p->overrides.v[i].used += p->v[k].spec && pack_rules_fit(&p->overrides.v[i], &p->v[k]);
}

/* ---- the single GPU of a point ---- */

/* Several nodes are joined by other links than one; all else of a panel must be equal. */
static bool same_panel(const struct pack_point *a, const struct pack_point *b)
{
    for (int f = 0; f < PUBLISHED_METRIC; f++)
        if (f != PUBLISHED_INTERCONNECT && strcmp(a->line->field[f], b->line->field[f]) != 0)
            return false;
    return strcmp(a->program, b->program) == 0;
}

static void find_single(struct pack *p)
{
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->n && p->v[i].line && p->v[i].one < 0; k++) {
            const struct pack_point *one = &p->v[k];
            if (one->line && one->spec && one->gpus == 1 && one->line->value > 0 &&
                same_panel(&p->v[i], one))
                p->v[i].one = k;
        }
}

/* ---- opening ---- */

static enum status open_text(struct pack *p, const char *path)
{
    size_t size;
    p->path = strdup(path);
    if (!p->path)
        return fail(ST_OOM, "%s: no host memory", path);
    TRY(file_read_text(path, EXPERIMENT_MAX_BYTES, &p->text, &size, NULL));
    if (strlen(p->text) != size)
        return fail(ST_INVALID, "%s: a zero byte at byte %zu; a pack is UTF-8 text", path,
                    strlen(p->text));
    return pack_file_parse(path, p->text, size, &p->values);
}

static enum status read_pack(struct pack *p, const char *path)
{
    TRY(open_text(p, path));
    TRY(check_values(p));
    TRY(read_rules(p));
    TRY(read_points(p));
    TRY(add_also(p));
    find_single(p);
    use_overrides(p);
    for (int i = 0; i < p->models.n; i++)
        TRY(check_model(p, "models", &p->models.v[i], p->models.v[i].text));
    const struct pack_rules *const mapping[] = {&p->models, &p->points, &p->assumed, &p->left_out,
                                                &p->overrides};
    for (size_t i = 0; i < sizeof mapping / sizeof mapping[0]; i++)
        TRY(pack_rules_used(p, mapping[i]));
    return ST_OK;
}

enum status pack_open(const char *path, struct pack **out)
{
    struct pack *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return fail(ST_OOM, "%s: no host memory", path);
    enum status st = read_pack(p, path);
    if (st) {
        pack_close(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

void pack_close(struct pack *p)
{
    if (!p)
        return;
    struct pack_rules *const all[] = {&p->models,   &p->points, &p->assumed,
                                      &p->left_out, &p->also,   &p->overrides};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        pack_rules_release(all[i]);
    published_file_release(&p->published);
    for (unsigned i = 0; p->source && i < p->values->sources.n; i++)
        free(p->source[i]);
    free(p->source);
    if (p->values)
        pack_file_release(p->values);
    free(p->v);
    free(p->text);
    free(p->path);
    free(p);
}

/* A word of a configuration that says how it ran: a degree ("pp8", "cfg+pp") or a program. What
 * else stands there is a remark, and the column flag has it. */
static bool names_run(const char *word)
{
    return strpbrk(word, "0123456789+") || strcmp(word, "pytorch") == 0 ||
           strcmp(word, "torch.compile") == 0 || strcmp(word, "onediff") == 0;
}

/* "ulysses8" names its strategy, "pp8" does not. */
static char *name_degrees(const char *strategy, const char *config, size_t size, char *out)
{
    char text[SPEC_TEXT];
    char *rest = NULL;
    size_t used = 0;
    out[0] = '\0';
    snprintf(text, sizeof text, "%.*s", (int)strcspn(config, "(;"), config);
    if (!strstr(text, strategy))
        used = (size_t)snprintf(out, size, "%s", strategy);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (names_run(word) && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", word);
    return out;
}

char *pack_name(const struct pack_point *point, size_t size, char *out)
{
    if (!point->line)
        snprintf(out, size, "%s", point->spec);
    else if (point->gpus > 1)
        name_degrees(point->line->field[PUBLISHED_STRATEGY], point->line->field[PUBLISHED_CONFIG],
                     size, out);
    else
        snprintf(out, size, "%s%s%s", point->line->field[PUBLISHED_STRATEGY],
                 point->program[0] ? " " : "", point->program);
    return out;
}

char *pack_label(const struct pack_point *point, size_t size, char *out)
{
    char name[SPEC_TEXT];
    char frames[30] = "";
    if (point->frames > 1)
        snprintf(frames, sizeof frames, ", %d frames", point->frames);
    snprintf(out, size, "%s %s, %d GPU%s, %d px%s",
             point->line ? point->line->field[PUBLISHED_MODEL] : point->model,
             pack_name(point, sizeof name, name), point->gpus, point->gpus == 1 ? "" : "s",
             point->height, frames);
    return out;
}
