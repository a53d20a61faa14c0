/* SPDX-License-Identifier: Apache-2.0 */
/* How many of CUDA's work queues a rank over NCCL asks for. */
#include "harness/cell/cell.h"
#include "harness/cell/options.h"
#include "harness/cell/setup.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char *const variable = "CUDA_DEVICE_MAX_CONNECTIONS";

/* What a rank of the cell finds in the variable; NULL: nothing. */
static const char *asked(const char *model, const char *strategy, const char *transport)
{
    struct cell cell;
    struct setup *s;
    struct plan *plan;
    cell_init(&cell);
    cr_assert_eq(cell_set(&cell, "model", "model", model), ST_OK);
    cr_assert_eq(cell_set(&cell, "strategy", "strategy", strategy), ST_OK);
    strcpy(cell.backend, "cuda");
    strcpy(cell.transport, transport);
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK, "%s", status_message());
    cr_assert_eq(plan_build(&s->problem, &s->spec, s->cell.ranks, 0, &plan), ST_OK, "%s",
                 status_message());
    unsetenv(variable);
    setup_work_queues(s, plan);
    plan_close(plan);
    setup_close(s);
    return getenv(variable);
}

/* Eight are CUDA's own: two streams, three channels of a pipe, one for each other axis. */
Test(work_queues, usual_where_they_are_enough)
{
    static const char *const enough[] = {"serial",
                                         "ring=2",
                                         "ulysses=4",
                                         "pipefusion=4",
                                         "cfg=2,pipefusion=4",
                                         "cfg=2,pipefusion=2,ring=2"};
    for (size_t i = 0; i < sizeof enough / sizeof enough[0]; i++)
        cr_assert_null(asked("pixart-alpha-1024", enough[i], "nccl"), "%s", enough[i]);
}

/* 40 blocks of which the second half takes what the first one sent: in eight stages four pairs, and
 * in 16 eight, have a channel of their own. */
Test(work_queues, one_for_each_stream_of_a_long_pipe)
{
    cr_assert_str_eq(asked("hunyuandit-v1.2", "pipefusion=8", "nccl"), "9");
    cr_assert_str_eq(asked("hunyuandit-v1.2", "cfg=2,pipefusion=8", "nccl"), "10");
    cr_assert_null(asked("hunyuandit-v1.2", "pipefusion=8", "local"));
}

Test(work_queues, what_the_user_set_stays)
{
    struct cell cell;
    struct setup *s;
    struct plan *plan;
    cell_init(&cell);
    cell_set(&cell, "model", "model", "hunyuandit-v1.2");
    cell_set(&cell, "strategy", "strategy", "pipefusion=8");
    strcpy(cell.backend, "cuda");
    strcpy(cell.transport, "nccl");
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    cr_assert_eq(plan_build(&s->problem, &s->spec, s->cell.ranks, 0, &plan), ST_OK);
    setenv(variable, "5", 1);
    setup_work_queues(s, plan);
    cr_assert_str_eq(getenv(variable), "5");
    plan_close(plan);
    setup_close(s);
}
