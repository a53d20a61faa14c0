/* SPDX-License-Identifier: Apache-2.0 */
/* Reading records line by line, with the last row of an id winning. */
#include "harness/record/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
    record_pool_close(list->pool);
    free(list->v);
    free(list->by_id);
    *list = (struct record_list){0};
}

static int compare_with_id(const void *id, const void *record)
{
    return strcmp(id, (*(struct record *const *)record)->id);
}

const struct record *record_list_find(const struct record_list *list, const char *id)
{
    struct record **found = list->n == 0 ? NULL
                                         : bsearch(id, list->by_id, (size_t)list->n,
                                                   sizeof *list->by_id, compare_with_id);
    return found ? *found : NULL;
}

static int compare_ids(const void *a, const void *b)
{
    struct record *const *const *x = a, *const *const *y = b; // two places in the list
    int order = strcmp((**x)->id, (**y)->id);
    return order ? order : (*x > *y) - (*x < *y);
}

/* Of records with one id, moves the last to the place of the first and drops the others. `place`
 * [n] is room. */
static void keep_last(struct record_list *list, struct record ***place)
{
    int kept = 0;
    for (int i = 0; i < list->n; i++)
        place[i] = &list->v[i];
    qsort(place, (size_t)list->n, sizeof *place, compare_ids);
    for (int i = 0; i + 1 < list->n; i++) {
        if (strcmp((*place[i])->id, (*place[i + 1])->id) == 0) {
            *place[i] = *place[i + 1];
            *place[i + 1] = NULL;
            place[i + 1] = place[i]; // the place that later ones of this id go to
        } else {
            list->by_id[kept++] = *place[i];
        }
    }
    if (list->n > 0)
        list->by_id[kept++] = *place[list->n - 1];
    kept = 0;
    for (int i = 0; i < list->n; i++)
        if (list->v[i])
            list->v[kept++] = list->v[i];
    list->again = list->n - kept;
    list->n = kept;
}

static enum status sort_by_id(struct record_list *list)
{
    struct record ***place = malloc(((size_t)list->n + 1) * sizeof *place);
    list->by_id = malloc(((size_t)list->n + 1) * sizeof *list->by_id);
    bool room = place && list->by_id;
    if (room)
        keep_last(list, place);
    free(place);
    return room ? ST_OK : fail(ST_OOM, "results: the order of %d records", list->n);
}

static bool blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r\n", line[i]) || line[i] == '\0')
            return false;
    return true;
}

/* Lines of a file, one after the other, as they lie in a window of it. */
struct lines {
    FILE *in;
    char *text;
    size_t room, begin, end; /* text holds what was read in begin..end-1 */
    size_t searched;         /* from begin on, without a '\n' */
};

struct line {
    const char *text;
    size_t size;
};

/* Reads on behind what is there, which moves to the window's start; the window grows when full. */
static enum status read_on(struct lines *l)
{
    if (l->begin > 0)
        memmove(l->text, l->text + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    if (l->end == l->room) {
        size_t room = l->room ? 2 * l->room : 1 << 16;
        char *text = realloc(l->text, room);
        if (!text)
            return fail(ST_OOM, "a line of %zu bytes", room);
        l->text = text;
        l->room = room;
    }
    l->end += fread(l->text + l->end, 1, l->room - l->end, l->in);
    return ferror(l->in) ? fail(ST_IO, "reading failed: %s", strerror(errno)) : ST_OK;
}

/* The next line up to and with its '\n', valid until the next call. size 0: the end. Stops above
 * RECORD_LINE_MAX bytes. */
static enum status next_line(struct lines *l, struct line *line)
{
    const char *newline = NULL;
    l->searched = 0;
    while (!newline) {
        size_t have = l->end - l->begin;
        if (have > l->searched)
            newline = memchr(l->text + l->begin + l->searched, '\n', have - l->searched);
        l->searched = have;
        if (newline || have > RECORD_LINE_MAX)
            break;
        TRY(read_on(l));
        if (l->end - l->begin == have) // the end of the file
            break;
    }
    line->text = l->text + l->begin;
    line->size = newline ? (size_t)(newline - line->text) + 1 : l->end - l->begin;
    if (!newline && line->size > RECORD_LINE_MAX)
        line->size = RECORD_LINE_MAX + 1;
    l->begin += line->size;
    return ST_OK;
}

/* Is a last line without its end, which is no record, one of ours that was torn? Any is, behind a
 * record; alone it must begin as one does, for the file may be somebody else's. */
static bool is_torn(const struct line *line, const struct record_list *before)
{
    static const char start[] = "{\"schema\"";
    size_t n = line->size < sizeof start - 1 ? line->size : sizeof start - 1;
    return line->text[line->size - 1] != '\n' &&
           (before->n > 0 || memcmp(line->text, start, n) == 0);
}

/* Adds the record of a line. */
static enum status take_line(const struct line *line, int number, struct record_list *out,
                             struct record_tail *tail)
{
    struct record *record;
    tail->size = line->text[line->size - 1] == '\n' ? 0 : line->size;
    if (blank(line->text, line->size))
        return ST_OK;
    if (line->size > RECORD_LINE_MAX)
        return fail(ST_INVALID, "line %d: longer than %d MiB, so it is no record", number,
                    RECORD_LINE_MAX >> 20);
    enum status st = record_read(line->text, line->size, number, &record);
    tail->torn = st == ST_INVALID && is_torn(line, out);
    if (tail->torn)
        return ST_OK;
    TRY(st);
    TRY(record_pool_take(out->pool, record, &record));
    return list_add(out, record);
}

enum status record_list_read(FILE *in, struct record_list *out, struct record_tail *tail)
{
    struct lines lines = {.in = in};
    struct line line = {0};
    enum status st;
    *out = (struct record_list){0};
    *tail = (struct record_tail){0};
    TRY(record_pool_open(&out->pool));
    for (int number = 1;; number++) {
        st = next_line(&lines, &line);
        if (st != ST_OK || line.size == 0)
            break;
        st = take_line(&line, number, out, tail);
        if (st != ST_OK)
            break;
    }
    free(lines.text);
    return st ? st : sort_by_id(out);
}
