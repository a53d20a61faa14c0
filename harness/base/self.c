/* SPDX-License-Identifier: Apache-2.0 */
/* The file and the version of this program. Starts nothing. */
#include "harness/base/self.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status self_path(char *path)
{
    static const char gone[] = " (deleted)"; /* as the kernel says it */
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (n < 0)
        return fail(ST_IO, "/proc/self/exe: %s; /proc must be mounted", strerror(errno));
    path[n] = '\0';
    size_t length = strlen(path);
    if (length > strlen(gone) && strcmp(path + length - strlen(gone), gone) == 0)
        return fail(ST_IO, "%.*s was replaced or removed since it was started; start it again",
                    (int)(length - strlen(gone)), path);
    return ST_OK;
}

enum status self_words(char *const *words, char ***out)
{
    char path[PATH_MAX];
    size_t n = 0;
    *out = NULL;
    TRY(self_path(path));
    while (words[n])
        n++;
    size_t table = (n + 2) * sizeof **out;
    char **all = malloc(table + strlen(path) + 1);
    if (!all)
        return fail(ST_OOM, "a command line of %zu words: no host memory", n);
    all[0] = strcpy((char *)all + table, path);
    memcpy(all + 1, words, (n + 1) * sizeof *all);
    *out = all;
    return ST_OK;
}

/* Does BASE/INNER hold what belongs to a program like this one? Its folder goes into path. */
static bool share_in(const char *base, const char *inner, char *path)
{
    static const char mark[] = "/plots/style.gp";
    int n = snprintf(path, PATH_MAX, "%s%s%s", base, inner, mark);
    if (n >= PATH_MAX || access(path, R_OK) != 0)
        return false;
    path[n - (int)strlen(mark)] = '\0';
    return true;
}

enum status self_share(char *path)
{
    enum { LEVELS = 4 }; /* build/VARIANT/tests/NAME is the deepest program */
    char program[PATH_MAX];
    char base[PATH_MAX];
    TRY(self_path(program));
    strcpy(base, program);
    for (int i = 0; i < LEVELS && strrchr(base, '/'); i++) {
        *strrchr(base, '/') = '\0';
        if (share_in(base, "/share/ditbench", path) || share_in(base, "", path))
            return ST_OK;
    }
    return fail(ST_IO,
                "neither share/ditbench nor a source tree lies above %s; `make install` "
                "puts share/ditbench beside the folder of the program",
                program);
}

void self_restart(char *const *argv)
{
    execv("/proc/self/exe", argv);
}

const char *self_version(void)
{
    return "0.1.0";
}
