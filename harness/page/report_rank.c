/* SPDX-License-Identifier: Apache-2.0 */
/* Which cell of a rank count is the fastest, and which cannot be told from it. */
#include "harness/base/bootstrap.h"
#include "harness/page/report_part.h"
#include "harness/report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_median(const void *a, const void *b)
{
    const struct sheet_row *x = *(const struct sheet_row *const *)a;
    const struct sheet_row *y = *(const struct sheet_row *const *)b;
    double p = x->record->latency_ms.median, q = y->record->latency_ms.median;
    bool peer = sheet_peer(x->record);
    if (peer != sheet_peer(y->record))
        return peer ? 1 : -1;
    return p == q ? (x > y) - (x < y) : p < q ? -1 : 1;
}

/* Whether noise explains that `slow` is slower. Fewer loops than a verdict takes (compare.h): when
 * the ranges of the loops overlap. */
static enum status within_noise(const struct record *fast, const struct record *slow, bool *out)
{
    const struct record_numbers *a = &fast->latency_ms.samples, *b = &slow->latency_ms.samples;
    *out = slow->latency_ms.min <= fast->latency_ms.max;
    if (a->n < COMPARE_LEAST || b->n < COMPARE_LEAST)
        return ST_OK;
    struct bootstrap_interval ratio;
    TRY(bootstrap_ratio(&(struct bootstrap_samples){1, &a->n, a->v},
                        &(struct bootstrap_samples){1, &b->n, b->v}, &ratio));
    double between = fmax(0, fmax(record_rounds_spread(fast), record_rounds_spread(slow))) / 100;
    *out = ratio.low <= 1 || slow->latency_ms.median <= (1 + between) * fast->latency_ms.median;
    return ST_OK;
}

enum status report_rank_open(const struct plot_group *group, int ranks, struct report_rank *out)
{
    *out = (struct report_rank){.group = group, .ranks = ranks};
    out->v = calloc((size_t)group->n + 1, sizeof *out->v);
    if (!out->v)
        return fail(ST_OOM, "report: %d cells", group->n);
    for (int i = 0; i < group->n; i++)
        if (group->cell[i].row && group->cell[i].asked->ranks == ranks)
            out->v[out->n++] = group->cell[i].row;
    qsort(out->v, (size_t)out->n, sizeof *out->v, by_median);
    while (out->peers < out->n && sheet_peer(out->v[out->n - 1 - out->peers]->record))
        out->peers++;
    if (out->peers == out->n)
        out->peers = 0;
    out->n -= out->peers;
    for (bool noise = true; out->tied + 1 < out->n; out->tied++) {
        TRY(within_noise(out->v[0]->record, out->v[out->tied + 1]->record, &noise));
        if (!noise)
            break;
    }
    return ST_OK;
}

void report_rank_close(struct report_rank *rank)
{
    free(rank->v);
    *rank = (struct report_rank){0};
}

int report_rank_next(const struct plot_group *group, int ranks)
{
    int next = 0;
    for (int i = 0; i < group->n; i++) {
        int own = group->cell[i].row ? group->cell[i].asked->ranks : 0;
        if (own > ranks && (next == 0 || own < next))
            next = own;
    }
    return next;
}

const struct sheet_row *report_rank_exact(const struct report_rank *rank)
{
    for (int i = 0; i < rank->n; i++)
        if (!report_stale(rank->v[i]->record))
            return rank->v[i];
    return NULL;
}

const struct sheet_row *report_rank_single(const struct report_rank *rank)
{
    for (int i = 0; i < rank->n; i++)
        if (!strchr(rank->v[i]->record->cell.strategy, ','))
            return rank->v[i];
    return NULL;
}

const struct sheet_row *report_rank_second(const struct report_rank *rank)
{
    return rank->tied + 1 < rank->n ? rank->v[rank->tied + 1] : NULL;
}

bool report_rank_alone(const struct report_rank *rank)
{
    const struct record *r = rank->v[0]->record;
    return rank->ranks == 1 && rank->n == 1 && !sheet_peer(r) &&
           strcmp(r->cell.strategy, "serial") == 0;
}

const struct sheet_row *report_rank_beside(const struct report_rank *rank, int peer)
{
    for (int i = 0; i < rank->n; i++)
        if (strcmp(rank->v[i]->record->cell.strategy, rank->v[peer]->record->cell.strategy) == 0)
            return rank->v[i];
    return rank->v[0];
}

/* ---- all of a selection ---- */

static int by_run(const struct sheet_row *a, const struct sheet_row *b)
{
    return strverscmp(a->run ? a->run : "", b->run ? b->run : "");
}

static int by_place(const void *a, const void *b)
{
    const struct report_rank *p = a, *q = b;
    const struct record_cell *x = &p->v[0]->record->cell, *y = &q->v[0]->record->cell;
    int order = strverscmp(x->model, y->model);
    const int number[][2] = {{x->width * x->height, y->width * y->height},
                             {x->width, y->width},
                             {x->frames, y->frames},
                             {x->steps, y->steps},
                             {x->ranks, y->ranks}};
    for (size_t i = 0; i < sizeof number / sizeof number[0] && order == 0; i++)
        order = (number[i][0] > number[i][1]) - (number[i][0] < number[i][1]);
    if (order == 0)
        order = by_run(p->v[0], q->v[0]);
    return order ? order
                 : (p->group->begin > q->group->begin) - (p->group->begin < q->group->begin);
}

enum status report_ranks_open(const struct plot_selection *selection, struct report_ranks *out)
{
    int most = 0;
    enum status st = ST_OK;
    *out = (struct report_ranks){0};
    for (int i = 0; i < selection->n; i++)
        for (int g = 0; g < selection->setting[i].n; g++)
            most += selection->setting[i].group[g].n;
    out->v = calloc((size_t)most + 1, sizeof *out->v);
    if (!out->v)
        return fail(ST_OOM, "report: %d cells", most);
    for (int i = 0; i < selection->n; i++)
        for (int g = 0; g < selection->setting[i].n; g++) {
            const struct plot_group *group = &selection->setting[i].group[g];
            for (int ranks = report_rank_next(group, 0); ranks > 0 && st == ST_OK;
                 ranks = report_rank_next(group, ranks))
                st = report_rank_open(group, ranks, &out->v[out->n++]);
        }
    if (st == ST_OK)
        qsort(out->v, (size_t)out->n, sizeof *out->v, by_place);
    return st;
}

void report_ranks_close(struct report_ranks *ranks)
{
    for (int i = 0; i < ranks->n; i++)
        report_rank_close(&ranks->v[i]);
    free(ranks->v);
    *ranks = (struct report_ranks){0};
}
