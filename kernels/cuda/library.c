/* SPDX-License-Identifier: Apache-2.0 */
/* Where shared libraries of a CUDA installation lie: search, not use. */
#include "kernels/cuda/library.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 1024 };

/* The first file of folder/name that the loader takes, where folder may hold wildcards. */
static void *open_in(const char *folder, const char *name)
{
    char pattern[PATH_ROOM];
    glob_t found;
    void *library = NULL;
    int length = snprintf(pattern, sizeof(pattern), "%s/%s", folder, name);
    if (length >= (int)sizeof(pattern) || glob(pattern, 0, NULL, &found) != 0)
        return NULL;
    for (size_t i = 0; i < found.gl_pathc && !library; i++)
        library = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
    globfree(&found);
    return library;
}

static void *open_below(const char *prefix, const char *below, const char *name)
{
    char folder[PATH_ROOM];
    if (!prefix || prefix[0] == '\0' ||
        snprintf(folder, sizeof(folder), "%s%s", prefix, below) >= (int)sizeof(folder))
        return NULL;
    return open_in(folder, name);
}

/* The environment that the python3 on PATH belongs to: the folder above its bin; "" without one. */
static void python_prefix(char prefix[PATH_ROOM])
{
    const char *path = getenv("PATH");
    prefix[0] = '\0';
    while (path && *path) {
        size_t length = strcspn(path, ":");
        char program[PATH_ROOM];
        int written = snprintf(program, sizeof(program), "%.*s/python3", (int)length, path);
        if (length > 4 && written < (int)sizeof(program) && access(program, X_OK) == 0 &&
            strncmp(path + length - 4, "/bin", 4) == 0) {
            snprintf(prefix, PATH_ROOM, "%.*s", (int)(length - 4), path);
            return;
        }
        path += length + (path[length] == ':');
    }
}

/* Of a toolkit: CUPTI has a folder of its own. */
static void *open_in_toolkit(const char *prefix, const char *name)
{
    void *library = open_below(prefix, "/lib64", name);
    if (!library)
        library = open_below(prefix, "/extras/CUPTI/lib64", name);
    if (!library)
        library = open_below(prefix, "/targets/x86_64-linux/lib", name);
    return library;
}

static void *search(const char *name)
{
    static const char packages[] = "/lib/python3*/site-packages/nvidia/*/lib";
    char prefix[PATH_ROOM];
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        library = open_in_toolkit(getenv("CUDA_HOME"), name);
    if (!library)
        library = open_in_toolkit("/usr/local/cuda", name);
    if (!library)
        library = open_below(getenv("VIRTUAL_ENV"), packages, name);
    if (!library) {
        python_prefix(prefix);
        library = open_below(prefix, packages, name);
    }
    return library;
}

enum status cuda_library_open(const char *name, void **out)
{
    *out = search(name);
    if (*out)
        return ST_OK;
    return fail(ST_UNSUPPORTED,
                "%s was not found: not in the loader's path, in lib64, extras/CUPTI/lib64 or "
                "targets/x86_64-linux/lib of $CUDA_HOME or /usr/local/cuda, or in the nvidia "
                "packages of $VIRTUAL_ENV or of the python3 on PATH; add its folder to "
                "LD_LIBRARY_PATH",
                name);
}

enum status cuda_library_find(void *library, const char *name, const char *function, void *out)
{
    void *address = dlsym(library, function);
    if (!address)
        return fail(ST_UNSUPPORTED, "%s has no function %s: too old?", name, function);
    memcpy(out, &address, sizeof(address)); // ISO C has no cast from object to function pointer
    return ST_OK;
}
