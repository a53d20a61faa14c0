/* SPDX-License-Identifier: Apache-2.0 */
/* A resolved cell as options of the hidden command `worker`. */
#include "harness/measure/outcome_argv.h"

#include "harness/base/self.h"
#include "harness/cell/options.h"
#include "harness/launch/mpirun.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct outcome_argv *a, const char *word)
{
    BUG_ON(a->n >= OUTCOME_ARGS - 1, "more than %d words", OUTCOME_ARGS - 1);
    a->v[a->n++] = word;
    a->v[a->n] = NULL;
}

/* Adds a word of our own, taken. ST_OOM where it is NULL. */
static enum status add_own(struct outcome_argv *a, char *text)
{
    if (!text)
        return fail(ST_OOM, "command line of a cell: no host memory");
    a->text[a->n_text++] = text;
    add(a, text);
    return ST_OK;
}

static enum status add_option(struct outcome_argv *a, const char *name, const char *value)
{
    char *text;
    return add_own(a, asprintf(&text, "--%s=%s", name, value) < 0 ? NULL : text);
}

/* Every option that the cell has a value for. */
static enum status add_cell(struct outcome_argv *a, const struct cell *cell)
{
    for (int i = 0; cell_option_at(i); i++) {
        char *word;
        TRY(cell_word(cell, cell_option_at(i), &word));
        if (word)
            TRY(add_own(a, word));
    }
    return ST_OK;
}

static enum status add_mpirun(struct outcome_argv *a, int ranks)
{
    const char *words[MPIRUN_WORDS];
    char number[12];
    mpirun_words(ranks, number, words);
    for (int i = 0; words[i]; i++)
        TRY(add_own(a, strdup(words[i])));
    return ST_OK;
}

static enum status add_pins(struct outcome_argv *a, const struct pins *pins)
{
    char *text = pins_text(pins);
    enum status st = text ? add_option(a, "pins", text) : add_own(a, NULL);
    free(text);
    return st;
}

enum status outcome_argv_build(const struct setup *setup, const struct outcome_options *options,
                               struct outcome_argv *out)
{
    char program[PATH_MAX];
    *out = (struct outcome_argv){.n = 0};
    TRY(self_path(program));
    if (setup_processes(setup))
        TRY(add_mpirun(out, setup->cell.ranks));
    TRY(add_own(out, strdup(program)));
    add(out, "worker");
    TRY(add_cell(out, &setup->cell));
    TRY(add_option(out, "identity", options->identity));
    if (options->pins && options->pins->n > 0)
        TRY(add_pins(out, options->pins));
    if (options->profile)
        TRY(add_option(out, "profile", options->profile));
    if (options->image)
        TRY(add_option(out, "image", options->image));
    if (options->counters)
        TRY(add_option(out, "counters", options->counters));
    return options->output ? add_option(out, "output", options->output) : ST_OK;
}

void outcome_argv_release(struct outcome_argv *argv)
{
    for (int i = 0; i < argv->n_text; i++)
        free(argv->text[i]);
}
