/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a model of any kind by its name. */
#include "strategies/model.h"

#include "kernels/base/suggest.h"
#include "strategies/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum status refuse_name(const char *name)
{
    char names[1024] = "";
    char hint[SUGGEST_HINT];
    const char *words[128] = {NULL};
    size_t used = 0;
    int n = 0;
    for (int k = 0; kind_at(k); k++)
        for (int i = 0; kind_at(k)->preset(i); i++) {
            const char *word = kind_at(k)->preset(i);
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", n ? ", " : "", word);
            BUG_ON(used >= sizeof names || n + 1 >= 128, "%d names of models", n);
            words[n++] = word;
        }
    suggest_hint(name, words, hint);
    return fail(ST_INVALID,
                "model \"%s\"%s is neither a checkpoint folder nor one of %s; behind a "
                "transformer's name may stand -quarter",
                name, hint, names);
}

/* Of a folder; where it is of no kind, the first one says what is missing. */
static enum status load_folder(const char *folder, struct model *out)
{
    for (int k = 0; kind_at(k); k++) {
        bool there = false;
        TRY(kind_at(k)->there(folder, &there));
        if (there) {
            out->kind = kind_at(k);
            return out->kind->load(folder, out);
        }
    }
    out->kind = kind_at(0);
    return out->kind->load(folder, out);
}

static enum status load_wanted(const char *name, const struct kind_ops *kind, struct model *out)
{
    if (kind) {
        out->kind = kind;
        return kind->load(name, out);
    }
    return load_folder(name, out);
}

static bool find(const char *name, struct model *out)
{
    for (int k = 0; kind_at(k); k++)
        if (kind_at(k)->find(name, out)) {
            out->kind = kind_at(k);
            return true;
        }
    return false;
}

bool model_is_preset(const char *name)
{
    return model_kind(name) != NULL;
}

const struct kind_ops *model_kind(const char *name)
{
    struct model model;
    return find(name, &model) ? model.kind : NULL;
}

enum status model_load(const char *name_or_folder, const struct kind_ops *kind, struct model *out)
{
    struct stat info;
    memset(out, 0, sizeof *out);
    if (find(name_or_folder, out)) {
        if (!kind || kind == out->kind)
            return ST_OK;
        return fail(ST_INVALID, "model %s is a %s, and a %s is wanted", name_or_folder,
                    out->kind->name, kind->name);
    }
    if (stat(name_or_folder, &info) != 0 && (errno == EACCES || errno == ELOOP || errno == EIO))
        return fail(ST_IO, "%s: %s", name_or_folder, strerror(errno));
    if (stat(name_or_folder, &info) != 0 || !S_ISDIR(info.st_mode))
        return refuse_name(name_or_folder);
    return load_wanted(name_or_folder, kind, out);
}

static const char *last_part(const char *path, const char *end)
{
    while (end > path && end[-1] == '/') // "folder/"
        end--;
    while (end > path && end[-1] != '/')
        end--;
    return end;
}

const char *model_short(const char *model)
{
    const char *at = last_part(model, model + strlen(model));
    bool part = strcmp(at, "vae") == 0 || strcmp(at, "vae/") == 0; // of a pipeline's folder
    return part ? last_part(model, at) : at;
}

char *model_file_name(const char *model, char buffer[MODEL_FILE_NAME])
{
    snprintf(buffer, MODEL_FILE_NAME, "%s", model_short(model));
    for (size_t n = strlen(buffer); n > 1 && buffer[n - 1] == '/'; n--)
        buffer[n - 1] = '\0';
    for (char *c = buffer; *c; c++)
        *c = *c == '/' ? '-' : *c;
    return buffer;
}
