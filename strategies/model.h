/* SPDX-License-Identifier: Apache-2.0 */
/* A model of any kind, by its name or folder: shapes only. */
#ifndef STRATEGIES_MODEL_H
#define STRATEGIES_MODEL_H

#include "models/dit_config.h"
#include "models/vae_config.h"

#include <limits.h>

struct kind_ops;

/* Shapes of a model of any kind; its weights are read later. */
struct model {
    const struct kind_ops *kind;
    struct dit_config dit;     /* of a transformer */
    struct vae_config decoder; /* of a decoder */
    char folder[PATH_MAX];     /* of the weights; "": a preset, whose weights are synthetic */
};

/* A preset of any kind, or a folder. `kind`: which is wanted, of a pipeline's folder that holds
 * several; NULL: the first. ST_INVALID with the legal names, or with what is wrong in the folder.
 */
enum status model_load(const char *name_or_folder, const struct kind_ops *kind, struct model *out);

/* Is it the name of a preset, or of what is made of one, of any kind? */
bool model_is_preset(const char *name);

/* The kind of that preset; NULL: it is none's, so a folder's, which is not looked at. */
const struct kind_ops *model_kind(const char *name);

/* Last part of a path, for titles and names of files; of a pipeline's vae/ the last two. Borrowed
 * from `model`, which may be a name. */
const char *model_short(const char *model);

/* The same as a part of a file's name: "pipeline-vae". Returns buffer. */
enum { MODEL_FILE_NAME = 300 };
char *model_file_name(const char *model, char buffer[MODEL_FILE_NAME]);

#endif
