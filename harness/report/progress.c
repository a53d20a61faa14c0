/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing of the progress line, and the thread that keeps it moving. */
#include "harness/report/progress.h"

#include "harness/base/terminal.h"
#include "kernels/base/clock.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BAR_WIDTH = 20, WIDE = 60, MAX_COLUMNS = 400 }; /* below WIDE columns there is no bar */

#define REDRAW_S 0.2

/* ---- texts ---- */

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

/* Seconds until all cells are over; NaN while nothing tells. A cell's measurement tells of its own
 * rest; the cells that are over, and before the first is this one, tell of those to come. */
static double time_left(const struct progress *p, double now)
{
    int over = p->done - p->skipped;
    double mean = over > 0 ? p->worked / over : NAN;
    double here = mean;
    if (p->part > 0.01)
        here = p->part_start - p->cell_start + (now - p->part_start) / p->part;
    if (over == 0)
        mean = here;
    double rest = here - (now - p->cell_start);
    int to_come = p->total - p->done - 1;
    return (rest > 0 || isnan(rest) ? rest : 0) + (to_come > 0 ? to_come * mean : 0);
}

static void put_bar(const struct progress *p, char *bar)
{
    double share = p->total > 0 ? (p->done + p->part) / p->total : 1;
    int full = (int)(share * BAR_WIDTH + 0.5);
    bar[0] = '[';
    memset(bar + 1, '.', BAR_WIDTH);
    memset(bar + 1, '#', (size_t)(full < BAR_WIDTH ? full : BAR_WIDTH));
    strcpy(bar + 1 + BAR_WIDTH, "] ");
}

/* Cuts at `columns`, and not inside a character of UTF-8. */
static void cut(char *text, int columns)
{
    if ((int)strlen(text) <= columns)
        return;
    while (columns > 0 && ((unsigned char)text[columns] & 0xc0) == 0x80)
        columns--;
    text[columns] = '\0';
}

char *progress_line(const struct progress *p, double now, int columns, char *text, size_t size)
{
    char bar[BAR_WIDTH + 4] = "";
    char cells[40] = "";
    char steps[60] = "";
    char elapsed[32];
    char left[32] = "?";
    double seconds = time_left(p, now);
    bool wide = columns >= WIDE;
    if (wide)
        put_bar(p, bar);
    if (p->total > 1)
        snprintf(cells, sizeof cells, "%d/%d  ", p->done, p->total);
    if (p->steps > 0)
        snprintf(steps, sizeof steps, " step %ld/%ld", p->step, p->steps);
    if (!isnan(seconds))
        clock_text(seconds, left, sizeof left);
    clock_text(now - p->start, elapsed, sizeof elapsed);
    snprintf(text, size, wide ? "%s%s%s elapsed, %s left  %s%s  %s" : "%s%s%s, %s left  %s%s  %s",
             bar, cells, elapsed, left, p->phase, steps, p->cell);
    cut(text, columns);
    return text;
}

/* ---- the line; with the lock held ---- */

static void draw(struct progress *p)
{
    char line[MAX_COLUMNS + 1];
    double now = clock_seconds();
    int columns = terminal_width() - 1;
    columns = columns < MAX_COLUMNS ? columns : MAX_COLUMNS;
    fprintf(stderr, "\r%s\033[K", progress_line(p, now, columns, line, sizeof line));
    fflush(stderr);
    p->shown = true;
    p->drawn = now;
}

static void erase(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}

/* ---- the thread ---- */

static void *tick(void *self)
{
    struct progress *p = self;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&p->lock);
    while (p->ticking) {
        next.tv_sec++;
        while (p->ticking && pthread_cond_timedwait(&p->over, &p->lock, &next) == 0)
            continue;
        if (p->ticking && p->shown)
            draw(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are for the thread that waits for them. Without a thread the line moves with the steps.
 */
static void start_ticking(struct progress *p)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->ticking = true;
    if (pthread_create(&p->ticker, NULL, tick, p) != 0)
        p->ticking = false;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- what callers tell ---- */

void progress_start(struct progress *p, int total, int skipped)
{
    pthread_condattr_t monotonic;
    *p = (struct progress){
        .bar = terminal_is(),
        .colour = terminal_colour(),
        .total = total,
        .done = skipped,
        .skipped = skipped,
        .start = clock_seconds(),
    };
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&p->lock, NULL);
    if (p->bar)
        start_ticking(p);
}

void progress_cell(struct progress *p, const char *text)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->cell, sizeof p->cell, "%s", text);
    strcpy(p->phase, "start");
    p->step = p->steps = 0;
    p->part = 0;
    p->cell_start = clock_seconds();
    if (p->bar)
        draw(p);
    pthread_mutex_unlock(&p->lock);
}

void progress_step(void *self, const char *phase, long done, long total)
{
    struct progress *p = self;
    bool measures = strcmp(phase, "measure") == 0;
    pthread_mutex_lock(&p->lock);
    if (measures && strcmp(p->phase, phase) != 0)
        p->part_start = clock_seconds();
    snprintf(p->phase, sizeof p->phase, "%.39s", phase);
    p->step = done;
    p->steps = total;
    if (total > 0 && measures)
        p->part = done < total ? (double)done / (double)total : 1;
    if (p->bar && clock_seconds() - p->drawn > REDRAW_S)
        draw(p);
    pthread_mutex_unlock(&p->lock);
}

void progress_done(struct progress *p, const char *status, bool good, const char *text)
{
    const char *colour = !p->colour ? "" : good ? "\033[32m" : "\033[31m";
    pthread_mutex_lock(&p->lock);
    erase(p);
    p->done++;
    p->part = 0;
    p->worked += clock_seconds() - p->cell_start;
    fprintf(stderr, "[%d/%d] %s%s%s %s\n", p->done, p->total, colour, status,
            p->colour ? "\033[0m" : "", text);
    pthread_mutex_unlock(&p->lock);
}

void progress_say(struct progress *p, const char *text)
{
    pthread_mutex_lock(&p->lock);
    erase(p);
    fprintf(stderr, "%s\n", text);
    pthread_mutex_unlock(&p->lock);
}

void progress_finish(struct progress *p)
{
    pthread_mutex_lock(&p->lock);
    bool ticking = p->ticking;
    p->ticking = p->bar = false;
    pthread_cond_signal(&p->over);
    erase(p);
    pthread_mutex_unlock(&p->lock);
    if (ticking)
        pthread_join(p->ticker, NULL);
}
