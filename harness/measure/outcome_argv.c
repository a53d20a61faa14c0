/* SPDX-License-Identifier: Apache-2.0 */
/* A resolved cell as options of the hidden command `worker`. */
#include "harness/measure/outcome_argv.h"

#include "harness/base/self.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void add(struct outcome_argv *a, const char *word)
{
    BUG_ON(a->n >= OUTCOME_ARGS - 1, "more than %d words", OUTCOME_ARGS - 1);
    a->v[a->n++] = word;
    a->v[a->n] = NULL;
}

/* Adds a word of our own; NULL in `v` where there is no memory, which build() looks for. */
static void add_text(struct outcome_argv *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_text(struct outcome_argv *a, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    a->text[a->n_text++] = text;
    add(a, text);
}

static void add_cell(struct outcome_argv *a, const struct cell *c)
{
    add_text(a, "--model=%s", c->model);
    add_text(a, "--size=%dx%d", c->width, c->height);
    add_text(a, "--steps=%d", c->steps);
    add_text(a, "--guidance=%.17g", c->guidance);
    add_text(a, "--requests=%d", c->requests);
    if (c->text)
        add_text(a, "--text=%s", c->text);
    add_text(a, "--seed=%" PRId64, c->seed);
    add_text(a, "--dtype=%s", c->dtype);
    add_text(a, "--backend=%s", c->backend);
    add_text(a, "--transport=%s", c->transport);
    add_text(a, "--exchange=%s", c->exchange);
    add_text(a, "--strategy=%s", c->strategy);
    add_text(a, "--ranks=%d", c->ranks);
    add_text(a, "--threads=%d", c->threads);
    add_text(a, "--warmup-loops=%d", c->warmup_loops);
    add_text(a, "--repeats=%d", c->repeats);
    if (c->timeout_s > 0) /* of it, how long ranks wait for each other */
        add_text(a, "--timeout=%.17g", c->timeout_s);
    add(a, c->check ? "--check=on" : "--check=off");
    add(a, c->cache ? "--cache=on" : "--cache=off");
    add(a, c->graph ? "--graph=on" : "--graph=off");
}

static void add_pins(struct outcome_argv *a, const struct pins *pins)
{
    char *text = pins_text(pins);
    if (text)
        add_text(a, "--pins=%s", text);
    else
        a->text[a->n_text++] = NULL;
    free(text);
}

enum status outcome_argv_build(const struct setup *setup, const struct outcome_options *options,
                               struct outcome_argv *out)
{
    char program[PATH_MAX];
    *out = (struct outcome_argv){.n = 0};
    TRY(self_path(program));
    if (setup_processes(setup)) {
        add(out, "mpirun");
        add(out, "-n");
        add_text(out, "%d", setup->cell.ranks);
        add(out, "--bind-to"); /* a rank's threads must not share one core */
        add(out, "none");
    }
    add_text(out, "%s", program);
    add(out, "worker");
    add_cell(out, &setup->cell);
    add_text(out, "--identity=%s", options->identity);
    if (options->pins && options->pins->n > 0)
        add_pins(out, options->pins);
    if (options->output)
        add_text(out, "--output=%s", options->output);
    for (int i = 0; i < out->n_text; i++)
        if (!out->text[i])
            return fail(ST_OOM, "command line of a cell: no host memory");
    return ST_OK;
}

void outcome_argv_release(struct outcome_argv *argv)
{
    for (int i = 0; i < argv->n_text; i++)
        free(argv->text[i]);
}
