/* SPDX-License-Identifier: Apache-2.0 */
/* A cell in which nothing was given, and a cell's text. Knows no model. */
#include "harness/cell/cell.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void cell_init(struct cell *cell)
{
    *cell = (struct cell){
        .guidance = NAN,
        .seed = -1,
        .warmup_loops = 1,
        .repeats = 5,
        .min_seconds = NAN,
        .max_seconds = NAN,
        .max_noise = NAN,
        .check = true,
        .graph = true,
        .cache = true,
    };
}

/* The option of a rule that was given first, and its value; NULL: none was. */
static const char *given(const struct cell *cell, double *value)
{
    const struct {
        const char *name;
        double value;
    } part[] = {
        {"min-loops", cell->min_loops > 0 ? cell->min_loops : NAN},
        {"min-seconds", cell->min_seconds},
        {"max-seconds", cell->max_seconds},
        {"max-noise", cell->max_noise},
    };
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        *value = part[i].value;
        if (!isnan(*value))
            return part[i].name;
    }
    return NULL;
}

static void fill(double *value, double otherwise)
{
    if (isnan(*value))
        *value = otherwise;
}

enum status cell_fill_stop(struct cell *cell)
{
    double value;
    const char *name = cell->repeats == CELL_AUTO ? NULL : given(cell, &value);
    if (name)
        return fail(ST_INVALID,
                    "%s %g: only repeats auto looks at it, and repeats is %d, which counts the "
                    "loops; leave one of them out",
                    name, value, cell->repeats);
    if (cell->repeats != CELL_AUTO)
        return ST_OK;
    if (cell->min_loops == 0)
        cell->min_loops = 10;
    fill(&cell->min_seconds, 5);
    fill(&cell->max_seconds, strcmp(cell->backend, "cuda") == 0 ? 60 : 20);
    fill(&cell->max_noise, 1.5);
    if (cell->warmup_loops < CELL_AUTO_WARMUP)
        cell->warmup_loops = CELL_AUTO_WARMUP;
    return ST_OK;
}

/* "9", or "auto min_loops=10 ..." with what is set of the rule. */
static void repeats_text(const struct cell *cell, size_t size, char *text)
{
    if (cell->repeats != CELL_AUTO)
        snprintf(text, size, "%d", cell->repeats);
    else
        snprintf(text, size, "auto min_loops=%d min_seconds=%g max_seconds=%g max_noise=%g",
                 cell->min_loops, cell->min_seconds, cell->max_seconds, cell->max_noise);
}

char *cell_text(const struct cell *cell, char *buffer)
{
    char repeats[160];
    char round[32] = "";
    repeats_text(cell, sizeof repeats, repeats);
    if (cell->rounds > 0)
        snprintf(round, sizeof round, " round=%d", cell->round);
    snprintf(buffer, CELL_LINE,
             "model=%s size=%dx%d frames=%d steps=%d guidance=%g requests=%d dtype=%s backend=%s "
             "transport=%s strategy=%s ranks=%d seed=%" PRId64
             " warmup_loops=%d repeats=%s threads=%d exchange=%s graph=%s%s",
             cell->model, cell->width, cell->height, cell->frames, cell->steps, cell->guidance,
             cell->requests, cell->dtype, cell->backend, cell->transport, cell->strategy,
             cell->ranks, cell->seed, cell->warmup_loops, repeats, cell->threads, cell->exchange,
             cell->graph ? "on" : "off", round);
    return buffer;
}
