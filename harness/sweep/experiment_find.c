/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for experiment files by name. */
#include "harness/sweep/experiment_find.h"

#include "harness/base/self.h"
#include "kernels/base/suggest.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char ending[] = ".yaml";
static const char here[] = "experiments";

/* The program's own folder of experiments; false: it has none. */
static bool own_folder(char *folder)
{
    char share[PATH_MAX];
    bool found = self_share(share) == ST_OK;
    if (!found)
        status_clear();
    return found && snprintf(folder, PATH_MAX, "%s/experiments", share) < PATH_MAX;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

static bool is_same(const char *a, const char *b)
{
    struct stat x;
    struct stat y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* ---- all of them ---- */

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    size_t tail = strlen(ending);
    return entry->d_name[0] != '.' && n > tail && strcmp(entry->d_name + n - tail, ending) == 0;
}

static enum status add(struct experiment_files *files, const char *folder, const char *name)
{
    struct experiment_file *v = realloc(files->v, ((size_t)files->n + 1) * sizeof *v);
    if (!v)
        return fail(ST_OOM, "%s/%s: no host memory", folder, name);
    files->v = v;
    struct experiment_file *file = &v[files->n];
    file->path = NULL;
    file->name = strndup(name, strlen(name) - strlen(ending));
    if (asprintf(&file->path, "%s/%s", folder, name) < 0)
        file->path = NULL;
    files->n++;
    return file->name && file->path ? ST_OK : fail(ST_OOM, "%s/%s: no host memory", folder, name);
}

static enum status add_folder(struct experiment_files *files, const char *folder)
{
    enum status st = ST_OK;
    struct dirent **found;
    int n = scandir(folder, &found, is_yaml, alphasort);
    for (int i = 0; i < n; i++) {
        if (st == ST_OK)
            st = add(files, folder, found[i]->d_name);
        free(found[i]);
    }
    if (n >= 0)
        free(found);
    return st;
}

enum status experiment_find_all(struct experiment_files *out)
{
    char own[PATH_MAX];
    *out = (struct experiment_files){.n = 0};
    TRY(add_folder(out, here));
    return own_folder(own) && !is_same(own, here) ? add_folder(out, own) : ST_OK;
}

void experiment_files_release(struct experiment_files *files)
{
    for (int i = 0; i < files->n; i++) {
        free(files->v[i].name);
        free(files->v[i].path);
    }
    free(files->v);
}

/* ---- one of them ---- */

/* The nearest name to the last part of a path. */
static void hint_for(const char *word, const struct experiment_files *all, char *hint)
{
    const char *slash = strrchr(word, '/');
    char stem[100];
    snprintf(stem, sizeof stem, "%s", slash ? slash + 1 : word);
    char *tail = strstr(stem, ending);
    if (tail)
        *tail = '\0';
    const char **names = calloc((size_t)all->n + 1, sizeof *names);
    for (int i = 0; names && i < all->n; i++)
        names[i] = all->v[i].name;
    if (names)
        suggest_hint(stem, names, hint);
    free(names);
}

static enum status refuse(const char *word)
{
    struct experiment_files all;
    char hint[SUGGEST_HINT] = "";
    enum status st = experiment_find_all(&all);
    if (st == ST_OK)
        hint_for(word, &all, hint);
    experiment_files_release(&all);
    return st ? st
              : fail(ST_INVALID,
                     "'%.200s' is neither a file nor the name of an experiment%s; `ditbench list "
                     "experiments` shows them",
                     word, hint);
}

/* A name is a part of a path, and no more. */
static bool is_name(const char *word)
{
    return word[0] != '\0' && word[0] != '.' && !strchr(word, '/') && strlen(word) < NAME_MAX / 2;
}

enum status experiment_find(const char *word, char *path, char *hidden)
{
    static const char *const folders[] = {"", "experiments/"};
    char own[PATH_MAX];
    bool named = is_name(word);
    hidden[0] = '\0';
    if (strlen(word) >= PATH_MAX)
        return fail(ST_INVALID, "the experiment's path has %zu characters; at most %d are legal",
                    strlen(word), PATH_MAX - 1);
    strcpy(path, word);
    for (int i = 0; named && i < 2 && !is_file(path); i++)
        snprintf(path, PATH_MAX, "%s%s%s", folders[i], word, ending);
    if (named && own_folder(own) && strlen(own) + NAME_MAX < PATH_MAX)
        snprintf(hidden, PATH_MAX, "%s/%s%s", own, word, ending);
    if (is_file(path)) {
        if (!is_file(hidden) || is_same(path, hidden))
            hidden[0] = '\0';
        return ST_OK;
    }
    if (!is_file(hidden))
        return refuse(word);
    strcpy(path, hidden);
    hidden[0] = '\0';
    return ST_OK;
}
