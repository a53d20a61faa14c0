/* SPDX-License-Identifier: Apache-2.0 */
/* Where packs lie. Reads none of them. */
#include "harness/base/self.h"
#include "harness/paper/pack.h"
#include "kernels/base/suggest.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char here[] = "experiments/paper";
static const char ending[] = ".yaml";

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

/* The program's own folder of packs; false: it has none. */
static bool own_folder(char *folder)
{
    char share[PATH_MAX];
    bool found = self_share(share) == ST_OK;
    if (!found)
        status_clear();
    return found && snprintf(folder, PATH_MAX, "%s/%s", share, here) < PATH_MAX;
}

/* Adds the names that end so; they are owned. */
static int add_names(const char *folder, int n, char **names)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && n < PACK_NAMES && (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        bool known =
            length <= strlen(ending) || strcmp(e->d_name + length - strlen(ending), ending) != 0;
        for (int i = 0; i < n && !known; i++)
            known = strlen(names[i]) == length - strlen(ending) &&
                    strncmp(names[i], e->d_name, strlen(names[i])) == 0;
        if (!known && (names[n] = strndup(e->d_name, length - strlen(ending))))
            n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pack_find_names(struct pack_names *out)
{
    char own[PATH_MAX];
    *out = (struct pack_names){0};
    out->n = add_names(here, 0, out->v);
    if (own_folder(own))
        out->n = add_names(own, out->n, out->v);
    qsort(out->v, (size_t)out->n, sizeof *out->v, compare_names);
}

void pack_find_names_release(struct pack_names *names)
{
    for (int i = 0; i < names->n; i++)
        free(names->v[i]);
    *names = (struct pack_names){0};
}

static enum status refuse(const char *word)
{
    struct pack_names names;
    pack_find_names(&names);
    enum status st =
        names.n == 0 ? fail(ST_INVALID, "'%.200s' is no file, and %s holds no packs", word, here)
                     : suggest_refuse("pack", word, (const char *const *)names.v);
    pack_find_names_release(&names);
    return st;
}

enum status pack_find(const char *word, char *path)
{
    char own[PATH_MAX];
    bool named = !strchr(word, '/') && word[0] != '.' && strlen(word) < NAME_MAX / 2;
    if (strlen(word) >= PATH_MAX)
        return fail(ST_INVALID, "the pack's path has %zu characters; at most %d are legal",
                    strlen(word), PATH_MAX - 1);
    strcpy(path, word);
    if (is_file(path))
        return ST_OK;
    if (named) {
        snprintf(path, PATH_MAX, "%s/%s%s", here, word, ending);
        if (is_file(path))
            return ST_OK;
        if (own_folder(own) && snprintf(path, PATH_MAX, "%s/%s%s", own, word, ending) < PATH_MAX &&
            is_file(path))
            return ST_OK;
    }
    return refuse(word);
}
