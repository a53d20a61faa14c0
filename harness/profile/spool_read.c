/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a folder put together: which ranks there are, one clock, ends of steps. */
#include "harness/profile/spool_read.h"

#include "harness/profile/spool_map.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- ends ---- */

/* What never ended did so with the last that the rank told. */
static void end_ranges(const struct spool_parsed_stream *s, struct recorded_rank *rank)
{
    for (int i = s->open; i >= 0; i = rank->range[i].parent)
        rank->range[i].end = s->last;
}

static void set_loop(const struct spool_parsed *file, const struct spool_parsed_stream *s,
                     struct recorded_rank *rank)
{
    rank->begin = rank->end = s->last;
    rank->complete = s->ended && file->finished;
    if (s->loop == RECORDED_NONE)
        return;
    rank->begin = rank->range[s->loop].begin;
    rank->end = rank->range[s->loop].end;
    for (int i = 0; i < rank->items && !s->ended; i++)
        if (rank->item[i].end > rank->end)
            rank->end = rank->item[i].end;
}

/* The end of a step's last kernel that carries messages, or INT64_MIN. */
static int64_t last_carried(const struct recorded_rank *rank, int step)
{
    int64_t last = INT64_MIN;
    for (int i = 0; i < rank->items; i++)
        if (rank->item[i].step == step && rank->item[i].end > last &&
            recording_transports(rank, &rank->item[i]))
            last = rank->item[i].end;
    return last;
}

/* A step ends with its last item that cannot outlast it, and where there is none with its last
 * kernel that carries messages. */
static void set_steps(int steps, struct recorded_rank *rank)
{
    for (int i = 0; i < steps; i++)
        rank->step_end[i] = INT64_MIN;
    for (int i = 0; i < rank->items; i++) {
        const struct recorded_item *item = &rank->item[i];
        if (item->step >= 0 && item->end > rank->step_end[item->step] &&
            !recording_may_outlast(rank, item))
            rank->step_end[item->step] = item->end;
    }
    for (int i = 0; i < steps; i++)
        if (rank->step_end[i] == INT64_MIN)
            rank->step_end[i] = last_carried(rank, i);
    for (int i = 0; i < rank->ranges; i++) {
        const struct recorded_range *range = &rank->range[i];
        if (range->kind == TRACE_STEP && rank->step_end[range->index] == INT64_MIN)
            rank->step_end[range->index] = range->end;
    }
    for (int i = 0; i < steps; i++)
        if (rank->step_end[i] == INT64_MIN)
            rank->step_end[i] = rank->end;
}

static void end_rank(const struct spool_parsed *file, const struct spool_parsed_stream *s,
                     struct recording *recording)
{
    struct recorded_rank *rank = &recording->rank[s->rank];
    set_loop(file, s, rank);
    set_steps(recording->steps, rank);
}

/* ---- one clock ---- */

static void shift_rank(int steps, struct recorded_rank *rank, int64_t by)
{
    rank->begin += by;
    rank->end += by;
    for (int i = 0; i < steps; i++)
        rank->step_end[i] += by;
    for (int i = 0; i < rank->ranges; i++) {
        rank->range[i].begin += by;
        rank->range[i].end += by;
    }
    for (int i = 0; i < rank->items; i++) {
        rank->item[i].begin += by;
        rank->item[i].end += by;
    }
    for (int i = 0; i < rank->calls; i++) {
        rank->call[i].begin += by;
        rank->call[i].end += by;
    }
    for (int i = 0; i < rank->samples; i++)
        rank->sample[i].at += by;
}

/* The file that has the rank; NULL: none. */
static struct spool_parsed *file_of(int n, struct spool_parsed *file, int rank,
                                    struct spool_parsed_stream **stream)
{
    for (int i = 0; i < n; i++) {
        *stream = spool_parsed_rank(&file[i], rank);
        if (*stream)
            return &file[i];
    }
    *stream = NULL;
    return NULL;
}

/* Time 0: where the first loop of all began, so that nothing of a loop lies before it. The date is
 * that of the lowest rank with a loop, which is rank 0 unless that died. */
static int64_t set_epoch(int n, struct spool_parsed *file, struct recording *recording)
{
    struct spool_parsed_stream *s;
    int64_t zero = 0;
    int64_t date = 0; /* of what rank 0's clock calls 0 */
    bool found = false;
    for (int r = 0; r < recording->ranks; r++) {
        const struct recorded_rank *rank = &recording->rank[r];
        const struct spool_parsed *of = file_of(n, file, r, &s);
        if (!of || s->loop == RECORDED_NONE)
            continue;
        if (!found)
            date = of->process.epoch - rank->clock_offset;
        if (!found || rank->begin + rank->clock_offset < zero)
            zero = rank->begin + rank->clock_offset;
        found = true;
    }
    recording->epoch = found ? date + zero : 0;
    return zero;
}

/* A rank that came to no loop did nothing in one: what it did before is not of this time. */
static void start_at_zero(struct recorded_rank *rank)
{
    if (rank->begin < 0)
        rank->begin = 0;
    if (rank->end < rank->begin)
        rank->end = rank->begin;
}

/* ---- what is missing ---- */

__attribute__((format(printf, 2, 3))) static void miss(struct spool_told *told, const char *format,
                                                       ...)
{
    va_list args;
    va_start(args, format);
    if (!told->incomplete[0])
        vsnprintf(told->incomplete, sizeof told->incomplete, format, args);
    va_end(args);
}

/* "rank 0 on node7", "ranks 0 to 3 on node7" */
static void name_ranks(const struct spool_parsed *file, char *text, size_t size)
{
    int first = INT_MAX;
    int last = RECORDED_NONE;
    for (int i = 0; i < file->streams; i++) {
        int rank = file->stream[i].rank;
        if (rank == RECORDED_NONE)
            continue;
        first = rank < first ? rank : first;
        last = rank > last ? rank : last;
    }
    if (last == RECORDED_NONE)
        snprintf(text, size, "a process%s%.100s that told no rank", file->host[0] ? " on " : "",
                 file->host);
    else if (first == last)
        snprintf(text, size, "rank %d on %.100s", first, file->host);
    else
        snprintf(text, size, "ranks %d to %d on %.100s", first, last, file->host);
}

static void tell(int n, struct spool_parsed *file, const struct recording *recording,
                 struct spool_told *told)
{
    struct spool_parsed_stream *s;
    char whose[160];
    for (int i = 0; i < n; i++) {
        if (!told->no_activity[0])
            snprintf(told->no_activity, sizeof told->no_activity, "%s", file[i].no_activity);
        name_ranks(&file[i], whose, sizeof whose);
        if (file[i].torn)
            miss(told, "the record of %s breaks off: its process died, or the disk was full",
                 whose);
    }
    for (int r = 0; r < recording->ranks; r++) {
        const struct spool_parsed *of = file_of(n, file, r, &s);
        if (!of)
            miss(told, "rank %d of %d left no record", r, recording->ranks);
        else if (!recording->rank[r].complete)
            miss(told, "the loop of rank %d on %s did not come to its end", r, of->host);
        if (s && s->ended && !(told->loop_ms >= s->loop_ms))
            told->loop_ms = s->loop_ms;
    }
}

/* ---- all files ---- */

static enum status put_together(int n, struct spool_parsed *file, struct recording *recording,
                                struct spool_told *told)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < file[i].streams; k++)
            if (file[i].stream[k].rank != RECORDED_NONE)
                end_ranges(&file[i].stream[k], &recording->rank[file[i].stream[k].rank]);
        TRY(spool_map(&file[i], recording));
        for (int k = 0; k < file[i].streams; k++)
            if (file[i].stream[k].rank != RECORDED_NONE)
                end_rank(&file[i], &file[i].stream[k], recording);
    }
    int64_t zero = set_epoch(n, file, recording);
    for (int r = 0; r < recording->ranks; r++)
        if (recording->rank[r].tracks > 0) {
            shift_rank(recording->steps, &recording->rank[r],
                       recording->rank[r].clock_offset - zero);
            start_at_zero(&recording->rank[r]);
        }
    tell(n, file, recording, told);
    return recording_check(recording);
}

enum status spool_read_bytes(int n, const struct spool_file *files, struct recording **out,
                             struct spool_told *told)
{
    struct recording *recording = NULL;
    struct spool_parsed *parsed = calloc((size_t)n + 1, sizeof *parsed);
    int read = 0;
    *out = NULL;
    *told = (struct spool_told){.loop_ms = (double)NAN};
    if (!parsed)
        return fail(ST_OOM, "%d spools: no host memory", n);
    enum status st = ST_OK;
    while (st == ST_OK && read < n) {
        st = spool_parse(&files[read], &recording, &parsed[read]);
        read++;
    }
    if (st == ST_OK && !recording)
        st = fail(ST_INVALID, "%s: no spool tells of a loop: its processes died before one began",
                  n > 0 ? files[0].name : "no file");
    if (st == ST_OK)
        st = put_together(n, parsed, recording, told);
    for (int i = 0; i < read; i++)
        spool_parse_release(&parsed[i]);
    free(parsed);
    if (st == ST_OK)
        *out = recording;
    else
        recording_close(recording);
    return st;
}

/* ---- the folder ---- */

static int is_spool(const struct dirent *entry)
{
    const char *name = entry->d_name;
    size_t n = strlen(name);
    return strncmp(name, "process-", 8) == 0 && n > 14 && strcmp(name + n - 6, ".spool") == 0;
}

static enum status load(const char *path, struct spool_file *out)
{
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode)) {
        int error = file ? EINVAL : errno;
        if (file)
            fclose(file);
        return fail(ST_IO, "%s: cannot be read: %s", path, strerror(error));
    }
    unsigned char *bytes = malloc((size_t)info.st_size + 1);
    size_t got = bytes ? fread(bytes, 1, (size_t)info.st_size, file) : 0;
    bool failed = ferror(file);
    fclose(file);
    *out = (struct spool_file){path, bytes, got};
    if (!bytes)
        return fail(ST_OOM, "%s: %lld bytes of host memory", path, (long long)info.st_size);
    return failed ? fail(ST_IO, "%s: cannot be read", path) : ST_OK;
}

static enum status load_all(const char *folder, int n, struct dirent **entry,
                            struct spool_file *file)
{
    for (int i = 0; i < n; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", folder, entry[i]->d_name) < 0)
            return fail(ST_OOM, "%s: no host memory", folder);
        file[i].name = path;
        TRY(load(path, &file[i]));
    }
    return ST_OK;
}

static enum status read_entries(const char *folder, int n, struct dirent **entry,
                                struct recording **out, struct spool_told *told)
{
    struct spool_file *file = calloc((size_t)n + 1, sizeof *file);
    if (!file)
        return fail(ST_OOM, "%s: %d spools: no host memory", folder, n);
    enum status st = load_all(folder, n, entry, file);
    if (st == ST_OK)
        st = spool_read_bytes(n, file, out, told);
    for (int i = 0; i < n; i++) {
        free((char *)file[i].name);
        free((unsigned char *)file[i].bytes);
    }
    free(file);
    return st;
}

enum status spool_read(const char *folder, struct recording **out, struct spool_told *told)
{
    struct dirent **entry = NULL;
    *out = NULL;
    int n = scandir(folder, &entry, is_spool, versionsort);
    if (n < 0)
        return fail(ST_IO, "%s: cannot be read: %s", folder, strerror(errno));
    enum status st = n > 0 ? read_entries(folder, n, entry, out, told)
                           : fail(ST_IO, "%s: no spool (process-*.spool) is there", folder);
    for (int i = 0; i < n; i++)
        free(entry[i]);
    free(entry);
    return st;
}
