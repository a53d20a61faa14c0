/* SPDX-License-Identifier: Apache-2.0 */
/* From an experiment to the list of cells that a sweep works through. */
#include "harness/sweep/sweep_list.h"

#include "harness/base/shuffle.h"
#include "harness/cell/filter.h"
#include "harness/measure/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A model's weights have one identity, which for a checkpoint costs a read of all its files: asked
 * for once. A pipeline's folder is a model of each kind that it holds. */
struct sweep_model {
    char name[CELL_MODEL];
    const struct kind_ops *kind;
    char identity[PINS_IDENTITY];
    struct pins pins;
};

static enum status add_model(struct sweep_list *list, const struct setup *setup)
{
    struct sweep_model **models =
        realloc(list->models, ((size_t)list->n_models + 1) * sizeof(struct sweep_model *));
    if (models)
        list->models = models;
    struct sweep_model *model = models ? calloc(1, sizeof *model) : NULL;
    if (!model)
        return fail(ST_OOM, "list of models: no host memory");
    models[list->n_models++] = model;
    strcpy(model->name, setup->cell.model);
    model->kind = setup->model.kind;
    return pins_identify(setup, model->identity, &model->pins);
}

static bool is_model(const struct sweep_model *model, const struct setup *setup)
{
    return model->kind == setup->model.kind && strcmp(model->name, setup->cell.model) == 0;
}

static enum status find_model(struct sweep_list *list, const struct setup *setup,
                              struct sweep_entry *entry)
{
    int at = 0;
    while (at < list->n_models && !is_model(list->models[at], setup))
        at++;
    if (at == list->n_models)
        TRY(add_model(list, setup));
    entry->identity = list->models[at]->identity;
    entry->pins = &list->models[at]->pins;
    return ST_OK;
}

static enum status add_cell(struct sweep_list *list, const struct cell *asked,
                            const struct filter *filter)
{
    struct setup *setup;
    struct sweep_entry *entry = &list->v[list->n];
    TRY(setup_open(asked, NULL, &setup));
    bool wanted = filter_takes(filter, &setup->cell);
    enum status st = find_model(list, setup, entry);
    for (int r = 0; r < list->rounds && st == ST_OK; r++) {
        setup->cell.round = r;
        setup->cell.rounds = list->rounds > 1 ? list->rounds : 0;
        entry[r] = (struct sweep_entry){
            .cell = setup->cell, .identity = entry->identity, .pins = entry->pins};
        st = outcome_id(setup, entry->identity, entry[r].id);
    }
    setup_close(setup);
    TRY(st);
    list->n += wanted ? list->rounds : 0;
    return ST_OK;
}

/* ---- each cell once ---- */

static int compare_places(const void *a, const void *b)
{
    const struct sweep_entry *x = *(struct sweep_entry *const *)a;
    const struct sweep_entry *y = *(struct sweep_entry *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x > y) - (x < y);
}

/* Keeps the first of equal ids, in the list's order. */
static enum status drop_repetitions(struct sweep_list *list)
{
    struct sweep_entry **place = malloc((size_t)(list->n + 1) * sizeof(struct sweep_entry *));
    if (!place)
        return fail(ST_OOM, "%d cells: no host memory", list->n);
    for (int i = 0; i < list->n; i++)
        place[i] = &list->v[i];
    qsort(place, (size_t)list->n, sizeof *place, compare_places);
    for (int i = 1; i < list->n; i++)
        place[i]->skip = strcmp(place[i]->id, place[i - 1]->id) == 0;
    free(place);
    int kept = 0;
    for (int i = 0; i < list->n; i++)
        if (!list->v[i].skip)
            list->v[kept++] = list->v[i];
    list->n = kept;
    return ST_OK;
}

/* ---- rounds ---- */

/* From cell after cell, each with its rounds, to round after round. */
static enum status order_rounds(struct sweep_list *list, int64_t shuffle)
{
    int rounds = list->rounds;
    int cells = list->n / rounds;
    BUG_ON(cells * rounds != list->n, "%d entries in %d rounds", list->n, rounds);
    struct sweep_entry *v = calloc((size_t)list->n + 1, sizeof *v);
    int *order = calloc((size_t)cells + 1, sizeof *order);
    if (!v || !order) {
        free(v);
        free(order);
        return fail(ST_OOM, "%d cells in %d rounds: no host memory", cells, rounds);
    }
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < cells; i++)
            order[i] = i;
        if (shuffle >= 0)
            shuffle_order((uint64_t)shuffle, (uint32_t)r, cells, order);
        for (int i = 0; i < cells; i++)
            v[r * cells + i] = list->v[order[i] * rounds + r];
    }
    free(order);
    free(list->v);
    list->v = v;
    return ST_OK;
}

static enum status check_rounds(const struct experiment *experiment, int cells, int rounds)
{
    if ((int64_t)cells * rounds <= SWEEP_MAX_ENTRIES)
        return ST_OK;
    return fail(ST_INVALID,
                "%s: %d cells in %d rounds are more than %d rows; fewer --rounds, or split the "
                "experiment",
                experiment_path(experiment), cells, rounds, SWEEP_MAX_ENTRIES);
}

static enum status add_cells(struct sweep_list *list, const struct experiment *experiment,
                             const struct cell *cells, int n, const struct filter *filter)
{
    char text[CELL_LINE];
    for (int i = 0; i < n; i++) {
        enum status st = add_cell(list, &cells[i], filter);
        if (st != ST_OK)
            return fail_prefix(st, "%s: %s", experiment_path(experiment),
                               cell_text(&cells[i], text));
    }
    return drop_repetitions(list);
}

enum status sweep_list_make(const struct experiment *experiment, const char *expression,
                            const struct sweep_rounds *rounds, struct sweep_list *out)
{
    struct filter filter;
    struct cell *cells = NULL;
    int n;
    *out = (struct sweep_list){.rounds = rounds->n};
    TRY(filter_init(&filter, expression));
    enum status st = experiment_expand(experiment, &n, &cells);
    if (st == ST_OK)
        st = check_rounds(experiment, n, rounds->n);
    if (st == ST_OK) {
        out->v = calloc((size_t)n * (size_t)rounds->n + 1, sizeof *out->v);
        st = out->v ? add_cells(out, experiment, cells, n, &filter)
                    : fail(ST_OOM, "%d cells: no host memory", n);
    }
    if (st == ST_OK)
        st = order_rounds(out, rounds->shuffle);
    free(cells);
    filter_release(&filter);
    return st;
}

void sweep_list_release(struct sweep_list *list)
{
    for (int i = 0; i < list->n_models; i++) {
        pins_release(&list->models[i]->pins);
        free(list->models[i]);
    }
    free(list->models);
    free(list->v);
}
