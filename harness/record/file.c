/* SPDX-License-Identifier: Apache-2.0 */
/* Results files: reading with the last row of an id winning, locking, repairing, appending. */
#include "harness/record/file.h"
#include "harness/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- reading ---- */

static enum status list_add(struct record_list *list, struct record *record)
{
    if ((list->n & (list->n - 1)) == 0) { // a power of two: full
        size_t room = list->n ? 2 * (size_t)list->n : 1;
        struct record **v = realloc(list->v, room * sizeof *v);
        if (!v)
            return fail(ST_OOM, "results: a list of %zu records", room);
        list->v = v;
    }
    list->v[list->n++] = record;
    return ST_OK;
}

void record_list_release(struct record_list *list)
{
    for (int i = 0; i < list->n; i++)
        record_close(list->v[i]);
    free(list->v);
    *list = (struct record_list){0};
}

const struct record *record_list_find(const struct record_list *list, const char *id)
{
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->v[i]->id, id) == 0)
            return list->v[i];
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    struct record *const *const *x = a, *const *const *y = b; // two places in the list
    int order = strcmp((**x)->id, (**y)->id);
    return order ? order : (*x > *y) - (*x < *y);
}

/* Of records with one id, moves the last to the place of the first and drops the others. */
static enum status keep_last(struct record_list *list)
{
    if (list->n < 2)
        return ST_OK;
    struct record ***place = malloc((size_t)list->n * sizeof *place);
    if (!place)
        return fail(ST_OOM, "results: the order of %d records", list->n);
    for (int i = 0; i < list->n; i++)
        place[i] = &list->v[i];
    qsort(place, (size_t)list->n, sizeof *place, compare_ids);
    for (int i = 0; i + 1 < list->n; i++) {
        if (strcmp((*place[i])->id, (*place[i + 1])->id) != 0)
            continue;
        record_close(*place[i]);
        *place[i] = *place[i + 1];
        *place[i + 1] = NULL;
        place[i + 1] = place[i]; // the place that later ones of this id go to
    }
    free(place);
    int kept = 0;
    for (int i = 0; i < list->n; i++)
        if (list->v[i])
            list->v[kept++] = list->v[i];
    list->n = kept;
    return ST_OK;
}

static bool blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r\n", line[i]) || line[i] == '\0')
            return false;
    return true;
}

/* A line as it grows; kept from line to line. */
struct line {
    char *text;
    size_t size, room;
};

/* Reads up to and with the next '\n'. size 0: the end. Stops above RECORD_LINE_MAX bytes. */
static enum status read_line(FILE *in, struct line *line)
{
    int c;
    line->size = 0;
    while (line->size <= RECORD_LINE_MAX && (c = getc_unlocked(in)) != EOF) {
        if (line->size == line->room) {
            size_t room = line->room ? 2 * line->room : 4096;
            char *text = realloc(line->text, room);
            if (!text)
                return fail(ST_OOM, "a line of %zu bytes", room);
            line->text = text;
            line->room = room;
        }
        line->text[line->size++] = (char)c;
        if (c == '\n')
            break;
    }
    return ferror(in) ? fail(ST_IO, "reading failed: %s", strerror(errno)) : ST_OK;
}

/* Adds the record of a line. *torn: it is the last one, without its end, and none. */
static enum status take_line(const struct line *line, int number, struct record_list *out,
                             bool *torn)
{
    struct record *record;
    if (blank(line->text, line->size))
        return ST_OK;
    if (line->size > RECORD_LINE_MAX)
        return fail(ST_INVALID, "line %d: longer than %d MiB, so it is no record", number,
                    RECORD_LINE_MAX >> 20);
    enum status st = record_read(line->text, line->size, number, &record);
    if (st == ST_INVALID && line->text[line->size - 1] != '\n') {
        *torn = true;
        return ST_OK;
    }
    TRY(st);
    st = list_add(out, record);
    if (st != ST_OK)
        record_close(record);
    return st;
}

static enum status read_lines(FILE *in, struct record_list *out, bool *torn)
{
    struct line line = {0};
    enum status st;
    for (int number = 1;; number++) {
        st = read_line(in, &line);
        if (st != ST_OK || line.size == 0)
            break;
        st = take_line(&line, number, out, torn);
        if (st != ST_OK)
            break;
    }
    free(line.text);
    return st;
}

enum status record_file_read(const char *path, struct record_list *out, bool *torn)
{
    bool ignored;
    torn = torn ? torn : &ignored;
    *torn = false;
    *out = (struct record_list){0};
    FILE *in = fopen(path, "re");
    if (!in)
        return fail(ST_IO, "%s: cannot be opened: %s", path, strerror(errno));
    enum status st = read_lines(in, out, torn);
    fclose(in);
    if (st != ST_OK)
        return fail_prefix(st, "%s", path);
    return keep_last(out);
}

/* ---- writing ---- */

enum status record_file_open(const char *path, struct record_file **out)
{
    enum status st;
    *out = NULL;
    if (path[0] == '\0')
        return fail(ST_INVALID, "results file: its name is empty");
    TRY(folder_make_above(path));
    struct record_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return fail(ST_OOM, "%s: no memory to open it", path);
    }
    file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        st = fail(ST_IO, "%s: cannot be opened for appending: %s", path, strerror(errno));
        goto out_close;
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        st = errno == EWOULDBLOCK
                 ? fail(ST_INVALID,
                        "%s: another sweep is writing it; wait for that one, or name "
                        "another file with --results",
                        path)
                 : fail(ST_IO, "%s: cannot be locked: %s", path, strerror(errno));
        goto out_close;
    }
    *out = file;
    return ST_OK;
out_close:
    record_file_close(file);
    return st;
}

void record_file_close(struct record_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file);
}

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

/* Where the last line begins in a file of `size` bytes; `size` when it ends in '\n'. -1: reading
 * failed. */
static off_t last_line(int fd, off_t size)
{
    char piece[4096];
    for (off_t end = size; end > 0;) {
        off_t begin = end > (off_t)sizeof piece ? end - (off_t)sizeof piece : 0;
        if (pread(fd, piece, (size_t)(end - begin), begin) != end - begin)
            return -1;
        char *newline = memrchr(piece, '\n', (size_t)(end - begin));
        if (newline)
            return begin + (newline - piece) + 1;
        end = begin;
    }
    return 0;
}

/* A last line without '\n' that is a record all the same. */
static bool only_unfinished(int fd, off_t begin, size_t size)
{
    struct record *record = NULL;
    char *line = size <= RECORD_LINE_MAX ? malloc(size) : NULL;
    if (line && pread(fd, line, size, begin) == (ssize_t)size)
        record_read(line, size, 0, &record);
    free(line);
    record_close(record);
    return record != NULL;
}

enum status record_file_repair(struct record_file *file, size_t *cut)
{
    off_t size = lseek(file->fd, 0, SEEK_END);
    off_t begin = size < 0 ? -1 : last_line(file->fd, size);
    *cut = 0;
    if (begin < 0)
        return fail(ST_IO, "%s: its end cannot be read: %s", file->path, strerror(errno));
    if (begin == size)
        return ST_OK;
    if (only_unfinished(file->fd, begin, (size_t)(size - begin))) {
        if (!write_all(file->fd, "\n", 1))
            return fail(ST_IO, "%s: its last line cannot be ended: %s", file->path,
                        strerror(errno));
        return ST_OK;
    }
    if (ftruncate(file->fd, begin) != 0)
        return fail(ST_IO, "%s: its torn last line cannot be cut off: %s", file->path,
                    strerror(errno));
    *cut = (size_t)(size - begin);
    return ST_OK;
}

enum status record_file_append(struct record_file *file, const struct record *record)
{
    char *line;
    size_t size;
    TRY(record_write(record, &line, &size));
    off_t before = lseek(file->fd, 0, SEEK_END);
    bool written = before >= 0 && write_all(file->fd, line, size) && fsync(file->fd) == 0;
    int error = errno;
    free(line);
    if (written)
        return ST_OK;
    if (before >= 0 && ftruncate(file->fd, before) != 0)
        return fail(ST_IO, "%s: a row could not be appended (%s) nor taken back (%s)", file->path,
                    strerror(error), strerror(errno));
    return fail(ST_IO, "%s: a row could not be appended: %s", file->path, strerror(error));
}
