/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench plan`: what each rank would hold, send and need. Runs nothing, touches no device. */
#include "harness/base/number.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/measure/outcome.h"
#include "harness/report/plan_report.h"

#include <stdlib.h>

enum { KEY_JSON = 1, KEY_RANK };

static const struct args_option own[] = {
    {"json", KEY_JSON, NULL, "JSON on one line"},
    {"rank", KEY_RANK, "R", "all about one rank, from 0 (default: a table of all)"},
    {NULL, 0, NULL, NULL},
};

struct plan_options {
    bool json;
    int rank; /* -1: all */
};

static enum status take(void *self, int key, const char *value)
{
    struct plan_options *o = self;
    if (key == KEY_RANK)
        return number_int("--rank", value, 0, CELL_MAX_RANKS - 1, &o->rank);
    o->json = true;
    return ST_OK;
}

/* Adds fits (true, false, or null where this machine cannot run it at all) and fits_reason. */
static enum status add_fit(const struct setup *setup, json_t *report)
{
    uint64_t *predicted = calloc((size_t)setup->cell.ranks, sizeof *predicted);
    if (!predicted)
        return fail(ST_OOM, "%d ranks: no host memory", setup->cell.ranks);
    enum status st = outcome_foresee(setup, predicted);
    free(predicted);
    json_object_set_new(report, "fits",
                        st == ST_OK    ? json_true()
                        : st == ST_OOM ? json_false()
                                       : json_null());
    json_object_set_new(report, "fits_reason", st ? json_string(status_message()) : json_null());
    status_clear();
    return ST_OK;
}

static enum status print_plan(const struct setup *setup, const struct plan_options *o)
{
    json_t *report;
    enum status st = plan_report(setup, o->rank, &report);
    if (!report)
        return st;
    st = st ? fail_prefix(st, "refused") : add_fit(setup, report);
    if (!o->json) {
        plan_report_print(setup, report);
        json_decref(report);
        return st;
    }
    enum status printed = command_print_json(report);
    return st ? st : printed;
}

static enum status plan_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "plan",
        .positional = "",
        .about = "Shows what each rank of a cell would hold, send and need, and whether it fits "
                 "into this machine's memory, without running anything.",
        .own = own,
        .cell = true,
        .take = take,
    };
    struct cell cell;
    struct setup *setup;
    struct plan_options o = {.rank = -1};
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &o));
    TRY(setup_open(&cell, NULL, &setup));
    enum status st = ST_OK;
    if (o.rank >= setup->cell.ranks)
        st = fail(ST_INVALID, "--rank: found %d, wanted 0 to %d: the cell has %d rank%s", o.rank,
                  setup->cell.ranks - 1, setup->cell.ranks, setup->cell.ranks == 1 ? "" : "s");
    if (st == ST_OK)
        st = setup_check_text(setup);
    if (st == ST_OK)
        st = print_plan(setup, &o);
    setup_close(setup);
    return st;
}

const struct command command_plan = {
    "plan", "what each rank would hold, send and need; runs nothing", plan_run};
