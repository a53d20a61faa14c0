/* SPDX-License-Identifier: Apache-2.0 */
/* Two profiles side by side, as tables and as JSON. */
#include "harness/base/text.h"
#include "harness/profile/diff.h"
#include "harness/profile/grid.h"
#include "harness/report/table.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables ---- */

static double value_a(const struct profile_change *change)
{
    return change->was ? change->a : (double)NAN;
}

static double value_b(const struct profile_change *change)
{
    return change->is ? change->b : (double)NAN;
}

/* NAN where there is nothing to compare with. */
static double percent(const struct profile_change *change)
{
    return change->was && change->is && change->a > 0 ? 100 * change->change / change->a
                                                      : (double)NAN;
}

static void add_numbers(struct grid *grid, const struct profile_change *change)
{
    grid_number(grid, value_a(change));
    grid_number(grid, value_b(change));
    grid_change(grid, change->change);
    grid_change(grid, percent(change));
}

/* "old -> new" of one that was renamed. */
static void add_kernel_name(struct grid *grid, const struct profile_change *change)
{
    const char *name = change->was ? change->was : change->is;
    char *both = NULL;
    if (!change->was || !change->is || strcmp(change->was, change->is) == 0) {
        grid_text(grid, name);
        return;
    }
    if (asprintf(&both, "%s -> %s", change->was, change->is) < 0)
        both = NULL;
    grid->out_of_memory |= !both;
    grid_text(grid, both ? both : name);
    free(both);
}

/* A grid's rows, then what was left out; releases the grid. */
static enum status print_grid(struct grid *grid, bool markdown, int n, int most,
                              const struct profile_change *change, FILE *out)
{
    char text[TEXT_NUMBER];
    double left = 0;
    enum status st = grid_print(grid, markdown, out);
    grid_release(grid);
    TRY(st);
    for (int i = most; i < n; i++)
        left += change[i].change;
    if (most < n)
        fprintf(out, "%sand %d more, together %s%s ms\n", markdown ? "\n" : "", n - most,
                left > 0 ? "+" : "", text_number(left, text));
    return ST_OK;
}

static enum status print_ranges(const struct profile_diff *diff, bool markdown, int most, FILE *out)
{
    static const char *const titles[] = {"operation", "A ms/step", "B ms/step", "change ms",
                                         "change %"};
    struct grid grid;
    int shown = most > 0 && most < diff->ranges ? most : diff->ranges;
    grid_init(&grid, 5, 1, titles);
    for (int i = 0; i < shown; i++) {
        grid_text(&grid, *diff->range[i].range ? diff->range[i].range : "(in none)");
        add_numbers(&grid, &diff->range[i]);
    }
    const struct profile_change all = {
        "", "", "", diff->total[0], diff->total[1], diff->total[1] - diff->total[0]};
    grid_text(&grid, "all");
    add_numbers(&grid, &all);
    return print_grid(&grid, markdown, diff->ranges, shown, diff->range, out);
}

static enum status print_kernels(const struct profile_diff *diff, bool markdown, int most,
                                 FILE *out)
{
    static const char *const titles[] = {"operation", "kernel",    "A ms/step",
                                         "B ms/step", "change ms", "change %"};
    struct grid grid;
    int shown = most > 0 && most < diff->kernels ? most : diff->kernels;
    grid_init(&grid, 6, 2, titles);
    for (int i = 0; i < shown; i++) {
        grid_text(&grid, *diff->kernel[i].range ? diff->kernel[i].range : "(in none)");
        add_kernel_name(&grid, &diff->kernel[i]);
        add_numbers(&grid, &diff->kernel[i]);
    }
    return print_grid(&grid, markdown, diff->kernels, shown, diff->kernel, out);
}

static enum status print_shares(const struct profile_diff *diff, bool markdown, FILE *out)
{
    static const char *const titles[] = {"mean of steps", "A", "B", "change"};
    struct grid grid;
    grid_init(&grid, 4, 1, titles);
    for (int s = 0; s < SIDE_SHARES; s++) {
        double a = diff->side[0].mean[s], b = diff->side[1].mean[s];
        grid_text(&grid, profile_share(s));
        grid_number(&grid, a);
        grid_number(&grid, b);
        grid_change(&grid, b - a);
    }
    return print_grid(&grid, markdown, 0, 0, NULL, out);
}

static void print_side(const struct profile_diff *diff, int i, bool markdown, FILE *out)
{
    const struct profile_side *side = &diff->side[i];
    fprintf(out, "%s%c: ", markdown ? "- " : "", 'A' + i);
    if (markdown)
        table_markdown_text(out, diff->folder[i]);
    else
        fputs(diff->folder[i], out);
    if (side->whole < side->steps)
        fprintf(out, ", %d whole of", side->whole);
    fprintf(out, "%s %d step%s, %d rank%s\n", side->whole < side->steps ? "" : ",", side->steps,
            side->steps == 1 ? "" : "s", side->ranks, side->ranks == 1 ? "" : "s");
}

/* What is compared of a recording that breaks off. */
static void warn_side(const struct profile_diff *diff, int i, bool markdown, FILE *out)
{
    const struct profile_side *side = &diff->side[i];
    if (!side->incomplete[0])
        return;
    fprintf(out, "%s%c is not complete; its times are of %d of %d steps: ", markdown ? "- " : "",
            'A' + i, side->whole, side->steps);
    if (markdown)
        table_markdown_text(out, side->incomplete);
    else
        fputs(side->incomplete, out);
    fputc('\n', out);
}

enum status profile_diff_print(const struct profile_diff *diff, bool markdown, int most, FILE *out)
{
    for (int i = 0; i < 2; i++)
        print_side(diff, i, markdown, out);
    for (int i = 0; i < 2; i++)
        warn_side(diff, i, markdown, out);
    fputc('\n', out);
    TRY(print_shares(diff, markdown, out));
    fputc('\n', out);
    TRY(print_ranges(diff, markdown, most, out));
    fputc('\n', out);
    return print_kernels(diff, markdown, most, out);
}

/* ---- JSON ---- */

/* null for NAN. */
static json_t *number(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *changes_json(int n, const struct profile_change *change, bool kernels)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        json_t *item = json_pack("{s:s, s:o, s:o, s:f}", "operation", change[i].range, "a_ms",
                                 number(value_a(&change[i])), "b_ms", number(value_b(&change[i])),
                                 "change_ms", change[i].change);
        if (kernels) {
            json_object_set_new(item, "was",
                                change[i].was ? json_string(change[i].was) : json_null());
            json_object_set_new(item, "is", change[i].is ? json_string(change[i].is) : json_null());
        }
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *side_json(const struct profile_diff *diff, int i)
{
    const struct profile_side *side = &diff->side[i];
    json_t *shares = json_object();
    for (int s = 0; s < SIDE_SHARES; s++)
        json_object_set_new(shares, profile_share(s), number(side->mean[s]));
    return json_pack("{s:s, s:i, s:i, s:o, s:i, s:f, s:o}", "folder", diff->folder[i], "steps",
                     side->steps, "steps_whole", side->whole, "incomplete",
                     side->incomplete[0] ? json_string(side->incomplete) : json_null(), "ranks",
                     side->ranks, "kernels_ms", diff->total[i], "breakdown", shares);
}

enum status profile_diff_json(const struct profile_diff *diff, FILE *out)
{
    json_t *all = json_object();
    for (int i = 0; i < 2; i++) {
        json_t *side = side_json(diff, i);
        if (!side) {
            json_decref(all);
            return fail(ST_INVALID, "'%.200s' is not UTF-8 and has no place in JSON",
                        diff->folder[i]);
        }
        json_object_set_new(all, i == 0 ? "a" : "b", side);
    }
    json_object_set_new(all, "operations", changes_json(diff->ranges, diff->range, false));
    json_object_set_new(all, "kernels", changes_json(diff->kernels, diff->kernel, true));
    char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(all);
    if (!text)
        return fail(ST_OOM, "diff of profiles: no host memory for its JSON");
    bool good = fprintf(out, "%s\n", text) >= 0;
    free(text);
    return good ? ST_OK : fail(ST_IO, "diff of profiles: cannot be written: %s", strerror(errno));
}
