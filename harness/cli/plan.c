/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench plan`: what each rank would hold, send and need. Runs nothing, touches no device. */
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/report/plan_report.h"

enum { KEY_JSON = 1 };

static const struct args_option own[] = {
    {"json", KEY_JSON, NULL, "JSON on one line"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    (void)key;
    (void)value;
    *(bool *)self = true;
    return ST_OK;
}

static enum status print_plan(const struct setup *setup, bool json)
{
    json_t *report;
    enum status st = plan_report(setup, &report);
    if (!report)
        return st;
    if (json) {
        enum status printed = command_print_json(report);
        return st ? st : printed;
    }
    plan_report_print(setup, report);
    json_decref(report);
    return st;
}

static enum status plan_run(int argc, char **argv)
{
    static const struct args args = {
        .command = "plan",
        .positional = "",
        .about =
            "Shows what each rank of a cell would hold, send and need, without running anything.",
        .own = own,
        .cell = true,
        .take = take,
    };
    struct cell cell;
    struct setup *setup;
    bool json = false;
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &json));
    TRY(setup_open(&cell, NULL, &setup));
    enum status st = print_plan(setup, json);
    setup_close(setup);
    return st;
}

const struct command command_plan = {
    "plan", "what each rank would hold, send and need; runs nothing", plan_run};
