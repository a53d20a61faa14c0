/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of numbers under a line of names. */
#include "harness/plot/step_file.h"

#include "kernels/base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 64 << 20, MOST_COLUMNS = 64 };

/* What is looked for. */
enum { RANK, STEP, TOTAL, FIRST_SHARE, COLUMNS = FIRST_SHARE + SHARES };

static const char *const column_name[COLUMNS] = {
    [RANK] = "rank",
    [STEP] = "step",
    [TOTAL] = "total_ms",
    [FIRST_SHARE + SHARE_COMPUTE] = "compute_ms",
    [FIRST_SHARE + SHARE_EXPOSED] = "exposed_comm_ms",
    [FIRST_SHARE + SHARE_BUBBLE] = "bubble_ms",
    [FIRST_SHARE + SHARE_WAIT] = "wait_ms",
    [FIRST_SHARE + SHARE_GAPS] = "gaps_ms",
    [FIRST_SHARE + SHARE_OTHER] = "other_ms",
};

/* Cuts a line at its commas. How many fields it has; MOST_COLUMNS at most. */
static int fields_of(char *line, char *field[MOST_COLUMNS])
{
    int n = 0;
    for (char *at = line; at && n < MOST_COLUMNS; n++)
        field[n] = strsep(&at, ",");
    return n;
}

static enum status find_columns(const char *path, char *line, int place[COLUMNS])
{
    char *field[MOST_COLUMNS];
    int n = fields_of(line, field);
    for (int c = 0; c < COLUMNS; c++) {
        place[c] = -1;
        for (int i = 0; i < n; i++)
            if (strcmp(field[i], column_name[c]) == 0)
                place[c] = i;
        if (place[c] < 0)
            return fail(ST_INVALID,
                        "%s: line 1: no column \"%s\"; is it the breakdown.csv of a profile?", path,
                        column_name[c]);
    }
    return ST_OK;
}

static enum status read_row(const char *path, int number, char *line, const int place[COLUMNS],
                            struct breakdown_row *row)
{
    char *field[MOST_COLUMNS], *end;
    double value[COLUMNS];
    int n = fields_of(line, field);
    for (int c = 0; c < COLUMNS; c++) {
        const char *text = place[c] < n ? field[place[c]] : "";
        value[c] = strtod(text, &end);
        if (end == text || *end || !isfinite(value[c]) || value[c] < 0 || value[c] > 1e12)
            return fail(ST_INVALID, "%s: line %d: %s is \"%.40s\", wanted a number from 0 on", path,
                        number, column_name[c], text);
    }
    if (value[RANK] > 1e6 || value[STEP] > 1e9)
        return fail(ST_INVALID, "%s: line %d: rank %g, step %g: too large", path, number,
                    value[RANK], value[STEP]);
    *row = (struct breakdown_row){
        .rank = (int)value[RANK], .step = (int)value[STEP], .total_ms = value[TOTAL]};
    memcpy(row->ms, &value[FIRST_SHARE], sizeof row->ms);
    return ST_OK;
}

static enum status read_lines(const char *path, char *text, int *rows, struct breakdown_row *row)
{
    int place[COLUMNS], number = 0;
    for (char *at = text, *line; (line = strsep(&at, "\n")) != NULL;) {
        line[strcspn(line, "\r")] = '\0';
        number++;
        if (number == 1) {
            TRY(find_columns(path, line, place));
        } else if (*line) {
            TRY(read_row(path, number, line, place, &row[*rows]));
            ++*rows;
        }
    }
    return ST_OK;
}

enum status step_file_read(const char *path, int *rows, struct breakdown_row **row)
{
    char *text;
    size_t size, lines = 1;
    *rows = 0;
    *row = NULL;
    TRY(file_read_text(path, MOST_BYTES, &text, &size, NULL));
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    *row = malloc(lines * sizeof **row);
    enum status st = *row ? read_lines(path, text, rows, *row)
                          : fail(ST_OOM, "%s: no host memory for %zu lines", path, lines);
    free(text);
    if (st) {
        free(*row);
        *row = NULL;
        *rows = 0;
    }
    return st;
}
