/* SPDX-License-Identifier: Apache-2.0 */
/* Which profiles of a sweep stand beside each other. */
#include "harness/sweep/sweep_steps.h"

#include "harness/plot/profile_pictures.h"
#include "harness/plot/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group {
    int n;
    struct step_profile profile[STEP_BARS];
    char folder[STEP_BARS][PATH_MAX];
    char label[STEP_BARS][SPEC_TEXT + 40];
};

/* All but the strategy and its ranks. */
static bool together(const struct cell *a, const struct cell *b)
{
    return strcmp(a->model, b->model) == 0 && a->width == b->width && a->height == b->height &&
           a->frames == b->frames && a->steps == b->steps && a->requests == b->requests &&
           strcmp(a->dtype, b->dtype) == 0 && strcmp(a->backend, b->backend) == 0;
}

static bool is_first(const struct sweep_list *list, int i)
{
    for (int k = 0; k < i; k++)
        if (together(&list->v[k].cell, &list->v[i].cell))
            return false;
    return true;
}

static void add(const struct sweep_profile *p, const struct sweep_entry *e, struct group *group)
{
    struct setup *setup;
    int at = group->n;
    if (at == STEP_BARS || !sweep_profile_find(p, e, group->folder[at]))
        return;
    int warmup = 0;
    if (setup_open(&e->cell, NULL, &setup) == ST_OK) {
        warmup = profile_pictures_warmup(setup);
        setup_close(setup);
    }
    status_clear();
    snprintf(group->label[at], sizeof group->label[at], "%s", e->cell.strategy);
    group->profile[at] = (struct step_profile){
        .folder = group->folder[at],
        .label = group->label[at],
        .first = warmup < e->cell.steps ? warmup : 0,
    };
    group->n++;
}

static enum status draw(const struct sweep_profile *p, const struct cell *cell,
                        const struct group *group)
{
    char folder[PATH_MAX];
    char name[MODEL_FILE_NAME];
    char title[600];
    bool missing;
    snprintf(title, sizeof title, "%s, %d x %d px", cell->model, cell->width, cell->height);
    snprintf(folder, sizeof folder, "%.3000s/step.%.300s.%dx%d", p->root,
             model_file_name(cell->model, name), cell->width, cell->height);
    const struct step_options options = {
        .picture = {.folder = folder, .title = title, .quiet = true}};
    return step_compare(group->n, group->profile, &options, &missing);
}

enum status sweep_steps_draw(const struct sweep_profile *profile)
{
    const struct sweep_list *list = profile->list;
    enum status first = ST_OK;
    struct group *group = malloc(sizeof *group);
    if (!group)
        return fail(ST_OOM, "profiles side by side: no host memory");
    for (int i = 0; i < list->n && first == ST_OK; i++) {
        if (!is_first(list, i))
            continue;
        group->n = 0;
        for (int k = i; k < list->n; k++)
            if (together(&list->v[k].cell, &list->v[i].cell))
                add(profile, &list->v[k], group);
        if (group->n > 1)
            first = draw(profile, &list->v[i].cell, group);
    }
    free(group);
    return first;
}
