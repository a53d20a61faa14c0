/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing of the progress bar. */
#include "harness/report/progress.h"

#include "harness/base/terminal.h"
#include "kernels/base/clock.h"

#include <stdio.h>
#include <string.h>

enum { BAR_WIDTH = 24, REDRAW_MS = 200, MAX_COLUMNS = 400 };

/* "1:02:03" or "2:03" */
static char *clock_text(double seconds, char *text, size_t size)
{
    long s = seconds > 0 ? (long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
    return text;
}

/* Cells that cost time so far, the current one in part. */
static double worked(const struct progress *p)
{
    return p->done - p->skipped + p->part;
}

static void draw(struct progress *p)
{
    char bar[BAR_WIDTH + 1];
    char line[MAX_COLUMNS + 200];
    char elapsed[32];
    char left[32] = "?";
    double now = clock_seconds();
    double share = p->total > 0 ? (p->done + p->part) / p->total : 1;
    double work = worked(p);
    int full = (int)(share * BAR_WIDTH + 0.5);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)(full < BAR_WIDTH ? full : BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    if (work > 0.05)
        clock_text((now - p->start) / work * (p->total - p->done - p->part), left, sizeof left);
    int n = snprintf(line, sizeof line, "[%s] %d/%d  %s elapsed, %s left  %s %s", bar, p->done,
                     p->total, clock_text(now - p->start, elapsed, sizeof elapsed), left, p->cell,
                     p->phase);
    int columns = terminal_width() - 1;
    columns = columns < MAX_COLUMNS ? columns : MAX_COLUMNS;
    if (n > columns)
        line[columns] = '\0';
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    p->shown = true;
    p->drawn = now;
}

static void erase(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

void progress_start(struct progress *progress, int total, int skipped)
{
    *progress = (struct progress){
        .bar = terminal_is(),
        .colour = terminal_colour(),
        .total = total,
        .done = skipped,
        .skipped = skipped,
        .start = clock_seconds(),
    };
}

void progress_cell(struct progress *progress, const char *text)
{
    snprintf(progress->cell, sizeof progress->cell, "%s", text);
    progress->phase[0] = '\0';
    progress->part = 0;
    if (progress->bar)
        draw(progress);
}

void progress_step(void *self, const char *phase, long done, long total)
{
    struct progress *p = self;
    snprintf(p->phase, sizeof p->phase, "%.39s", phase);
    if (total > 0 && strcmp(phase, "measure") == 0)
        p->part = done < total ? (double)done / (double)total : 1;
    if (p->bar && clock_seconds() - p->drawn > 1e-3 * REDRAW_MS)
        draw(p);
}

void progress_done(struct progress *progress, const char *status, bool good, const char *text)
{
    const char *colour = !progress->colour ? "" : good ? "\033[32m" : "\033[31m";
    erase(progress);
    progress->done++;
    progress->part = 0;
    fprintf(stderr, "[%d/%d] %s%s%s %s\n", progress->done, progress->total, colour, status,
            progress->colour ? "\033[0m" : "", text);
    if (progress->bar && progress->done < progress->total)
        draw(progress);
}

void progress_finish(struct progress *progress)
{
    erase(progress);
}
