/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench list experiments`: what is for `sweep`, and what for `reproduce`. */
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

TestSuite(list, .init = program_limit);

/* The command that takes the experiment; "" where it is not listed. */
static const char *command_of(const json_t *list, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return json_string_value(json_object_get(item, "command"));
    }
    return "";
}

Test(list, published_figures_are_among_experiments)
{
    struct program p = program_run("list", "experiments", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_t *list = json_loads(p.out, 0, NULL);
    cr_assert(json_is_array(list), "%s", p.out);
    cr_assert_str_eq(command_of(list, "quickstart"), "sweep");
    cr_assert_str_eq(command_of(list, "pixart-t4"), "reproduce");
    json_decref(list);
    program_release(&p);
    p = program_run("list", "experiments", NULL);
    cr_assert_not_null(strstr(p.out, "[reproduce] PixArt-alpha on 4 T4"), "%s", p.out);
    program_release(&p);
}
