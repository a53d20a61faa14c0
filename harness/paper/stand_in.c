/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny cells in place of a pack's. */
#include "harness/paper/stand_in.h"

#include "harness/paper/cells.h"
#include "models/dit_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { UNIT_PX = 64, STEPS = 2, FRAMES = 3 };

/* The preset NAME-tiny of a model whose name begins with NAME. */
static const char *tiny_of(const char *model)
{
    static const char tail[] = "-tiny";
    for (int i = 0; dit_config_at(i); i++) {
        const char *name = dit_config_at(i)->name;
        size_t n = strlen(name);
        if (n > strlen(tail) && strcmp(name + n - strlen(tail), tail) == 0 &&
            strncmp(name, model, n - strlen(tail)) == 0)
            return name;
    }
    return NULL;
}

/* How many smaller sizes the pack has. */
static int size_rank(const struct pack *pack, int height)
{
    int smaller = 0;
    for (int i = 0; i < pack->n; i++) {
        int other = pack->v[i].height;
        bool seen = other >= height;
        for (int k = 0; k < i && !seen; k++)
            seen = pack->v[k].height == other;
        smaller += !seen;
    }
    return smaller;
}

enum status stand_in_cell(const struct pack *pack, const struct pack_point *point,
                          struct cell *cell)
{
    const char *tiny = tiny_of(cell->model);
    int gpus = point->gpus < PAPER_STAND_IN_RANKS ? point->gpus : PAPER_STAND_IN_RANKS;
    double timeout = cell->timeout_s;
    if (!tiny)
        return fail(ST_INVALID, "%s: no tiny model of its family takes its place", cell->model);
    cell_init(cell);
    TRY(pack_spec(point, gpus, cell->strategy));
    strcpy(cell->model, tiny);
    cell->width = cell->height = UNIT_PX * (1 + size_rank(pack, point->height));
    cell->frames = point->frames > 1 ? FRAMES : 0;
    cell->steps = STEPS;
    strcpy(cell->dtype, "fp32");
    strcpy(cell->backend, "cpu");
    strcpy(cell->transport, "local");
    cell->threads = PAPER_STAND_IN_RANKS;
    cell->warmup_loops = 0;
    cell->repeats = 1;
    cell->timeout_s = timeout;
    return ST_OK;
}
