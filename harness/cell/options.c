/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a cell's options, for command lines and experiment files alike: what each is called,
 * which texts it takes, which member it sets. */
#include "harness/cell/options.h"

#include "harness/base/number.h"
#include "kernels/base/suggest.h"
#include "strategies/problem.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds of values: how a member of a cell is read from a text, and written as one ---- */

struct cell_kind {
    enum status (*set)(const struct cell_option *o, void *member, const char *what,
                       const char *value);
    /* The value into *out, allocated (NULL: no memory); false: none was given */
    bool (*get)(const struct cell_option *o, const void *member, char **out);
};

enum { MAX_PIXELS = 65536, MAX_COUNT = 1000000 };

static bool print(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool print(char **out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vasprintf(out, format, args) < 0)
        *out = NULL;
    va_end(args);
    return true;
}

static enum status set_word(const struct cell_option *o, void *member, const char *what,
                            const char *value)
{
    if (value[0] == '\0')
        return fail(ST_INVALID, "%s: the value is empty", what);
    if (strlen(value) >= o->size)
        return fail(ST_INVALID, "%s: %zu characters; at most %zu are legal", what, strlen(value),
                    o->size - 1);
    strcpy(member, value);
    return ST_OK;
}

static bool get_word(const struct cell_option *o, const void *member, char **out)
{
    (void)o;
    const char *word = member;
    return word[0] != '\0' && print(out, "%s", word);
}

/* The index of one of the legal words. */
static enum status choose(const char *const *legal, const char *what, const char *value, int *index)
{
    for (*index = 0; legal[*index]; (*index)++)
        if (strcmp(value, legal[*index]) == 0)
            return ST_OK;
    return suggest_refuse(what, value, legal);
}

static enum status set_choice(const struct cell_option *o, void *member, const char *what,
                              const char *value)
{
    int index;
    TRY(choose(o->legal, what, value, &index));
    strcpy(member, o->legal[index]);
    return ST_OK;
}

static const char *const switches[] = {"off", "on", NULL};

static enum status set_switch(const struct cell_option *o, void *member, const char *what,
                              const char *value)
{
    int index;
    (void)o;
    TRY(choose(switches, what, value, &index));
    *(bool *)member = index == 1;
    return ST_OK;
}

static bool get_switch(const struct cell_option *o, const void *member, char **out)
{
    (void)o;
    return print(out, "%s", switches[*(const bool *)member]);
}

static enum status set_count(const struct cell_option *o, void *member, const char *what,
                             const char *value)
{
    return number_int(what, value, (int)o->least, (int)o->most, member);
}

static bool get_count(const struct cell_option *o, const void *member, char **out)
{
    int count = *(const int *)member;
    return count >= o->least && print(out, "%d", count);
}

static const char *const word_auto = "auto";

static enum status set_repeats(const struct cell_option *o, void *member, const char *what,
                               const char *value)
{
    if (strcmp(value, word_auto) == 0) {
        *(int *)member = CELL_AUTO;
        return ST_OK;
    }
    if (set_count(o, member, what, value) != ST_OK)
        return fail(ST_INVALID,
                    "%s: found '%.60s', wanted auto or a whole number from %.0f to %.0f", what,
                    value, o->least, o->most);
    return ST_OK;
}

static bool get_repeats(const struct cell_option *o, const void *member, char **out)
{
    return *(const int *)member == CELL_AUTO ? print(out, "%s", word_auto)
                                             : get_count(o, member, out);
}

static enum status set_real(const struct cell_option *o, void *member, const char *what,
                            const char *value)
{
    enum status st = number_real(what, value, o->least, o->most, member);
    if (st == ST_OK || !o->why)
        return st;
    return fail(st, "%s: found '%.60s', wanted a number from %g to %g, for %s", what, value,
                o->least, o->most, o->why);
}

static bool get_real(const struct cell_option *o, const void *member, char **out)
{
    double real = *(const double *)member;
    return real >= o->least && print(out, "%.17g", real); /* not where it is NaN */
}

static enum status set_seed(const struct cell_option *o, void *member, const char *what,
                            const char *value)
{
    (void)o;
    return number_whole(what, value, 0, INT64_MAX, member);
}

static bool get_seed(const struct cell_option *o, const void *member, char **out)
{
    int64_t seed = *(const int64_t *)member;
    (void)o;
    return seed >= 0 && print(out, "%" PRId64, seed);
}

/* The name is borrowed. */
static enum status set_file(const struct cell_option *o, void *member, const char *what,
                            const char *value)
{
    (void)o;
    if (value[0] == '\0')
        return fail(ST_INVALID, "%s: the file's name is empty", what);
    *(const char **)member = value;
    return ST_OK;
}

static bool get_file(const struct cell_option *o, const void *member, char **out)
{
    const char *name = *(const char *const *)member;
    (void)o;
    return name && print(out, "%s", name);
}

/* Width and height, two members side by side: "256" is a square, "256x384" both. */
static enum status set_size(const struct cell_option *o, void *member, const char *what,
                            const char *value)
{
    char width[32];
    int *pixels = member;
    size_t n = strcspn(value, "x");
    snprintf(width, sizeof width, "%.*s", (int)(n < sizeof width ? n : sizeof width - 1), value);
    const char *height = value[n] == 'x' ? value + n + 1 : width;
    enum status st = set_count(o, &pixels[0], what, width);
    if (st == ST_OK)
        st = set_count(o, &pixels[1], what, height);
    if (st)
        return fail(st, "%s: found '%.60s', wanted pixels as SIDE or WIDTHxHEIGHT, each 1 to %d",
                    what, value, MAX_PIXELS);
    return ST_OK;
}

static bool get_size(const struct cell_option *o, const void *member, char **out)
{
    const int *pixels = member;
    return pixels[0] >= o->least && print(out, "%dx%d", pixels[0], pixels[1]);
}

static const struct cell_kind kind_word = {set_word, get_word};
static const struct cell_kind kind_choice = {set_choice, get_word};
static const struct cell_kind kind_switch = {set_switch, get_switch};
static const struct cell_kind kind_count = {set_count, get_count};
static const struct cell_kind kind_repeats = {set_repeats, get_repeats};
static const struct cell_kind kind_real = {set_real, get_real};
static const struct cell_kind kind_seed = {set_seed, get_seed};
static const struct cell_kind kind_file = {set_file, get_file};
static const struct cell_kind kind_size = {set_size, get_size};

enum status cell_set(struct cell *cell, const char *name, const char *what, const char *value)
{
    for (int i = 0; cell_option_at(i); i++) {
        const struct cell_option *o = cell_option_at(i);
        if (strcmp(o->name, name) == 0)
            return o->kind->set(o, (char *)cell + o->at, what, value);
    }
    bug(__FILE__, __LINE__, "a cell has no option %s", name);
}

enum status cell_word(const struct cell *cell, const struct cell_option *o, char **out)
{
    char *value = NULL;
    *out = NULL;
    if (o->rule && cell->repeats != CELL_AUTO)
        return ST_OK;
    if (!o->kind->get(o, (const char *)cell + o->at, &value))
        return ST_OK;
    if (!value || asprintf(out, "--%s=%s", o->name, value) < 0)
        *out = NULL;
    free(value);
    return *out ? ST_OK : fail(ST_OOM, "--%s: no host memory", o->name);
}

static const char *const dtypes[] = {"fp32", "bf16", "fp16", NULL};
static const char *const backends[] = {"cpu", "cuda", NULL};
static const char *const transports[] = {"local", "mpi", "nccl", NULL};
static const char *const exchanges[] = {"auto", "nccl", "lsa", NULL};

/* The member behind an option, with what its kind wants to know. */
#define MEMBER(m)      .at = offsetof(struct cell, m), .size = sizeof((struct cell *)0)->m
#define COUNT(m, a, z) .kind = &kind_count, MEMBER(m), .least = (a), .most = (z)
#define REAL(m, a, z)  .kind = &kind_real, MEMBER(m), .least = (a), .most = (z)
#define WORD(m)        .kind = &kind_word, MEMBER(m)
#define CHOICE(m, of)  .kind = &kind_choice, MEMBER(m), .legal = (of)
#define SWITCH(m)      .kind = &kind_switch, MEMBER(m)

static const struct cell_option options[] = {
    {"model", "NAME|DIR", "preset (see `ditbench list models`) or checkpoint folder", false,
     WORD(model)},
    {"size", "PX|WIDTHxHEIGHT", "image size in pixels (default: the model's own)", false,
     .kind = &kind_size, MEMBER(width), .least = 1, .most = MAX_PIXELS},
    {"frames", "N", "frames of a video: 1, or the model's own (default)", false,
     COUNT(frames, 1, MAX_COUNT)},
    {"steps", "N", "denoising steps (default: the model's own; of a decoder 1)", false,
     COUNT(steps, 1, 10000)},
    {"guidance", "G",
     "classifier-free guidance, up to 1: none; or what a distilled model is told (default: the "
     "model's own)",
     false, REAL(guidance, 0, 1000)},
    {"requests", "N", "images of one loop (default: 1)", false,
     COUNT(requests, 1, PROBLEM_MAX_REQUESTS)},
    {"text", "FILE", "safetensors file of conditions (default: synthetic ones)", false,
     .kind = &kind_file, MEMBER(text)},
    {"seed", "N", "of noise and synthetic conditions and weights (default: 1)", false,
     .kind = &kind_seed, MEMBER(seed)},
    {"dtype", "fp32|bf16|fp16", "of weights and activations (default: fp32 on cpu, bf16 on cuda)",
     false, CHOICE(dtype, dtypes)},
    {"backend", "cpu|cuda", "what computes (default: cuda where a GPU is seen)", false,
     CHOICE(backend, backends)},
    {"transport", "local|mpi|nccl",
     "between ranks (default: local on cpu, nccl on cuda, mpi under mpirun on cpu)", false,
     CHOICE(transport, transports)},
    {"exchange", "auto|nccl|lsa",
     "how nccl's ranks swap tokens for heads, pass keys on and complete sums: by messages (nccl) "
     "or by one kernel over NVLink (lsa), which is faster and taken by auto where all ranks can "
     "(default: auto)",
     false, CHOICE(exchange, exchanges)},
    {"strategy", "SPEC", "e.g. cfg=2,pipefusion=2:patches=4,ulysses=2 (default: serial)", false,
     WORD(strategy)},
    {"ranks", "N", "default: the product of the degrees", false, COUNT(ranks, 1, CELL_MAX_RANKS)},
    {"threads", "N", "CPU threads of all ranks together, at least one each (default: all cores)",
     false, COUNT(threads, 1, CELL_MAX_RANKS)},
    {"graph", "on|off", "CUDA graphs; nothing on cpu (default: on)", false, SWITCH(graph)},
    {"nvtx", "on|off",
     "ranges for profilers that listen to NVTX, in builds with CUDA (default: on under one)", false,
     SWITCH(nvtx), .alone = "on"},
    {"warmup-loops", "N", "loops before the measured ones (default: 1)", true,
     COUNT(warmup_loops, 0, 10000)},
    {"repeats", "N|auto",
     "measured loops, or until the median's 95% interval is narrow (default: 5; with auto, "
     "--warmup-loops is 2 at least)",
     true, .kind = &kind_repeats, MEMBER(repeats), .least = 1, .most = 10000},
    {"min-loops", "N", "of auto: stop after N loops if the interval is narrow (default: 10)", true,
     COUNT(min_loops, 1, MAX_COUNT), .rule = true},
    {"min-seconds", "S", "of auto: or after S seconds of fewer loops, 6 at least (default: 5)",
     true, REAL(min_seconds, 0, 1e7), .rule = true},
    {"max-seconds", "S",
     "of auto: stop after S seconds, narrow or not (default: 20 on cpu, 60 on cuda)", true,
     REAL(max_seconds, 0.001, 1e7), .rule = true, .why = "no loop would be measured in less"},
    {"max-noise", "PERCENT",
     "of auto: narrow is half an interval of so much of the median (default: 1.5)", true,
     REAL(max_noise, 0.001, 100), .rule = true,
     .why = "no interval is narrower, and a wider one says nothing"},
    {"check", "on|off", "compare the result with that of a one-rank run (default: on)", true,
     SWITCH(check)},
    {"timeout", "SECONDS", "limit for the cell, and again for its one-rank run (default: none)",
     true, REAL(timeout_s, 0.001, 1e7)},
    {"cache", "on|off",
     "keep the one-rank run for other cells, and take it from there (default: on)", true,
     SWITCH(cache)},
};

const struct cell_option *cell_option_at(int index)
{
    int n = (int)(sizeof options / sizeof options[0]);
    return index >= 0 && index < n ? &options[index] : NULL;
}
