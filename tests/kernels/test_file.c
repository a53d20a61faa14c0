/* SPDX-License-Identifier: Apache-2.0 */
/* Only regular files are read, none is waited for, and a changed one is told from itself. */
#include "kernels/base/file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char root[64], path[128];

static void make_root(void)
{
    strcpy(root, "/tmp/ditbench-file-XXXXXX");
    cr_assert(mkdtemp(root));
    snprintf(path, sizeof(path), "%s/x", root);
}

static void remove_root(void)
{
    unlink(path);
    cr_assert_eq(rmdir(root), 0);
}

static void put(const char *text)
{
    FILE *to = fopen(path, "w");
    cr_assert(to && fputs(text, to) >= 0 && fclose(to) == 0);
}

static void refused(const char *name, const char *reason)
{
    int fd;
    char *text;
    size_t size;
    cr_assert_eq(file_open_regular(name, O_RDONLY, &fd, NULL), ST_INVALID, "%s", name);
    cr_assert(strstr(status_message(), reason), "%s", status_message());
    cr_assert(strstr(status_message(), name), "%s", status_message());
    cr_assert_eq(file_open_regular(name, O_WRONLY | O_CREAT, &fd, NULL), ST_INVALID, "%s", name);
    cr_assert_eq(file_read_text(name, 100, &text, &size, NULL), ST_INVALID, "%s", name);
}

/* Nobody is at the other end of the FIFO, so whoever waits for it never comes back. */
Test(file, what_is_no_regular_file_is_refused, .init = make_root, .fini = remove_root,
     .timeout = 10)
{
    cr_assert_eq(mkfifo(path, 0600), 0);
    refused(path, "is a FIFO, wanted a regular file");
    refused(root, "is a directory");
    refused("/dev/zero", "is a device");
}

Test(file, a_whole_file, .init = make_root, .fini = remove_root)
{
    char *text;
    size_t size;
    put("four");
    cr_assert_eq(file_read_text(path, 4, &text, &size, NULL), ST_OK, "%s", status_message());
    cr_assert_eq(size, 4);
    cr_assert_str_eq(text, "four");
    free(text);
    cr_assert_eq(file_read_text(path, 3, &text, &size, NULL), ST_INVALID);
    cr_assert(strstr(status_message(), "more than 3 bytes"), "%s", status_message());
    put("");
    cr_assert_eq(file_read_text(path, 3, &text, &size, NULL), ST_OK);
    cr_assert(size == 0 && text[0] == '\0');
    free(text);
    unlink(path);
    cr_assert_eq(file_read_text(path, 3, &text, &size, NULL), ST_IO);
    cr_assert(strstr(status_message(), "cannot be opened: No such file"), "%s", status_message());
}

Test(file, one_that_is_cut_off_while_it_is_open, .init = make_root, .fini = remove_root)
{
    int fd;
    char bytes[8];
    put("12345678");
    cr_assert_eq(file_open_regular(path, O_RDONLY, &fd, NULL), ST_OK);
    cr_assert_eq(file_read_at(fd, path, 2, 6, bytes), ST_OK);
    cr_assert_eq(memcmp(bytes, "345678", 6), 0);
    cr_assert_eq(truncate(path, 5), 0);
    cr_assert_eq(file_read_at(fd, path, 2, 3, bytes), ST_OK);
    cr_assert_eq(file_read_at(fd, path, 2, 6, bytes), ST_IO);
    cr_assert(strstr(status_message(), path) && strstr(status_message(), "was cut off"), "%s",
              status_message());
    close(fd);
}

Test(file, a_change_shows_in_the_stamp, .init = make_root, .fini = remove_root)
{
    const struct timespec tick = {.tv_nsec = 20000000}; // of the clock of files, and more
    struct file_stamp open, now, none;
    int fd;
    cr_assert_eq(file_look(path, &none), ST_OK);
    cr_assert_eq(none.inode, 0);
    put("one");
    nanosleep(&tick, NULL);
    cr_assert_eq(file_open_regular(path, O_RDONLY, &fd, &open), ST_OK);
    close(fd);
    cr_assert_eq(file_look(path, &now), ST_OK);
    cr_assert(file_same(&open, &now));
    cr_assert_eq(open.size, 3);
    put("two"); // of the same size, in the same file
    cr_assert_eq(file_look(path, &now), ST_OK);
    cr_assert_not(file_same(&open, &now));
    cr_assert_eq(open.inode, now.inode);
}
