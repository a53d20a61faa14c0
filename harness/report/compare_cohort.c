/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two rows ran on machines that are alike, and in what they differ. Mirrors record_cohort.
 */
#include "harness/host/env.h"
#include "harness/report/compare.h"

#include <stdarg.h>
#include <string.h>

enum { PART = 160 };

/* ---- alike ---- */

/* A cohort that was made of a row without a machine is none: such rows are not alike for that. */
static bool known(const struct record *record)
{
    char own[RECORD_ID_SIZE];
    if (!record->cohort || !*record->cohort)
        return false;
    return record->env.cpu || record->env.gpus.n > 0 ||
           strcmp(record->cohort, record_cohort(&record->env, own)) != 0;
}

bool compare_cohort_same(const struct record *a, const struct record *b)
{
    return known(a) && known(b) && strcmp(a->cohort, b->cohort) == 0;
}

/* ---- in words ---- */

struct text {
    size_t size, used;
    char *text;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
    va_list args;
    size_t room = t->size - t->used;
    va_start(args, format);
    int n = vsnprintf(t->text + t->used, room, format, args);
    va_end(args);
    t->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static void add_difference(struct text *t, const char *what, const char *a, const char *b)
{
    if (strcmp(a ? a : "", b ? b : "") != 0)
        add(t, "%s%s %.150s and %.150s", t->used ? "; " : "", what, a ? a : "none", b ? b : "none");
}

/* The last word of "Debian GNU/Linux 12 (bookworm), Linux 6.1.0-28". */
static const char *kernel_of(const struct record_env *env)
{
    const char *last = env->os ? strrchr(env->os, ' ') : NULL;
    return last ? last + 1 : env->os;
}

static const char *driver_of(const struct record_env *env)
{
    return env->gpus.n > 0 ? env->gpus.v[0].driver : NULL;
}

static const char *version_of(const struct record_env *env, const char *library)
{
    for (int i = 0; i < env->libraries.n; i++)
        if (strcmp(env->libraries.v[i].name, library) == 0)
            return env->libraries.v[i].value;
    return NULL;
}

/* "8 x NVIDIA H200", by the first of several kinds. */
static char *gpus_of(const struct record_env *env, char text[PART])
{
    if (env->gpus.n > 0)
        env_hardware(env, text, PART);
    else
        strcpy(text, "none");
    return text;
}

static void add_libraries(struct text *t, const struct record_env *a, const struct record_env *b)
{
    for (int i = 0; i < a->libraries.n; i++)
        add_difference(t, a->libraries.v[i].name, a->libraries.v[i].value,
                       version_of(b, a->libraries.v[i].name));
    for (int i = 0; i < b->libraries.n; i++)
        if (!version_of(a, b->libraries.v[i].name))
            add_difference(t, b->libraries.v[i].name, NULL, b->libraries.v[i].value);
}

char *compare_cohort_text(const struct record *a, const struct record *b, size_t size, char *text)
{
    struct text t = {.size = size, .text = text};
    char one[PART], other[PART];
    text[0] = '\0';
    if (!known(a) || !known(b)) {
        add(&t, "%s not say where %s ran",
            known(a)   ? "the row of B does"
            : known(b) ? "the row of A does"
                       : "both rows do",
            known(a) == known(b) ? "they" : "it");
        return text;
    }
    add_difference(&t, "GPUs", gpus_of(&a->env, one), gpus_of(&b->env, other));
    add_difference(&t, "driver", driver_of(&a->env), driver_of(&b->env));
    add_difference(&t, "CPU", a->env.cpu, b->env.cpu);
    snprintf(one, sizeof one, "%d", a->env.cores);
    snprintf(other, sizeof other, "%d", b->env.cores);
    add_difference(&t, "cores", one, other);
    add_difference(&t, "kernel", kernel_of(&a->env), kernel_of(&b->env));
    add_libraries(&t, &a->env, &b->env);
    if (t.used == 0)
        add(&t, "cohort %s and %s, though what is recorded of both machines looks the same",
            a->cohort, b->cohort);
    return text;
}
