/* SPDX-License-Identifier: Apache-2.0 */
/* From sessions to the names of their shared memory. Knows no live process. */
#include "harness/launch/segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHM "/dev/shm"

/* The family of jobs that mpirun's own name in `contact.txt` tells: "115408896.0;tcp://..."; its
 * jobs differ in the low half. */
static bool read_family(const char *path, unsigned long *family)
{
    char text[40];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *end;
    *family = strtoul(text, &end, 10) >> 16;
    return end != text && *end == '.' && *family != 0;
}

/* "vader_segment.HOST.USER.JOB.RANK", JOB in hexadecimal; a host's name may hold dots. */
static bool is_of(const char *name, unsigned long family)
{
    static const char *const kinds[] = {"vader_segment.", "sm_segment.", "osc_"};
    bool segment = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        segment |= strncmp(name, kinds[i], strlen(kinds[i])) == 0;
    const char *rank = segment ? strrchr(name, '.') : NULL;
    const char *job = rank ? memrchr(name, '.', (size_t)(rank - name)) : NULL;
    char *end;
    return job && strtoul(job + 1, &end, 16) >> 16 == family && end == rank && end > job + 1;
}

static void remove_family(unsigned long family)
{
    DIR *shm = opendir(SHM);
    for (struct dirent *e = shm ? readdir(shm) : NULL; e; e = readdir(shm)) {
        struct stat info;
        if (is_of(e->d_name, family) &&
            fstatat(dirfd(shm), e->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode) && info.st_uid == geteuid())
            unlinkat(dirfd(shm), e->d_name, 0);
    }
    if (shm)
        closedir(shm);
}

/* Calls visit for every entry of `folder` whose name starts so. */
static void each_entry(const char *folder, const char *start, void (*visit)(const char *path))
{
    DIR *at = opendir(folder);
    for (struct dirent *e = at ? readdir(at) : NULL; e; e = readdir(at)) {
        char path[PATH_MAX];
        if (strncmp(e->d_name, start, strlen(start)) == 0 &&
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < PATH_MAX)
            visit(path);
    }
    if (at)
        closedir(at);
}

static void remove_session(const char *contact)
{
    unsigned long family;
    if (read_family(contact, &family))
        remove_family(family);
}

static void visit_process(const char *path)
{
    each_entry(path, "contact.txt", remove_session);
}

static void visit_host(const char *path)
{
    each_entry(path, "pid.", visit_process);
}

void segments_remove(const char *folder)
{
    each_entry(folder, "ompi.", visit_host);
}
