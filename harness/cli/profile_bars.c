/* SPDX-License-Identifier: Apache-2.0 */
/* Takes what each profile says of its cell, and finds what tells them apart. */
#include "harness/cli/profile_bars.h"

#include "harness/plot/profile_pictures.h"
#include "harness/plot/step.h"
#include "kernels/base/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 16 << 20 };

/* What a cell is known by. A bar is labelled by its strategy and by what differs of the first
 * parts; the others, the folder last, stand there where bars would be called the same without them.
 */
enum part {
    MODEL,
    SIZE,
    STRATEGY,
    DTYPE,
    BACKEND,
    DEVICE,
    REQUESTS,
    RANKS,
    STEPS,
    TRANSPORT,
    FOLDER,
    PARTS,
    LAST_ALWAYS = REQUESTS
};

struct bar {
    struct cell cell;
    char part[PARTS][300];
    int first, last, whole; /* its window, and how many of that were recorded to their end */
    char label[1000];
};

static enum status read_number(const char *folder, const json_t *cell, const char *key, int *out)
{
    json_int_t value = json_integer_value(json_object_get(cell, key));
    if (value < 1 || value > 1 << 20)
        return fail(ST_INVALID, "%s/profile.json: \"cell.%s\" is no number from 1 on", folder, key);
    *out = (int)value;
    return ST_OK;
}

/* Of what is not told nothing is said. */
static void set_text(struct bar *bar, enum part part, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(bar->part[part], sizeof bar->part[part], "%s", text ? text : "");
}

static void set_parts(const char *folder, const json_t *about, struct bar *bar)
{
    const json_t *cell = json_object_get(about, "cell");
    const struct cell *c = &bar->cell;
    int frames = (int)json_integer_value(json_object_get(cell, "frames"));
    int requests = (int)json_integer_value(json_object_get(cell, "requests"));
    char more[40] = "";
    if (frames > 1)
        snprintf(more, sizeof more, " x %d frames", frames);
    set_text(bar, MODEL, cell, "model");
    set_text(bar, STRATEGY, cell, "strategy");
    set_text(bar, DTYPE, cell, "dtype");
    set_text(bar, BACKEND, cell, "backend");
    set_text(bar, TRANSPORT, cell, "transport");
    set_text(bar, DEVICE, json_array_get(json_object_get(about, "rank"), 0), "device_name");
    snprintf(bar->part[SIZE], sizeof bar->part[SIZE], "%d x %d px%s", c->width, c->height, more);
    snprintf(bar->part[REQUESTS], sizeof bar->part[REQUESTS], "%d request%s", requests,
             requests == 1 ? "" : "s");
    snprintf(bar->part[RANKS], sizeof bar->part[RANKS], "%d rank%s", c->ranks,
             c->ranks == 1 ? "" : "s");
    snprintf(bar->part[STEPS], sizeof bar->part[STEPS], "%d steps", c->steps);
    snprintf(bar->part[FOLDER], sizeof bar->part[FOLDER], "%s", folder);
}

static void set_window(const json_t *about, struct bar *bar)
{
    const json_t *window = json_object_get(about, "window");
    const json_t *whole = json_object_get(about, "steps_whole");
    bar->first = (int)json_integer_value(json_array_get(window, 0));
    bar->last = json_array_size(window) == 2 ? (int)json_integer_value(json_array_get(window, 1))
                                             : bar->cell.steps - 1;
    bar->whole = whole ? (int)json_integer_value(whole) : bar->last - bar->first + 1;
}

static enum status read_about(const char *folder, const json_t *about, struct bar *bar)
{
    const json_t *cell = json_object_get(about, "cell");
    const char *model = json_string_value(json_object_get(cell, "model"));
    const char *strategy = json_string_value(json_object_get(cell, "strategy"));
    if (!model || !strategy)
        return fail(ST_INVALID, "%s/profile.json: no \"cell\" with \"model\" and \"strategy\"",
                    folder);
    cell_init(&bar->cell);
    snprintf(bar->cell.model, sizeof bar->cell.model, "%s", model);
    snprintf(bar->cell.strategy, sizeof bar->cell.strategy, "%s", strategy);
    TRY(read_number(folder, cell, "width", &bar->cell.width));
    TRY(read_number(folder, cell, "height", &bar->cell.height));
    TRY(read_number(folder, cell, "steps", &bar->cell.steps));
    TRY(read_number(folder, cell, "ranks", &bar->cell.ranks));
    set_parts(folder, about, bar);
    set_window(about, bar);
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

/* ---- what they are called ---- */

static bool differs(int n, const struct bar *bar, enum part part)
{
    for (int i = 1; i < n; i++)
        if (strcmp(bar[i].part[part], bar[0].part[part]) != 0)
            return true;
    return false;
}

static void append(struct bar *bar, enum part part)
{
    size_t at = strlen(bar->label);
    const char *text = bar->part[part];
    if (*text)
        snprintf(bar->label + at, sizeof bar->label - at, "%s%.250s", at ? ", " : "", text);
}

/* mixed [n]: the bars that another is called like though they differ in this part. */
static void find_mixed(int n, const struct bar *bar, enum part part, bool *mixed)
{
    for (int i = 0; i < n; i++) {
        mixed[i] = false;
        for (int k = 0; k < n && !mixed[i]; k++)
            mixed[i] = strcmp(bar[k].label, bar[i].label) == 0 &&
                       strcmp(bar[k].part[part], bar[i].part[part]) != 0;
    }
}

static void name_bars(int n, struct bar *bar)
{
    bool mixed[STEP_BARS];
    for (int part = 0; part <= LAST_ALWAYS; part++)
        for (int i = 0; i < n; i++)
            if (part == STRATEGY || differs(n, bar, (enum part)part))
                append(&bar[i], (enum part)part);
    for (int part = LAST_ALWAYS + 1; part < PARTS; part++) {
        find_mixed(n, bar, (enum part)part, mixed);
        for (int i = 0; i < n; i++)
            if (mixed[i])
                append(&bar[i], (enum part)part);
    }
}

/* ---- what holds for all ---- */

static void say_title(int n, const struct bar *bar, char *text, size_t size)
{
    const char *model = differs(n, bar, MODEL) ? "" : bar[0].part[MODEL];
    const char *sides = differs(n, bar, SIZE) ? "" : bar[0].part[SIZE];
    snprintf(text, size, "%s%s%s", model, *model && *sides ? ", " : "", sides);
}

/* Which steps a bar is of, where that is not the same of all. */
static void say_windows(int n, const struct bar *bar, char *text, size_t size)
{
    bool same = true;
    size_t at = 0;
    for (int i = 0; i < n; i++)
        same = same && bar[i].first == bar[0].first && bar[i].last == bar[0].last &&
               bar[i].cell.steps == bar[0].cell.steps && bar[i].whole > bar[i].last - bar[i].first;
    text[0] = '\0';
    for (int i = 0; i < n && !same && at < size; i++) {
        int last = bar[i].first + bar[i].whole - 1;
        at += (size_t)snprintf(text + at, size - at, "%s%.100s: steps %d to %d of %d%s",
                               i ? "; " : "not of the same steps, numbered from 0: ", bar[i].label,
                               bar[i].first, last, bar[i].cell.steps,
                               last < bar[i].last ? ", where its record breaks off" : "");
    }
}

static enum status draw(int n, const char *const *folder, struct bar *bar,
                        struct step_profile *profile, const char *out)
{
    char title[620], note[PICTURE_TEXT];
    bool missing;
    for (int i = 0; i < n; i++)
        TRY(read_bar(folder[i], &bar[i]));
    name_bars(n, bar);
    for (int i = 0; i < n; i++)
        profile[i] = (struct step_profile){folder[i], bar[i].label, warmup_of(&bar[i].cell)};
    say_title(n, bar, title, sizeof title);
    say_windows(n, bar, note, sizeof note);
    const struct step_options options = {
        .picture = {.folder = out,
                    .title = title,
                    .setting = differs(n, bar, DEVICE) ? NULL : bar[0].part[DEVICE]},
        .note = note};
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
