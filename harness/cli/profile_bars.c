/* SPDX-License-Identifier: Apache-2.0 */
/* Takes what each profile says of its cell. */
#include "harness/cli/profile_bars.h"

#include "harness/plot/profile_pictures.h"
#include "harness/plot/step.h"
#include "kernels/base/file.h"

#include <jansson.h>
#include <stdlib.h>

enum { MOST_BYTES = 16 << 20 };

struct bar {
    struct cell cell;
    char label[SPEC_TEXT + 40], device[100];
};

static enum status read_number(const char *folder, const json_t *cell, const char *key, int *out)
{
    json_int_t value = json_integer_value(json_object_get(cell, key));
    if (value < 1 || value > 1 << 20)
        return fail(ST_INVALID, "%s/profile.json: \"cell.%s\" is no number from 1 on", folder, key);
    *out = (int)value;
    return ST_OK;
}

static enum status read_about(const char *folder, const json_t *about, struct bar *bar)
{
    const json_t *cell = json_object_get(about, "cell");
    const char *model = json_string_value(json_object_get(cell, "model"));
    const char *strategy = json_string_value(json_object_get(cell, "strategy"));
    const json_t *first = json_array_get(json_object_get(about, "rank"), 0);
    const char *device = json_string_value(json_object_get(first, "device_name"));
    if (!model || !strategy)
        return fail(ST_INVALID, "%s/profile.json: no \"cell\" with \"model\" and \"strategy\"",
                    folder);
    cell_init(&bar->cell);
    snprintf(bar->cell.model, sizeof bar->cell.model, "%s", model);
    snprintf(bar->cell.strategy, sizeof bar->cell.strategy, "%s", strategy);
    snprintf(bar->device, sizeof bar->device, "%s", device ? device : "");
    TRY(read_number(folder, cell, "width", &bar->cell.width));
    TRY(read_number(folder, cell, "height", &bar->cell.height));
    TRY(read_number(folder, cell, "steps", &bar->cell.steps));
    TRY(read_number(folder, cell, "ranks", &bar->cell.ranks));
    snprintf(bar->label, sizeof bar->label, "%s", strategy);
    return ST_OK;
}

static enum status read_bar(const char *folder, struct bar *bar)
{
    char path[PATH_MAX], *text;
    size_t size;
    json_error_t error;
    snprintf(path, sizeof path, "%.4000s/profile.json", folder);
    TRY(file_read_text(path, MOST_BYTES, &text, &size, NULL));
    json_t *about = json_loadb(text, size, 0, &error);
    free(text);
    enum status st =
        about ? read_about(folder, about, bar)
              : fail(ST_INVALID, "%s:%d: found no JSON: %s", path, error.line, error.text);
    json_decref(about);
    return st;
}

/* Steps in which stale keys warm up; a checkpoint that is not here any more tells none. */
static int warmup_of(const struct cell *cell)
{
    struct setup *setup;
    int steps = 0;
    if (setup_open(cell, NULL, &setup) == ST_OK) {
        steps = profile_pictures_warmup(setup);
        setup_close(setup);
    }
    status_clear();
    return steps < cell->steps ? steps : 0;
}

static enum status draw(int n, const char *const *folder, struct bar *bar,
                        struct step_profile *profile, const char *out)
{
    char title[600];
    bool missing;
    for (int i = 0; i < n; i++) {
        TRY(read_bar(folder[i], &bar[i]));
        profile[i] = (struct step_profile){folder[i], bar[i].label, warmup_of(&bar[i].cell)};
    }
    snprintf(title, sizeof title, "%s, %d x %d px", bar[0].cell.model, bar[0].cell.width,
             bar[0].cell.height);
    const struct step_options options = {
        .picture = {.folder = out, .title = title, .setting = bar[0].device}};
    return step_compare(n, profile, &options, &missing);
}

enum status profile_bars_draw(int n, const char *const *folder, const char *out)
{
    struct bar *bar = calloc((size_t)n, sizeof *bar);
    struct step_profile *profile = calloc((size_t)n, sizeof *profile);
    enum status st = bar && profile ? draw(n, folder, bar, profile, out)
                                    : fail(ST_OOM, "%d profiles: no host memory", n);
    free(profile);
    free(bar);
    return st;
}
