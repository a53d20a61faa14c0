/* SPDX-License-Identifier: Apache-2.0 */
/* argp over the tables of commands and cells. Interprets no value. */
#include "harness/cli/args.h"
#include "harness/cell/options.h"

#include "kernels/base/suggest.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_OPTIONS = 48, OWN_KEY = 0x1000, CELL_KEY = 0x2000 };

struct parse {
    const struct args *args;
    struct cell *cell;
    void *self;
    enum status outcome;
    int n;
    struct argp_option option[MAX_OPTIONS];
};

static bool offered(const struct args *args, const struct cell_option *option)
{
    if (option->loop ? !args->loop : !args->cell)
        return false;
    for (int i = 0; args->only && args->only[i]; i++)
        if (strcmp(args->only[i], option->name) == 0)
            return true;
    return !args->only;
}

static void add(struct parse *p, const char *name, int key, const char *argument,
                const char *summary, int group, bool alone)
{
    BUG_ON(p->n >= MAX_OPTIONS - 1, "command %s has more than %d options", p->args->command,
           MAX_OPTIONS - 1);
    p->option[p->n++] =
        (struct argp_option){name, key, argument, alone ? OPTION_ARG_OPTIONAL : 0, summary, group};
}

static void build_options(struct parse *p)
{
    bool headed[2] = {false, false};
    for (int i = 0; p->args->own && p->args->own[i].name; i++)
        add(p, p->args->own[i].name, OWN_KEY + p->args->own[i].key, p->args->own[i].argument,
            p->args->own[i].summary, 1, false);
    for (int i = 0; cell_option_at(i); i++) {
        const struct cell_option *o = cell_option_at(i);
        if (!offered(p->args, o))
            continue;
        if (!headed[o->loop])
            add(p, NULL, 0, NULL,
                o->loop ? "LOOP, how it is measured:" : "CELL, what is run:", o->loop ? 3 : 2,
                false);
        headed[o->loop] = true;
        add(p, o->name, CELL_KEY + i, o->argument, o->summary, o->loop ? 3 : 2, o->alone);
    }
}

static enum status take(struct parse *p, int key, const char *value)
{
    char what[40];
    if (key == ARGP_KEY_ARG && p->args->positional[0])
        return p->args->take(p->self, ARGS_POSITIONAL, value);
    if (key == ARGP_KEY_ARG)
        return fail(ST_INVALID, "'%.60s' is no option; `ditbench %s --help` lists them", value,
                    p->args->command);
    if (key < CELL_KEY)
        return p->args->take(p->self, key - OWN_KEY, value);
    const struct cell_option *o = cell_option_at(key - CELL_KEY);
    snprintf(what, sizeof what, "--%s", o->name);
    return cell_set(p->cell, o->name, what, value ? value : o->alone);
}

static error_t on_key(int key, char *value, struct argp_state *state)
{
    struct parse *p = state->input;
    if (key != ARGP_KEY_ARG && key < OWN_KEY)
        return ARGP_ERR_UNKNOWN;
    if (key > CELL_KEY + MAX_OPTIONS) /* argp's own events are far above */
        return ARGP_ERR_UNKNOWN;
    p->outcome = take(p, key, value);
    return p->outcome ? EINVAL : 0;
}

/* ---- unknown options ---- */

/* The option that "--name" means, by its name or a beginning of it; NULL: none. */
static const struct argp_option *find_option(const struct parse *p, const char *name, size_t n)
{
    const struct argp_option *found = NULL;
    for (int i = 0; i < p->n; i++) {
        if (!p->option[i].name || strncmp(p->option[i].name, name, n) != 0)
            continue;
        if (p->option[i].name[n] == '\0')
            return &p->option[i];
        found = &p->option[i];
    }
    return found;
}

static enum status refuse(const struct parse *p, const char *name, size_t n)
{
    const char *words[MAX_OPTIONS + 4] = {"help", "usage", "version"};
    char typed[60];
    int count = 3;
    snprintf(typed, sizeof typed, "%.*s", (int)n, name);
    for (int i = 0; i < p->n; i++)
        if (p->option[i].name)
            words[count++] = p->option[i].name;
    const char *near = suggest_word(typed, words);
    return fail(ST_INVALID, "unknown option '--%s'%s%s%s; `ditbench %s --help` lists them", typed,
                near ? " (did you mean '--" : "", near ? near : "", near ? "'?)" : "",
                p->args->command);
}

/* "-m", "-model": options here have two dashes. */
static enum status refuse_short(const struct parse *p, const char *name)
{
    size_t n = strcspn(name, "=");
    const struct argp_option *meant = find_option(p, name, n);
    if (strncmp(name, "help", n) == 0)
        return fail(ST_INVALID, "unknown option '-%.60s' (did you mean '--help'?)", name);
    return fail(ST_INVALID, "unknown option '-%.60s'%s%s%s; options begin with two dashes", name,
                meant ? " (did you mean '--" : "", meant ? meant->name : "", meant ? "'?)" : "");
}

static enum status check_names(const struct parse *p, int argc, char **argv)
{
    static const char *const common[] = {"help", "usage", "version"};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (argv[i][0] == '-' && argv[i][1] && !strchr("?V", argv[i][1]))
                return refuse_short(p, argv[i] + 1);
            continue;
        }
        const char *name = argv[i] + 2;
        size_t n = strcspn(name, "=");
        if (name[0] == '\0')
            return ST_OK; /* "--": the rest are no options */
        const struct argp_option *o = find_option(p, name, n);
        bool known = o != NULL;
        for (int k = 0; k < 3; k++)
            known |= strncmp(common[k], name, n) == 0;
        if (!known)
            return refuse(p, name, n);
        bool takes = o && o->arg && !(o->flags & OPTION_ARG_OPTIONAL);
        i += takes && name[n] == '\0'; /* its value is no option, whatever it looks like */
    }
    return ST_OK;
}

enum status args_parse(const struct args *args, int argc, char **argv, struct cell *cell,
                       void *self)
{
    char name[60];
    struct parse p = {.args = args, .cell = cell, .self = self};
    build_options(&p);
    TRY(check_names(&p, argc, argv));
    const char *positional = args->positional[0] ? args->positional : NULL;
    const struct argp argp = {p.option, on_key, positional, args->about, NULL, NULL, NULL};
    snprintf(name, sizeof name, "ditbench %s", args->command);
    char *own_name = argv[0];
    argv[0] = name;
    error_t error = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &p);
    argv[0] = own_name;
    if (p.outcome)
        return p.outcome;
    return error ? fail(ST_INVALID, "the command line: %s", strerror(error)) : ST_OK;
}
