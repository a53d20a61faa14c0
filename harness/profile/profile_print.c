/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a profile: words, a table of ranks, a table of operations. */
#include "harness/profile/profile_print.h"

#include "harness/base/fold.h"
#include "harness/profile/grid.h"
#include "harness/profile/profile_json.h"

#include <math.h>
#include <stdarg.h>

/* A line of text, folded at the terminal's width. */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fold_print(0, 0, text);
}

static void say_cost(const struct record *plain, const struct profile *p)
{
    if (plain && isfinite(p->loop_ms))
        say("%.3f ms a loop as it is, %.3f ms recorded: looking costs %+.1f%%",
            plain->latency_ms.median, p->loop_ms, profile_overhead(plain, p));
    if (plain && record_shares_gpu(plain))
        say("the ranks share a GPU and take turns on it: what waits for its turn is a gap, and no "
            "speed can be read from this");
    if (p->no_activity[0])
        say("kernels are not recorded: %s", p->no_activity);
    if (p->no_ceilings[0])
        say("no ceilings: %s", p->no_ceilings);
    if (p->incomplete[0])
        say("not complete: %s", p->incomplete);
}

/* The ledger counts what strategies send, the hardware whatever leaves a GPU by NVLink. */
static void say_counters(const struct profile *p)
{
    const struct counters_table *t = &p->counters;
    double sent = 1e-6 * counters_table_total(t, COUNTER_NVLINK_SENT);
    if (t->passes == 0)
        say("no counters: %s", p->no_counters);
    else if (isfinite(sent))
        say("counters of %s: %.3f MB sent by NVLink, %.3f MB by the ledger", t->mode, sent,
            1e-6 * t->wire);
    else
        say("counters of %s are in counters.csv", t->mode);
}

/* Which steps were looked at; of a record that breaks off, how far it goes. */
static void name_steps(const struct profile *p, char *text, size_t size)
{
    int end = p->first + p->whole;
    if (end > p->last)
        snprintf(text, size, "steps %d to %d", p->first, p->last);
    else
        snprintf(text, size, "broken off in step %d of %d: %d whole step%s%s", end,
                 p->recording->steps, p->whole, p->whole == 1 ? "" : "s",
                 p->whole == 0 ? ", so no time of a step is told" : ", which all tables are of");
}

static void say_counts(const struct profile *p)
{
    char steps[120];
    unsigned long long kernels = 0;
    unsigned long long dropped = 0;
    int64_t error = 0;
    for (int k = 0; k < p->part->ranks; k++) {
        const struct recorded_rank *rank = &p->part->rank[k];
        kernels += (unsigned long long)rank->items;
        dropped += rank->dropped;
        error = rank->clock_error > error ? rank->clock_error : error;
    }
    char ends[80] = "";
    double off = profile_clock_error(p);
    if (isfinite(off))
        snprintf(ends, sizeof ends, ", ends of steps within %.2f%% of the run's own marks", off);
    name_steps(p, steps, sizeof steps);
    say("%s; %llu %s on %d rank%s, %llu records lost, clocks agree within %.1f us%s", steps,
        kernels, p->part->on_host ? "operations" : "kernels, copies and fills", p->part->ranks,
        p->part->ranks == 1 ? "" : "s", dropped, 1e-3 * (double)error, ends);
}

/* ---- where the time of a step went, on each rank ---- */

static void add_mean(const struct breakdown *b, int rank, struct grid *grid)
{
    double total = 0;
    double ms[SHARES] = {0};
    int n = 0;
    for (int i = 0; i < b->rows; i++) {
        if (b->row[i].rank != rank)
            continue;
        n++;
        total += b->row[i].total_ms;
        for (int s = 0; s < SHARES; s++)
            ms[s] += b->row[i].ms[s];
    }
    char text[20];
    snprintf(text, sizeof text, "%d", rank);
    grid_text(grid, text);
    grid_number(grid, n ? total / n : (double)NAN);
    for (int s = 0; s < SHARES; s++)
        grid_number(grid, n ? ms[s] / n : (double)NAN);
}

static enum status print_shares(const struct profile *p, FILE *out)
{
    const char *title[2 + SHARES] = {"rank", "step ms"};
    struct grid grid;
    for (int s = 0; s < SHARES; s++)
        title[2 + s] = share_name((enum share)s);
    grid_init(&grid, 2 + SHARES, 1, title);
    for (int r = 0; r < p->breakdown.ranks; r++)
        add_mean(&p->breakdown, r, &grid);
    enum status st = grid_print(&grid, false, out);
    grid_release(&grid);
    return st;
}

enum status profile_print(const struct setup *setup, const struct profile_options *options,
                          const struct profile *profile, FILE *out)
{
    const struct cell *c = &setup->cell;
    const struct record *plain = options->plain ? options->plain : profile->plain;
    say("%s, %dx%d px, %d step%s, %s on %s, %s, %d rank%s over %s", c->model, c->width, c->height,
        c->steps, c->steps == 1 ? "" : "s", c->dtype, c->backend, c->strategy, c->ranks,
        c->ranks == 1 ? "" : "s", setup_transport(setup));
    say_cost(plain, profile);
    say_counts(profile);
    if (options->counters)
        say_counters(profile);
    fputc('\n', out);
    if (profile->whole > 0) {
        TRY(print_shares(profile, out));
        fputc('\n', out);
        TRY(hot_print(&profile->hot, false, out));
    }
    fprintf(out, "\n%s\n", options->folder);
    return ST_OK;
}
