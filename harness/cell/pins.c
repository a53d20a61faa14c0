/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of stamps. */
#include "harness/cell/pins.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOST = 256 };

struct pin {
    char *path;
    struct file_stamp stamp;
};

/* ---- comparing two looks ---- */

/* Says what became of the file. */
static enum status compare(const char *path, const struct file_stamp *was,
                           const struct file_stamp *is)
{
    static const char since[] = "since the checkpoint was hashed";
    if (was->inode == 0 && is->inode != 0)
        return fail(ST_INVALID, "%s: has come %s", path, since);
    if (was->inode != 0 && is->inode == 0)
        return fail(ST_INVALID, "%s: has gone %s", path, since);
    if (was->size != is->size)
        return fail(ST_INVALID, "%s: had %" PRIu64 " bytes and has %" PRIu64 " %s", path, was->size,
                    is->size, since);
    if (was->device != is->device || was->inode != is->inode)
        return fail(ST_INVALID, "%s: was replaced by another file %s", path, since);
    if (was->written != is->written)
        return fail(ST_INVALID, "%s: was written to %s", path, since);
    if (was->changed != is->changed)
        return fail(ST_INVALID, "%s: was changed %s", path, since);
    return ST_OK;
}

enum status pins_hold(const struct pins *pins)
{
    for (int i = 0; i < pins->n; i++) {
        struct file_stamp now;
        TRY(file_look(pins->v[i].path, &now));
        TRY(compare(pins->v[i].path, &pins->v[i].stamp, &now));
    }
    return ST_OK;
}

/* ---- taking ---- */

static enum status add(struct pins *pins, const char *path, const struct file_stamp *stamp)
{
    struct pin *v = realloc(pins->v, ((size_t)pins->n + 1) * sizeof *v);
    if (v)
        pins->v = v;
    char *copy = v ? strdup(path) : NULL;
    if (!copy)
        return fail(ST_OOM, "%s: no host memory to remember it", path);
    v[pins->n++] = (struct pin){copy, *stamp};
    return ST_OK;
}

/* The configurations were read twice, by the setup and with the weights. */
static enum status check_config(const struct setup *setup, const struct pins *pins)
{
    const struct kind_ops *kind = setup->model.kind;
    for (int i = 0; kind->read_from(&setup->model, i) && i < pins->n; i++) {
        const struct file_stamp *read = kind->read_from(&setup->model, i);
        if (read->inode != 0)
            TRY(compare(pins->v[i].path, read, &pins->v[i].stamp));
    }
    return ST_OK;
}

enum status pins_take(const struct setup *setup, const struct weights *weights, struct pins *out)
{
    *out = (struct pins){0};
    for (int i = 0; weights_path_at(weights, i); i++)
        TRY(add(out, weights_path_at(weights, i), weights_stamp_at(weights, i)));
    TRY(check_config(setup, out));
    return setup->text ? add(out, safetensors_path(setup->text), safetensors_stamp(setup->text))
                       : ST_OK;
}

void pins_release(struct pins *pins)
{
    for (int i = 0; i < pins->n; i++)
        free(pins->v[i].path);
    free(pins->v);
    *pins = (struct pins){0};
}

/* ---- between processes ---- */

static void host_name(char name[HOST])
{
    if (gethostname(name, HOST) != 0)
        name[0] = '\0';
    name[HOST - 1] = '\0';
}

/* "HOST/DEVICE:INODE:SIZE:WRITTEN:CHANGED,..." in hexadecimal */
char *pins_text(const struct pins *pins)
{
    char host[HOST];
    char *text = NULL;
    size_t size;
    host_name(host);
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%s/", host);
    for (int i = 0; i < pins->n; i++) {
        const struct file_stamp *m = &pins->v[i].stamp;
        fprintf(out, "%s%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64, i ? "," : "",
                m->device, m->inode, m->size, (uint64_t)m->written, (uint64_t)m->changed);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* The next stamp of a text, which moves on; false: there is none. */
static bool next_stamp(const char **text, struct file_stamp *out)
{
    uint64_t written;
    uint64_t changed;
    int n = 0;
    if (sscanf(*text, "%" SCNx64 ":%" SCNx64 ":%" SCNx64 ":%" SCNx64 ":%" SCNx64 "%n", &out->device,
               &out->inode, &out->size, &written, &changed, &n) != 5)
        return false;
    out->written = (int64_t)written;
    out->changed = (int64_t)changed;
    *text += n;
    *text += **text == ',';
    return true;
}

enum status pins_compare(const struct pins *pins, const char *text, bool *elsewhere)
{
    char host[HOST];
    struct file_stamp was;
    size_t length = strcspn(text, "/");
    host_name(host);
    *elsewhere = strlen(host) != length || strncmp(text, host, length) != 0;
    if (*elsewhere)
        return ST_OK;
    text += length + (text[length] == '/');
    for (int i = 0; i < pins->n; i++) {
        if (!next_stamp(&text, &was))
            return fail(ST_INVALID, "%s: was not among the checkpoint's files when it was hashed",
                        pins->v[i].path);
        TRY(compare(pins->v[i].path, &was, &pins->v[i].stamp));
    }
    if (pins->n > 0 && next_stamp(&text, &was))
        return fail(ST_INVALID, "%s: is the last of the checkpoint's files, and more were hashed",
                    pins->v[pins->n - 1].path);
    return ST_OK;
}

/* ---- hashing ---- */

/* A clock of files ticks a few ms at a time: what is written in the tick of a look would not show
 * in the next one. So nothing is hashed that was written a moment ago. */
static void wait_for_the_clock(const struct pins *pins)
{
    static const int64_t tick = 20000000;
    int64_t newest = 0;
    struct timespec now;
    for (int i = 0; i < pins->n; i++)
        if (pins->v[i].stamp.changed > newest)
            newest = pins->v[i].stamp.changed;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - newest;
    if (age >= 0 && age < tick)
        nanosleep(&(struct timespec){0, tick}, NULL);
}

static enum status hash(const struct setup *setup, struct weights *weights,
                        char identity[PINS_IDENTITY], struct pins *out)
{
    TRY(pins_take(setup, weights, out));
    wait_for_the_clock(out);
    const char *found;
    TRY(weights_identity(weights, &found));
    snprintf(identity, PINS_IDENTITY, "%s", found);
    return pins_hold(out);
}

enum status pins_identify(const struct setup *setup, char identity[PINS_IDENTITY], struct pins *out)
{
    struct weights *weights;
    *out = (struct pins){0};
    TRY(setup_weights(setup, &weights));
    enum status st = hash(setup, weights, identity, out);
    weights_close(weights);
    return st;
}
