/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration by its name. */
#include "models/dit_config.h"

#include "kernels/base/suggest.h"
#include "models/dit_config_quarter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum status refuse_name(const char *name)
{
    char names[1024] = "";
    char hint[SUGGEST_HINT];
    int n = 0;
    while (dit_config_at(n))
        n++;
    const char **words = calloc((size_t)n + 1, sizeof *words);
    if (!words)
        return fail(ST_OOM, "model \"%s\": no host memory", name);
    for (int i = 0; i < n; i++) {
        size_t used = strlen(names);
        words[i] = dit_config_at(i)->name;
        snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", words[i]);
    }
    suggest_hint(name, words, hint);
    free(words);
    return fail(
        ST_INVALID,
        "model \"%s\"%s is neither a checkpoint folder nor one of %s, nor one of these with "
        "-quarter behind it",
        name, hint, names);
}

enum status dit_config_load(const char *name_or_folder, struct dit_config *out, char *folder_out,
                            unsigned long size)
{
    struct stat info;
    if (dit_config_find(name_or_folder, out)) {
        snprintf(folder_out, size, "%s", "");
        return ST_OK;
    }
    if (stat(name_or_folder, &info) != 0 && (errno == EACCES || errno == ELOOP || errno == EIO))
        return fail(ST_IO, "%s: %s", name_or_folder, strerror(errno));
    if (stat(name_or_folder, &info) != 0 || !S_ISDIR(info.st_mode))
        return refuse_name(name_or_folder);
    return dit_config_read(name_or_folder, out, folder_out, size);
}
