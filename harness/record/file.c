/* SPDX-License-Identifier: Apache-2.0 */
/* Results files: locking, repairing, appending, and holding on to what the path names. */
#include "harness/record/file.h"

#include "harness/base/folder.h"
#include "harness/record/kept.h"
#include "kernels/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct record_file {
    char *path;
    int fd;
    struct stat left;        /* as our last write left it */
    struct record_kept kept; /* the rows appended */
    char notice[PATH_MAX + 200];
};

/* ---- opening ---- */

/* Does the path name the file that is open? */
static bool names(const char *path, int fd)
{
    struct stat by_path;
    struct stat is_open;
    return stat(path, &by_path) == 0 && fstat(fd, &is_open) == 0 &&
           by_path.st_dev == is_open.st_dev && by_path.st_ino == is_open.st_ino;
}

static enum status lock(const char *path, int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return ST_OK;
    if (errno == EWOULDBLOCK)
        return fail(ST_INVALID,
                    "%s: another sweep is writing it; wait for that one, or name another file with "
                    "--results",
                    path);
    return fail(ST_IO, "%s: cannot be locked: %s", path, strerror(errno));
}

/* What was replaced between opening and locking is opened again. */
static enum status open_locked(const char *path, int *fd)
{
    TRY(folder_make_above(path));
    for (int i = 0; i < 100; i++) {
        TRY(file_open_regular(path, O_RDWR | O_APPEND | O_CREAT, fd, NULL));
        enum status st = lock(path, *fd);
        if (st == ST_OK && names(path, *fd))
            return ST_OK;
        close(*fd);
        TRY(st);
    }
    return fail(ST_IO, "%s: is replaced again and again", path);
}

enum status record_file_open(const char *path, struct record_file **out)
{
    *out = NULL;
    if (path[0] == '\0')
        return fail(ST_INVALID, "results file: its name is empty");
    struct record_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return fail(ST_OOM, "%s: no memory to open it", path);
    }
    enum status st = open_locked(path, &file->fd);
    if (st != ST_OK) {
        file->fd = -1;
        record_file_close(file);
        return st;
    }
    fstat(file->fd, &file->left);
    *out = file;
    return ST_OK;
}

void record_file_close(struct record_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    record_kept_release(&file->kept);
    free(file->path);
    free(file);
}

/* ---- reading ---- */

/* Takes fd. */
static enum status read_open(const char *path, int fd, struct record_list *out,
                             struct record_tail *tail)
{
    *out = (struct record_list){0};
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    if (!in || fseek(in, 0, SEEK_SET) != 0) {
        enum status st = fail(ST_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (in)
            fclose(in);
        else if (fd >= 0)
            close(fd);
        return st;
    }
    enum status st = record_list_read(in, out, tail);
    fclose(in);
    return st ? fail_prefix(st, "%s", path) : ST_OK;
}

enum status record_file_read(const char *path, struct record_list *out, bool *torn)
{
    int fd;
    struct record_tail tail = {0};
    *out = (struct record_list){0};
    TRY(file_open_regular(path, O_RDONLY, &fd, NULL));
    enum status st = read_open(path, fd, out, &tail);
    if (torn)
        *torn = tail.size > 0 && tail.torn;
    return st;
}

/* ---- repairing ---- */

/* Writes all of it, whatever pieces the system makes of it. */
static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static enum status mend(struct record_file *file, const struct record_tail *tail)
{
    off_t size = lseek(file->fd, 0, SEEK_END);
    if (tail->size == 0)
        return ST_OK;
    if (!tail->torn && !write_all(file->fd, "\n", 1))
        return fail(ST_IO, "%s: its last line cannot be ended: %s", file->path, strerror(errno));
    if (tail->torn && ftruncate(file->fd, size - (off_t)tail->size) != 0)
        return fail(ST_IO, "%s: its torn last line cannot be cut off: %s", file->path,
                    strerror(errno));
    return ST_OK;
}

/* Reads all of it, then mends its end. Release *list whatever the status. */
static enum status read_and_mend(struct record_file *file, struct record_list *list, size_t *cut)
{
    struct record_tail tail;
    *cut = 0;
    TRY(read_open(file->path, fcntl(file->fd, F_DUPFD_CLOEXEC, 0), list, &tail));
    TRY(mend(file, &tail));
    *cut = tail.torn ? tail.size : 0;
    fstat(file->fd, &file->left);
    return ST_OK;
}

enum status record_file_repair(struct record_file *file, size_t *cut)
{
    struct record_list list;
    enum status st = read_and_mend(file, &list, cut);
    record_list_release(&list);
    return st;
}

/* ---- holding on ---- */

/* What others did to it; NULL: nothing. */
static const char *look(const struct record_file *file)
{
    struct stat now;
    if (stat(file->path, &now) != 0)
        return "deleted";
    if (now.st_dev != file->left.st_dev || now.st_ino != file->left.st_ino)
        return "replaced";
    bool same = now.st_size == file->left.st_size &&
                now.st_mtim.tv_sec == file->left.st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == file->left.st_mtim.tv_nsec;
    return same ? NULL : "changed";
}

static void notice(struct record_file *file, const char *what, int lost, size_t cut)
{
    size_t size = sizeof file->notice;
    int n = snprintf(file->notice, size, "%s was %s while it was being written", file->path, what);
    if (lost > 0 && n > 0 && (size_t)n < size)
        n += snprintf(file->notice + n, size - (size_t)n, ": %d row%s went into it again", lost,
                      lost == 1 ? "" : "s");
    if (cut > 0 && n > 0 && (size_t)n < size)
        snprintf(file->notice + n, size - (size_t)n, "; cut off a torn last line of %zu bytes",
                 cut);
}

/* Takes what the path names now for the file, and finds what it lacks. */
static enum status take_again(struct record_file *file, const char *what)
{
    int fd;
    size_t cut;
    struct record_list list;
    if (!names(file->path, file->fd)) {
        TRY(open_locked(file->path, &fd));
        close(file->fd);
        file->fd = fd;
    }
    enum status st = read_and_mend(file, &list, &cut);
    if (st == ST_OK) {
        int lost = record_kept_compare(&file->kept, &list);
        if (lost > 0 || cut > 0 || strcmp(what, "changed") != 0)
            notice(file, what, lost, cut);
    }
    record_list_release(&list);
    return st;
}

/* Somebody may come between any two of these calls: a size that is not what it should be then is
 * seen by the next look. */
static enum status store(struct record_file *file, struct record_kept_row *row)
{
    off_t expected = file->left.st_size + (off_t)row->size;
    off_t before = lseek(file->fd, 0, SEEK_END);
    row->stored = before >= 0 && write_all(file->fd, row->line, row->size) && fsync(file->fd) == 0;
    int error = errno;
    if (fstat(file->fd, &file->left) != 0 || file->left.st_size != expected)
        file->left.st_size = -1;
    if (row->stored)
        return ST_OK;
    if (before >= 0 && ftruncate(file->fd, before) != 0)
        return fail(ST_IO, "%s: a row could not be appended (%s) nor taken back (%s)", file->path,
                    strerror(error), strerror(errno));
    return fail(ST_IO, "%s: a row could not be appended: %s", file->path, strerror(error));
}

/* ---- when the file is lost ---- */

/* Writes what is not stored to a new file, whose name `path` becomes. */
static bool write_spare(const struct record_file *file, char *path)
{
    int fd = mkostemps(path, 6, O_CLOEXEC);
    bool written = fd >= 0;
    for (int i = 0; i < file->kept.n && written; i++)
        if (!file->kept.v[i].stored)
            written = write_all(fd, file->kept.v[i].line, file->kept.v[i].size);
    written = written && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !written)
        unlink(path);
    return written;
}

/* Keeps what is not stored beside the file, or else where temporary files go, and says where.
 * Returns st, which was the file's end. */
static enum status rescue(struct record_file *file, enum status st)
{
    char beside[PATH_MAX];
    char temporary[PATH_MAX];
    char why[2000];
    const char *folder = getenv("TMPDIR");
    const char *spare = NULL;
    int rows = record_kept_missing(&file->kept);
    if (rows == 0)
        return st;
    snprintf(why, sizeof why, "%s", status_message());
    snprintf(beside, sizeof beside, "%s.XXXXXX.jsonl", file->path);
    snprintf(temporary, sizeof temporary, "%s/ditbench-rows-XXXXXX.jsonl",
             folder && folder[0] ? folder : "/tmp");
    if (write_spare(file, beside))
        spare = beside;
    else if (write_spare(file, temporary))
        spare = temporary;
    if (spare)
        return fail(st, "%s; %d row%s that it lacks %s in %s", why, rows, rows == 1 ? "" : "s",
                    rows == 1 ? "is" : "are", spare);
    return fail(st, "%s; %d row%s lost, and will be measured again", why, rows,
                rows == 1 ? " is" : "s are");
}

/* ---- appending ---- */

enum status record_file_settle(struct record_file *file)
{
    static const struct record_list nothing;
    const char *what = look(file);
    enum status st = ST_OK;
    file->notice[0] = '\0';
    if (what) {
        st = take_again(file, what);
        if (st != ST_OK) {
            record_kept_compare(&file->kept, &nothing);
            st = fail_prefix(st, "%s was %s while it was being written, and cannot be gone on with",
                             file->path, what);
        }
    }
    for (int i = 0; i < file->kept.n && st == ST_OK; i++)
        if (!file->kept.v[i].stored)
            st = store(file, &file->kept.v[i]);
    return st == ST_OK ? ST_OK : rescue(file, st);
}

enum status record_file_append(struct record_file *file, const struct record *record)
{
    TRY(record_kept_add(&file->kept, record));
    return record_file_settle(file);
}

const char *record_file_notice(struct record_file *file)
{
    return file->notice[0] ? file->notice : NULL;
}
