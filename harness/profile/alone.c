/* SPDX-License-Identifier: Apache-2.0 */
/* Times of messages alone, from `ditbench comm`. */
#include "harness/profile/alone.h"

#include "harness/base/child.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 64, WORD = 40 };

/* An operation of one size among so many ranks. */
struct kind {
    const char *op; /* the record's */
    int64_t bytes;  /* as `comm` counts it */
    int ranks;
    double us; /* NAN: could not be measured */
};

struct alone {
    const struct setup *setup;
    int n;
    struct kind kind[KINDS];
};

/* time_us of the only row. */
static double time_of(const char *json)
{
    double us = (double)NAN;
    json_t *answer = json_loads(json, 0, NULL);
    json_t *row = json_array_get(json_object_get(answer, "rows"), 0);
    json_t *time = json_object_get(row, "time_us");
    if (json_is_number(time))
        us = json_number_value(time);
    json_decref(answer);
    return us;
}

static double measure(const struct cell *cell, const struct kind *kind)
{
    char op[WORD];
    char min[WORD];
    char max[WORD];
    char ranks[WORD];
    char backend[WORD];
    char transport[WORD];
    char dtype[WORD];
    char *answer;
    snprintf(op, WORD, "--op=%.30s", kind->op);
    snprintf(min, WORD, "--min=%lld", (long long)kind->bytes);
    snprintf(max, WORD, "--max=%lld", (long long)kind->bytes);
    snprintf(ranks, WORD, "--ranks=%d", kind->ranks);
    snprintf(backend, WORD, "--backend=%s", cell->backend);
    snprintf(transport, WORD, "--transport=%s", cell->transport);
    snprintf(dtype, WORD, "--dtype=%s", cell->dtype);
    const char *const words[] = {"comm",    "--json", "--iters=10", "--warmup=2", "--graph=off",
                                 op,        min,      max,          ranks,        backend,
                                 transport, dtype,    NULL};
    if (child_run(words, &answer) != ST_OK) {
        status_clear();
        return (double)NAN;
    }
    double us = time_of(answer);
    free(answer);
    return us;
}

/* Each kind once; of more than KINDS none is measured. */
static double time_alone(struct alone *a, const char *op, int64_t bytes, int ranks)
{
    for (int i = 0; i < a->n; i++) {
        const struct kind *k = &a->kind[i];
        if (strcmp(k->op, op) == 0 && k->bytes == bytes && k->ranks == ranks)
            return k->us;
    }
    if (a->n == KINDS)
        return (double)NAN;
    struct kind *k = &a->kind[a->n++];
    *k = (struct kind){op, bytes, ranks, 0};
    k->us = measure(&a->setup->cell, k);
    return k->us;
}

static int axis_of(const struct plan *plan, const char *name)
{
    for (int i = 0; i < plan->mesh.n_axes; i++)
        if (strcmp(plan->mesh.name[i], name) == 0)
            return i;
    return -1;
}

/* A line of the record, given to the steps that it is about; what happens once in a loop is in
 * none. ms [steps] of its rank. */
static void add_line(struct alone *a, const struct plan *plan, const struct record_comm *line,
                     double *ms)
{
    int axis = axis_of(plan, line->axis);
    int steps = 0;
    if (axis < 0 || line->calls == 0 || strcmp(line->when, comm_when_name(COMM_ONCE)) == 0)
        return;
    int n = plan->mesh.size[axis];
    for (int s = 0; s < plan->problem.steps; s++)
        steps += strcmp(comm_when_name(plan_when(plan, axis, s)), line->when) == 0;
    if (steps == 0 || n < 2)
        return;
    int64_t bytes = (int64_t)(line->api_bytes / line->calls);
    bool gathers = strcmp(line->op, comm_op_name(COMM_ALL_GATHER)) == 0; /* `comm` has the whole */
    double us = time_alone(a, line->op, gathers ? bytes * n : bytes, n);
    for (int s = 0; s < plan->problem.steps; s++)
        if (strcmp(comm_when_name(plan_when(plan, axis, s)), line->when) == 0)
            ms[s] += 1e-3 * us * (double)line->calls / steps;
}

static enum status add_rank(struct alone *a, const struct record *plain, int rank, double *ms)
{
    const struct setup *s = a->setup;
    struct plan *plan;
    TRY(plan_build(&s->problem, &s->spec, s->cell.ranks, rank, &plan));
    for (int i = 0; i < plain->comm.n; i++)
        if (plain->comm.v[i].rank == rank)
            add_line(a, plan, &plain->comm.v[i], ms);
    plan_close(plan);
    return ST_OK;
}

enum status alone_measure(const struct setup *setup, const struct record *plain, double *ms)
{
    struct alone a = {.setup = setup};
    int steps = setup->problem.steps;
    for (int i = 0; i < setup->cell.ranks * steps; i++)
        ms[i] = 0;
    for (int r = 0; r < setup->cell.ranks; r++)
        TRY(add_rank(&a, plain, r, &ms[(size_t)r * (size_t)steps]));
    return ST_OK;
}
