/* SPDX-License-Identifier: Apache-2.0 */
/* A cell in which nothing was given, and a cell's text. Knows no model. */
#include "harness/cell/cell.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void cell_init(struct cell *cell)
{
    *cell = (struct cell){
        .guidance = NAN,
        .seed = -1,
        .warmup_loops = 1,
        .repeats = 5,
        .check = true,
        .graph = true,
        .cache = true,
    };
}

char *cell_text(const struct cell *cell, char *buffer)
{
    snprintf(buffer, CELL_LINE,
             "model=%s size=%dx%d frames=%d steps=%d guidance=%g requests=%d dtype=%s backend=%s "
             "transport=%s strategy=%s ranks=%d seed=%" PRId64
             " warmup_loops=%d repeats=%d threads=%d exchange=%s graph=%s",
             cell->model, cell->width, cell->height, cell->frames, cell->steps, cell->guidance,
             cell->requests, cell->dtype, cell->backend, cell->transport, cell->strategy,
             cell->ranks, cell->seed, cell->warmup_loops, cell->repeats, cell->threads,
             cell->exchange, cell->graph ? "on" : "off");
    return buffer;
}
