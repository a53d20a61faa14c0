/* SPDX-License-Identifier: Apache-2.0 */
/* Hot kernels as kernels.csv, and as a table of operations. */
#include "harness/base/csv_out.h"
#include "harness/base/text.h"
#include "harness/profile/grid.h"
#include "harness/profile/hot.h"
#include "harness/report/table.h"

#include <math.h>
#include <string.h>

/* ---- kernels.csv ---- */

/* Nothing for NAN. */
static void put_number(FILE *out, double value)
{
    char text[TEXT_NUMBER];
    fprintf(out, ",%s", isnan(value) ? "" : text_digits(value, text));
}

static void put_row(FILE *out, const struct hot_row *row)
{
    fprintf(out, "%.2f,%.0f,%d,%.1f,%.1f,%.0f,%.0f,%.1f,", row->percent, row->total, row->instances,
            row->mean, row->median, row->min, row->max, row->deviation);
    csv_out_text(out, row->name);
    fputc(',', out);
    csv_out_text(out, row->range);
    put_number(out, row->gflop);
    put_number(out, row->mb);
    put_number(out, row->tflops);
    put_number(out, row->gbs);
    put_number(out, row->ceiling_pct);
    put_number(out, row->to_win_ms);
    fputc('\n', out);
}

enum status hot_write(const struct hot *hot, const char *path)
{
    FILE *out;
    TRY(csv_out_open(path,
                     "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),"
                     "StdDev (ns),Name,Range,GFLOP,MB,TFLOP/s,GB/s,Ceiling (%),To win (ms)",
                     &out));
    for (int i = 0; i < hot->rows; i++)
        put_row(out, &hot->row[i]);
    return csv_out_close(out, path);
}

/* ---- the table ---- */

static const char *name_of(const struct hot_range *range)
{
    return *range->name ? range->name : "(in none)";
}

static void print_largest(const struct hot *hot, double loops, bool markdown, FILE *out)
{
    char text[TEXT_NUMBER];
    double all = 0;
    int known = 0;
    for (; known < hot->ranges && !isnan(hot->range[known].to_win_ms); known++)
        all += hot->range[known].to_win_ms;
    if (known == 0) {
        fputs(hot->ranges ? "no ceiling is known: `ditbench ceilings` measures them\n"
                          : "nothing ran\n",
              out);
        return;
    }
    int shown = known < 3 ? known : 3;
    static const char *const heads[] = {"the largest sum", "the two largest sums",
                                        "the three largest sums"};
    fprintf(out, "%s to be won:", heads[shown - 1]);
    for (int i = 0; i < shown; i++) {
        fputs(i ? ", " : " ", out);
        if (markdown)
            table_markdown_text(out, name_of(&hot->range[i]));
        else
            fputs(name_of(&hot->range[i]), out);
        fprintf(out, " %s ms", text_number(hot->range[i].to_win_ms / loops, text));
    }
    fprintf(out, "; of all operations %s ms a step\n", text_number(all / loops, text));
}

enum status hot_print(const struct hot *hot, bool markdown, FILE *out)
{
    static const char *const titles[] = {"operation", "ms/step",   "share %",       "TFLOP/s",
                                         "GB/s",      "ceiling %", "to win ms/step"};
    /* Steps of all ranks: a step of one takes what all take over this. */
    double loops = (double)(hot->ranks > 0 ? hot->ranks : 1) * (hot->steps > 0 ? hot->steps : 1);
    struct grid grid;
    grid_init(&grid, sizeof titles / sizeof titles[0], 1, titles);
    for (int i = 0; i < hot->ranges; i++) {
        const struct hot_range *range = &hot->range[i];
        grid_text(&grid, name_of(range));
        grid_number(&grid, range->total * 1e-6 / loops);
        grid_number(&grid, range->percent);
        grid_number(&grid, range->tflops);
        grid_number(&grid, range->gbs);
        grid_number(&grid, range->ceiling_pct);
        grid_number(&grid, range->to_win_ms / loops);
    }
    enum status st = grid_print(&grid, markdown, out);
    grid_release(&grid);
    TRY(st);
    fputc('\n', out);
    print_largest(hot, loops, markdown, out);
    return ST_OK;
}
