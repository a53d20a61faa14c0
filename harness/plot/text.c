/* SPDX-License-Identifier: Apache-2.0 */
/* Names of chart files, titles and captions. */
#include "harness/host/env.h"
#include "harness/plot/select.h"
#include "kernels/base/hash.h"

#include <ctype.h>
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

const char *plot_model_text(const char *model)
{
    const char *at = model + strlen(model);
    while (at > model && at[-1] == '/') // "folder/"
        at--;
    while (at > model && at[-1] != '/')
        at--;
    return at;
}

char *plot_short_text(const char *text, int columns, char buffer[PLOT_TITLE])
{
    int half = (columns - 3) / 2, n = 0, seen = 0;
    const char *tail = text;
    for (const char *s = text; *s; s++)
        n += (*s & 0xc0) != 0x80; // UTF-8: all bytes but continuations begin a character
    if (n <= columns && strlen(text) < PLOT_TITLE)
        return strcpy(buffer, text);
    for (const char *s = text; *s; s++) {
        if ((*s & 0xc0) == 0x80)
            continue;
        if (seen++ == half)
            snprintf(buffer, PLOT_TITLE, "%.*s...", (int)(s - text), text);
        if (seen > n - half) {
            tail = s;
            break;
        }
    }
    append(buffer, PLOT_TITLE, "%s", tail);
    return buffer;
}

char *plot_size_text(const struct record_cell *cell, char buffer[PLOT_NAME])
{
    snprintf(buffer, PLOT_NAME, "%d", cell->width);
    if (cell->height != cell->width)
        append(buffer, PLOT_NAME, "x%d", cell->height);
    if (cell->frames > 1)
        append(buffer, PLOT_NAME, "-%df", cell->frames);
    return buffer;
}

/* The last part of a path, fit for a file's name: letters, digits, '.', '-' and '_' stay, runs of
 * others become one '_'. At most 48 characters, at least one. */
static char *slug(const char *path, char buffer[PLOT_NAME])
{
    size_t n = 0;
    for (const char *s = plot_model_text(path); *s && *s != '/' && n < 48; s++) {
        bool clean = isalnum((unsigned char)*s) || strchr("-_", *s) || (*s == '.' && n > 0);
        if (clean || n == 0 || buffer[n - 1] != '_')
            buffer[n++] = clean ? *s : '_';
    }
    strcpy(buffer + n, n ? "" : "_");
    return buffer;
}

/* What a file name says of a setting besides model and size, one part at a time. */
enum { PARTS = 10 };
static void part_text(const struct record *r, int part, char buffer[PLOT_NAME])
{
    const struct record_cell *c = &r->cell;
    char hardware[PLOT_TITLE];
    switch (part) {
    case 0:
        snprintf(buffer, PLOT_NAME, "%dsteps", c->steps);
        break;
    case 1:
        snprintf(buffer, PLOT_NAME, "guidance%g", c->guidance);
        break;
    case 2:
        snprintf(buffer, PLOT_NAME, "%drequests", c->requests);
        break;
    case 3:
        slug(c->dtype, buffer);
        break;
    case 4:
        slug(c->backend, buffer);
        break;
    case 5:
        slug(c->transport, buffer);
        break;
    case 6:
        snprintf(buffer, PLOT_NAME, "%dthreads", c->threads);
        break;
    case 7:
        slug(c->weights, buffer);
        break;
    case 8: // the folder, where the last parts of two models are equal
        snprintf(buffer, PLOT_NAME, "m%06x", (unsigned)(hash_text(0, c->model) & 0xffffff));
        break;
    default:
        env_hardware(&r->env, hardware, sizeof hardware);
        snprintf(buffer, PLOT_NAME, "h%06x",
                 (unsigned)(hash_text(hash_text(0, r->env.host ? r->env.host : ""), hardware) &
                            0xffffff));
    }
}

/* Whether two rows whose model has the same slug differ in this part. */
static bool part_varies(const struct plot_rows *rows, const struct record *of, int part)
{
    char model[PLOT_NAME], mine[PLOT_NAME], other[PLOT_NAME], text[PLOT_NAME];
    slug(of->cell.model, model);
    part_text(of, part, mine);
    for (int i = 0; i < rows->n; i++) {
        part_text(rows->v[i], part, text);
        if (strcmp(text, mine) != 0 && strcmp(slug(rows->v[i]->cell.model, other), model) == 0)
            return true;
    }
    return false;
}

char *plot_name(const struct plot_rows *rows, const struct record *of, const char *chart, bool size,
                char buffer[PLOT_NAME])
{
    char text[PLOT_NAME];
    snprintf(buffer, PLOT_NAME, "%s.%s", chart, slug(of->cell.model, text));
    if (size)
        append(buffer, PLOT_NAME, ".%s", plot_size_text(&of->cell, text));
    for (int part = 0; part < PARTS; part++) {
        if (!part_varies(rows, of, part))
            continue;
        part_text(of, part, text);
        append(buffer, PLOT_NAME, ".%.12s", text);
    }
    return buffer;
}

char *plot_setting_text(const struct record *of, char buffer[PLOT_TITLE])
{
    const struct record_cell *c = &of->cell;
    snprintf(buffer, PLOT_TITLE, "%d steps, ", c->steps);
    if (c->guidance > 1)
        append(buffer, PLOT_TITLE, "guidance %g, ", c->guidance);
    else
        append(buffer, PLOT_TITLE, "unguided, ");
    append(buffer, PLOT_TITLE, "%d request%s, %s, backend %s, transport %s", c->requests,
           c->requests == 1 ? "" : "s", c->dtype, c->backend, c->transport);
    if (of->env.gpus.n == 0)
        append(buffer, PLOT_TITLE, ", %d thread%s in all", c->threads, c->threads == 1 ? "" : "s");
    return buffer;
}

char *plot_machine_text(const struct plot_rows *rows, int begin, int end, char buffer[PLOT_TITLE])
{
    const struct record_env *env = &rows->v[begin]->env;
    bool several = false, dirty = false;
    for (int i = begin; i < end; i++) {
        const char *commit = rows->v[i]->env.commit;
        several |= strcmp(commit ? commit : "", env->commit ? env->commit : "") != 0;
        dirty |= rows->v[i]->env.dirty == RECORD_YES;
    }
    env_hardware(env, buffer, PLOT_TITLE);
    if (env->host)
        append(buffer, PLOT_TITLE, ", host %.40s", env->host);
    if (several)
        append(buffer, PLOT_TITLE, ", several commits");
    else if (env->commit)
        append(buffer, PLOT_TITLE, ", commit %.12s", env->commit);
    if (dirty)
        append(buffer, PLOT_TITLE, " with local changes");
    return buffer;
}
