/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a transformer folder as diffusers saves it: one of parameters or shards with an
 * index, and the configurations beside it. Reads no parameter. For models/weights_safetensors.c.
 */
#ifndef MODELS_CHECKPOINT_H
#define MODELS_CHECKPOINT_H

#include "models/safetensors.h"

#include <limits.h>

enum { CHECKPOINT_SHARDS = 1000 };

/* What says what the parameters mean, in the order of dit_config's read_from; then where they are.
 */
enum {
    CHECKPOINT_MODEL,
    CHECKPOINT_SCHEDULER,
    CHECKPOINT_PIPELINE,
    CHECKPOINT_INDEX,
    CHECKPOINT_DESCRIPTIONS
};

struct checkpoint_file {
    char path[PATH_MAX];
    struct file_stamp stamp; /* when it was read; all 0: it is not there */
};

struct checkpoint {
    char folder[PATH_MAX];
    struct checkpoint_file description[CHECKPOINT_DESCRIPTIONS];
    uint64_t described; /* hash of the descriptions that were read, but the index */
    int files;
    struct safetensors *file[CHECKPOINT_SHARDS]; /* ordered by name */
};

/* ST_INVALID names file, tensor and remedy; ST_IO, ST_OOM. */
enum status checkpoint_open(const char *folder, struct checkpoint **out);
void checkpoint_close(struct checkpoint *c);

/* The tensor of a name and its file; NULL: no file has it, and *file is the last one. */
const struct safetensors_entry *checkpoint_find(const struct checkpoint *c, const char *name,
                                                const struct safetensors **file);

#endif
