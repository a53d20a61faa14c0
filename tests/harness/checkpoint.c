/* SPDX-License-Identifier: Apache-2.0 */
/* cp -r, and a write in place. */
#include "tests/harness/checkpoint.h"

#include "kernels/base/status.h"
#include "tests/harness/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *checkpoint_copy(const char *name)
{
    static char path[4][200];
    static int n;
    char command[1000];
    char *copy = path[n++ % 4];
    snprintf(copy, sizeof path[0], "%s/%s-%d", program_folder(), name, n);
    snprintf(command, sizeof command, "cp -r %s/tests/golden/%s %s", DITBENCH_SOURCE_DIR, name,
             copy);
    BUG_ON(system(command) != 0, "%s", command);
    return copy;
}

char *checkpoint_file(const char *copy, const char *name)
{
    static char path[16][300];
    static int n;
    char *file = path[n++ % 16];
    snprintf(file, sizeof path[0], "%s/%s", copy, name);
    return file;
}

void checkpoint_poke(const char *path, unsigned value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    BUG_ON(fd < 0 || lseek(fd, -4, SEEK_END) < 0 || write(fd, &value, 4) != 4 || close(fd) != 0,
           "%s", path);
}
