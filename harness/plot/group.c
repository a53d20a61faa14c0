/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of a group: which row of each is drawn, and what the others are. */
#include "harness/plot/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *plot_group_refuses(const struct record *row)
{
    if (row->status != ENDING_OK)
        return ending_name(row->status);
    if (sheet_distrusts(row))
        return sheet_distrusts(row);
    if (record_shares_gpu(row))
        return "with ranks that share a GPU";
    return row->latency_ms.median > 0 ? NULL : "without a latency";
}

/* ---- one cell ---- */

/* The cell of rows begin..end-1; says of each row that is not drawn why. */
static struct plot_cell cell_of(const struct sheet *sheet, int begin, int end)
{
    struct plot_cell cell = {.asked = &sheet->sorted[begin]->record->cell,
                             .refused = true,
                             .peer = sheet_peer(sheet->sorted[begin]->record),
                             .rows = end - begin};
    for (int i = begin; i < end; i++) {
        struct sheet_row *row = sheet->sorted[i];
        cell.refused &= row->record->status == ENDING_UNSUPPORTED;
        row->left_out = plot_group_refuses(row->record);
        if (row->left_out)
            continue;
        if (cell.row)
            cell.row->left_out = "superseded by a later run";
        cell.row = row;
    }
    return cell;
}

/* Its row is not drawn after all. */
static void leave_out(struct plot_cell *cell, const char *why)
{
    if (cell->row)
        cell->row->left_out = why;
    cell->row = NULL;
}

static bool is_wanted(const struct plot_cell *cell, const regex_t *wanted)
{
    return !wanted || strcmp(cell->asked->strategy, "serial") == 0 ||
           regexec(wanted, cell->asked->strategy, 0, NULL, 0) == 0;
}

static int by_ranks(const void *a, const void *b)
{
    const struct plot_cell *x = a, *y = b;
    int order = (x->asked->ranks > y->asked->ranks) - (x->asked->ranks < y->asked->ranks);
    if (order == 0)
        order = strverscmp(x->asked->strategy, y->asked->strategy);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* ---- labels ---- */

const char *plot_group_program(const struct plot_group *group, const struct plot_cell *cell)
{
    if (!group->peers)
        return "";
    return cell->peer ? cell->asked->backend : "ditbench";
}

char *plot_group_way(const struct record_cell *cell, char buffer[PLOT_WAY])
{
    bool exchange = strcmp(cell->exchange, "auto") != 0;
    snprintf(buffer, PLOT_WAY, "%s%s%s", exchange ? ", exchange " : "",
             exchange ? cell->exchange : "", cell->graph == RECORD_NO ? ", graph off" : "");
    return buffer;
}

static enum status open_families(struct plot_group *g, bool each)
{
    char way[PLOT_WAY];
    for (int i = 0; i < g->n; i++) {
        const struct record_cell *c = g->cell[i].asked;
        TRY(plot_family_open(plot_group_program(g, &g->cell[i]), c->strategy, each,
                             plot_group_way(c, way), &g->cell[i].family));
    }
    return ST_OK;
}

struct label {
    const char *text;
    int rows, place; /* place of its first cell */
    bool serial;
};

static int by_label(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int by_rows(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    if (x->serial != y->serial)
        return y->serial - x->serial;
    return x->rows == y->rows ? (x->place > y->place) - (x->place < y->place)
                              : (x->rows < y->rows) - (x->rows > y->rows);
}

/* Sorts the labels of all cells, the serial run's and those with most rows first. How many. */
static int count_labels(const struct plot_group *g, struct label *label)
{
    int n = 0;
    for (int i = 0; i < g->n; i++)
        label[i] = (struct label){g->cell[i].family.label, g->cell[i].rows, i,
                                  g->cell[i].family.place < 0};
    qsort(label, (size_t)g->n, sizeof *label, by_label);
    for (int i = 0; i < g->n; i++) {
        if (n > 0 && strcmp(label[n - 1].text, label[i].text) == 0)
            label[n - 1].rows += label[i].rows;
        else
            label[n++] = label[i];
    }
    qsort(label, (size_t)n, sizeof *label, by_rows);
    return n;
}

static bool among(const char *text, int n, const struct label *label)
{
    for (int i = 0; i < n; i++)
        if (strcmp(label[i].text, text) == 0)
            return true;
    return false;
}

static enum status limit_labels(struct plot_group *g)
{
    if (g->n <= PLOT_CURVES)
        return ST_OK;
    struct label *label = calloc((size_t)g->n, sizeof *label);
    if (!label)
        return fail(ST_OOM, "plot: %d labels", g->n);
    int n = count_labels(g, label);
    for (int i = 0; i < g->n && n > PLOT_CURVES; i++)
        if (!among(g->cell[i].family.label, PLOT_CURVES, label))
            leave_out(&g->cell[i], "of a further strategy (--strategies)");
    free(label);
    return ST_OK;
}

/* ---- the group ---- */

enum status plot_group_open(const struct sheet *sheet, int begin, int end, const regex_t *wanted,
                            struct plot_group *out)
{
    int cells = 0;
    for (int i = begin; i < end; i = sheet_cell_end(sheet, i, end))
        cells++;
    *out = (struct plot_group){.sheet = sheet, .begin = begin, .end = end};
    out->cell = calloc((size_t)cells + 1, sizeof *out->cell);
    if (!out->cell)
        return fail(ST_OOM, "plot: %d cells", cells);
    for (int i = begin, next; i < end; i = next) {
        next = sheet_cell_end(sheet, i, end);
        out->cell[out->n] = cell_of(sheet, i, next);
        out->cell[out->n].place = out->n;
        if (!is_wanted(&out->cell[out->n], wanted))
            leave_out(&out->cell[out->n], "of a strategy not asked for");
        out->peers |= out->cell[out->n].peer && out->cell[out->n].row;
        out->n++;
    }
    qsort(out->cell, (size_t)out->n, sizeof *out->cell, by_ranks);
    enum status st = open_families(out, wanted != NULL);
    if (st == ST_OK)
        st = limit_labels(out);
    for (int i = 0; i < out->n; i++)
        if (out->cell[i].row &&
            (!out->first || (sheet_peer(out->first->record) && !out->cell[i].peer)))
            out->first = out->cell[i].row;
    return st;
}

void plot_group_close(struct plot_group *group)
{
    for (int i = 0; i < group->n; i++)
        plot_family_close(&group->cell[i].family);
    free(group->cell);
    *group = (struct plot_group){0};
}

/* ---- lines ---- */

/* The first cell of more than `ranks`. */
static int cell_above(const struct plot_group *group, double ranks)
{
    int low = 0, high = group->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (group->cell[middle].asked->ranks > ranks)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool plot_group_joins(const struct plot_group *group, const char *label, double from, double to)
{
    if (to > 2 * from)
        return false;
    for (int i = cell_above(group, from), end; i < group->n; i = end) {
        int ranks = group->cell[i].asked->ranks;
        bool ran = false, refused = false;
        if (ranks >= to)
            break;
        for (end = i; end < group->n && group->cell[end].asked->ranks == ranks; end++) {
            ran |= !group->cell[end].refused;
            refused |=
                group->cell[end].refused && strcmp(group->cell[end].family.label, label) == 0;
        }
        if (ran && !refused)
            return false;
    }
    return true;
}
