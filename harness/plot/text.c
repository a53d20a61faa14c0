/* SPDX-License-Identifier: Apache-2.0 */
/* Names of chart files, titles and captions. */
#include "harness/plot/text.h"

#include "harness/host/env.h"
#include "harness/report/conditions.h"
#include "strategies/model.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends to a text of `size` bytes; what does not fit is cut off. */
static void __attribute__((format(printf, 3, 4)))
append(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, size - length, format, args);
    va_end(args);
}

char *plot_text_size(const struct record_cell *cell, char buffer[PLOT_NAME])
{
    snprintf(buffer, PLOT_NAME, "%d", cell->width);
    if (cell->height != cell->width)
        append(buffer, PLOT_NAME, "x%d", cell->height);
    if (cell->frames > 1)
        append(buffer, PLOT_NAME, "-%df", cell->frames);
    return buffer;
}

/* ---- names ---- */

/* The last part of a path, fit for a file's name: letters, digits, '.', '-' and '_' stay, runs of
 * others become one '_'. At most 48 characters, at least one. */
static char *slug(const char *path, char buffer[PLOT_NAME])
{
    size_t n = 0;
    for (const char *s = model_short(path); *s && (*s != '/' || s[1]) && n < 48; s++) {
        bool clean = isalnum((unsigned char)*s) || strchr("-_", *s) || (*s == '.' && n > 0);
        if (clean || n == 0 || buffer[n - 1] != '_')
            buffer[n++] = clean ? *s : '_';
    }
    strcpy(buffer + n, n ? "" : "_");
    return buffer;
}

/* What a file name says of a setting besides model and size, one part at a time. */
enum { PARTS = 13 };
static void part_text(const struct sheet_row *row, int part, char buffer[PLOT_NAME])
{
    const struct record_cell *c = &row->record->cell;
    const struct record_env *env = &row->record->env;
    const char *const texts[] = {c->dtype, c->backend, c->transport, c->weights,
                                 row->run, env->host,  env->commit};
    if (part == 0)
        snprintf(buffer, PLOT_NAME, "%dsteps", c->steps);
    else if (part == 1)
        snprintf(buffer, PLOT_NAME, "guidance%g", c->guidance);
    else if (part == 2)
        snprintf(buffer, PLOT_NAME, "%drequests", c->requests);
    else if (part == 3)
        snprintf(buffer, PLOT_NAME, "%dthreads", c->threads);
    else if (part == 4)
        snprintf(buffer, PLOT_NAME, "seed%" PRIu64, c->seed);
    else if (part == 5)
        snprintf(buffer, PLOT_NAME, "%s", env->dirty == RECORD_YES ? "changed" : "clean");
    else
        slug(texts[part - 6] ? texts[part - 6] : "unknown", buffer);
    buffer[24] = '\0';
}

static bool part_differs(const struct sheet_row *a, const struct sheet_row *b, int part)
{
    char x[PLOT_NAME], y[PLOT_NAME];
    part_text(a, part, x);
    part_text(b, part, y);
    return strcmp(x, y) != 0;
}

static bool same_slug(const struct sheet_row *a, const struct sheet_row *b)
{
    char x[PLOT_NAME], y[PLOT_NAME];
    return strcmp(slug(a->record->cell.model, x), slug(b->record->cell.model, y)) == 0;
}

/* Whether some part tells the two settings apart. */
static bool told_apart(const struct sheet_row *a, const struct sheet_row *b)
{
    for (int part = 0; part < PARTS; part++)
        if (part_differs(a, b, part))
            return true;
    return false;
}

char *plot_text_name(const struct plot_selection *selection, const struct sheet_row *of,
                     const char *chart, bool size, char buffer[PLOT_NAME])
{
    enum { MOST = 150 }; // of a file name's 255
    char text[PLOT_NAME];
    bool differs[PARTS + 1] = {false}; // the last: in something else
    for (int i = 0; i < selection->n; i++) {
        const struct sheet_row *other = selection->setting[i].of;
        if (other->setting == of->setting || !same_slug(other, of))
            continue;
        for (int part = 0; part < PARTS; part++)
            differs[part] |= part_differs(other, of, part);
        differs[PARTS] |= !told_apart(other, of);
    }
    snprintf(buffer, PLOT_NAME, "%s.%s", chart, slug(of->record->cell.model, text));
    if (size)
        append(buffer, PLOT_NAME, ".%s", plot_text_size(&of->record->cell, text));
    for (int part = 0; part < PARTS; part++) {
        part_text(of, part, text);
        if (differs[part])
            append(buffer, PLOT_NAME, ".%s", text);
    }
    if (strlen(buffer) > MOST)
        buffer[MOST] = '\0';
    if (differs[PARTS] || strlen(buffer) == MOST)
        append(buffer, PLOT_NAME, ".%08" PRIx32, (uint32_t)of->setting);
    return buffer;
}

/* ---- captions ---- */

char *plot_text_setting(const struct sheet_row *of, char buffer[PLOT_TEXT])
{
    const struct record_cell *c = &of->record->cell;
    snprintf(buffer, PLOT_TEXT, "%d step%s, ", c->steps, c->steps == 1 ? "" : "s");
    if (c->guidance > 1)
        append(buffer, PLOT_TEXT, "guidance %g, ", c->guidance);
    else if (conditions_asked(c))
        append(buffer, PLOT_TEXT, "unguided, ");
    append(buffer, PLOT_TEXT, "%d request%s, %s, backend %s, transport %s", c->requests,
           c->requests == 1 ? "" : "s", c->dtype, c->backend, c->transport);
    if (of->record->env.gpus.n == 0)
        append(buffer, PLOT_TEXT, ", %d thread%s in all", c->threads, c->threads == 1 ? "" : "s");
    return buffer;
}

char *plot_text_machine(const struct sheet_row *of, char buffer[PLOT_TEXT])
{
    const struct record_env *env = &of->record->env;
    env_hardware(env, buffer, PLOT_TEXT);
    if (env->host)
        append(buffer, PLOT_TEXT, ", host %.40s", env->host);
    if (env->commit)
        append(buffer, PLOT_TEXT, ", commit %.12s", env->commit);
    if (env->dirty == RECORD_YES)
        append(buffer, PLOT_TEXT, " with local changes");
    if (of->run)
        append(buffer, PLOT_TEXT, ", run %s", of->run);
    return buffer;
}
