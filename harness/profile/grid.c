/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps cells as texts and prints them in columns. */
#include "harness/profile/grid.h"

#include "harness/base/fold.h"
#include "harness/base/text.h"
#include "harness/report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 16, BETWEEN = 2 /* blanks between columns */, NARROWEST = 16 /* of texts */ };

void grid_init(struct grid *grid, int columns, int texts, const char *const *title)
{
    BUG_ON(columns > COLUMNS || texts > columns, "a grid of %d columns", columns);
    *grid = (struct grid){.columns = columns, .texts = texts, .title = title};
}

void grid_release(struct grid *grid)
{
    for (int i = 0; i < grid->cells; i++)
        free(grid->cell[i]);
    free(grid->cell);
    *grid = (struct grid){.columns = 0};
}

/* ---- cells ---- */

void grid_text(struct grid *grid, const char *text)
{
    if (grid->cells == grid->room) {
        int room = grid->room ? 2 * grid->room : 64;
        char **more = realloc(grid->cell, (size_t)room * sizeof *more);
        grid->out_of_memory |= !more;
        if (!more)
            return;
        grid->cell = more;
        grid->room = room;
    }
    char *copy = strdup(*text ? text : "-");
    grid->out_of_memory |= !copy;
    if (!copy)
        return;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    grid->cell[grid->cells++] = copy;
}

void grid_number(struct grid *grid, double value)
{
    char text[TEXT_NUMBER];
    grid_text(grid, isnan(value) ? "-" : text_number(value, text));
}

void grid_change(struct grid *grid, double value)
{
    char text[TEXT_NUMBER], signed_text[TEXT_NUMBER + 1];
    text_number(value, text);
    snprintf(signed_text, sizeof signed_text, "%s%s", value > 0 ? "+" : "", text);
    grid_text(grid, isnan(value) ? "-" : signed_text);
}

/* ---- printing ---- */

static void print_markdown(const struct grid *grid, FILE *out)
{
    for (int i = 0; i < grid->columns; i++) {
        fputs(i ? " | " : "| ", out);
        table_markdown_text(out, grid->title[i]);
    }
    fputs(" |\n|", out);
    for (int i = 0; i < grid->columns; i++)
        fputs(i < grid->texts ? " --- |" : " ---: |", out);
    fputc('\n', out);
    for (int i = 0; i < grid->cells; i++) {
        fputs(i % grid->columns ? " | " : "| ", out);
        table_markdown_text(out, grid->cell[i]);
        if ((i + 1) % grid->columns == 0)
            fputs(" |\n", out);
    }
}

/* Width of each column; what is too much for a line is taken from the texts, the widest first. */
static void find_widths(const struct grid *grid, int width[COLUMNS])
{
    int all = BETWEEN * (grid->columns - 1);
    for (int i = 0; i < grid->columns; i++) {
        width[i] = text_columns(grid->title[i]);
        for (int k = i; k < grid->cells; k += grid->columns) {
            int wanted = text_columns(grid->cell[k]);
            width[i] = wanted > width[i] ? wanted : width[i];
        }
        all += width[i];
    }
    while (all > FOLD_WIDTH && grid->texts > 0) {
        int widest = 0;
        for (int i = 1; i < grid->texts; i++)
            if (width[i] > width[widest])
                widest = i;
        if (width[widest] <= NARROWEST)
            break;
        width[widest]--;
        all--;
    }
}

static enum status print_cell(const struct grid *grid, const char *text, int column, int width,
                              FILE *out)
{
    size_t size = strlen(text) + 8;
    char *shown = malloc(size);
    if (!shown)
        return fail(ST_OOM, "table: no host memory");
    text_shorten(text, width, size, shown);
    int pad = width - text_columns(shown);
    bool last = column == grid->columns - 1;
    if (column < grid->texts)
        fprintf(out, "%s%*s", shown, last ? 0 : pad, "");
    else
        fprintf(out, "%*s%s", pad, "", shown);
    fprintf(out, "%*s", last ? 0 : BETWEEN, "");
    if (last)
        fputc('\n', out);
    free(shown);
    return ST_OK;
}

enum status grid_print(const struct grid *grid, bool markdown, FILE *out)
{
    int width[COLUMNS];
    if (grid->out_of_memory)
        return fail(ST_OOM, "table: no host memory for all cells");
    BUG_ON(grid->cells % grid->columns != 0, "a grid whose last row is not full");
    if (markdown) {
        print_markdown(grid, out);
        return ST_OK;
    }
    find_widths(grid, width);
    for (int i = 0; i < grid->columns; i++)
        TRY(print_cell(grid, grid->title[i], i, width[i], out));
    for (int i = 0; i < grid->cells; i++)
        TRY(print_cell(grid, grid->cell[i], i % grid->columns, width[i % grid->columns], out));
    return ST_OK;
}
